"""Export: files from a prediction alone, and what OpenSim makes of them."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from d3ke.errors import D3keError, OptionError
from d3ke.export import Sampling, bridged, export, gap_warnings, sampled, scaled_like
from d3ke.motion.c3d import read_c3d
from d3ke.motion.opensim_files import read_markers, read_motion
from d3ke.posing import posed
from d3ke.predict import Seen, in_ground
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.scenes import NAMES, camera_at, scene, squat


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    seen = scene(squat(2.0), camera_at(), scale=1.05)
    sight = Seen(seen.track, seen.camera, seen.regression, 60.0)  # a clip at 60, seen at 30 Hz
    # unrefined: who is made up here stands out of balance, and the camera would seem tilted
    found = in_ground(sight, default_model(), PredictOptions(refine=False))
    return replace(found, observed=np.ones(40, bool))


@pytest.fixture(scope="module")
def with_gap(prediction: Prediction) -> Prediction:
    """Unknown before 0.2 s, from 0.8 to 1.5 s, and after 1.8 s."""
    q = prediction.q.copy()
    time = prediction.time
    q[(time < 0.19) | ((time > 0.81) & (time < 1.49)) | (time > 1.81)] = np.nan
    return replace(prediction, q=q)


@pytest.fixture
def saved(prediction: Prediction, tmp_path: Path) -> Path:
    prediction.save(tmp_path / "clip.npz")
    return tmp_path / "clip.npz"


def test_the_rate_is_the_clips_and_the_motion_is_kept(prediction: Prediction) -> None:
    motion = sampled(prediction, Sampling()).motion
    assert motion.rate_hz == pytest.approx(60)
    assert len(motion.time) == 2 * len(prediction.time) - 1
    knee = np.interp(motion.time, prediction.time, prediction.motion().column("knee_angle_r"))
    assert np.abs(motion.column("knee_angle_r") - knee).max() < np.radians(0.5)


def test_zero_turns_the_filter_off(prediction: Prediction) -> None:
    motion = sampled(prediction, Sampling(30.0, 0)).motion
    np.testing.assert_allclose(motion.q, prediction.q, atol=1e-6)


def test_the_filter_takes_jitter_away(prediction: Prediction) -> None:
    jitter = 0.05 * np.sin(2 * np.pi * 12 * prediction.time)  # 12 Hz, 3 deg
    shaken = replace(prediction, q=prediction.q + jitter[:, None])
    left = sampled(shaken, Sampling(30.0)).motion.q - sampled(prediction, Sampling(30.0)).motion.q
    assert np.abs(left[5:-5]).max() < 0.01


def test_markers_are_those_of_the_motion(prediction: Prediction) -> None:
    result = sampled(prediction, Sampling(30.0, 0))
    np.testing.assert_allclose(result.markers.xyz, prediction.markers, atol=1e-5)  # m, float32


def test_a_gap_is_bridged_in_the_motion_and_left_in_the_markers(with_gap: Prediction) -> None:
    result = sampled(with_gap, Sampling(30.0, 0))
    gap = (result.motion.time > 0.81) & (result.motion.time < 1.49)
    assert result.motion.time[[0, -1]] == pytest.approx([0.2, 1.8])
    assert np.isnan(result.markers.xyz[gap]).all()
    assert np.isfinite(result.markers.xyz[~gap]).all()
    across = bridged(result.motion).q
    assert np.isfinite(across).all()
    assert np.abs(np.diff(across[gap], 2, axis=0)).max() < 1e-9  # a straight line


def test_the_gap_is_told_with_its_times(with_gap: Prediction) -> None:
    assert [warning.split(":")[0] for warning in gap_warnings(with_gap)] == [
        "out of sight from 0.80 to 1.50 s"
    ]


def test_a_hole_in_the_clip_is_told_too(prediction: Prediction) -> None:
    """A camera that stops for a second: no frame is without the person, and nothing is known."""
    time = prediction.time + (prediction.time > 1.01)
    (warning,) = gap_warnings(replace(prediction, time=time))
    assert warning.startswith("no frames from 1.00 to 2.03 s")
    assert np.isnan(sampled(replace(prediction, time=time), Sampling()).markers.xyz).any()
    assert gap_warnings(replace(prediction, time=30 * prediction.time)) == []  # a frame a second


def test_all_formats_hold_the_same(saved: Path, tmp_path: Path) -> None:
    done = export(saved, tmp_path / "out", ["mot", "trc", "osim", "c3d", "csv"])
    assert done.outputs["csv"] == tmp_path / "out" / "clip.csv"
    assert not done.warnings
    motion = read_motion(done.outputs["mot"])
    markers = read_markers(done.outputs["trc"])
    table = np.genfromtxt(done.outputs["csv"], delimiter=",", names=True)
    assert motion.names == NAMES
    np.testing.assert_allclose(
        table["knee_angle_r"], np.degrees(motion.column("knee_angle_r")), atol=1e-6
    )
    c3d = read_c3d(done.outputs["c3d"])
    assert c3d.names == markers.names
    np.testing.assert_allclose(c3d.xyz, markers.xyz, atol=1e-5)  # m: .c3d holds float32 mm
    assert OsimModel.from_file(done.outputs["osim"]).marker_names == markers.names


def test_the_marker_file_bears_its_own_name_and_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    texts = [
        export(saved, tmp_path / folder, ["trc"]).outputs["trc"].read_bytes()
        for folder in ("one", "two")
    ]
    assert texts[0] == texts[1]
    assert texts[0].splitlines()[0].endswith(b"clip.trc")


def test_another_model_gets_its_own_names_and_signs(saved: Path, data_dir: Path) -> None:
    path = next((data_dir / "osim" / "nimblephysics").glob("*2392*.osim"))
    model = OsimModel.from_file(path)
    done = export(saved, saved.parent / "other", ["mot", "osim"], model)
    own = export(saved, saved.parent / "own", ["mot"])
    theirs, ours = read_motion(done.outputs["mot"]), read_motion(own.outputs["mot"])
    np.testing.assert_allclose(
        theirs.column("knee_angle_r"), -ours.column("knee_angle_r"), atol=1e-9
    )
    assert any(
        "no coordinate" in warning and "elbow_flex_r" in warning for warning in done.warnings
    )
    scaled = OsimModel.from_file(done.outputs["osim"])
    pelvis = model.body_names.index("pelvis")
    np.testing.assert_allclose(
        scaled.bodies[pelvis].mass_center,
        1.05 * np.array(model.bodies[pelvis].mass_center),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    "file", ["nimblephysics/Rajagopal2015.osim", "opencap-core/LaiUhlrich2022.osim"]
)
def test_another_models_limbs_have_the_persons_lengths(
    prediction: Prediction, data_dir: Path, file: str
) -> None:
    model = OsimModel.from_file(data_dir / "osim" / file)
    theirs, ours = scaled_like(prediction, model), prediction.model()
    for side in "rl":
        chain = [f"{joint}_{side}" for joint in ("hip", "walker_knee", "ankle")]
        arm = [f"{joint}_{side}" for joint in ("acromial", "elbow", "radius_hand")]
        for ends in (*pairwise(chain), *pairwise(arm)):
            assert length(theirs, *ends) == pytest.approx(length(ours, *ends), abs=1e-3), ends  # m


def length(osim: OsimModel, first: str, second: str) -> float:
    """Between two joint centres with every coordinate at zero, m."""
    joints = posed(SkeletalModel(osim), np.zeros((1, len(osim.coordinates)))).joints[0]
    first_at, second_at = (joints[osim.joint_names.index(name)] for name in (first, second))
    return float(np.linalg.norm(first_at - second_at))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"formats": ["bvh"]}, "format bvh: choose from"),
        ({"formats": []}, "format none"),
        ({"rate_hz": 0.0}, "a rate of 0 Hz"),
        ({"rate_hz": float("nan")}, "a rate of nan Hz"),
        ({"filter_hz": -1.0}, "a filter at -1 Hz"),
    ],
)
def test_wrong_wishes_are_named(saved: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        export(saved, saved.parent, **options)  # type: ignore[arg-type]


def test_if_a_format_cannot_be_written_none_is(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, result: object) -> None:
        raise D3keError(f"{path}: the disk is full.")

    monkeypatch.setitem(export.__globals__["WRITERS"], "trc", full)
    with pytest.raises(D3keError, match=r"out/clip\.trc: the disk is full"):
        export(saved, tmp_path / "out", ["mot", "trc"])
    assert not list((tmp_path / "out").iterdir())


def test_opensim_stands_the_person_on_the_floor_facing_forward(saved: Path, tmp_path: Path) -> None:
    opensim = pytest.importorskip("opensim")
    done = export(saved, tmp_path / "out")
    model = opensim.Model(str(done.outputs["osim"]))
    state = model.initSystem()
    table = opensim.TimeSeriesTable(str(done.outputs["mot"]))
    row = table.getRowAtIndex(0)
    for column, name in enumerate(table.getColumnLabels()):
        coordinate = model.getCoordinateSet().get(name)
        turn = coordinate.getMotionType() == opensim.Coordinate.Rotational
        value = row[column]
        coordinate.setValue(state, np.radians(value) if turn else value, False)
    model.realizePosition(state)

    def place(body: str, point: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
        frame = model.getBodySet().get(body)
        return np.array(frame.findStationLocationInGround(state, opensim.Vec3(*point)).to_numpy())

    assert place("calcn_r", (0, -0.03, 0))[1] == pytest.approx(0, abs=0.01)  # m
    assert place("head", (0, 0.152, 0))[1] == pytest.approx(1.05 * 1.712, abs=0.02)  # VTX
    assert place("pelvis")[[0, 2]] == pytest.approx([0, 0], abs=1e-3)
    assert (place("toes_r") - place("calcn_r"))[0] > 0.1  # to +x
    assert (place("femur_r") - place("femur_l"))[2] > 0.1  # right is +z
