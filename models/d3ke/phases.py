"""Phases: when each foot stands on the floor, told by the markers of the feet in ground."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.floor import NEAR_M, image_speed
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

FEET = ("calcn", "toes")  # bodies whose markers tell, without their side
# A swinging foot does 2 to 4 m/s; one that stands, of a body found by a network, up to 0.5.
SLOW_M_S = 0.6
LOWEST_PERCENT = 5.0  # of a marker's heights: where it is on the floor
SHORTEST_S = 0.1  # of a stance, and of a swing: what is shorter is noise


class Stance(NamedTuple):
    """A foot on the floor. side: r or l. start_s, end_s: times of the first and last frame."""

    side: str
    start_s: float
    end_s: float


def stances(time: Array, markers: NDArray[np.float32], osim: OsimModel) -> tuple[Stance, ...]:
    """When each foot stands, in the order of the sides r, l and of time.

    time: (T,) s. markers: (T, M, 3) m in ground, NaN while out of sight. A foot stands while any
    of its markers is slow and about as low as it gets. Empty for a model without markers there.
    """
    found: list[Stance] = []
    known: NDArray[np.bool_] = np.isfinite(markers).reshape(len(time), -1).all(axis=1)
    for side in ("r", "l"):
        bodies = {f"{foot}_{side}" for foot in FEET}
        rows = [index for index, marker in enumerate(osim.markers) if marker.body in bodies]
        if rows and known.any():
            stands = _on_the_floor(time, markers[:, rows].astype(np.float64), known)
            found += [Stance(side, *span) for span in _lasting(time, stands)]
    return tuple(found)


def _on_the_floor(time: Array, points: Array, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether any of the points (T, P, 3) stands, (T,)."""
    height = points[..., 1]
    low = height - np.percentile(height[known], LOWEST_PERCENT, axis=0) < NEAR_M
    slow = image_speed(time, points, np.ones(len(time))) < SLOW_M_S
    stands: NDArray[np.bool_] = (slow & low).any(axis=1) & known
    return stands


def _lasting(time: Array, flags: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """First and last time of each run of flags, short breaks bridged and short runs left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    runs: list[tuple[float, float]] = []
    for first, after in edges.reshape(-1, 2):
        start, end = float(time[first]), float(time[after - 1])
        if runs and start - runs[-1][1] < SHORTEST_S:
            start = runs.pop()[0]
        runs.append((start, end))
    return [(start, end) for start, end in runs if end - start >= SHORTEST_S]
