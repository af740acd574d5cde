"""The floor: which points of the soles stand on it, and how high it lies.

A point stands while its image hardly moves and it is among the lowest of the clip. One camera that
does not move is taken for granted: under a panning one nothing seems to stand still, and the floor
then comes from the lowest points alone.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_opening

Array = NDArray[np.float64]
Index = NDArray[np.intp]

STILL_M_S = 0.25  # slower than this across the view; a swinging foot does 1 to 4 m/s
STILL_S = 0.1  # at least so long
LOW_M = 0.08  # at most so far above the floor: errors of knees and ankles lift a standing foot
SPEED_WINDOW_S = 0.1  # half width of the slope that measures speed: BlazePose jitters 1 cm
LOWEST_PERCENT = 5.0  # of the frames' lowest points: the floor where nobody stands still
ITERATIONS = 3  # of floor and standing points in turn: settled after two on all clips


class Floor(NamedTuple):
    """Where the floor lies.

    height_m: along the up axis that was given, from the camera. spread_m: median distance of the
    standing points from it. frames: how many frames had one (0: taken from the lowest points).
    """

    height_m: float
    spread_m: float
    frames: int


def standing(time: Array, speed: Array, height: Array, floor_m: float) -> NDArray[np.bool_]:
    """Which points stand on the floor: slow for a while, and low.

    time: (T,). speed: (T, P) m/s. height: (T, P) and floor_m: metres along up. Returns (T, P).
    """
    slow = (speed < STILL_M_S) & (height < floor_m + LOW_M)
    shortest = max(1, round(STILL_S / float(np.median(np.diff(time)))))
    kept: NDArray[np.bool_] = binary_opening(slow, np.ones((shortest, 1)))
    return kept


def find_floor(time: Array, speed: Array, height: Array) -> Floor:
    """The height that standing feet share: the median over frames of the lowest standing point.

    time: (T,). speed: (T, P) m/s. height: (T, P) metres along up, NaN where unknown. What stands
    still above it (a raised knee at its turning point, a foot on a chair) is left out because the
    search starts from the clip's lowest points.
    """
    lowest = np.nanmin(height, axis=1, initial=np.inf, where=np.isfinite(height))
    lowest = lowest[np.isfinite(lowest)]
    floor_m = float(np.percentile(lowest, LOWEST_PERCENT))
    for _ in range(ITERATIONS):
        stands = standing(time, speed, height, floor_m)
        if not stands.any():
            return Floor(floor_m, float("nan"), 0)
        soles = np.where(stands, height, np.inf).min(axis=1)[stands.any(axis=1)]
        floor_m = float(np.median(soles))
    return Floor(floor_m, float(np.median(np.abs(soles - floor_m))), len(soles))


def image_speed(time: Array, rays: Array, depth: Array) -> Array:
    """How fast points move across the view, m/s.

    time: (T,). rays: (T, P, 2), NaN where unseen. depth: (T,) of the person, metres.
    Returns (T, P); inf where a point is seen in fewer than three frames around.
    """
    first = np.searchsorted(time, time - SPEED_WINDOW_S)
    last = np.searchsorted(time, time + SPEED_WINDOW_S, side="right")
    slopes = [_slopes(time, point, first, last) for point in np.moveaxis(rays, 1, 0)]
    speed = np.linalg.norm(np.stack(slopes, axis=1), axis=-1) * depth[:, None]
    return np.where(np.isfinite(speed), speed, np.inf)


def _slopes(time: Array, values: Array, first: Index, last: Index) -> Array:
    """Slopes of straight lines through the windows [first, last) of values: (T, C)."""
    known = np.all(np.isfinite(values), axis=1)
    values = np.where(known[:, None], values, 0.0)
    columns = np.column_stack([np.ones_like(time), time, time**2, values, values * time[:, None]])
    sums = np.vstack([np.zeros(columns.shape[1]), np.cumsum(columns * known[:, None], axis=0)])
    n, t, tt, *rest = (sums[last] - sums[first]).T
    y, ty = np.array(rest[: values.shape[1]]), np.array(rest[values.shape[1] :])
    spread = n * tt - t**2
    with np.errstate(divide="ignore", invalid="ignore"):
        slope: Array = ((n * ty - t * y) / spread).T
    slope[n < 3] = np.nan
    return slope
