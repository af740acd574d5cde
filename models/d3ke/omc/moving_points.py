"""Moving points: where a laboratory had places of a body, and where a video saw them."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from d3ke.motion import filters

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Of BlazePose's landmarks: shoulders, elbows, wrists, hips, knees, ankles, heels, toes.
LIMBS = (11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32)
LEAST_VISIBLE = 0.5
RATE_HZ = 200.0  # of points that are read between by lines: 0.2 mm at 50 m/s2
MOST_FRAMES = 900  # of a fit: what more frames tell is little


@dataclass(frozen=True, eq=False)
class Seen:
    """What a video saw: time (V,) s, pixels (V, P, 2), weights (V, P), 0 where nothing.

    rate_hz: how many frames a second follow each other; focal_px: what the video says of its lens,
    None where it says nothing.
    """

    time: Array
    pixels: Array
    weights: Array
    rate_hz: float
    focal_px: float | None = None

    @staticmethod
    def of(
        time: Array,
        landmarks: NDArray[np.floating],
        size: tuple[int, int],
        numbers: tuple[int, ...] = LIMBS,
        focal_px: float | None = None,
    ) -> "Seen":
        """Some of BlazePose's landmarks (V, 33, 7) in a picture of `size` px.

        Those that it takes for hidden, or guesses outside of the picture, count for nothing.
        """
        chosen = np.asarray(landmarks[:, list(numbers)], np.float64)
        pixels, visible = chosen[..., :2], chosen[..., 3]
        with np.errstate(invalid="ignore"):
            inside = ((pixels >= 0) & (pixels <= np.array(size) - 1)).all(axis=2)
            weights = np.where(inside & (visible >= LEAST_VISIBLE), visible**2, 0.0)
        rate = filters.rate_hz(time)
        return Seen(np.asarray(time, np.float64), pixels, weights, rate, focal_px)

    def part(self, rows: NDArray[np.intp] | Flags) -> "Seen":
        """Some of its frames, that follow each other."""
        return replace(
            self, time=self.time[rows], pixels=self.pixels[rows], weights=self.weights[rows]
        )

    def thinned(self, most: int = MOST_FRAMES) -> "Seen":
        """No more than so many frames, evenly chosen."""
        if len(self.time) <= most:
            return self
        rows = np.linspace(0, len(self.time) - 1, most).round().astype(np.intp)
        return replace(self.part(rows), rate_hz=self.rate_hz * most / len(self.time))


class Now(NamedTuple):
    """Points (F, P, 3) m, their velocities m/s, and how their bodies are turned (F, P, 3, 3)."""

    places: Array
    velocities: Array
    turns: Array | None


class MovingPoints(Protocol):
    """Points that move."""

    def at(self, time: Array) -> Now:
        """What is known of them at times (F,)."""

    def covers(self, time: Array) -> Flags:
        """At which times (F,) anything is known."""


class Moments(MovingPoints):
    """Points at moments that stand for themselves: the time of the first is 0, of the next 1."""

    def __init__(self, points: Array, turns: Array | None = None) -> None:
        """points: (F, P, 3) m, turns: (F, P, 3, 3) if known."""
        self.points, self.turns = points, turns

    def at(self, time: Array) -> Now:
        """What is known at moments (F,); nothing moves."""
        chosen = np.round(time).astype(np.intp)
        places = self.points[chosen]
        turns = None if self.turns is None else self.turns[chosen]
        return Now(places, np.zeros_like(places), turns)

    def covers(self, time: Array) -> Flags:
        """Which of times (F,) are among the moments."""
        inside: Flags = (time >= 0) & (time <= len(self.points) - 1)
        return inside


class Moved(MovingPoints):
    """Points of a body in ground over time, to be read at any time."""

    def __init__(self, time: Array, points: Array, turns: Array | None = None) -> None:
        """time: (S,) s, points: (S, P, 3) m, NaN where unknown, turns: (S, P, 3, 3) if known."""
        rate = max(RATE_HZ, filters.rate_hz(time))
        self.time = filters.uniform_grid(time, rate)
        self.places = filters.resample(time, points, self.time)
        self.velocities = np.gradient(self.places, self.time, axis=0)
        self.turns = None if turns is None else filters.resample(time, turns, self.time, "linear")

    def at(self, time: Array) -> Now:
        """What is known at times (F,), those of the ends before and after these."""
        place = np.clip(
            (time - self.time[0]) / (self.time[1] - self.time[0]), 0, len(self.time) - 1
        )
        low = np.minimum(place.astype(np.intp), len(self.time) - 2)
        part = place - low

        def between(values: Array) -> Array:
            share = part.reshape(-1, *[1] * (values.ndim - 1))
            mixed: Array = values[low] * (1 - share) + values[low + 1] * share
            return mixed

        turns = None if self.turns is None else between(self.turns)
        return Now(between(self.places), between(self.velocities), turns)

    def covers(self, time: Array) -> Flags:
        """Which of times (F,) lie within it."""
        inside: Flags = (time >= self.time[0]) & (time <= self.time[-1])
        return inside
