"""Filters: resampling, gaps, and a low-pass without lag.

- A gap is a run of NaN, or a hole in the time stamps. What lies between two gaps is a segment, and
  every segment is treated on its own: a gap stays a gap, and nothing rings into it.
- Values are (T, ...): time first, anything behind it.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

MAX_GAP_S = 0.2  # longest gap bridged by default: half a swing phase at normal speed
RINGING = 2.5  # over the cut-off: s until the filter's answer has faded to a millionth
HOLE_STEPS = 1.5  # a step longer than this times the median one misses a sample


def rate_hz(time: ArrayLike) -> float:
    """The rate of a series of time stamps in Hz, holes left out; 0 for fewer than two stamps.

    One over the mean of the steps that are no holes: stamps rounded to milliseconds (0.016, 0.033,
    0.050) are 60 Hz, where the median step alone says 59.
    """
    steps = np.diff(np.asarray(time, dtype=np.float64))
    if not len(steps):
        return 0.0
    return 1.0 / float(np.mean(steps[steps <= HOLE_STEPS * np.median(steps)]))


def uniform_grid(time: ArrayLike, rate: float) -> Array:
    """Times from the first stamp to the last, one over `rate` Hz apart. Returns (G,) s."""
    stamps = np.asarray(time, dtype=np.float64)
    steps = math.floor((stamps[-1] - stamps[0]) * rate + 1e-6)  # 1e-6 of a step: rounded stamps
    return np.asarray(stamps[0] + np.arange(steps + 1) / rate)


def require_uniform(time: ArrayLike) -> None:
    """Raises ValueError where the steps of `time` (T,) differ by more than a tenth of a percent."""
    steps = np.diff(np.asarray(time, dtype=np.float64))
    if len(steps) and np.ptp(steps) > 1e-3 * np.median(steps):
        raise ValueError("the time steps are uneven: resample before filtering")


def resample(
    time: ArrayLike,
    values: ArrayLike,
    grid: ArrayLike,
    method: str = "cubic",
    max_gap_s: float = MAX_GAP_S,
) -> Array:
    """Values at the times of `grid`, between their neighbours by a cubic spline or a line.

    time: (T,) s, rising. values: (T, ...), NaN = gap. grid: (G,) s. method: cubic or linear.
    Gaps up to max_gap_s, and single steps of a slower series, are bridged; longer gaps and times
    before the first or after the last sample are NaN. Returns (G, ...).
    """
    stamps, targets = np.asarray(time, dtype=np.float64), np.asarray(grid, dtype=np.float64)
    columns = np.asarray(values, dtype=np.float64).reshape(len(stamps), -1)
    result = np.full((len(targets), columns.shape[1]), np.nan)
    for same in _columns_with_the_same_gaps(columns):
        valid = ~np.isnan(columns[:, same[0]])
        for run in _runs(stamps[valid], max_gap_s):
            rows = np.flatnonzero(valid)[run]
            inside = _within(targets, stamps[rows[0]], stamps[rows[-1]])
            known = columns[np.ix_(rows, same)]
            result[np.ix_(inside, same)] = _between(stamps[rows], known, targets[inside], method)
    return result.reshape(len(targets), *np.shape(values)[1:])


def lowpass(values: ArrayLike, rate: float, cutoff_hz: float) -> Array:
    """A zero-lag fourth-order Butterworth low-pass, as gait laboratories use it.

    values: (T, ...) at a uniform `rate` in Hz, NaN = gap. cutoff_hz: where the amplitude is 0.707
    of what it was; 0 leaves all as it is, and so does a cut-off above half the rate, where there
    is nothing to remove. Returns (T, ...).
    A second-order filter runs forwards and backwards. Two passes would lower the cut-off, so each
    is designed for a higher one: 1 / (sqrt(2) - 1)^(1/4) = 1.246 times, on the warped scale.
    Source: Winter, Biomechanics and Motor Control of Human Movement, 4th ed., section 3.4.4.2.
    """
    known = np.asarray(values, dtype=np.float64)
    if cutoff_hz <= 0 or cutoff_hz >= rate / 2:
        return known.copy()
    from scipy.signal import butter

    warped = math.tan(math.pi * cutoff_hz / rate) / (math.sqrt(2) - 1) ** 0.25
    sections = butter(2, math.atan(warped) * 2 / math.pi, output="sos")
    columns = known.reshape(len(known), -1)
    result = np.full(columns.shape, np.nan)
    for same in _columns_with_the_same_gaps(columns):
        valid = np.flatnonzero(~np.isnan(columns[:, same[0]]))
        for rows in np.split(valid, np.flatnonzero(np.diff(valid) > 1) + 1):
            part = columns[np.ix_(rows, same)]
            result[np.ix_(rows, same)] = _both_ways(sections, part, RINGING * rate / cutoff_hz)
    return result.reshape(known.shape)


def unwrap(angles: ArrayLike) -> Array:
    """Angles (T, ...) in rad without jumps of a whole turn, also across gaps (NaN)."""
    result = np.array(angles, dtype=np.float64)
    for column in result.reshape(len(result), -1).T:
        valid = ~np.isnan(column)
        column[valid] = np.unwrap(column[valid])
    return result


def _both_ways(sections: Array, values: Array, padding: float) -> Array:
    """One segment, forwards and backwards, continued by its point reflection at either end."""
    from scipy.signal import sosfiltfilt

    if len(values) < 2:
        return values
    pad = min(math.ceil(padding), len(values) - 1)
    return np.asarray(sosfiltfilt(sections, values, axis=0, padlen=pad))


def _columns_with_the_same_gaps(columns: Array) -> list[NDArray[np.intp]]:
    """Indices of the columns, grouped by where their NaN are; columns of NaN alone are left out."""
    missing = np.isnan(columns)
    patterns, group = np.unique(missing, axis=1, return_inverse=True)
    return [
        np.flatnonzero(group == index)
        for index in range(patterns.shape[1])
        if not patterns[:, index].all()
    ]


def _runs(stamps: Array, max_gap_s: float) -> list[NDArray[np.intp]]:
    """Indices of the stamps, cut where a gap is too long to bridge."""
    steps = np.diff(stamps)
    longest = max(max_gap_s, HOLE_STEPS * float(np.median(steps))) if len(steps) else max_gap_s
    cuts = np.flatnonzero(steps > longest * (1 + 1e-9)) + 1
    return np.split(np.arange(len(stamps)), cuts)


def _within(targets: Array, first: float, last: float) -> NDArray[np.bool_]:
    slack = 1e-7  # s: stamps in files have eight decimals
    return np.asarray((targets >= first - slack) & (targets <= last + slack))


def _between(stamps: Array, known: Array, targets: Array, method: str) -> Array:
    """Values at `targets`, all inside the stamps of one segment."""
    targets = np.clip(targets, stamps[0], stamps[-1])
    if len(stamps) == 1:
        return np.repeat(known, len(targets), axis=0)
    from scipy.interpolate import CubicSpline, make_interp_spline

    if method == "linear" or len(stamps) < 4:
        return np.asarray(make_interp_spline(stamps, known, k=1)(targets))
    return np.asarray(CubicSpline(stamps, known)(targets))
