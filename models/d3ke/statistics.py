"""Statistics: multiple correlation, limits of agreement, and where an error's spread comes from."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.bootstrap import Bootstrap

Array = NDArray[np.float64]

NORMAL_95 = 1.96  # standard deviations on either side that hold 95 % of a normal distribution
ACCEPTABLE_DEG, MISLEADING_DEG = 2.0, 5.0  # McGinley et al. 2009, Gait & Posture 29: 360-369
LEAST_UNITS = 5  # clips or people, below which limits get no interval: they are hardly known


class Components(NamedTuple):
    """Variances of an error, squares of its unit: the sum is that of one frame of somebody new.

    subjects, clips: between them, NaN where the data do not tell. within: between a clip's frames.
    """

    subjects: float
    clips: float
    within: float

    @property
    def sd(self) -> float:
        """The standard deviation of a frame of anybody."""
        return math.sqrt(float(np.nansum(self)))


class Limits(NamedTuple):
    """Within which 95 % of errors lie, in the unit of the input.

    low_interval, high_interval: 95 % of draws of other clips or people; NaN below five of them.
    of: what was taken as drawn at random: `subjects`, `clips`, or `frames` of the one clip.
    """

    bias: float
    low: float
    high: float
    low_interval: tuple[float, float]
    high_interval: tuple[float, float]
    components: Components
    units: int
    of: str


def band(rmse_deg: float) -> str:
    """What an error of a joint angle means to a reader: acceptable, reasonable or misleading.

    Below 2 deg: acceptable. To 5 deg: reasonable, but to be kept in mind. Above: it may mislead.
    Source: McGinley et al. 2009, who judge standard errors of gait angles; hence of the RMSE.
    """
    if math.isnan(rmse_deg):
        return ""
    if rmse_deg < ACCEPTABLE_DEG:
        return "acceptable"
    return "reasonable" if rmse_deg <= MISLEADING_DEG else "misleading"


def multiple_correlation(cycles: Iterable[Array]) -> float:
    """The coefficient of multiple correlation (CMC): how alike curves are, offsets included.

    cycles: each (P, F), the curves of P methods in one cycle, or in one clip. One cycle's P
    repetitions by one method give Kadaba's coefficient. Frames with a gap (NaN) are left out.
    NaN where curves differ more than they move (the root of a negative number), or do not move.
    Source: Ferrari et al. 2010, Gait & Posture 31: 540-542; Kadaba et al. 1989.
    """
    kept = [cycle[:, ~np.isnan(cycle).any(axis=0)] for cycle in cycles]
    kept = [cycle for cycle in kept if cycle.shape[1] > 1]
    if not kept:
        return math.nan
    apart = total = 0.0
    for cycle in kept:
        methods, frames = cycle.shape
        apart += ((cycle - cycle.mean(axis=0)) ** 2).sum() / (frames * (methods - 1))
        total += ((cycle - cycle.mean()) ** 2).sum() / (methods * frames - 1)
    if total < 1e-18 or apart > total:
        return math.nan
    return math.sqrt(1 - apart / total)


def limits_of_agreement(
    errors: Array, clips: NDArray[np.int64], subjects: NDArray[np.int64] | None = None
) -> Limits:
    """Bland and Altman's limits for repeated measures where the true value varies.

    errors: (F,) of frames, no NaN. clips, subjects: (F,) whose each frame is; without subjects
    each clip is a unit. The bias is the mean of all frames. The spread is that of a frame of
    somebody new: components of a nested analysis of variance, unequal numbers allowed, by their
    expected mean squares; a negative one is 0. With one clip it is the spread of its frames, and
    says nothing of other clips.

    Frames of a clip follow each other. That moves spread from `within` to `clips`, and hardly
    changes the sum; but it makes frames no evidence of their own, so the intervals draw subjects
    (or clips) whole.
    Raises ValueError: no errors, or fewer than two.
    Source: Bland and Altman 2007, J. Biopharm. Stat. 17: 571-582, section 3; Searle et al. 1992,
    Variance Components, for the nested case.
    """
    if len(errors) < 2:
        raise ValueError(f"{len(errors)} errors have no spread")
    clip_of = np.unique(clips, return_inverse=True)[1]
    units = clip_of if subjects is None else np.unique(subjects, return_inverse=True)[1]
    of = "clips" if subjects is None else "subjects"
    if units.max() == 0:  # of one person: clips are all there is to tell apart
        units, of = clip_of, "clips"
    if units.max() == 0:
        return _of_one_clip(errors)
    squares = _Squares(errors, clip_of, units)
    whole = Bootstrap(np.arange(squares.units))
    bias, parts = squares.components(np.ones((1, squares.units)))
    low, high = _ends(*squares.components(whole.times.astype(np.float64)))
    if squares.units < LEAST_UNITS:
        low, high = np.full((2, len(low)), np.nan)
    intervals = [tuple(float(end[0]) for end in whole.interval(e[:, None])) for e in (low, high)]
    top, clip, within = (float(part[0]) for part in parts)
    nested = len(np.unique(clip_of)) > squares.units
    if of == "clips":
        found = Components(math.nan, top, within)
    else:
        found = Components(top, clip if nested else math.nan, within)
    middle, spread = float(bias[0]), NORMAL_95 * found.sd
    return Limits(
        middle,
        middle - spread,
        middle + spread,
        (intervals[0][0], intervals[0][1]),
        (intervals[1][0], intervals[1][1]),
        found,
        squares.units,
        of,
    )


def _of_one_clip(errors: Array) -> Limits:
    bias, variance = float(errors.mean()), float(errors.var(ddof=1))
    spread, unknown = NORMAL_95 * math.sqrt(variance), (math.nan, math.nan)
    parts = Components(math.nan, math.nan, variance)
    return Limits(bias, bias - spread, bias + spread, unknown, unknown, parts, 1, "frames")


def _ends(bias: Array, parts: Array) -> tuple[Array, Array]:
    spread = NORMAL_95 * np.sqrt(parts.sum(axis=0))
    return bias - spread, bias + spread


class _Squares:
    """Sums over each unit, from which components follow for any draw of units."""

    def __init__(self, errors: Array, clips: NDArray[np.intp], units: NDArray[np.intp]) -> None:
        """errors: (F,). clips, units: (F,) numbers from 0 on; a clip is of one unit."""
        frames = np.bincount(clips).astype(np.float64)
        sums = np.bincount(clips, errors)
        unit_of = np.zeros(len(frames), np.intp)
        unit_of[clips] = units
        self.units = int(units.max()) + 1
        deviations = np.bincount(clips, (errors - (sums / frames)[clips]) ** 2)
        self.frames, self.sums = np.bincount(unit_of, frames), np.bincount(unit_of, sums)
        means = self.sums / self.frames
        self.clips = np.bincount(unit_of).astype(np.float64)
        self.frames_squared = np.bincount(unit_of, frames**2)
        self.within = np.bincount(unit_of, deviations)
        self.between = np.bincount(unit_of, frames * (sums / frames - means[unit_of]) ** 2)

    def components(self, times: Array) -> tuple[Array, Array]:
        """Bias (D,), and variances (3, D) of units, clips and frames.

        times: (D, U) how often each unit was drawn; drawn twice, it is two units.
        """
        units = times.sum(axis=1)
        total, clips = times @ self.frames, times @ self.clips
        bias = times @ self.sums / total
        of_units = times @ (self.sums**2 / self.frames) - total * bias**2
        shares = times @ (self.frames_squared / self.frames)
        within = _ratio(times @ self.within, total - clips)
        k1 = _ratio(total - shares, clips - units)
        k2 = (shares - times @ self.frames_squared / total) / (units - 1)
        k3 = (total - times @ self.frames**2 / total) / (units - 1)
        of_clips = _ratio(_ratio(times @ self.between, clips - units) - within, k1)
        of_units = (of_units / (units - 1) - within - k2 * of_clips) / k3
        return bias, np.stack([np.maximum(of_units, 0), of_clips, within])


def _ratio(above: Array, below: Array) -> Array:
    """The quotient, not below 0; 0 where there is nothing to divide by."""
    safe = np.where(below > 0, below, 1.0)
    return np.where(below > 0, np.maximum(above, 0) / safe, 0.0)
