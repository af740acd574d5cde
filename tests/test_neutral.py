"""Neutral: a person's constant errors, from standing, are taken off; what is no standing is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke import predict as module
from d3ke.errors import D3keError, OptionError
from d3ke.network.d3ke import D3KE
from d3ke.network.inference import Regression
from d3ke.neutral import neutral_pose, read_neutral
from d3ke.predict import Seen, in_ground, predict
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.result_key import key_of
from d3ke.skeleton import default_model
from d3ke.vision.person import PersonTrack
from tests.command import Command
from tests.judged_data import fresh
from tests.made_clips import pictures, write_clip
from tests.scenes import NAMES, Scene, camera_at, scene, squat

Array = NDArray[np.float64]

ERRORS = {"knee_angle_r": 7.0, "knee_angle_l": 5.0, "ankle_angle_r": -4.0, "hip_flexion_l": 3.0}
OTHERS = {"hip_rotation_r": 6.0, "lumbar_extension": -8.0, "arm_flex_l": 9.0}


def bent(seen: Scene, **degrees: float) -> Scene:
    """As a network sees it that says so much too much, always."""
    q = seen.regression.q.copy()
    for name, off in degrees.items():
        q[:, NAMES.index(name)] += np.radians(off)
    return replace(seen, regression=seen.regression._replace(q=q))


def predicted(seen: Scene) -> Prediction:
    there = Seen(seen.track, seen.camera, seen.regression, 30.0)
    return in_ground(there, default_model(), PredictOptions(refine=False))


@pytest.fixture(scope="module")
def squatting() -> Scene:
    """Stands for half a second, squats twice, and stands again from 3.5 to 4 s."""
    return bent(scene(squat(), camera_at()), **ERRORS, **OTHERS)


def test_what_legs_are_bent_by_is_found(squatting: Scene) -> None:
    neutral = neutral_pose(predicted(squatting), (0.0, 0.4))
    assert neutral.told(NAMES) == pytest.approx(ERRORS, abs=0.01)


def test_turned_out_feet_spine_and_arms_are_no_error(squatting: Scene) -> None:
    told = neutral_pose(predicted(squatting), (0.0, 0.4)).told(NAMES)
    assert not {*told} & {*OTHERS}


def test_what_is_not_observed_is_left_alone(squatting: Scene) -> None:
    found = predicted(squatting)
    observed = found.observed.copy()
    observed[NAMES.index("knee_angle_r")] = False
    told = neutral_pose(replace(found, observed=observed), (0.0, 0.4)).told(NAMES)
    assert {*told} == {*ERRORS} - {"knee_angle_r"}


def test_the_stillest_second_of_a_clip_is_taken() -> None:
    q = squat()[1]
    standing = np.concatenate([q, np.repeat(q[-1:], 40, axis=0)])  # from 3.5 s on
    long = scene((np.arange(len(standing)) / 30, standing), camera_at())
    neutral = neutral_pose(predicted(bent(long, **ERRORS)))
    assert neutral.span_s[0] >= 3.4
    assert np.diff(neutral.span_s)[0] == pytest.approx(1.0, abs=0.1)
    assert neutral.told(NAMES) == pytest.approx(ERRORS, abs=0.01)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ((0.5, 1.5), "hip_flexion_r moves by"),
        ((3.9, 5.0), "the person is seen there for less than 0.3 s"),
        ((7.0, 9.0), "the clip is 4.0 s long"),
    ],
)
def test_what_is_no_standing_is_refused(
    squatting: Scene, span: tuple[float, float], words: str
) -> None:
    with pytest.raises(D3keError, match=words) as raised:
        neutral_pose(predicted(squatting), span)
    assert "\n" not in str(raised.value)


def test_sitting_is_refused() -> None:
    time, q = squat()
    for side in "rl":
        q[:, NAMES.index(f"hip_flexion_{side}")] = np.radians(85)
        q[:, NAMES.index(f"knee_angle_{side}")] = np.radians(90)
    with pytest.raises(D3keError, match="hip_flexion_r is 85 deg"):
        neutral_pose(predicted(scene((time[:30], q[:30]), camera_at())), (0.0, 0.8))


def test_lying_is_refused() -> None:
    time, q = squat(1.0)
    q = np.repeat(q[:1], len(q), axis=0)
    q[:, 0] -= np.radians(85)
    lying = predicted(scene((time, q), camera_at()))
    with pytest.raises(D3keError, match="pelvis_tilt is -85 deg"):
        neutral_pose(lying, (0.0, 0.8))


def test_walking_through_is_refused() -> None:
    time, q = squat(1.0)
    q = np.repeat(q[:1], len(q), axis=0)
    q[:, 3] += time
    with pytest.raises(D3keError, match="the pelvis moves by"):
        neutral_pose(predicted(scene((time, q), camera_at())), (0.0, 0.8))


def test_seconds_out_of_sight_are_refused(squatting: Scene) -> None:
    found = predicted(squatting)
    q = found.q.copy()
    q[:12] = np.nan
    with pytest.raises(D3keError, match="the person is seen there"):
        neutral_pose(replace(found, q=q), (0.0, 0.5))


def test_seconds_or_a_clip_are_read() -> None:
    assert read_neutral("0.5-1.5") == (0.5, 1.5)
    assert read_neutral("2") == (1.75, 2.25)
    assert read_neutral("0.1") == (0.0, 0.5)
    assert read_neutral("stand.mp4") == Path("stand.mp4")
    assert read_neutral("2-stand.mp4") == Path("2-stand.mp4")


@pytest.mark.parametrize("words", ["2-1", "1-1", "1-1.1"])
def test_seconds_that_are_none_are_refused(words: str) -> None:
    with pytest.raises(OptionError, match="give at least"):
        read_neutral(words)
    start, end = (float(part) for part in words.split("-"))
    with pytest.raises(OptionError):
        PredictOptions(neutral=(start, end))


@pytest.fixture(scope="module")
def model() -> D3KE:
    """A network that never ran: its answer is the scene's."""
    return fresh(0)


@pytest.fixture
def clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, squatting: Scene
) -> tuple[Path, Path, list[str]]:
    """A clip of squats and one of standing, and which were looked at, as they are."""
    squats, stand = (
        write_clip(tmp_path / f"{name}.mp4", pictures(30, (72, 128)))
        for name in ("squats", "stand")
    )
    still = scene((squatting.time[:12], np.repeat(squatting.q[:1], 12, axis=0)), camera_at())
    scenes = {"squats": squatting, "stand": bent(still, knee_angle_r=7.0)}
    calls: list[str] = []

    def tracked(video: object, *_: object, **__: object) -> PersonTrack:
        calls.append(video.path.stem)  # type: ignore[attr-defined]
        return scenes[calls[-1]].track

    def regressed(*_: object) -> Regression:
        return scenes[calls[-1]].regression

    monkeypatch.setattr(module, "track_person", tracked)
    monkeypatch.setattr(module, "_regressed", regressed)
    monkeypatch.setattr(module, "camera_of", lambda *_: squatting.camera)
    return squats, stand, calls


@pytest.mark.parametrize("refine", [False, True])
def test_a_prediction_is_straight_where_the_person_stands(
    clips: tuple[Path, Path, list[str]], model: D3KE, refine: bool
) -> None:
    found = predict(clips[0], PredictOptions(neutral=(0.0, 0.4), refine=refine), model)
    standing = np.degrees(np.median(found.q[:12], axis=0))
    for name in ERRORS:
        assert standing[NAMES.index(name)] == pytest.approx(0.0, abs=3.0 if refine else 0.01)
    assert found.meta["neutral"] == pytest.approx(ERRORS, abs=0.01)
    assert "0.0 to 0.4 s: up to 7 deg taken off" in found.meta["assumed"]["neutral"]
    assert found.meta["options"]["neutral"] == (0.0, 0.4)


def test_another_clip_may_show_the_standing(
    clips: tuple[Path, Path, list[str]], model: D3KE
) -> None:
    squats, stand, calls = clips
    options = PredictOptions(refine=False)
    plain = predict(squats, options, model)
    found = predict(squats, replace(options, neutral=stand, person=(1, 1, 9, 9)), model)
    assert calls == ["squats", "squats", "stand"]
    off = np.degrees(plain.q - found.q)[:, 6:]
    assert off[:, NAMES.index("knee_angle_r") - 6] == pytest.approx(7.0, abs=0.01)
    assert np.abs(np.delete(off, NAMES.index("knee_angle_r") - 6, axis=1)).max() < 1e-9
    assert "of stand.mp4" in found.meta["assumed"]["neutral"]


def test_a_clip_without_standing_is_named(clips: tuple[Path, Path, list[str]], model: D3KE) -> None:
    squats, stand, _ = clips
    with pytest.raises(D3keError, match=r"squats\.mp4: no neutral pose from"):
        predict(stand, PredictOptions(neutral=squats), model)


def test_the_key_tells_what_the_other_clip_shows(
    clips: tuple[Path, Path, list[str]], model: D3KE
) -> None:
    squats, stand, _ = clips
    keys = set()
    for neutral in (None, (0.0, 0.4), (0.0, 0.5), stand):
        keys.add(key_of(squats, PredictOptions(neutral=neutral).told(), model))
    write_clip(stand, pictures(20, (72, 128)))
    keys.add(key_of(squats, PredictOptions(neutral=stand).told(), model))
    assert len(keys) == 5


def test_a_neutral_clip_that_is_not_there_is_one_line(
    d3ke: Command, clips: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    done = d3ke("predict", clips[0], "-o", tmp_path / "o.mot", "--neutral", tmp_path / "no.mp4")
    assert done.status == 1
    assert len(done.errors) == 1
    assert "no.mp4" in done.errors[0]
    assert "no such file" in done.errors[0]


def test_a_neutral_span_that_is_none_is_wrong_use(d3ke: Command, tmp_path: Path) -> None:
    done = d3ke("predict", tmp_path / "a.mp4", "-o", tmp_path / "o.mot", "--neutral", "3-2")
    assert done.status == 2
    assert "from 3 to 2 s" in done.err
