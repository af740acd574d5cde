"""The floor under people who stand, walk, jump, run on a treadmill."""

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.floor import find_floor, image_speed, standing

Array = NDArray[np.float64]
RATE_HZ = 30.0
TIME = np.arange(150) / RATE_HZ


def soles(*heights: Array) -> Array:
    """Heights of the points of the soles above a floor at -1.2 m, with 1 cm of noise."""
    noise = 0.01 * np.random.default_rng(0).normal(size=(len(TIME), len(heights)))
    return np.stack(heights, axis=1) + noise - 1.2


def test_two_standing_feet_give_the_floor() -> None:
    floor = find_floor(np.ones((150, 2), bool), soles(0 * TIME, 0 * TIME))
    assert floor.height_m == pytest.approx(-1.2, abs=0.01)  # the lower of two noisy points
    assert floor.frames == 150
    assert floor.spread_m is not None
    assert floor.spread_m < 0.01


def test_a_jump_does_not_lift_the_floor() -> None:
    flight = (TIME > 1) & (TIME < 1.6)
    height = np.where(flight, 0.4 * np.sin((TIME - 1) / 0.6 * np.pi), 0.0)
    still = np.ones((150, 2), bool)  # towards the camera: no image motion even in flight
    floor = find_floor(still, soles(height, height))
    assert floor.height_m == pytest.approx(-1.2, abs=0.01)
    assert floor.frames == pytest.approx(132, abs=4)


def test_a_knee_held_high_is_not_the_floor() -> None:
    floor = find_floor(np.ones((150, 2), bool), soles(0 * TIME, 0 * TIME + 0.4))
    assert floor.height_m == pytest.approx(-1.2, abs=0.01)


def test_one_who_never_stands_still_runs_on_the_lowest_points() -> None:
    stride = np.maximum(0, 0.3 * np.sin(8 * TIME))
    floor = find_floor(np.zeros((150, 2), bool), soles(stride, stride[::-1]))
    assert floor.frames == 0
    assert floor.spread_m is None
    assert floor.height_m == pytest.approx(-1.2, abs=0.03)


def test_two_levels_do_not_leave_the_floor_between_them() -> None:
    floor = find_floor(np.ones((2, 1), bool), np.array([[-1.2], [-0.8]]))
    assert floor.height_m == -1.2


def test_a_short_rest_is_no_stand() -> None:
    speed = np.full((150, 1), 2.0)
    speed[50:52] = 0  # 0.07 s: the turning point of a swing
    speed[80:90] = 0
    assert np.flatnonzero(standing(TIME, speed)).tolist() == list(range(80, 90))


def test_image_speed_is_metres_in_a_second() -> None:
    rays = np.stack([0.1 * TIME, 0 * TIME], axis=1)[:, None]
    speed = image_speed(TIME + 600, rays, np.full(150, 4.0))  # ten minutes on: no rounding
    np.testing.assert_allclose(speed, 0.4, rtol=1e-3)


def test_unseen_points_have_no_speed() -> None:
    rays = np.zeros((150, 1, 2))
    rays[10:30] = np.nan
    assert np.isinf(image_speed(TIME, rays, np.ones(150))[14:26]).all()
