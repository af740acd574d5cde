"""Gait events: heel strikes, toe offs, strides and steps, from feet as the pelvis sees them.

A heel strikes when it is farthest ahead of the pelvis, and toes leave when they are farthest
behind: Zeni et al. 2008, Gait & Posture 27: 710-714. In running the foot moves back before it
lands, so that strikes come early; two motions that are judged alike still compare.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.feet import SIDES, Feet
from d3ke.motion import filters

Array = NDArray[np.float64]

CUTOFF_HZ = 6.0  # noise of a frame or two makes no event
LEAST_SWING_M = 0.15  # of a foot past the pelvis and back: what moves less is no step
LEAST_SHARE = 0.4  # of the usual swing
LEAST_APART_S = 0.35  # strikes of one foot: a sprinter's stride takes 0.4 s
STRIDE_S = (0.4, 2.5)  # from a sprinter's to a slow patient's
LEAST_STEP_M = 0.1  # in front of the other foot: less is marching on the spot
MATCHED_S = 0.2  # events of two motions that are farther apart are not the same


class Stride(NamedTuple):
    """From a foot's strike to its next. side: r or l. toe_off_s: NaN where none was found."""

    side: str
    start_s: float
    end_s: float
    toe_off_s: float


class Step(NamedTuple):
    """At a foot's strike: how far it is ahead of the other, and beside it. side: r or l."""

    side: str
    time_s: float
    length_m: float
    width_m: float


class Gait(NamedTuple):
    """Events in order of time, by side (r, l), and what they bound."""

    strikes: dict[str, Array]
    offs: dict[str, Array]
    strides: tuple[Stride, ...]
    steps: tuple[Step, ...]


class Matched(NamedTuple):
    """Events that two motions have. pairs: (P, 2) positions, in the first and in the second.

    missed: only the second has them. extra: only the first does.
    """

    pairs: NDArray[np.int64]
    missed: int
    extra: int


def find_gait(feet: Feet) -> Gait | None:
    """The gait in a motion, or None where no stride is whole.

    A stride is 0.4 to 2.5 s long, and the other foot strikes once in it, ahead of this one.
    """
    rate = filters.rate_hz(feet.time)
    heels, toes = (filters.lowpass(p[..., 0], rate, CUTOFF_HZ) for p in (feet.heels, feet.toes))
    strikes = {side: _peaks(feet.time, heels[:, i]) for i, side in enumerate(SIDES)}
    offs = {side: _peaks(feet.time, -toes[:, i]) for i, side in enumerate(SIDES)}
    steps = {
        (side, time): _step(feet, side, time) for side, times in strikes.items() for time in times
    }
    strides = []
    for side, other in (SIDES, SIDES[::-1]):
        for start, end in zip(strikes[side][:-1], strikes[side][1:], strict=True):
            between = strikes[other][(strikes[other] > start) & (strikes[other] < end)]
            struck = [steps[side, start], steps[side, end], *(steps[other, t] for t in between)]
            if (
                len(between) == 1
                and STRIDE_S[0] <= end - start <= STRIDE_S[1]
                and all(step.length_m >= LEAST_STEP_M for step in struck)
            ):
                off = offs[side][(offs[side] > start) & (offs[side] < end)]
                toe_off = float(off[0]) if len(off) == 1 else np.nan
                strides.append(Stride(side, float(start), float(end), toe_off))
    if not strides:
        return None
    strides.sort(key=lambda stride: stride.start_s)
    inside = [step for step in steps.values() if _within(step.time_s, strides)]
    inside.sort(key=lambda step: step.time_s)
    return Gait(
        {side: _kept(times, strides) for side, times in strikes.items()},
        {side: _kept(times, strides) for side, times in offs.items()},
        tuple(strides),
        tuple(inside),
    )


def matched(found: Array, true: Array) -> Matched:
    """Events that are each other's nearest, and within 0.2 s. found, true: s, rising."""
    if not len(found) or not len(true):
        return Matched(np.zeros((0, 2), np.int64), len(true), len(found))
    apart = np.abs(found[:, None] - true)
    nearest = apart.argmin(axis=0)
    order = np.arange(len(true))
    kept = (apart.argmin(axis=1)[nearest] == order) & (apart[nearest, order] <= MATCHED_S)
    pairs = np.stack([nearest[kept], order[kept]], axis=1)
    return Matched(pairs, len(true) - len(pairs), len(found) - len(pairs))


def _peaks(time: Array, values: Array) -> Array:
    """When a series is highest: each peak's time by the parabola through its three frames."""
    from scipy.signal import find_peaks

    known = ~np.isnan(values)
    if known.sum() < 3:
        return np.zeros(0)
    swing = np.ptp(np.percentile(values[known], [5, 95]))
    step = float(np.median(np.diff(time)))
    times: list[float] = []
    rows = np.flatnonzero(known)
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        part = values[run]
        found, _ = find_peaks(
            part,
            prominence=max(LEAST_SWING_M, LEAST_SHARE * float(swing)),
            distance=max(1, round(LEAST_APART_S / step)),
        )
        for peak in found:
            before, top, after = part[peak - 1 : peak + 2]
            bend = before - 2 * top + after
            shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
            times.append(float(time[run[peak]] + shift * step))
    return np.array(times)


def _step(feet: Feet, side: str, time: float) -> Step:
    index = SIDES.index(side)
    apart = feet.heels[:, index] - feet.heels[:, 1 - index]
    length, width = (np.interp(time, feet.time, apart[:, axis]) for axis in (0, 1))
    return Step(side, float(time), float(length), float(width if side == "r" else -width))


def _within(time_s: float, strides: list[Stride]) -> bool:
    return any(stride.start_s <= time_s <= stride.end_s for stride in strides)


def _kept(times: Array, strides: list[Stride]) -> Array:
    return np.array([time for time in times if _within(time, strides)])
