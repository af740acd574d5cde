"""Chain: least squares of unknowns of each frame, tied to the next frame's, and some shared by all.

The normal equations are banded, but for the rows of what is shared: one banded factorisation and
a small dense one solve them exactly, in time that grows with the frames alone.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve, solveh_banded

Array = NDArray[np.float64]


class Rows(NamedTuple):
    """R residuals of each of T frames, as straight lines about the present values.

    off: (T, R) what they are now, and should not be. slopes: (T, R, F) by the frame's unknowns,
    shared: (T, R, S) by those of all frames. weights: (T, R), one over the variance.
    """

    off: Array
    slopes: Array
    shared: Array
    weights: Array


class Chain:
    """The normal equations of T frames with F unknowns each, and S shared ones."""

    def __init__(self, frames: int, unknowns: int, shared: int) -> None:
        self.own = np.zeros((frames, unknowns, unknowns))
        self.next = np.zeros((frames - 1, unknowns, unknowns))  # rows: the later frame's
        self.down = np.zeros((frames, unknowns))
        self.mixed = np.zeros((frames, unknowns, shared))
        self.shared = np.zeros((shared, shared))
        self.shared_down = np.zeros(shared)

    def add(self, frames: slice, rows: Rows) -> None:
        """Add residuals of some of the frames."""
        weighted = (rows.slopes * rows.weights[..., None]).transpose(0, 2, 1)  # (T, F, R)
        self.own[frames] += weighted @ rows.slopes
        self.down[frames] -= (weighted @ rows.off[..., None])[..., 0]
        self.mixed[frames] += weighted @ rows.shared
        flat = rows.shared.reshape(-1, rows.shared.shape[2])
        heavy = flat * rows.weights.reshape(-1, 1)
        self.shared += heavy.T @ flat
        self.shared_down -= heavy.T @ rows.off.ravel()

    def add_steps(self, first: int, off: Array, slopes: Array, weights: Array) -> None:
        """Add residuals between frames that follow one another.

        first: number of the first frame. off, weights: (T - 1, R). slopes: (T, R, F) by each frame
        of what the later one adds and the earlier one takes off.
        """
        before, after = slopes[:-1], slopes[1:]
        down = (before * weights[..., None]).transpose(0, 2, 1)
        up = (after * weights[..., None]).transpose(0, 2, 1)
        earlier = slice(first, first + len(off))
        later = slice(first + 1, first + 1 + len(off))
        self.own[earlier] += down @ before
        self.own[later] += up @ after
        self.next[earlier] -= up @ before
        self.down[earlier] += (down @ off[..., None])[..., 0]
        self.down[later] -= (up @ off[..., None])[..., 0]

    def add_wandering(self, values: Array, variance: Array, kept: Array) -> None:
        """Expect the unknowns to wander about 0 (Ornstein and Uhlenbeck).

        values: (T, F) now. variance: (F,). kept: (T - 1,) the part of a
        value that the next frame keeps.
        """
        fresh = 1 - kept**2
        own = np.ones(len(values))
        own[:-1] += kept**2 / fresh
        own[1:] += kept**2 / fresh
        diagonal, off = own[:, None] / variance, -(kept / fresh)[:, None] / variance
        np.einsum("tff->tf", self.own)[:] += diagonal
        np.einsum("tff->tf", self.next)[:] += off
        self.down -= diagonal * values
        self.down[1:] -= off * values[:-1]
        self.down[:-1] -= off * values[1:]

    def add_shared(self, values: Array, sd: Array) -> None:
        """Expect the shared unknowns near 0. values, sd: (S,)."""
        np.einsum("ss->s", self.shared)[:] += 1 / sd**2
        self.shared_down -= values / sd**2

    def solved(self) -> tuple[Array, Array]:
        """The step to the least squares: (T, F) of the frames, (S,) of what is shared."""
        frames, unknowns = self.down.shape
        mixed = self.mixed.reshape(frames * unknowns, -1)
        right = np.column_stack([self.down.ravel(), mixed])
        found = solveh_banded(self._bands(), right, lower=True, check_finite=False)
        alone, carried = found[:, 0], found[:, 1:]
        shared = solve(
            self.shared - mixed.T @ carried,
            self.shared_down - mixed.T @ alone,
            assume_a="pos",
        )
        return (alone - carried @ shared).reshape(frames, unknowns), shared

    def _bands(self) -> Array:
        """The lower bands of the frames' part, (2 F, T F)."""
        frames, unknowns = self.down.shape
        bands = np.zeros((2 * unknowns, frames * unknowns))
        for column in range(unknowns):
            for row in range(column, unknowns):
                bands[row - column, column::unknowns] = self.own[:, row, column]
            for row in range(unknowns):
                below = bands[unknowns + row - column, column::unknowns]
                below[: frames - 1] = self.next[:, row, column]
        return bands
