"""Balance: the camera's tilt from a standing person's centre of mass."""

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.balance import Tilt, tilt_by_balance

Array = NDArray[np.float64]
TIME = np.arange(60) / 30
UP = np.array([0.0, -1.0, 0.0])  # in the camera: y points down
HEIGHT_M = 1.75


def found(upwards: tuple[float, float, float], length_m: float = 0.98) -> Tilt | None:
    """The tilt for a person whose centre of mass lies in that direction from the feet."""
    direction = length_m * np.array(upwards) / np.linalg.norm(upwards)
    feet = np.tile([[-0.1, 0.9, 0.0], [0.1, 0.9, 0.0]], (60, 1, 1))
    center = feet.mean(axis=1) + direction
    return tilt_by_balance(TIME, center, feet, np.ones((60, 2), bool), UP, HEIGHT_M)


def test_balance_in_the_level_frame_is_a_level_camera() -> None:
    assert found((0, -1, 0)) == pytest.approx((0, 0, 0))


def test_one_who_leans_towards_a_camera_is_seen_from_above() -> None:
    """The camera's z points away from it: towards the camera is -z."""
    tilt = found((0, -np.cos(0.3), -np.sin(0.3)))
    assert tilt == pytest.approx((np.degrees(0.3), 0, np.degrees(0.3)))


def test_one_who_leans_to_the_left_of_the_picture_is_seen_by_a_camera_turned_clockwise() -> None:
    tilt = found((-np.sin(0.2), -np.cos(0.2), 0))
    assert tilt == pytest.approx((0, np.degrees(0.2), np.degrees(0.2)))


def test_sitting_is_no_standing() -> None:
    assert found((0, -1, 0.5), length_m=0.6) is None


def test_a_moment_is_too_short_to_tell() -> None:
    stands = np.zeros((60, 2), bool)
    stands[:10] = True
    center = np.tile([0.0, -0.98, 0.0], (60, 1))
    assert tilt_by_balance(TIME, center, np.zeros((60, 2, 3)), stands, UP, HEIGHT_M) is None
