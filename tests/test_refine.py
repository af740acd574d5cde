"""Refine: a motion that was disturbed comes back, feet and floor meet, the camera's tilt is found.

The people are made up: who they are, how they move and what the camera sees of it is known.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.place import FEET, Placement, place
from d3ke.predict import Seen, in_ground
from d3ke.predict_options import PredictOptions
from d3ke.refine import refined
from d3ke.skeleton import default_model
from d3ke.skeleton.landmark_places import sole_places
from tests.scenes import FOOT, NAMES, SKELETON, SOLE_M, Scene, bodies, camera_at, scene, squat

Array = NDArray[np.float64]

MASSES = np.array([body.mass_kg for body in default_model().bodies])
LEANS = np.radians(np.arange(0, 25, 6))


def leaning(q: Array, lean: Array) -> Array:
    """The same, leaning forwards over feet that stay. lean: (T,) rad."""
    leant = q.copy()
    leant[:, NAMES.index("pelvis_tilt")] -= lean
    for side in "rl":
        leant[:, NAMES.index(f"ankle_angle_{side}")] += lean
    leant[:, 3:6] -= bodies(leant)[:, FOOT, :3, 3]
    leant[:, 4] += SOLE_M
    return leant


def soles(q: Array) -> Array:
    """Undersides of heels and toes, (T, 4, 3)."""
    index, places = sole_places(default_model().body_names, FEET)
    return placed_on(bodies(q)[:, index], places)


def placed_on(frames: Array, places: Array) -> Array:
    points: Array = np.einsum("tpij,pj->tpi", frames[:, :, :3, :3], places) + frames[:, :, :3, 3]
    return points


def out_of_balance(q: Array) -> Array:
    """How far the centre of mass lies before the middle of the feet, (T,) m."""
    centers = np.array([body.mass_center for body in default_model().bodies])
    center = np.average(placed_on(bodies(q), centers), axis=1, weights=MASSES)
    ahead: Array = (center - soles(q).mean(axis=1))[:, 0]
    return ahead


@pytest.fixture(scope="module")
def balanced() -> tuple[Array, Array]:
    """Two squats of one who stays in balance."""
    time, q = squat()
    ahead = np.stack([out_of_balance(leaning(q, np.full(len(q), lean))) for lean in LEANS])
    lean = [np.interp(0, column, LEANS) for column in ahead.T]
    return time, leaning(q, np.array(lean))


@pytest.fixture(scope="module")
def seen(balanced: tuple[Array, Array]) -> Scene:
    return scene(balanced, camera_at())


def disturbed(seen: Scene, **degrees: float) -> Scene:
    """As a network sees it whose answers sway by so much, 1 a second, each in its own time."""
    q = seen.regression.q.copy()
    for phase, (name, most) in enumerate(degrees.items()):
        q[:, NAMES.index(name)] += np.radians(most) * np.sin(2 * np.pi * seen.time + phase)
    return replace(seen, regression=seen.regression._replace(q=q))


def before_and_after(seen: Scene) -> tuple[Placement, Placement]:
    before = place(seen.regression, seen.track, seen.camera, SKELETON)
    observed = seen.regression.observed
    return before, refined(before, observed, seen.track, seen.camera, SKELETON)


def error_deg(found: Placement, seen: Scene, name: str) -> float:
    column = NAMES.index(name)
    apart = found.q[:, column] - seen.q[:, column]
    return float(np.degrees(np.sqrt(np.mean(apart**2))))


def tilt_error_deg(found: Placement, seen: Scene) -> float:
    cosine = found.ground_from_camera[1, :3] @ seen.camera.R[:, 1]
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def test_what_is_right_stays(seen: Scene) -> None:
    before, after = before_and_after(seen)
    assert np.degrees(np.abs(after.q[:, 6:] - before.q[:, 6:])).max() < 1.0
    assert tilt_error_deg(after, seen) < 1.0


def test_joints_that_sway_by_five_degrees_come_back(seen: Scene) -> None:
    sway = {"hip_flexion_r": 5.0, "hip_flexion_l": 5.0, "hip_adduction_r": 3.0, "arm_flex_r": 5.0}
    swaying = disturbed(seen, **sway)
    before, after = before_and_after(swaying)
    for name in sway:
        assert error_deg(after, seen, name) < 0.7 * error_deg(before, seen, name), name
    assert error_deg(after, seen, "hip_flexion_r") < 1.6
    assert error_deg(after, seen, "knee_angle_r") < 0.5  # which was right


@pytest.mark.parametrize("pitch_deg", [20, -15])
def test_a_tilted_camera_is_found(balanced: tuple[Array, Array], pitch_deg: float) -> None:
    tilted = scene(balanced, camera_at(pitch_deg=pitch_deg))
    before, after = before_and_after(tilted)
    assert tilt_error_deg(before, tilted) == pytest.approx(abs(pitch_deg))
    assert tilt_error_deg(after, tilted) < 2.0
    assert after.tilt is not None
    assert after.tilt.pitch_deg == pytest.approx(pitch_deg, abs=2.0)
    assert error_deg(after, tilted, "pelvis_list") < 2.0


def test_a_camera_that_is_not_upright_is_found(balanced: tuple[Array, Array]) -> None:
    level = camera_at()
    turn = np.radians(10)
    roll = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    rolled = replace(level, R=roll @ level.R, t=roll @ level.t)
    _, after = before_and_after(scene(balanced, rolled))
    assert tilt_error_deg(after, scene(balanced, rolled)) < 2.0


def test_a_pitch_that_is_given_is_kept(seen: Scene) -> None:
    before = place(seen.regression, seen.track, seen.camera, SKELETON, pitch_deg=12.0)
    observed = seen.regression.observed
    kept = refined(before, observed, seen.track, seen.camera, SKELETON, tilt_known=True)
    free = refined(before, observed, seen.track, seen.camera, SKELETON)
    assert tilt_error_deg(free, seen) < 2.0
    assert tilt_error_deg(kept, seen) > 8.0  # of 12


def test_who_sits_need_not_be_in_balance() -> None:
    time, q = squat()
    for side in "rl":
        q[:, NAMES.index(f"hip_flexion_{side}")] = np.radians(85)
        q[:, NAMES.index(f"knee_angle_{side}")] = np.radians(85)
        q[:, NAMES.index(f"ankle_angle_{side}")] = 0.0
    q[:, NAMES.index("pelvis_tilt")] = 0.0
    sitting = scene((time, leaning(q, np.zeros(len(q)))), camera_at())
    assert np.abs(out_of_balance(sitting.q)).min() > 0.25  # m: on a chair that is not seen
    assert tilt_error_deg(before_and_after(sitting)[1], sitting) < 4.0


def test_who_lies_tells_nothing_of_gravity(seen: Scene) -> None:
    q = np.repeat(seen.q[:1], 60, axis=0)
    q[:, NAMES.index("pelvis_tilt")] -= np.radians(88)
    q[:, 4] = 0.1
    lying = scene((seen.time[:60], q), camera_at())
    after = before_and_after(lying)[1]
    assert tilt_error_deg(after, lying) < 2.0
    assert after.tilt is None


def test_standing_feet_slip_less(seen: Scene) -> None:
    found = before_and_after(disturbed(seen, hip_flexion_r=6.0, hip_rotation_l=6.0))
    slips = [np.ptp(soles(each.q)[..., ::2], axis=0).mean() for each in found]
    assert slips[1] < 0.6 * slips[0]
    assert slips[1] < 0.03  # m, over four seconds


def test_feet_are_on_the_floor_and_not_below_it(balanced: tuple[Array, Array]) -> None:
    jumping = balanced[1].copy()
    jumping[:, 4] += 0.2 * np.sin(np.clip((balanced[0] - 3.5) / 0.5, 0, 1) * np.pi) ** 2
    seen = disturbed(scene((balanced[0], jumping), camera_at()), hip_flexion_r=6.0)
    before, after = before_and_after(seen)
    lowest = [soles(each.q)[..., 1].min() for each in (before, after)]
    assert lowest[1] > lowest[0]
    assert lowest[1] > -0.02
    standing = soles(after.q)[:90, :, 1]
    assert np.abs(standing).mean() < 0.015
    assert soles(after.q)[..., 1].min(axis=1).max() > 0.12  # a jump stays one


def test_the_same_twice(seen: Scene) -> None:
    first, second = (before_and_after(disturbed(seen, hip_flexion_r=5.0))[1] for _ in range(2))
    assert first.q.tobytes() == second.q.tobytes()


def test_out_of_sight_the_network_is_believed(seen: Scene) -> None:
    landmarks, there = seen.track.landmarks.copy(), seen.track.seen.copy()
    landmarks[60:75], there[60:75] = np.nan, False
    hidden = replace(seen, track=replace(seen.track, landmarks=landmarks, seen=there))
    before, after = before_and_after(hidden)
    assert np.isfinite(after.q).all()
    assert np.degrees(np.abs(after.q - before.q)[60:75, 6:]).max() < 1.5


def test_landmarks_that_are_not_seen_count_nothing(seen: Scene) -> None:
    wrong = seen.track.landmarks.copy()
    arm = [14, 16]  # elbow and wrist
    wrong[:, arm, :2] += 200.0
    wrong[:, arm, 3] = 0.0
    there = before_and_after(seen)[1]
    hidden = before_and_after(replace(seen, track=replace(seen.track, landmarks=wrong)))[1]
    assert np.degrees(np.abs(hidden.q - there.q)).max() < 1.0


def test_what_is_not_observed_stays(seen: Scene) -> None:
    observed = seen.regression.observed.copy()
    column = NAMES.index("hip_flexion_r")
    observed[column] = False
    swaying = disturbed(seen, hip_flexion_r=5.0)
    before = place(swaying.regression, seen.track, seen.camera, SKELETON)
    after = refined(before, observed, seen.track, seen.camera, SKELETON)
    np.testing.assert_array_equal(after.q[:, column], before.q[:, column])


def test_one_frame_is_left_alone(seen: Scene) -> None:
    before = place(seen.regression, seen.track, seen.camera, SKELETON)
    single = replace(seen.track, time=seen.track.time[:1])
    after = refined(before, seen.regression.observed, single, seen.camera, SKELETON)
    assert after is before


def test_clips_of_any_length_are_fitted(balanced: tuple[Array, Array]) -> None:
    # the fit takes 256 frames at a time: a last part of a single one has no step to the next
    long = 257
    time, q = balanced
    again = np.arange(long) % len(time)
    seen = scene((np.arange(long) * (time[1] - time[0]), q[again]), camera_at())
    assert np.isfinite(before_and_after(seen)[1].q).all()


def test_a_prediction_says_where_gravity_was_found(balanced: tuple[Array, Array]) -> None:
    tilted = scene(balanced, camera_at(pitch_deg=20))
    there = Seen(tilted.track, tilted.camera, tilted.regression, 30.0)
    level = in_ground(there, default_model(), PredictOptions(refine=False))
    found = in_ground(there, default_model(), PredictOptions(refine=True))
    assert level.meta["tilt"]["off_deg"] > 15
    assert found.meta["tilt"]["off_deg"] == 0.0
    assert found.meta["assumed"]["gravity"].startswith("the camera looks down by ")
    known = in_ground(there, default_model(), PredictOptions(refine=True, pitch_deg=20))
    assert "gravity" not in known.meta["assumed"]
    pose = SKELETON(
        torch.as_tensor(found.q, dtype=torch.float32),
        torch.as_tensor(found.scales, dtype=torch.float32),
    )
    np.testing.assert_allclose(found.markers, pose.markers.numpy(), atol=1e-5)
