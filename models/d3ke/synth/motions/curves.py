"""Smooth curves over time from a few random numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]


def sway(rng: Generator, time: Array, size: float, rate_hz: float = 0.6) -> Array:
    """Slow irregular wandering about 0 with standard deviation `size`. time: (T,), s."""
    rates = rate_hz * rng.uniform(0.3, 2.0, 3)
    phases = rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(2 * np.pi * rates[:, None] * time + phases[:, None])
    wandering: Array = size * np.sqrt(2 / 3) * waves.sum(axis=0)
    return wandering


def waypoints(time: Array, times: Sequence[float], values: Sequence[float]) -> Array:
    """Through the values at the times without overshoot, constant before and after."""
    curve: Array = PchipInterpolator(times, values)(np.clip(time, times[0], times[-1]))
    return curve


def bumps(
    rng: Generator,
    time: Array,
    height: float,
    *,
    rise_s: tuple[float, float],
    hold_s: tuple[float, float],
    rest_s: tuple[float, float] = (0.0, 1.5),
) -> Array:
    """Repetitions from 0 to `height` and back, each with times of its own. time: (T,), s."""
    times, values = [-rng.uniform(0, 3.0)], [0.0]
    while times[-1] < time[-1]:
        top = height * rng.normal(1, 0.06)
        steps = (*rng.uniform(*rest_s, 1), *rng.uniform(*rise_s, 1))
        steps += (*rng.uniform(*hold_s, 1), *rng.uniform(*rise_s, 1))
        for step, value in zip(steps, (0.0, top, top, 0.0), strict=True):
            times.append(times[-1] + max(step, 0.02))
            values.append(value)
    return _moves(time, np.array(times), np.array(values))


def periodic(phase: Array, table: Sequence[tuple[float, float]]) -> Array:
    """A cycle given by (percent, value) knots, smooth across its ends. phase: (T,), 1 a cycle."""
    percent = np.array([p for p, _ in table])
    value = np.array([v for _, v in table])
    knots = np.concatenate([percent - 100, percent, percent + 100])
    curve: Array = PchipInterpolator(knots, np.tile(value, 3))(100 * np.mod(phase, 1.0))
    return curve


def min_jerk(part: Array) -> Array:
    """The smoothest way from 0 to 1 for part in 0..1 (Flash and Hogan 1985)."""
    eased: Array = part**3 * (10 - 15 * part + 6 * part**2)
    return eased


def _moves(time: Array, times: Array, values: Array) -> Array:
    """Minimum-jerk moves between the values."""
    index = np.clip(np.searchsorted(times, time, side="right") - 1, 0, len(times) - 2)
    part = np.clip((time - times[index]) / (times[index + 1] - times[index]), 0, 1)
    moved: Array = values[index] + (values[index + 1] - values[index]) * min_jerk(part)
    return moved
