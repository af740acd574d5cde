"""Predict: a clip becomes files. The landmarks and the network's answer are those of a scene."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from d3ke import many
from d3ke import predict as module
from d3ke.errors import D3keError, OptionError
from d3ke.export import scaled_like
from d3ke.motion.opensim_files import read_markers, read_motion
from d3ke.network.building import fused
from d3ke.network.checkpoint import DEFAULT, load_weights, shipped_weights
from d3ke.network.config import D3KEConfig, default_bounds, default_priors
from d3ke.network.image_network import ImageD3KE
from d3ke.network.inference import Regression
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.scale_groups import symmetric_groups
from d3ke.predict import PredictResult, Seen, in_ground, predict, predict_clip
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.vision.person import PersonTrack
from tests.made_clips import pictures, write_clip
from tests.scenes import Scene, camera_at, scene, squat

WALK = Path(__file__).parents[1] / "examples" / "walk_3s.mp4"


@pytest.fixture(scope="module")
def model() -> LandmarkD3KE:
    """A network that never ran: its answer is taken from the scene."""
    osim = default_model()
    bounds, priors = default_bounds(osim), default_priors(osim)
    config = D3KEConfig(osim.sha256, width=32, blocks=1, heads=4, bounds=bounds, priors=priors)
    torch.manual_seed(0)
    return LandmarkD3KE(config, osim)


@pytest.fixture(scope="module")
def seen() -> Scene:
    return scene(squat(1.0), camera_at())


Show = Callable[[Scene], list[str]]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Make `predict` see a scene in every clip. Returns the calls, as they come."""

    def shown(what: Scene) -> list[str]:
        calls: list[str] = []

        def tracked(*_: object, progress: Silent, **__: object) -> PersonTrack:
            calls.append("track")
            progress.warn("the person is only 90 px tall")
            return what.track

        def regressed(*_: object) -> Regression:
            return what.regression

        monkeypatch.setattr(module, "track_person", tracked)
        monkeypatch.setattr(module, "regress", regressed)
        monkeypatch.setattr(module, "camera_of", lambda *_: what.camera)
        return calls

    return shown


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", pictures(30, (72, 128)))


def test_a_mot_and_what_lies_beside_it(
    clip: Path, seen: Scene, show: Show, model: LandmarkD3KE
) -> None:
    show(seen)
    result = predict_clip(clip, clip.with_name("out.mot"), None, model)
    assert list(result.outputs) == ["mot", "osim", "trc", "npz"]
    names = {path.name for path in clip.parent.iterdir()}
    assert names == {"clip.mp4", "out.mot", "out.osim", "out.trc", "out.npz"}
    assert result.frames == 30
    assert result.seconds == pytest.approx(29 / 30)
    motion = read_motion(result.outputs["mot"])
    knee = seen.q[:, motion.names.index("knee_angle_r")]
    np.testing.assert_allclose(motion.column("knee_angle_r"), knee, atol=np.radians(0.5))


def test_the_same_clip_gives_the_same_bytes(
    clip: Path, seen: Scene, show: Show, model: LandmarkD3KE
) -> None:
    show(seen)
    one = predict_clip(clip, clip.parent / "one", None, model).outputs
    two = predict_clip(clip, clip.parent / "two", None, model).outputs
    assert all(one[name].read_bytes() == two[name].read_bytes() for name in one)


def test_what_was_assumed_is_told(clip: Path, seen: Scene, show: Show, model: LandmarkD3KE) -> None:
    show(replace(seen, camera=replace(seen.camera, source="a phone's, assumed")))
    listener = Silent()
    found = predict(clip, None, model, listener)
    assumed = found.meta["assumed"]
    assert set(assumed) == {"focal_length", "gravity", "height", "mass", "floor"}
    assert len(listener.notes) == 5
    assert all(note.startswith(f"{clip}: assumed ") for note in listener.notes)
    show(seen)
    told = predict(clip, PredictOptions(height_m=1.8, pitch_deg=0), model)
    assert set(told.meta["assumed"]) == {"floor", "mass"}


@pytest.mark.parametrize(("height_m", "mass_kg"), [(1.5, 57.5), (1.715, 75.2), (1.9, 92.3)])
def test_mass_keeps_the_body_mass_index_of_the_model(
    seen: Scene, height_m: float, mass_kg: float
) -> None:
    sight = Seen(seen.track, seen.camera, seen.regression, 30.0)
    found = in_ground(sight, default_model(), PredictOptions(height_m=height_m))
    bodies = found.model().bodies
    assert sum(body.mass_kg for body in bodies) == pytest.approx(mass_kg, rel=0.01)
    assert (
        found.meta["assumed"]["mass"] == f"{sum(b.mass_kg for b in bodies):.0f} kg, from the height"
    )
    other = scaled_like(found, default_model())
    assert sum(body.mass_kg for body in other.bodies) == pytest.approx(mass_kg, rel=0.01)


def test_warnings_are_kept_without_the_clips_path(
    clip: Path, seen: Scene, show: Show, model: LandmarkD3KE
) -> None:
    show(seen)
    listener = Silent()
    result = predict_clip(clip, clip.parent / "out", None, model, listener)
    assert result.warnings == ("the person is only 90 px tall",)
    assert listener.warnings == [f"{clip}: the person is only 90 px tall"]
    meta = Prediction.load(result.outputs["npz"]).meta
    assert str(clip.parent) not in json.dumps(meta)


def test_a_tilted_camera_is_told(clip: Path, show: Show, model: LandmarkD3KE) -> None:
    show(scene(squat(1.0), camera_at(azimuth_deg=10, pitch_deg=20, height_m=2.0)))
    tilted = predict(clip, PredictOptions(refine=False), model).meta["warnings"]
    assert any("out of balance" in warning and "(--pitch " in warning for warning in tilted)
    known = predict(clip, PredictOptions(pitch_deg=20), model).meta["warnings"]
    assert not any("out of balance" in warning for warning in known)
    found = predict(clip, None, model)  # refined: the tilt is no longer in the way
    assert not any("out of balance" in warning for warning in found.meta["warnings"])
    assert found.meta["assumed"]["gravity"].startswith("the camera looks down by ")


def test_resume_leaves_alone_what_is_done(
    clip: Path, seen: Scene, show: Show, model: LandmarkD3KE
) -> None:
    calls = show(seen)
    options = PredictOptions(resume=True)
    first = predict_clip(clip, clip.parent / "out", options, model)
    again = predict_clip(clip, clip.parent / "out", options, model)
    assert calls == ["track"]
    assert not first.skipped
    assert again == replace(first, skipped=True)


@pytest.mark.parametrize("change", ["options", "clip", "missing", "broken"])
def test_resume_does_again_what_is_not_whole(
    clip: Path, seen: Scene, show: Show, model: LandmarkD3KE, change: str
) -> None:
    calls = show(seen)
    options = PredictOptions(resume=True)
    done = predict_clip(clip, clip.parent / "out", options, model)
    if change == "options":
        options = replace(options, filter_hz=10.0)
    elif change == "clip":
        write_clip(clip, pictures(40, (72, 128)))
    elif change == "missing":
        done.outputs["trc"].unlink()
    else:
        done.outputs["npz"].write_bytes(b"half")
    predict_clip(clip, clip.parent / "out", options, model)
    assert calls == ["track", "track"]


def test_nothing_is_written_if_one_file_fails(
    clip: Path, seen: Scene, show: Show, model: LandmarkD3KE, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(seen)

    def full(*_: object) -> None:
        raise D3keError("out.trc: the disk is full.")

    monkeypatch.setattr(module, "write_files", full)
    with pytest.raises(D3keError, match="disk is full"):
        predict_clip(clip, clip.parent / "out", None, model)
    assert not list((clip.parent / "out").iterdir())


def test_a_target_that_cannot_be_is_told_before_the_work(
    clip: Path, seen: Scene, show: Show, model: LandmarkD3KE
) -> None:
    calls = show(seen)
    with pytest.raises(D3keError, match="cannot be made"):
        predict_clip(clip, clip / "out", None, model)
    assert not calls


def test_one_bad_clip_does_not_stop_the_others(
    clip: Path, seen: Scene, show: Show, model: LandmarkD3KE, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(seen)
    monkeypatch.setattr(many, "load_weights", lambda _: model)
    bad = clip.with_name("bad.mp4")
    bad.write_text("no video")
    missing, good = many.predict_many([bad, clip], clip.parent / "out")
    assert isinstance(missing, tuple)
    assert missing[0] == bad
    assert "bad.mp4" in str(missing[1])
    assert isinstance(good, PredictResult)
    assert good.outputs["mot"] == clip.parent / "out" / "clip.mot"


def test_a_person_who_leaves_and_comes_back(
    clip: Path, seen: Scene, show: Show, model: LandmarkD3KE
) -> None:
    """Unknown from 0.13 to 0.83 s: too long to guess. The short gap at the end is bridged."""
    there = np.ones(30, bool)
    there[[0, 1, *range(5, 25), 27]] = False
    landmarks = np.where(there[:, None, None], seen.track.landmarks, np.nan)
    track = replace(seen.track, seen=there, landmarks=landmarks.astype(np.float32))
    show(replace(seen, track=track))
    result = predict_clip(clip, clip.parent / "out", None, model)
    raw = Prediction.load(result.outputs["npz"])
    unknown = np.isnan(raw.q).all(axis=1)
    assert np.flatnonzero(unknown).tolist() == [0, 1, *range(5, 25)]
    assert np.isfinite(raw.q[~unknown]).all()
    motion = read_motion(result.outputs["mot"])
    assert motion.time[0] == pytest.approx(2 / 30)
    assert np.isfinite(motion.q).all()
    assert np.isnan(read_markers(result.outputs["trc"]).xyz).any()
    assert any("out of sight from 0.13 to 0.83 s" in warning for warning in result.warnings)


def test_uneven_frames_give_an_even_motion(
    seen: Scene, show: Show, model: LandmarkD3KE, clip: Path
) -> None:
    keep = np.setdiff1d(np.arange(30), [7, 8, 15])
    track = replace(
        seen.track,
        **{
            name: getattr(seen.track, name)[keep]
            for name in ("time", "frames", "landmarks", "presence", "boxes", "seen")
        },
    )
    answer = seen.regression._replace(q=seen.regression.q[keep], root=seen.regression.root[keep])
    show(replace(seen, track=track, regression=answer))
    result = predict_clip(clip, clip.parent / "out", None, model)
    motion = read_motion(result.outputs["mot"])
    assert np.ptp(np.diff(motion.time)) < 1e-6
    assert len(motion.time) == 30
    knee = seen.q[:, motion.names.index("knee_angle_r")]
    np.testing.assert_allclose(motion.column("knee_angle_r"), knee, atol=np.radians(1))


def test_the_overlay_comes_with_the_rest(
    clip: Path, seen: Scene, show: Show, model: LandmarkD3KE
) -> None:
    show(seen)
    result = predict_clip(clip, clip.parent / "out.mot", PredictOptions(overlay=True), model)
    assert result.outputs["overlay"] == clip.parent / "out_overlay.mp4"
    assert result.outputs["overlay"].stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"height_m": 175.0}, r"a height of 175: it is given in metres.* Did you mean 1\.75\?"),
        ({"height_m": 5.9}, r"Did you mean 1\.80\?"),  # feet
        ({"height_m": -1.0}, r"from 0\.4 to 2\.6\.$"),
        ({"height_m": float("nan")}, "a height of nan"),
        ({"pitch_deg": 100.0}, "a pitch of 100 deg"),
        ({"rate_hz": -5.0}, "a rate of -5 Hz"),
        ({"filter_hz": -1.0}, "a filter at -1 Hz"),
    ],
)
def test_unlikely_options_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        PredictOptions(**options)  # type: ignore[arg-type]


def test_a_gpu_that_is_not_there_is_told(
    clip: Path, model: LandmarkD3KE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(D3keError, match="no CUDA GPU"):
        predict(clip, PredictOptions(device="cuda"), model)


@pytest.fixture(scope="module")
def sighted() -> ImageD3KE:
    """A network for pictures that was never trained."""
    osim = default_model()
    groups = [group.to_dict() for group in symmetric_groups(osim.body_names)]
    names = ("knee_angle_r", "knee_angle_l", "hip_flexion_r")
    bounds = {name: default_bounds(osim)[name] for name in names}
    config = D3KEConfig(
        osim.sha256, "mobilenet_v2", "none", bounds=bounds, size=32, scale_groups=groups
    )
    torch.manual_seed(0)
    return ImageD3KE(config, osim).eval()


@pytest.fixture
def filmed(tmp_path: Path, seen: Scene) -> Path:
    return write_clip(tmp_path / "filmed.mp4", pictures(30, seen.track.size))


def test_a_network_for_pictures_gives_the_same_kinds_of_files(
    filmed: Path, seen: Scene, show: Show, sighted: ImageD3KE
) -> None:
    show(replace(seen, camera=replace(seen.camera, source="a phone's, assumed")))
    result = predict_clip(filmed, filmed.parent / "out", PredictOptions(device="cpu"), sighted)
    assert list(result.outputs) == ["mot", "osim", "trc", "npz"]
    assert result.observed == ("hip_flexion_r", "knee_angle_r", "knee_angle_l")
    assert set(result.assumed) == {"focal_length", "gravity", "height", "mass", "floor"}
    assert result.warnings[0] == "the person is only 90 px tall"
    motion = read_motion(result.outputs["mot"])
    assert len(motion.time) == 30
    assert np.isfinite(motion.q).all()
    assert np.ptp(motion.column("elbow_flex_r")) == 0  # nothing predicts it


def test_resume_knows_weights_and_precision_of_a_network_for_pictures(
    filmed: Path, seen: Scene, show: Show, sighted: ImageD3KE
) -> None:
    calls = show(seen)
    options = PredictOptions(device="cpu", precision="fp32", resume=True)
    predict_clip(filmed, filmed.parent / "out", options, sighted)
    assert predict_clip(filmed, filmed.parent / "out", options, sighted).skipped
    other = replace(options, precision="bf16")
    assert not predict_clip(filmed, filmed.parent / "out", other, sighted).skipped
    trained = copy.deepcopy(sighted)
    trained.head.weight.data += 0.01
    assert not predict_clip(filmed, filmed.parent / "out", other, trained).skipped
    assert calls == ["track"] * 3


def test_a_fusion_takes_its_shares_from_pictures(
    filmed: Path, seen: Scene, show: Show, sighted: ImageD3KE, model: LandmarkD3KE
) -> None:
    show(seen)
    options = PredictOptions(device="cpu", precision="fp32", refine=False)
    led, by_pictures = (predict(filmed, options, one) for one in (model, sighted))
    both = predict(filmed, options, fused(model, sighted, {"knee_angle_r": 0.25}))
    knee = both.coordinate_names.index("knee_angle_r")
    expected = 0.75 * led.q[0, knee] + 0.25 * by_pictures.q[0, knee]  # at the first look
    assert both.q[0, knee] == pytest.approx(expected, abs=1e-5)
    rest = [place for place in range(6, both.q.shape[1]) if place != knee]
    np.testing.assert_array_equal(both.q[:, rest], led.q[:, rest])
    np.testing.assert_array_equal(both.scales, led.scales)
    assert both.meta["key"] not in {led.meta["key"], by_pictures.meta["key"]}


@pytest.mark.parametrize("held", [(), ("frame",), ("frame", "temporal")])
def test_a_run_without_weights_yet_is_told(clip: Path, held: tuple[str, ...]) -> None:
    run = clip.parent / "run"
    run.mkdir()
    for stage in held:
        (run / stage).mkdir()
        (run / stage / "config.json").write_text("{}")
    said = r"run: no weights yet\." if held else r"run: no such weights\."
    with pytest.raises(D3keError, match=said):
        predict_clip(clip, clip.parent / "out", PredictOptions(weights=str(run)))


@pytest.mark.slow
@pytest.mark.skipif(DEFAULT not in shipped_weights(), reason="no weights in the package")
def test_a_real_walk_is_upright_forward_and_bends_the_knees() -> None:
    found = predict(WALK, PredictOptions(height_m=1.65), load_weights())
    motion = found.motion()
    assert motion.column("pelvis_tx")[-1] > 2.0  # m: she walks to where she faced
    assert np.ptp(motion.column("pelvis_ty")) < 0.2
    assert np.abs(np.degrees(motion.column("pelvis_tilt"))).max() < 25
    for side in "rl":
        assert 40 < np.degrees(np.ptp(motion.column(f"knee_angle_{side}"))) < 85
    assert found.markers[:, :, 1].min() > -0.12  # m: soles of shoes lie about the floor
    assert found.observed.sum() == 21
