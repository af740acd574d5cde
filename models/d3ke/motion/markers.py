"""MarkerData: the places of markers over time."""

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
class MarkerData:
    """Markers over time.

    time: (T,) s, rising. xyz: (T, M, 3) m, NaN = gap. names: M marker names.
    Raises ValueError: shapes that do not belong together, time that does not rise.
    """

    time: Array
    xyz: Array
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", np.asarray(self.time, dtype=np.float64))
        object.__setattr__(self, "xyz", np.asarray(self.xyz, dtype=np.float64))
        shape = (len(self.time), len(self.names), 3)
        if self.xyz.shape != shape:
            raise ValueError(f"xyz is {self.xyz.shape}, time and names say {shape}")
        if not (np.diff(self.time) > 0).all():
            raise ValueError("time does not rise")

    @property
    def rate_hz(self) -> float:
        """Frames a second, holes left out."""
        return filters.rate_hz(self.time)

    def select(self, names: Iterable[str]) -> "MarkerData":
        """The named markers only, in the order given.

        Raises D3keError for a name that is not there.
        """
        wanted = tuple(names)
        missing = [name for name in wanted if name not in self.names]
        if missing:
            raise D3keError(f"no marker {missing[0]}. There are: {', '.join(self.names)}.")
        index = [self.names.index(name) for name in wanted]
        return MarkerData(self.time, self.xyz[:, index], wanted)

    def to_frame(self) -> "pd.DataFrame":
        """A pandas table in m: index time in s, columns (marker, axis)."""
        import pandas as pd

        columns = pd.MultiIndex.from_product([self.names, list("xyz")], names=["marker", "axis"])
        values = self.xyz.reshape(len(self.time), -1)
        return pd.DataFrame(values, index=pd.Index(self.time, name="time"), columns=columns)

    def at(self, grid: Array, max_gap_s: float = filters.MAX_GAP_S) -> "MarkerData":
        """The markers at the times of `grid` (G,) s, NaN where there are none."""
        xyz = filters.resample(self.time, self.xyz, grid, max_gap_s=max_gap_s)
        return replace(self, time=grid, xyz=xyz)

    def resampled(self, rate_hz: float, max_gap_s: float = filters.MAX_GAP_S) -> "MarkerData":
        """The markers at uniform times, `rate_hz` a second, by cubic splines."""
        return self.at(filters.uniform_grid(self.time, rate_hz), max_gap_s)

    def lowpassed(self, cutoff_hz: float) -> "MarkerData":
        """The markers without what is faster than `cutoff_hz` (filters.lowpass); uniform time only.

        Raises ValueError where time is uneven: resample first.
        """
        filters.require_uniform(self.time)
        return replace(self, xyz=filters.lowpass(self.xyz, self.rate_hz, cutoff_hz))
