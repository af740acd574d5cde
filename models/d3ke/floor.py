"""The floor: which points of the soles stand on it, and how high it lies.

A point stands while its image hardly moves. A camera that does not move is taken for granted: under
a panning one, and on a treadmill, nothing stands, and the floor comes from the lowest points.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

STILL_M_S = 0.25  # slower than this across the view; a swinging foot does 1 to 4 m/s
STILL_S = 0.1  # at least so long
NEAR_M = 0.08  # of the floor: errors of knees and ankles lift or sink a standing foot so far
SPEED_WINDOW_S = 0.1  # half width of the slope that measures speed: BlazePose jitters 1 cm
LOWEST_PERCENT = 5.0  # of the frames' lowest points: the floor where nobody stands still


class Floor(NamedTuple):
    """Where the floor lies.

    height_m: along the up axis that was given, from the camera. spread_m: median distance of the
    standing points from it. frames: how many frames had one (0: taken from the lowest points).
    """

    height_m: float
    spread_m: float | None
    frames: int


def standing(time: Array, speed: Array) -> NDArray[np.bool_]:
    """Which points stand: slow for a while.

    time: (T,). speed: (T, P) m/s. Returns (T, P).
    """
    step = float(np.median(np.diff(time))) if len(time) > 1 else STILL_S
    run = np.ones(min(max(1, round(STILL_S / step)), len(time)))
    stands = np.zeros(speed.shape, bool)
    for point, slow in enumerate((speed < STILL_M_S).T):
        begins = np.convolve(slow, run, "valid") == len(run)  # of whole runs of slow frames
        stands[:, point] = np.convolve(begins, run) > 0
    return stands


def find_floor(stands: NDArray[np.bool_], height: Array) -> Floor:
    """The height that standing feet share: the median over frames of the lowest standing point.

    stands: (T, P). height: (T, P) metres along up. What stands far from it (a foot on a chair, a
    raised knee at its turning point) is then left out.
    """
    lowest = np.where(stands, height, np.inf).min(axis=1)[stands.any(axis=1)]
    if not len(lowest):
        return Floor(float(np.percentile(height.min(axis=1), LOWEST_PERCENT)), None, 0)
    middle = np.percentile(lowest, 50, method="lower")  # one of them, so that some are near it
    near = lowest[np.abs(lowest - middle) <= NEAR_M]
    floor_m = float(np.median(near))
    return Floor(floor_m, float(np.median(np.abs(near - floor_m))), len(near))


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
