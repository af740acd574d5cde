"""Placing: from the camera's frame to ground, against scenes whose truth is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.names import to_family
from d3ke.motion.opensim_files import read_motion
from d3ke.place import Placement, place, standing_height
from d3ke.skeleton import default_model
from tests.scenes import SKELETON, Scene, bodies, camera_at, scene, squat, turn_about_y

Array = NDArray[np.float64]


def placed(seen: Scene, **options: float) -> Placement:
    return place(seen.regression, seen.track, seen.camera, SKELETON, **options)


def in_own_ground(seen: Scene, heading_deg: float = 0.0) -> Array:
    """The true path of the pelvis, with its first heading as X and its first place as origin."""
    path: Array = seen.pelvis[:, :3, 3] @ turn_about_y(heading_deg)[:3, :3]
    moved: Array = path - np.array([path[0, 0], 0, path[0, 2]])
    return moved


@pytest.mark.parametrize("azimuth_deg", [0, 60, 200])
@pytest.mark.parametrize("heading_deg", [0, -70])
def test_exact_landmarks_give_the_pelvis_path(azimuth_deg: float, heading_deg: float) -> None:
    seen = scene(squat(heading_deg=heading_deg), camera_at(azimuth_deg))
    error = placed(seen).root[:, :3, 3] - in_own_ground(seen, heading_deg)
    assert np.abs(error[:, 1]).max() < 0.006  # m: feet give a little as people squat
    assert np.abs(error[:, [0, 2]]).max() < 0.02  # the depth of quick moves is smoothed


def test_coordinates_and_scales_are_those_of_the_scene() -> None:
    seen = scene(squat(), camera_at())
    result = placed(seen)
    np.testing.assert_array_equal(result.q[:, 6:], seen.q[:, 6:])
    np.testing.assert_allclose(result.q[:, :3], seen.q[:, :3], atol=2e-3)  # rad, float32 roots
    np.testing.assert_allclose(bodies(result.q)[:, 0], result.root, atol=1e-4)


def test_ground_is_right_handed_with_the_subjects_right_as_z() -> None:
    seen = scene(squat(heading_deg=130), camera_at(70))
    result = placed(seen)
    assert np.linalg.det(result.ground_from_camera[:3, :3]) == pytest.approx(1.0)
    hips = bodies(result.q)[0, [default_model().body_names.index(f"femur_{s}") for s in "rl"]]
    assert hips[0, 2, 3] - hips[1, 2, 3] > 0.1  # m: the right hip lies to +z
    toes = bodies(result.q)[0, default_model().body_names.index("toes_r"), :3, 3]
    heel = bodies(result.q)[0, default_model().body_names.index("calcn_r"), :3, 3]
    assert toes[0] - heel[0] > 0.1  # m: feet point to +x


def test_the_person_faces_x_and_starts_at_the_origin() -> None:
    result = placed(scene(squat(heading_deg=-50), camera_at(10)))
    assert np.abs(result.q[:10, 2]).max() < np.radians(0.5)
    np.testing.assert_allclose(result.root[0, [0, 2], 3], 0, atol=1e-9)


def test_feet_stand_at_zero() -> None:
    result = placed(scene(squat(), camera_at()))
    heel = bodies(result.q)[:, default_model().body_names.index("calcn_r"), 1, 3]
    np.testing.assert_allclose(heel, 0.03, atol=0.005)  # m: origin of calcn over its sole
    assert result.floor.frames == 120


def test_a_jump_leaves_the_floor_and_comes_back() -> None:
    seen = scene(squat(5.0, lift_m=0.3), camera_at())
    height = placed(seen).root[:, 1, 3]
    assert np.ptp(height[105:]) == pytest.approx(0.3, abs=0.02)
    assert np.abs(height - seen.pelvis[:, 1, 3]).max() < 0.02


def test_height_sets_the_scale_of_body_and_path() -> None:
    """The network took a tall person for an average one farther off... half as large again."""
    seen = scene(squat(), camera_at(), scale=1.1)
    smaller = seen.regression._replace(scales=seen.regression.scales / 1.1)
    tall_m = 1.1 * standing_height(SKELETON, np.ones((len(default_model().bodies), 3)))
    result = placed(replace(seen, regression=smaller), height_m=tall_m)
    np.testing.assert_allclose(result.scales, 1.1, rtol=1e-5)
    assert standing_height(SKELETON, result.scales) == pytest.approx(tall_m, rel=1e-5)
    assert np.abs(result.root[:, 1, 3] - seen.pelvis[:, 1, 3]).max() < 0.006


def test_without_height_the_predicted_body_sets_the_scale() -> None:
    result = placed(scene(squat(), camera_at(), scale=0.9))
    np.testing.assert_allclose(result.scales, 0.9)
    assert result.height_m == pytest.approx(0.9 * 1.712, abs=0.01)


def test_a_known_pitch_stands_the_person_upright() -> None:
    seen = scene(squat(), camera_at(azimuth_deg=90, pitch_deg=15, height_m=2.0))
    upright = placed(seen, pitch_deg=15)
    assert np.abs(upright.q[0, :2]).max() < np.radians(0.1)
    # 1 cm: some of the depth, which is smoothed, is height to a camera that looks down
    assert np.abs(upright.root[:, 1, 3] - seen.pelvis[:, 1, 3]).max() < 0.01
    leaning = placed(seen)  # seen from the side of its heading, a pitch looks like a list
    assert np.abs(leaning.q[0, 1]) == pytest.approx(np.radians(15), abs=0.01)


def test_balance_tells_a_camera_that_looks_down() -> None:
    seen = scene(squat(), camera_at(azimuth_deg=20, pitch_deg=15, height_m=2.0))
    taken_level, told = placed(seen).tilt, placed(seen, pitch_deg=15).tilt
    assert taken_level is not None
    assert told is not None
    assert taken_level.pitch_deg == pytest.approx(15, abs=5)  # feet have length: 5 deg of balance
    assert taken_level.roll_deg == pytest.approx(0, abs=3)
    assert taken_level.off_deg == pytest.approx(15, abs=5)
    assert told.off_deg < 5


def test_balance_says_nothing_of_one_who_never_stands() -> None:
    seen = scene(squat(), camera_at())
    running = seen.track.landmarks.copy()
    running[:, :, 0] += 200 * np.sin(20 * seen.time)[:, None]  # px
    assert placed(replace(seen, track=replace(seen.track, landmarks=running))).tilt is None


def test_a_lens_with_distortion_is_straightened() -> None:
    camera = camera_at(distortion=(-0.2, 0.05, 0.001, -0.001, 0))
    seen = scene(squat(), camera)
    error = placed(seen).root[:, :3, 3] - in_own_ground(seen)
    assert np.abs(error).max() < 0.02  # m


@pytest.mark.parametrize("azimuth_deg", [0, 90])
def test_blazepose_noise_moves_the_pelvis_by_centimetres(azimuth_deg: float) -> None:
    """Feet that stand hold the path: 3 cm at 4 m although the size tells depth to 8 cm only."""
    for seed in range(3):
        seen = scene(squat(), camera_at(azimuth_deg), noise=1.0, seed=seed)
        error = placed(seen).root[:, :3, 3] - in_own_ground(seen)
        error -= error.mean(axis=0)
        assert np.sqrt((error[:, [0, 2]] ** 2).sum(axis=1).mean()) < 0.04  # m
        assert error[:, 1].std() < 0.01


def test_frames_without_the_person_are_bridged() -> None:
    seen = scene(squat(), camera_at())
    landmarks = seen.track.landmarks.copy()
    landmarks[40:52] = np.nan
    hidden = replace(seen, track=replace(seen.track, landmarks=landmarks))
    error = placed(hidden).root[:, :3, 3] - in_own_ground(seen)
    assert np.abs(error).max() < 0.03


@pytest.mark.parametrize("sight", [range(60, 120), range(60, 62), [*range(20), *range(90, 120)]])
def test_what_is_not_seen_turns_nobody_round(sight: range | list[int]) -> None:
    """Where nobody is seen the network says anything; here, a spinning top."""
    scenery = scene(squat(heading_deg=40), camera_at())
    there = np.zeros(120, bool)
    there[list(sight)] = True
    spin = np.stack([turn_about_y(50 * k)[:3, :3] for k in range(120)])
    root = np.where(there[:, None, None], scenery.regression.root, spin)
    landmarks = np.where(there[:, None, None], scenery.track.landmarks, np.nan)
    track = replace(scenery.track, seen=there, landmarks=landmarks.astype(np.float32))
    hidden = replace(scenery, track=track, regression=scenery.regression._replace(root=root))
    result = placed(hidden)
    assert np.abs(result.q[there, 2]).max() < np.radians(1)
    first = int(np.argmax(there))
    np.testing.assert_allclose(result.root[first, [0, 2], 3], 0, atol=1e-9)


def test_too_little_of_a_person_is_refused() -> None:
    seen = scene(squat(1.0), camera_at())
    landmarks = seen.track.landmarks.copy()
    landmarks[:, 3:, 3] = 0
    with pytest.raises(D3keError, match="too little of the person"):
        placed(replace(seen, track=replace(seen.track, landmarks=landmarks)))


@pytest.mark.parametrize("clip", ["cmu_02_01", "nb_arnold_subject01_walk2", "dm_jump"])
def test_recorded_motions_come_back(data_dir: Path, clip: str) -> None:
    recorded = to_family(read_motion(data_dir / "motions" / f"{clip}.mot"), default_model())
    recorded = recorded.resampled(30.0)
    q = recorded.q.copy()
    q[:, [3, 5]] -= q[:, [3, 5]].mean(axis=0)
    seen = scene((recorded.time - recorded.time[0], q), camera_at(), noise=1.0)
    path = placed(seen).root[:, :3, 3]
    lengths = [
        np.linalg.norm(np.diff(p[::5, [0, 2]], axis=0), axis=1).sum()
        for p in (path, seen.pelvis[:, :3, 3])
    ]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.1, abs=0.05)
    height = path[:, 1] - seen.pelvis[:, 1, 3]
    assert np.std(height) < 0.015  # m
