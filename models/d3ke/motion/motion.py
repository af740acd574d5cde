"""Motion: the coordinates of a model over time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion import filters

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Motion:
    """Coordinates over time.

    time: (T,) s, rising. q: (T, K) rad or m, NaN = gap. names: K coordinate names. rotational: K
    flags; False for translations, and for coupled coordinates, which files hold in radians too.
    Raises ValueError: shapes that do not belong together, time that does not rise.
    """

    time: Array
    q: Array
    names: tuple[str, ...]
    rotational: tuple[bool, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", np.asarray(self.time, dtype=np.float64))
        object.__setattr__(self, "q", np.asarray(self.q, dtype=np.float64))
        shape = (len(self.time), len(self.names))
        if self.q.shape != shape or len(self.rotational) != len(self.names):
            raise ValueError(f"q is {self.q.shape}, time and names say {shape}")
        if not (np.diff(self.time) > 0).all():
            raise ValueError("time does not rise")

    @property
    def rate_hz(self) -> float:
        """Frames a second, holes left out."""
        return filters.rate_hz(self.time)

    def column(self, name: str) -> Array:
        """One coordinate over time: (T,) rad or m."""
        return self.select([name]).q[:, 0]

    def select(self, names: Iterable[str]) -> "Motion":
        """The named coordinates only, in the order given.

        Raises D3keError for a name that the motion does not have.
        """
        wanted = tuple(names)
        missing = [name for name in wanted if name not in self.names]
        if missing:
            raise D3keError(f"no coordinate {missing[0]}. There are: {', '.join(self.names)}.")
        index = [self.names.index(name) for name in wanted]
        flags = tuple(self.rotational[i] for i in index)
        return Motion(self.time, self.q[:, index], wanted, flags)

    def degrees(self) -> Array:
        """The coordinates with rotations in degrees: (T, K)."""
        return np.where(self.rotational, np.rad2deg(self.q), self.q)

    def to_frame(self, degrees: bool = True) -> "pd.DataFrame":
        """A pandas table: index time in s, one column a coordinate, rotations in degrees or rad."""
        import pandas as pd

        values = self.degrees() if degrees else self.q
        return pd.DataFrame(
            values, index=pd.Index(self.time, name="time"), columns=list(self.names)
        )

    def unwrapped(self) -> "Motion":
        """The same motion without jumps of a whole turn."""
        return replace(self, q=np.where(self.rotational, filters.unwrap(self.q), self.q))

    def resampled(self, rate_hz: float, max_gap_s: float = filters.MAX_GAP_S) -> "Motion":
        """The motion at uniform times, `rate_hz` a second, by cubic splines (filters.resample)."""
        grid = filters.uniform_grid(self.time, rate_hz)
        return self.at(grid, max_gap_s)

    def at(self, grid: Array, max_gap_s: float = filters.MAX_GAP_S) -> "Motion":
        """The motion at the times of `grid` (G,) s, NaN where it has none (filters.resample)."""
        q = filters.resample(self.time, self.unwrapped().q, grid, max_gap_s=max_gap_s)
        return replace(self, time=grid, q=q)

    def lowpassed(self, cutoff_hz: float) -> "Motion":
        """The motion without what is faster than `cutoff_hz` (filters.lowpass); uniform time only.

        Raises ValueError where time is uneven: resample first.
        """
        filters.require_uniform(self.time)
        return replace(self, q=filters.lowpass(self.unwrapped().q, self.rate_hz, cutoff_hz))
