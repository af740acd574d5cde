"""Clocks of videos and recordings, put together by motion alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from d3ke.errors import D3keError
from d3ke.omc.landmark_points import landmark_points
from d3ke.omc.moving_points import LIMBS
from d3ke.omc.sync import Sync, Trial, align, trusted
from d3ke.omc.velocities import velocity_scores
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.vision.camera import Camera
from tests.omc_scenes import CAMERA, OSIM, SKELETON, doing, marching, still, trial

SIZE = CAMERA.size
MIDDLE_S = 26.0  # of the laboratory: of what trials show


def synchronise(one: Trial, size: tuple[int, int], camera: Camera | None = None) -> Sync:
    """The clocks of a trial, where they are not in doubt."""
    return trusted(one, align(one, size, camera)).sync


def error_s(found: Trial, offset_s: float, drift: float, true_s: float, true_drift: float) -> float:
    """How far the clocks are off in the middle of a trial."""
    middle = (MIDDLE_S - true_s) / (1 + true_drift)
    return abs(offset_s + drift * middle - true_s - true_drift * middle)


@pytest.mark.parametrize("offset_s", [-47.113, 12.34])
def test_clocks_are_found_to_5_ms_without_a_camera(offset_s: float) -> None:
    one = trial(doing(1), offset_s=offset_s)
    found = synchronise(one, SIZE)
    assert error_s(one, found.offset_s, found.drift, offset_s, 0) < 0.005
    assert found.uncertainty_s < 0.005
    assert found.confidence > 0.8


def test_clocks_are_found_with_the_camera_that_filmed() -> None:
    one = trial(doing(2), seed=2)
    assert synchronise(one, SIZE, CAMERA).offset_s == pytest.approx(12.34, abs=0.005)


@pytest.mark.parametrize(
    ("recorded", "filmed"), [((10, 70), (30, 36)), ((20, 26), (5, 50)), ((20, 30), (14, 24))]
)
def test_either_may_be_longer_or_begin_later(
    recorded: tuple[float, float], filmed: tuple[float, float]
) -> None:
    one = trial(doing(3), recorded=recorded, filmed=filmed, seed=3)
    assert synchronise(one, SIZE, CAMERA).offset_s == pytest.approx(12.34, abs=0.008)


@pytest.mark.slow
def test_a_drift_is_found_in_a_long_video_and_none_in_a_short_one() -> None:
    long = trial(doing(4), drift=1e-3, recorded=(0, 200), filmed=(2, 198), seed=4)
    found = synchronise(long, SIZE, CAMERA)
    assert found.drift == pytest.approx(1e-3, abs=5e-5)  # 5 ms over 100 s
    assert error_s(long, found.offset_s, found.drift, 12.34, 1e-3) < 0.010
    short = synchronise(trial(doing(4), filmed=(22, 30), seed=4), SIZE, CAMERA)
    assert short.drift == 0


def test_gaps_and_unseen_limbs_do_no_harm() -> None:
    one = trial(doing(5), seed=5)
    weights, places = one.seen.weights.copy(), one.moved.places
    weights[60:110] = 0
    weights[:, ::3] = 0
    places[300:420, 4] = np.nan
    holed = one._replace(seen=replace(one.seen, weights=weights))
    assert synchronise(holed, SIZE, CAMERA).offset_s == pytest.approx(12.34, abs=0.006)


@pytest.mark.parametrize("camera", [None, CAMERA])
def test_a_movement_that_repeats_itself_is_refused(camera: object) -> None:
    known = CAMERA if camera is not None else None
    one = trial(marching, recorded=(20, 32), filmed=(23, 29))
    with pytest.raises(D3keError, match=r"repeats itself.*--sync SECONDS") as told:
        synchronise(one, SIZE, known)
    assert "\n" not in str(told.value)


def test_steps_that_repeat_are_told_apart_by_one_that_does_not() -> None:
    def once(time: np.ndarray) -> np.ndarray:
        q = marching(time)
        q[:, 0] += 0.3 * np.exp(-((time - 25.0) ** 2))  # leans back once
        q[:, 3] += 0.5 / (1 + np.exp(-3 * (time - 27.0)))  # and takes a step
        return q

    one = trial(once, recorded=(20, 32), filmed=(21, 31))
    assert synchronise(one, SIZE, CAMERA).offset_s == pytest.approx(12.34, abs=0.006)


@pytest.mark.parametrize("shift_m", [(0.6, 0.0, 0.0), (0.0, 0.0, -9.0)])
def test_a_camera_that_stands_elsewhere_is_refused(shift_m: tuple[float, ...]) -> None:
    elsewhere = replace(CAMERA, t=CAMERA.t + np.array(shift_m))  # aside; or it looks away
    with pytest.raises(D3keError, match=r"camera does not fit.*Name its own calibration"):
        synchronise(trial(doing(2), seed=2), SIZE, elsewhere)


def test_who_stands_still_is_refused() -> None:
    with pytest.raises(D3keError, match="hardly move"):
        synchronise(trial(still), SIZE, CAMERA)


def test_a_recording_of_something_else_is_refused() -> None:
    mixed = trial(doing(6))._replace(moved=trial(doing(7)).moved)
    found = align(mixed, SIZE, CAMERA)
    assert found.doubt
    assert found.sync.confidence == 0
    with pytest.raises(D3keError, match="trial 0: not synchronised"):
        synchronise(mixed, SIZE, CAMERA)


def test_clocks_that_jump_are_refused() -> None:
    one = trial(doing(8), noise=0.5)
    time = one.seen.time + 0.2 * (np.arange(len(one.seen.time)) > len(one.seen.time) // 2)
    with pytest.raises(D3keError, match=r"halves|weak|hardly|repeats"):
        synchronise(one._replace(seen=replace(one.seen, time=time)), SIZE, CAMERA)


def test_a_second_in_common_is_too_little() -> None:
    one = trial(doing(9), recorded=(20, 21))
    with pytest.raises(D3keError, match=r"share less than .*--sync SECONDS"):
        synchronise(one, SIZE, CAMERA)


def test_a_squat_is_not_taken_for_its_rising() -> None:
    # upside down and half a period later, a squat looks the same
    time = np.arange(0, 8, 1 / 30)
    depth = np.sin(2 * np.pi * 0.5 * time)[:, None] * np.array([1.0, 0.5, 0.2])
    points = np.zeros((len(time), 3, 3))
    points[..., 1] = 1 - 0.3 * depth
    pixels = np.stack([np.full_like(depth, 300.0), 400 + 150 * depth], axis=2)
    scores = velocity_scores(time, pixels, time, points)
    explained = dict(zip(scores.offsets_s.round(2).tolist(), scores.explained, strict=True))
    assert explained[0.0] > 0.95
    assert explained[1.0] < 0.05


def test_points_follow_from_the_skeleton_and_its_size() -> None:
    q = doing(13)(np.arange(3.0))
    q[1, 3] = np.nan
    large = np.full((len(OSIM.bodies), 3), 1.1)
    found = landmark_points(SKELETON, q, large)
    of_bodies = SKELETON.bodies(torch.from_numpy(q[:1]), torch.from_numpy(large))[0].numpy()
    knee = of_bodies[OSIM.body_names.index("femur_r")] @ [-0.009 * 1.1, -0.4086 * 1.1, 0, 1]
    assert found.places[0, LIMBS.index(26)] == pytest.approx(knee[:3], abs=0.003)  # less its side
    assert np.isnan(found.places[1]).any()
    assert found.places[2] == pytest.approx(
        landmark_points(SKELETON, q[2:], large).places[0], abs=1e-9
    )


def test_points_of_a_model_without_limbs_are_refused(data_dir: Path) -> None:
    pendulum = data_dir / "osim" / "opensim-core"
    model = next(
        path for path in sorted(pendulum.rglob("*.osim")) if "pendulum" in path.name.lower()
    )
    skeleton = SkeletalModel(OsimModel.from_file(model), torch.float64)
    with pytest.raises(D3keError, match="only 0 of its joints are where landmarks"):
        landmark_points(skeleton, np.zeros((1, len(skeleton.osim.coordinates))))
