"""Skin markers: what a marker system measures of a person whose bones are known."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

# The farthest that skin carries a marker over the bone, with every joint beside it at 90 deg: some
# 10 mm on the thigh and 5 mm on the shank in gait and squats. Chosen by the project within what
# Leardini et al. 2005 (Gait Posture 21, 212) gather; they find more on heavy people.
SKIN_M = {"femur": 0.025, "tibia": 0.012}
OTHER_SKIN_M = 0.004
GAP_S = (0.04, 0.4)


@dataclass(frozen=True, eq=False)
class SkinMarkers:
    """Markers as somebody stuck them on, and how the skin carries them.

    bodies: (M,) index of each marker's body; places: (M, 3) m in the scaled body; slopes:
    (M, 3, K) m that it moves over its body with the sine of each coordinate.
    """

    bodies: NDArray[np.int64]
    places: Array
    slopes: Array

    @staticmethod
    def draw(rng: Generator, scaled: OsimModel, placement_m: float, skin: float) -> "SkinMarkers":
        """Markers of a person's scaled model, each about `placement_m` off its place.

        skin: how far the skin moves over the bones, 1 as usual, 0 not at all.
        """
        bodies = [scaled.body_names.index(marker.body) for marker in scaled.markers]
        places = np.array([marker.location for marker in scaled.markers])
        off = rng.normal(0, placement_m / np.sqrt(3), places.shape)
        slopes = skin * np.stack([_slopes(rng, scaled, m.body) for m in scaled.markers])
        return SkinMarkers(np.array(bodies), places + off, slopes)

    def at(self, q: Array, frames: Array) -> Array:
        """Where they are, (T, M, 3) m in ground. q: (T, K) rad; frames: (T, N, 4, 4) of bodies."""
        local = self.places + np.einsum("mik,tk->tmi", self.slopes, np.sin(q))
        own = frames[:, self.bodies]
        found: Array = np.einsum("tmij,tmj->tmi", own[..., :3, :3], local) + own[..., :3, 3]
        return found


def with_gaps(rng: Generator, xyz: Array, rate_hz: float, gaps_hz: float) -> Array:
    """Markers (T, M, 3) that are now and then lost, NaN. gaps_hz: of each marker, a second."""
    broken = xyz.copy()
    for marker in range(xyz.shape[1]):
        for _ in range(rng.poisson(gaps_hz * len(xyz) / rate_hz)):
            start, length = rng.integers(len(xyz)), rng.uniform(*GAP_S) * rate_hz
            broken[start : start + round(length), marker] = np.nan
    return broken


def _slopes(rng: Generator, osim: OsimModel, body: str) -> Array:
    """How a marker of a body moves with the joints at its ends, (3, K) m."""
    beside = {
        coordinate.name
        for joint in osim.joints[1:]  # the first turns the whole person
        if body in (joint.parent.body, joint.child.body)
        for coordinate in joint.coordinates
        if coordinate.rotational
    }
    moves = np.array([name in beside for name in osim.coordinate_names])
    directions = rng.normal(size=(3, len(moves))) * moves
    most = SKIN_M.get(body.partition("_")[0], OTHER_SKIN_M) * rng.uniform(0.5, 1.0)
    slopes: Array = directions * most / max(np.linalg.norm(directions, axis=0).sum(), 1e-9)
    return slopes
