"""What of a figure touches the floor: the points of its soles that stick out farthest."""

from typing import NamedTuple

import numpy as np

from d3ke.synth.bodies.body import parametric_body
from d3ke.synth.clothes.regions import Regions
from d3ke.synth.clothes.surfaces import Ids, Surface
from d3ke.synth.stage import Floats, Mesh, Part

SOLE_BODIES = ("calcn_r", "toes_r", "calcn_l", "toes_l")
PITCHES_DEG = (
    -60.0,
    -40.0,
    -20.0,
    0.0,
    20.0,
    40.0,
    60.0,
)  # of a foot that meets the floor: toes up to heel up
ROLLS_DEG = (-15.0, 15.0)
LOWER_M = 0.06  # no higher point of a foot meets the floor


def _directions() -> Floats:
    """Down, as a foot sees it that is pitched and rolled, (P, 3)."""
    pitch, roll = np.radians(np.array(np.meshgrid(PITCHES_DEG, ROLLS_DEG)).reshape(2, -1))
    down = np.stack([np.sin(pitch), -np.cos(pitch) * np.cos(roll), np.cos(pitch) * np.sin(roll)])
    return np.asarray(down.T, np.float32)


DIRECTIONS = _directions()


class Soles(NamedTuple):
    """Which vertices of a mesh belong to each of SOLE_BODIES and may meet the floor."""

    candidates: tuple[Ids, ...]

    def points(self, part: Part) -> tuple[Floats, tuple[str, ...]]:
        """The outermost points (S, 3) of each body's sole, and the bodies (S,).

        For each way in which a foot meets the floor (DIRECTIONS) they hold the lowest point.
        """
        found, bodies = [], []
        for body, candidates in zip(SOLE_BODIES, self.candidates, strict=True):
            points = part.positions[candidates]
            found.append(points[np.argmax(points @ DIRECTIONS.T, axis=0)])
            bodies += [body] * len(DIRECTIONS)
        return np.concatenate(found), tuple(bodies)


def soles_of(surface: Surface, regions: Regions) -> Soles:
    """The soles of something that is worn on the feet, or of bare skin."""
    mesh = surface.mesh
    toe, foot = _share(mesh, "toe"), _share(mesh, "toe", "foot")
    place = surface.placed(regions.base.skin(regions.position))[surface.points]
    low = (foot > 0.4) & (place[:, 1] < place[foot > 0.5, 1].min() + LOWER_M)
    right = place[:, 2] > 0
    groups = (
        low & (toe <= 0.5) & right,
        low & (toe > 0.5) & right,
        low & (toe <= 0.5) & ~right,
        low & (toe > 0.5) & ~right,
    )
    return Soles(tuple(np.flatnonzero(group).astype(np.int32) for group in groups))


def _share(mesh: Mesh, *names: str) -> Floats:
    """How much each vertex hangs on the bones whose names begin so, (V,), 0..1."""
    chosen = np.array([bone.startswith(names) for bone in parametric_body().bone_names])
    return np.asarray((mesh.weights * chosen[mesh.bones]).sum(axis=1))
