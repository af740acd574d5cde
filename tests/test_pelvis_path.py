"""The path of the pelvis: reprojection frame by frame, and smoothing over time."""

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.pelvis_path import Slips, reprojected_translation, smoothed_path

Array = NDArray[np.float64]
FRAMES, POINTS = 90, 20


@pytest.fixture
def body() -> Array:
    """Points of a person's size, the same in every frame, relative to the pelvis."""
    points = np.random.default_rng(1).normal(size=(POINTS, 3)) * [0.15, 0.45, 0.15]
    return np.tile(points, (FRAMES, 1, 1))


@pytest.fixture
def time() -> Array:
    return np.arange(FRAMES) / 30


@pytest.fixture
def path(time: Array) -> Array:
    """A walk across the view and towards the camera."""
    return np.stack([0.8 * time - 1, 0.03 * np.sin(12 * time), 5 - 0.5 * time], axis=1)


def rays_of(points: Array) -> Array:
    rays: Array = points[..., :2] / points[..., 2:]
    return rays


def test_exact_rays_give_the_translation(body: Array, path: Array) -> None:
    found = reprojected_translation(body, rays_of(body + path[:, None]), np.ones((FRAMES, POINTS)))
    np.testing.assert_allclose(found, path, atol=1e-9)  # m: exact up to rounding


def test_a_fifth_of_wrong_landmarks_moves_the_body_by_centimetres_only(
    body: Array, path: Array
) -> None:
    rays = rays_of(body + path[:, None])
    rays[:, :4] += 0.1  # half a metre at 5 m: left taken for right
    found = reprojected_translation(body, rays, np.ones((FRAMES, POINTS)))
    assert np.abs(found - path)[:, :2].max() < 0.02
    assert np.abs(found - path)[:, 2].max() < 0.1  # 2 % of the depth


def test_frames_with_too_few_landmarks_are_unknown(body: Array, path: Array) -> None:
    weights = np.ones((FRAMES, POINTS))
    weights[10, 3:] = 0
    rays = rays_of(body + path[:, None])
    rays[11] = np.nan
    found = reprojected_translation(body, rays, weights)
    assert np.isnan(found[[10, 11]]).all()
    assert np.isfinite(np.delete(found, [10, 11], axis=0)).all()


def test_a_steady_walk_is_not_bent_by_smoothing(time: Array, path: Array) -> None:
    path = path * [1, 0, 1]
    np.testing.assert_allclose(smoothed_path(time, path), path, atol=2e-3)


def test_smoothing_has_no_lag_at_uneven_times(path: Array) -> None:
    time = np.cumsum(np.random.default_rng(2).uniform(0.01, 0.06, FRAMES))
    bump = np.exp(-(((time - time.mean()) / 0.3) ** 2))
    wave = path[:1] + bump[:, None] * [0.1, 0, 0]
    smooth = smoothed_path(time, wave)
    before = np.average(time, weights=smooth[:, 0] - path[0, 0])
    assert before == pytest.approx(np.average(time, weights=wave[:, 0] - path[0, 0]), abs=1e-3)


def test_a_quick_move_is_kept_across_the_view_and_taken_for_noise_along_it(time: Array) -> None:
    shake = 0.01 * np.sin(2 * np.pi * 3 * time)  # 3 Hz
    still = np.tile([0.0, 0.0, 4.0], (FRAMES, 1))
    across = smoothed_path(time, still + shake[:, None] * [1, 0, 0])[15:-15, 0]
    along = smoothed_path(time, still + shake[:, None] * [0, 0, 1])[15:-15, 2]
    assert np.ptp(across) > 0.9 * np.ptp(shake)
    assert np.ptp(along) < 0.1 * np.ptp(shake)


def test_a_gap_is_bridged(time: Array, path: Array) -> None:
    measured = path.copy()
    measured[40:50] = np.nan
    smooth = smoothed_path(time, measured)
    np.testing.assert_allclose(smooth[40:50, 0], path[40:50, 0], atol=0.01)


def test_a_frame_that_stands_out_is_passed_over(time: Array, path: Array) -> None:
    measured = path.copy()
    measured[45] += [0.5, 0, 1]
    assert np.abs(smoothed_path(time, measured)[45] - path[45]).max() < 0.02


def test_a_standing_foot_fixes_the_depth(time: Array) -> None:
    """A squat seen from the front: the pelvis goes back, the feet stay where they are."""
    path = np.tile([0.0, 0.0, 4.0], (FRAMES, 1))
    path[:, 2] += 0.1 * np.sin(4 * time)
    foot = np.array([0.0, 1.0, 4.0]) - path  # relative to the pelvis
    noise = np.random.default_rng(4).normal(size=FRAMES) * 0.1
    measured = path + noise[:, None] * [0, 0, 1]
    still = np.ones((FRAMES - 1, 1))
    free = smoothed_path(time, measured)
    fixed = smoothed_path(time, measured, Slips(foot[:, None], still))

    def shape(found: Array) -> Array:
        error: Array = found[:, 2] - path[:, 2]
        return error - np.mean(error)

    assert shape(fixed).std() < 0.5 * shape(free).std()
    assert shape(fixed).std() < 0.015  # m


def test_two_frames_are_enough() -> None:
    measured = np.array([[0.0, 0.0, 3.0], [np.nan, np.nan, np.nan]])
    assert smoothed_path(np.array([0.0, 0.03]), measured)[1].tolist() == [0, 0, 3]


def test_one_measured_frame_is_where_the_body_stays() -> None:
    measured = np.full((30, 3), np.nan)
    measured[20] = [0.0, 0.0, 3.0]
    assert smoothed_path(np.arange(30) / 30, measured).tolist() == [[0, 0, 3]] * 30


def test_a_path_begins_where_it_is_first_measured(path: Array) -> None:
    """Ten minutes without anybody: a path carried on backwards would end in the next village."""
    time = np.arange(18_000 + FRAMES) / 30
    measured = np.concatenate([np.full((18_000, 3), np.nan), path])
    smooth = smoothed_path(time, measured)
    np.testing.assert_array_equal(smooth[:18_000], smooth[18_000:18_001].repeat(18_000, axis=0))
    np.testing.assert_allclose(smooth[18_000:, [0, 2]], path[:, [0, 2]], atol=5e-3)  # m


def test_frames_before_and_after_change_nothing_between(time: Array, path: Array) -> None:
    foot = Slips(np.zeros((FRAMES, 1, 3)), np.zeros((FRAMES - 1, 1)))
    foot.still[20:40] = 1
    whole = smoothed_path(time, path, foot)
    longer = np.concatenate([np.full((7, 3), np.nan), path, np.full((5, 3), np.nan)])
    points, still = np.zeros((FRAMES + 12, 1, 3)), np.zeros((FRAMES + 11, 1))
    still[27:47] = 1
    around = smoothed_path(np.arange(FRAMES + 12) / 30, longer, Slips(points, still))
    np.testing.assert_allclose(around[7:-5], whole, atol=1e-9)  # m: rounding
