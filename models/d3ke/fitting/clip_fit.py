"""ClipFit: the likeliest postures of a whole clip, its floor and the direction of gravity.

What a network says of each frame is the start and the prior: its errors are taken to wander about
0 within a fifth of a second. What the picture, the floor and balance say is added to that.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.fitting.body_points import BodyPoints, Places
from d3ke.fitting.chain import Chain, Rows
from d3ke.fitting.terms import (
    Seen,
    Shared,
    balance_rows,
    floor_rows,
    image_rows,
    range_rows,
    slip_weights,
)
from d3ke.posing import in_parts

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROUNDS = 4  # of Gauss and Newton: within 0.04 deg of where twelve lead, on average
WANDER_S = 0.2  # how long a network's error lasts
FLOOR_SD_M = 0.03  # of the floor that the placement found


class Clip(NamedTuple):
    """A clip to be fitted.

    time: (T,) s. q: (T, K) as predicted, in a ground that may be tilted. seen: of L landmarks.
    stands: (T, P) which soles stand. sway_m: (T,) how far off balance the body may be. tilt_sd: how
    far gravity may lean from ground's Y, as a slope (standard deviation).
    """

    time: Array
    q: Array
    seen: Seen
    stands: Flags
    sway_m: Array
    tilt_sd: float


class Beliefs(NamedTuple):
    """How far things may be from what is predicted (standard deviations), and ranges.

    coordinates: (F,) rad or m. ranges: (F, 2) rad or m. landmarks: (L, 3) m. soles_m: of the soles'
    heights.
    """

    coordinates: Array
    ranges: Array
    landmarks: Array
    soles_m: float


class ClipFit:
    """Fits clips of one model.

    points: first the L landmarks, then the P soles, then every body's centre of mass. masses: of
    the bodies.
    """

    def __init__(self, points: BodyPoints, beliefs: Beliefs, soles: int, masses: Array) -> None:
        self.points, self.beliefs, self.masses = points, beliefs, masses
        landmarks = len(beliefs.landmarks)
        self.landmarks = slice(0, landmarks)
        self.soles = slice(landmarks, landmarks + soles)
        self.bodies = slice(landmarks + soles, None)

    def __call__(self, clip: Clip) -> tuple[Array, Shared]:
        """The postures (T, K), and what all frames share."""
        soles = clip.stands.shape[1]
        shared = Shared(np.zeros(2), 0.0, np.zeros_like(self.beliefs.landmarks), np.zeros(soles))
        change = np.zeros((len(clip.time), len(self.points.free)))
        for _ in range(ROUNDS):
            step, shared_step = self._chain(clip, change, shared).solved()
            change, shared = change + step, shared.moved(shared_step)
        return self._moved(clip.q, change), shared

    def _moved(self, q: Array, change: Array) -> Array:
        moved = q.copy()
        moved[:, self.points.free] += change
        return moved

    def _chain(self, clip: Clip, change: Array, shared: Shared) -> Chain:
        """The normal equations about the present values."""
        beliefs = self.beliefs
        chain = Chain(len(change), change.shape[1], len(shared.flat()))
        chain.add_wandering(change, beliefs.coordinates**2, np.exp(-np.diff(clip.time) / WANDER_S))
        chain.add_shared(shared.flat(), self._shared_sd(clip))
        slips = slip_weights(clip.time, clip.stands)
        for part in in_parts(len(change)):
            until_next = slice(part.start, part.stop + 1)
            q = self._moved(clip.q[until_next], change[until_next])
            points = self.points(q)
            self._add_slips(chain, part.start, points.part(self.soles), slips[part])
            count = len(clip.time[part])
            own = Places(*(each[:count] for each in points))
            for rows in self._rows(clip, part, own, q[:count, self.points.free], shared):
                chain.add(part, rows)
        return chain

    def _rows(
        self, clip: Clip, frames: slice, points: Places, free: Array, shared: Shared
    ) -> Iterator[Rows]:
        """What some of the frames are held to, each by itself."""
        stands, soles = clip.stands[frames], points.part(self.soles)
        center = points.part(self.bodies).mean(self.masses[None])
        yield image_rows(points.part(self.landmarks), clip.seen.part(frames), shared)
        yield floor_rows(soles, stands, shared)
        yield balance_rows(center, soles, stands, clip.sway_m[frames], shared)
        yield range_rows(free, self.beliefs.ranges, len(shared.flat()))

    def _add_slips(self, chain: Chain, first: int, soles: Places, weights: Array) -> None:
        count, points, axes = soles.places.shape
        steps = np.diff(soles.places, axis=0).reshape(count - 1, points * axes)
        slopes = soles.slopes.transpose(0, 1, 3, 2).reshape(count, steps.shape[1], -1)
        chain.add_steps(first, steps, slopes, weights)

    def _shared_sd(self, clip: Clip) -> Array:
        tilt = np.full(2, clip.tilt_sd)
        under = np.full(clip.stands.shape[1], self.beliefs.soles_m)
        return np.concatenate([tilt, [FLOOR_SD_M], self.beliefs.landmarks.ravel(), under])
