"""The way that a person goes: from feet that carry to where the pelvis is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from d3ke.synth.motions.contacts import AIRBORNE_M
from d3ke.synth.motions.foot_soles import Sole, carried_steps
from d3ke.synth.motions.planned_motion import PlannedMotion

Array = NDArray[np.float64]

ROUNDS = 4
LOWER_M = 0.006  # how sharply the lower foot is preferred
HANDOVER_S = 0.04  # the weight goes from one foot to the other this softly
STRAY_M_S = 0.35  # a foot that differs more from the common way does not carry
SMOOTHING_S = 0.02


class Travel(NamedTuple):
    """A first path of the pelvis and how the feet move on it.

    path: (T, 3) m; steps: of what would carry of each sole, (T - 1, 3) m; heights: (T, 2) of the
    lowest points of the soles over what is under them, m.
    """

    path: Array
    steps: tuple[Array, Array]
    heights: Array


def pelvis_path(
    motion: PlannedMotion,
    soles: tuple[Sole, Sole],
    bodies: Array,
    levels: Array,
    growth: float,
    carries: NDArray[np.bool_] | None = None,
) -> Travel:
    """Where the pelvis goes so that the feet that carry stand; the lower one, where unknown.

    bodies: (T, N, 4, 4) with the pelvis at the origin; levels: (T, 2) m; growth: of the legs;
    carries: (T, 2) whether each foot does.
    """
    placed = [sole.placed(bodies) for sole in soles]
    lowest = np.stack([p[..., 1].min(axis=1) for p in placed], axis=1) - levels
    if carries is None:
        weights = np.exp(-np.minimum((lowest - lowest.min(axis=1, keepdims=True)) / LOWER_M, 30))
    else:
        flags = np.where(
            carries.any(axis=1, keepdims=True), carries, lowest == lowest.min(axis=1, keepdims=True)
        )
        weights = gaussian_filter1d(
            flags.astype(float), HANDOVER_S * motion.rate_hz, axis=0, mode="nearest"
        )
    weights = weights / weights.sum(axis=1, keepdims=True)
    path = np.zeros((len(bodies), 3))
    path[:, 1] = motion.airborne - (weights * lowest).sum(axis=1)
    if carries is None:
        path[:, 1] = motion.airborne - lowest.min(axis=1)
    over = [p[..., 1] + path[:, 1:2] - levels[:, side, None] for side, p in enumerate(placed)]
    relative = [carried_steps(p, h) for p, h in zip(placed, over, strict=True)]
    between = (weights[1:] + weights[:-1]) / 2
    path[:, [0, 2]] = _ways(motion, relative, between, growth)
    steps = tuple(step + np.diff(path, axis=0) for step in relative)
    return Travel(path, (steps[0], steps[1]), lowest + path[:, 1:2])


def lowest_heights(soles: tuple[Sole, Sole], bodies: Array, levels: Array) -> Array:
    """Heights of the lowest points of both soles over what is under them, (T, 2) m."""
    lowest = [sole.placed(bodies)[..., 1].min(axis=1) for sole in soles]
    return np.stack(lowest, axis=1) - levels


def _ways(motion: PlannedMotion, relative: list[Array], weights: Array, growth: float) -> Array:
    """Pelvis x and z, (T, 2) m. relative: steps of both soles; weights: (T - 1, 2) of each."""
    if motion.path is not None:
        path: Array = growth * motion.path.astype(float)
        return np.asarray(path - path[0])
    both = -np.stack([step[:, [0, 2]] for step in relative], axis=1)  # (T - 1, 2, 2)
    trusted = weights
    for _ in range(ROUNDS):
        common = (trusted[..., None] * both).sum(axis=1) / trusted.sum(axis=1, keepdims=True)
        stray = np.linalg.norm(both - common[:, None], axis=2) * motion.rate_hz
        trusted = weights / (1 + (stray / STRAY_M_S) ** 4) + 1e-9
    in_air = np.maximum(motion.airborne[1:], motion.airborne[:-1]) > AIRBORNE_M
    common = _flown(common, in_air, motion)
    walked = np.concatenate([np.zeros((1, 2)), np.cumsum(common, axis=0)])
    smooth: Array = gaussian_filter1d(walked, SMOOTHING_S * motion.rate_hz, axis=0, mode="nearest")
    return smooth


def _flown(steps: Array, in_air: NDArray[np.bool_], motion: PlannedMotion) -> Array:
    """Steps (T - 1, 2) with those in the air as even as flight is."""
    frames = np.arange(len(steps))
    if in_air.all():
        return np.zeros_like(steps)
    if motion.flight_m_s is not None:
        steps = steps.copy()
        steps[in_air] = 0.0
        steps[in_air, 0] = motion.flight_m_s[1:][in_air] / motion.rate_hz
        return steps
    flown = [np.interp(frames, frames[~in_air], column[~in_air]) for column in steps.T]
    return np.where(in_air[:, None], np.stack(flown, axis=1), steps)
