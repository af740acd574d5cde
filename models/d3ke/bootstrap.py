"""Bootstrap: how far means over frames would move had other people been filmed.

People are resampled, each with all of its frames: frames of one person are no independent votes.
It says nothing of what another training of the same network would have scored. With fewer than
about twenty people the intervals are somewhat too narrow.
Source: Efron and Tibshirani 1993, percentile intervals; Field and Welsh 2007 for clusters.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DRAWS = 2_000
LEVEL = 0.95
LEAST_PEOPLE = 2  # one person resampled is that person again


class Interval(NamedTuple):
    """Within which 95 % of the draws lie, (V,) each; NaN where there is none."""

    low: Array
    high: Array


class Bootstrap:
    """People drawn with replacement, the same draws for all that is compared."""

    def __init__(self, people: NDArray[np.int64], draws: int = DRAWS, seed: int = 0) -> None:
        """people: (F,) whose frame each one is."""
        known, self.person = np.unique(people, return_inverse=True)
        self.people = len(known)
        even = np.full(self.people, 1 / self.people)
        rng = np.random.default_rng(seed)
        self.times = rng.multinomial(self.people, even, size=draws)  # (D, P) each person is drawn

    def means(self, values: Array) -> Array:
        """Means over frames of values (F, V), NaN left out: (V,)."""
        sums, counts = self._sums(values)
        with np.errstate(invalid="ignore"):
            return np.asarray(sums.sum(axis=0) / counts.sum(axis=0))

    def drawn(self, values: Array) -> Array:
        """Means over the drawn people's frames of values (F, V), NaN left out: (D, V)."""
        sums, counts = self._sums(values)
        with np.errstate(invalid="ignore"):
            return np.asarray((self.times @ sums) / (self.times @ counts))

    def interval(self, drawn: Array) -> Interval:
        """The interval of drawn figures (D, V)."""
        nothing = np.full(drawn.shape[1], np.nan)
        some = ~np.isnan(drawn).all(axis=0)
        if self.people < LEAST_PEOPLE or not some.any():
            return Interval(nothing, nothing)
        low, high = nothing.copy(), nothing.copy()
        ends = (1 - LEVEL) / 2, (1 + LEVEL) / 2
        low[some], high[some] = np.nanquantile(drawn[:, some], ends, axis=0)
        return Interval(low, high)

    def _sums(self, values: Array) -> tuple[Array, Array]:
        """Each person's sums and numbers of known values, (P, V)."""
        known = ~np.isnan(values)
        sums, counts = np.zeros((2, self.people, values.shape[1]))
        np.add.at(sums, self.person, np.where(known, values, 0.0))
        np.add.at(counts, self.person, known)
        return sums, counts
