"""When feet carry."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

SLOW_M_S, LOW_M = 0.45, 0.03  # a foot that carries: hardly moves, hardly over the floor
STILL_M_S, NEAR_M = 0.12, 0.055  # or stands still a little higher: the plan is not that exact
SHORTEST_S, GAP_S = 0.06, 0.07
LONGEST_FLIGHT_S = 0.2  # without a height over the floor: that of a runner
IDLE_S, IDLE_M = (0.5, 0.25), 0.035  # inside a clip and at its ends: a foot that only shuffles
AIRBORNE_M = 0.012


class Stance(NamedTuple):
    """One foot on the floor: side (0 right, 1 left), frames begin..end - 1."""

    side: int
    begin: int
    end: int


def find_stances(
    steps: tuple[Array, Array], heights: Array, airborne: Array, rate_hz: float
) -> Flags:
    """Which feet carry, (T, 2).

    steps: (T - 1, 3) of what would carry of each sole, m; heights: (T, 2) of the lowest points
    over what is under them, m; airborne: (T,) m.
    """
    carries = np.zeros(heights.shape, dtype=bool)
    for side, step in enumerate(steps):
        speed = np.linalg.norm(step[:, [0, 2]], axis=1) * rate_hz
        slower = np.minimum(np.append(speed, np.inf), np.append(np.inf, speed))
        height = heights[:, side]
        slow = (slower < SLOW_M_S) & (height < LOW_M)
        carries[:, side] = slow | ((slower < STILL_M_S) & (height < NEAR_M))
    carries[airborne > AIRBORNE_M] = False
    for side in (0, 1):
        carries[:, side] = _without_gaps(carries[:, side], round(GAP_S * rate_hz))
        _keep_down(carries[:, side], steps[side], heights[:, side], rate_hz)
        short = max(2, round(SHORTEST_S * rate_hz))
        carries[:, side] = ~_without_gaps(~carries[:, side], short - 1)
    for begin, end in runs(~carries.any(axis=1) & (airborne <= AIRBORNE_M)):
        if end - begin > LONGEST_FLIGHT_S * rate_hz:
            alone = np.arange(begin, end)
            carries[alone, heights[alone].argmin(axis=1)] = True
    return carries


def stances(carries: Flags) -> list[Stance]:
    """The runs of frames in which a foot carries. carries: (T, 2)."""
    return [Stance(side, begin, end) for side in (0, 1) for begin, end in runs(carries[:, side])]


def runs(flags: Flags) -> list[tuple[int, int]]:
    """Begin and end of every run of true flags (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _keep_down(flags: Flags, steps: Array, heights: Array, rate_hz: float) -> None:
    """Fill those gaps in flags (T,) in which a foot neither rises nor goes anywhere."""
    for begin, end in runs(~flags):
        outer = begin == 0 or end == len(flags)
        if end - begin > IDLE_S[outer] * rate_hz or (begin, end) == (0, len(flags)):
            continue
        before, after = max(begin - 1, 0), min(end, len(steps))
        gone = np.linalg.norm(steps[before:after].sum(axis=0)[[0, 2]])
        if gone < IDLE_M and heights[begin:end].max() < NEAR_M:
            flags[begin:end] = True


def _without_gaps(flags: Flags, longest: int) -> Flags:
    """Flags (T,) with inner runs of false of at most `longest` frames filled."""
    filled = flags.copy()
    for begin, end in runs(~flags):
        if begin > 0 and end < len(flags) and end - begin <= longest:
            filled[begin:end] = True
    return filled
