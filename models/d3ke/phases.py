"""Phases: when each foot stands on the floor, told by the markers of the feet in ground."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

from d3ke.floor import image_speed
from d3ke.skeleton.osim import OsimModel

FEET = ("calcn", "toes")  # bodies whose markers tell, without their side
# A swinging foot does 2 to 4 m/s; one that stands, of a body found by a network, up to 0.5.
SLOW_M_S = 0.6
# The floor is the lowest that feet get within this time to each side: over a whole clip, a camera
# that is not level lets it rise or sink.
AROUND_S = 1.5
LIFTED_M = 0.15  # above that: in the air, however still; less may be an error of hips and knees
SHORTEST_S = 0.1  # of a stance, and of a swing: what is shorter is noise


class Stance(NamedTuple):
    """A foot on the floor. side: r or l. start_s, end_s: times of the first and last frame."""

    side: str
    start_s: float
    end_s: float


def stances(
    time: NDArray[np.float64], markers: NDArray[np.float32], osim: OsimModel
) -> tuple[Stance, ...]:
    """When each foot stands, in the order of the sides r, l and of time.

    time: (T,) s. markers: (T, M, 3) m in ground, NaN while out of sight. A foot stands while any
    of its markers is slow and the lowest not far above where feet get around that time. Empty for a
    model without markers on both feet.
    """
    rows = {side: _rows_of(osim, side) for side in ("r", "l")}
    if not all(rows.values()):
        return ()
    points = {side: markers[:, of].astype(np.float64) for side, of in rows.items()}
    step_s = float(np.median(np.diff(time))) if len(time) > 1 else AROUND_S
    height = {side: of[..., 1].min(axis=1) for side, of in points.items()}
    floor = _lowest_around(np.minimum(height["r"], height["l"]), step_s)
    found: list[Stance] = []
    for side, of in points.items():
        slow = (image_speed(time, of, np.ones(len(time))) < SLOW_M_S).any(axis=1)
        down = height[side] < floor + LIFTED_M  # False for NaN
        found += [Stance(side, *span) for span in _lasting(time, slow & down)]
    return tuple(found)


def _lowest_around(height: NDArray[np.float64], step_s: float) -> NDArray[np.float64]:
    """The least of the heights (T,) from AROUND_S before to AROUND_S after; NaN counts for none."""
    known = np.where(np.isfinite(height), height, np.inf)
    return np.asarray(minimum_filter(known, 2 * round(AROUND_S / step_s) + 1))


def _rows_of(osim: OsimModel, side: str) -> list[int]:
    bodies = {f"{foot}_{side}" for foot in FEET}
    return [index for index, marker in enumerate(osim.markers) if marker.body in bodies]


def _lasting(time: NDArray[np.float64], flags: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """First and last time of each run of flags, short breaks bridged and short runs left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    runs: list[tuple[float, float]] = []
    for first, after in edges.reshape(-1, 2):
        start, end = float(time[first]), float(time[after - 1])
        if runs and start - runs[-1][1] < SHORTEST_S:
            start = runs.pop()[0]
        runs.append((start, end))
    return [(start, end) for start, end in runs if end - start >= SHORTEST_S]
