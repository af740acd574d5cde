"""Gait cycles: angles over 0 to 100 % of a stride, of a prediction and its reference.

The reference's strikes cut both, so that a cycle's error is one of angles; errors of events are
told apart from it. Right strides cut coordinates of the right side and of the middle.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.agreement import wrapped
from d3ke.gait_events import Stride
from d3ke.motion.motion import Motion
from d3ke.statistics import multiple_correlation

Array = NDArray[np.float64]

PERCENT = np.arange(101.0)


class Cycles(NamedTuple):
    """One coordinate over strides, degrees.

    predicted, reference: (C, 101), at 0, 1 ... 100 % of each stride, without whole turns.
    """

    predicted: Array
    reference: Array

    @property
    def error(self) -> Array:
        """The mean predicted curve minus the mean true one: (101,)."""
        return np.asarray(self.predicted.mean(axis=0) - self.reference.mean(axis=0))

    @property
    def mae(self) -> float:
        """Mean absolute error of the mean curve."""
        return float(np.abs(self.error).mean())

    @property
    def rmse(self) -> float:
        """Root mean square error of the mean curve."""
        return float(np.sqrt((self.error**2).mean()))

    @property
    def worst(self) -> tuple[float, float]:
        """The largest error of the mean curve, and at what percent of the cycle."""
        place = int(np.abs(self.error).argmax())
        return float(self.error[place]), float(PERCENT[place])

    def constant_mae(self, angle_deg: float | None = None) -> float:
        """What a constant is off the reference's mean curve; by default the curve's own mean."""
        curve = self.reference.mean(axis=0)
        return float(np.abs(curve - (curve.mean() if angle_deg is None else angle_deg)).mean())

    @property
    def cmc(self) -> float:
        """Multiple correlation of the two methods over all cycles (Ferrari et al. 2010)."""
        return multiple_correlation(np.stack([self.predicted, self.reference], axis=1))

    @property
    def repeatability(self) -> tuple[float, float]:
        """Multiple correlation of a method's own cycles (Kadaba 1989): prediction, reference."""
        if len(self.predicted) < 2:
            return math.nan, math.nan
        return multiple_correlation([self.predicted]), multiple_correlation([self.reference])


def cut(moved: Motion, true: Motion, strides: Sequence[Stride]) -> dict[str, Cycles]:
    """The rotations of two motions of the same times and names, stride by stride.

    A coordinate's strides with a gap in either motion are left out, and so is one without strides.
    """
    found = {}
    for index, name in enumerate(true.names):
        side = "l" if name.endswith("_l") else "r"
        grids = [s.start_s + (s.end_s - s.start_s) * PERCENT / 100 for s in strides]
        pairs = [
            _curves(true.time, moved.q[:, index], true.q[:, index], grid)
            for stride, grid in zip(strides, grids, strict=True)
            if stride.side == side
        ]
        whole = [pair for pair in pairs if not np.isnan(pair).any()]
        if whole:
            predicted, reference = np.rad2deg(np.stack(whole, axis=1))
            turns = 360 * np.round((reference.mean(axis=1) - reference.mean()) / 360)[:, None]
            found[name] = Cycles(predicted - turns, reference - turns)
    return found


def _curves(time: Array, predicted: Array, true: Array, grid: Array) -> Array:
    """Both at the times of `grid`: (2, 101) rad, never a whole turn apart."""
    inside = slice(
        max(0, int(np.searchsorted(time, grid[0], "right")) - 1),
        int(np.searchsorted(time, grid[-1])) + 1,
    )
    target = np.unwrap(true[inside])
    error = wrapped(predicted[inside] - true[inside])
    reference = np.interp(grid, time[inside], target)
    return np.stack([reference + np.interp(grid, time[inside], error), reference])
