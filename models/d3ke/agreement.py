"""Agreement: how far two motions are apart.

- Time: `lag_s` > 0 means that the prediction is late; it is read at t + lag_s against t.
- Angles are compared on the circle, in degrees.
- A group's error is the mean over its coordinates of each one's mean over frames.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.motion import Motion
from d3ke.planes import JOINTS, PLANES, joint_of, plane_of
from d3ke.statistics import NORMAL_95, multiple_correlation

Array = NDArray[np.float64]

LAG_RANGE_S = 0.5
LAG_STEP_S = 0.01
ENOUGH = 0.5  # a lag that leaves less than this share of the best overlap is not looked at
LEAST_FRAMES = 2
MAX_GAP_S = 0.1  # longer gaps are not bridged: what a method left out is not compared


def _sided(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{side}" for name in names for side in "rl")


GROUPS: dict[str, tuple[str, ...]] = {
    "lower_limb": _sided(
        "hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle"
    ),
    "trunk": ("lumbar_extension", "lumbar_bending", "lumbar_rotation"),
    "arms": _sided("arm_flex", "arm_add", "arm_rot", "elbow_flex"),
}


class Errors(NamedTuple):
    """How one coordinate differs from its reference, in the unit of the input.

    frames: how many were compared. bias: the mean error, predicted minus true. unbiased_rmse: the
    rmse without it. rom: range of motion, predicted minus true. r: Pearson's correlation, NaN for
    a constant. cmc: multiple correlation (see statistics.multiple_correlation). sd: of the errors,
    as a sample's.
    """

    frames: int
    mae: float
    rmse: float
    bias: float
    unbiased_rmse: float
    rom: float
    r: float
    cmc: float
    sd: float

    @property
    def limits(self) -> tuple[float, float]:
        """Limits of agreement: 95 % of this clip's frames lie within, were they normal."""
        return self.bias - NORMAL_95 * self.sd, self.bias + NORMAL_95 * self.sd


@dataclass(frozen=True)
class Comparison:
    """All coordinates of two motions at one lag, in degrees.

    frames: how many have a prediction and a reference. coordinates: the rotations that both have,
    pelvis left out. groups: mean absolute error, NaN where a group has no coordinate.
    """

    lag_s: float
    frames: int
    coordinates: dict[str, Errors]

    @property
    def mean_mae_deg(self) -> float:
        """Mean over all coordinates."""
        return float(np.mean([errors.mae for errors in self.coordinates.values()]))

    @property
    def groups(self) -> dict[str, float]:
        """Mean over each group's coordinates."""
        mae = {name: errors.mae for name, errors in self.coordinates.items()}
        return {group: mean_of(mae, names) for group, names in GROUPS.items()}

    @property
    def planes(self) -> dict[str, float]:
        """Mean over the coordinates of each plane that has some."""
        return self._means(plane_of, PLANES)

    @property
    def joints(self) -> dict[str, float]:
        """Mean over the coordinates of each joint that has some."""
        return self._means(joint_of, JOINTS)

    def _means(self, part_of: Callable[[str], str], parts: Iterable[str]) -> dict[str, float]:
        mae = {name: errors.mae for name, errors in self.coordinates.items()}
        means = {part: mean_of(mae, [n for n in mae if part_of(n) == part]) for part in parts}
        return {part: value for part, value in means.items() if not math.isnan(value)}


def mean_of(values: Mapping[str, float], names: Iterable[str]) -> float:
    """Mean of the named values that there are; NaN without any."""
    found = [values[name] for name in names if name in values]
    return float(np.mean(found)) if found else math.nan


def wrapped(angles: Array) -> Array:
    """Angles in rad, turned by whole turns into [-pi, pi)."""
    return np.asarray((angles + np.pi) % (2 * np.pi) - np.pi)


def errors_between(predicted: Array, true: Array, angles: bool = True) -> Errors:
    """Errors of one series (T,) against another. angles: rad in, degrees out, on the circle.

    Frames where either is NaN are left out; there must be one at least.
    """
    valid = ~(np.isnan(predicted) | np.isnan(true))
    predicted, true = predicted[valid], true[valid]
    error = predicted - true
    if angles:
        error = np.rad2deg(wrapped(error))
        predicted, true = np.rad2deg(np.unwrap(predicted)), np.rad2deg(np.unwrap(true))
    both = np.stack([true + error, true])  # (2, T), no whole turns between them
    bias = float(error.mean())
    moving = min(np.ptp(predicted), np.ptp(true)) > 1e-9
    return Errors(
        frames=len(error),
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt((error**2).mean())),
        bias=bias,
        unbiased_rmse=float(np.sqrt(((error - bias) ** 2).mean())),
        rom=float(np.ptp(predicted) - np.ptp(true)),
        r=float(np.corrcoef(predicted, true)[0, 1]) if moving else math.nan,
        cmc=multiple_correlation([both]),
        sd=float(error.std(ddof=1)) if len(error) > 1 else math.nan,
    )


def shared_rotations(predicted: Motion, true: Motion) -> tuple[str, ...]:
    """The rotations that both motions have, pelvis left out, in the order of the first."""
    theirs = {name for name, turns in zip(true.names, true.rotational, strict=True) if turns}
    return tuple(
        name
        for name, turns in zip(predicted.names, predicted.rotational, strict=True)
        if turns and name in theirs and not name.startswith("pelvis_")
    )


def at_lag(
    predicted: Motion, true: Motion, lag_s: float, names: Iterable[str]
) -> tuple[Motion, Motion]:
    """The named coordinates of both at the times of the reference, the prediction `lag_s` later."""
    names = tuple(names)
    moved = predicted.select(names).at(true.time + lag_s, MAX_GAP_S)
    return replace(moved, time=true.time), true.select(names)


def compare(moved: Motion, true: Motion, lag_s: float) -> Comparison:
    """The rotations of two motions of the same times and names. lag_s: what was taken off before.

    Coordinates without common frames are left out. Raises D3keError where none has any.
    """
    both = ~(np.isnan(moved.q) | np.isnan(true.q))
    found = {
        name: errors_between(moved.q[:, index], true.q[:, index])
        for index, name in enumerate(true.names)
        if both[:, index].sum() >= LEAST_FRAMES
    }
    if not found:
        raise D3keError("no frame has both a prediction and a reference. Compare longer pieces.")
    return Comparison(lag_s, int(both.any(axis=1).sum()), found)


def best_lag(cost: Callable[[float], tuple[float, int]]) -> float:
    """The lag of least cost within +-0.5 s, in steps of 10 ms; the smallest one of equals.

    cost: of a lag in s, the cost (NaN where there is none) and the number of frames behind it.
    """
    steps = round(LAG_RANGE_S / LAG_STEP_S)
    lags = np.arange(-steps, steps + 1) * LAG_STEP_S
    costs, frames = (np.array(column) for column in zip(*map(cost, lags), strict=True))
    costs[frames < max(LEAST_FRAMES, ENOUGH * frames.max())] = np.inf
    order = np.lexsort((np.abs(lags), np.round(costs, 9)))
    return float(np.round(lags[order[0]], 9)) + 0.0  # not -0


def motion_lag(predicted: Motion, true: Motion, names: Iterable[str]) -> float:
    """The lag of least mean absolute error of the lower limb; of all, where there is none."""
    names = tuple(names)
    used = [name for name in names if name in GROUPS["lower_limb"]] or list(names)

    def cost(lag_s: float) -> tuple[float, int]:
        moved, reference = at_lag(predicted, true, lag_s, used)
        error = np.abs(wrapped(moved.q - reference.q))
        seen = ~np.isnan(error)
        means = np.where(seen, error, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        return float(means[seen.any(axis=0)].mean() if seen.any() else np.nan), int(
            seen.any(axis=1).sum()
        )

    return best_lag(cost)


def turn_about_y(angle: float) -> Array:
    """The rotation matrix of a turn about Y. angle: rad."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def spoken(time: Array) -> str:
    """The span of a series in words."""
    return f"{time[0]:.2f} to {time[-1]:.2f} s"
