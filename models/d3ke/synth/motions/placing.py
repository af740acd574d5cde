"""Furniture that follows from the body: chairs and treadmills."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.stage import Furniture

Array = NDArray[np.float64]

# Hip centre over a seat for each scale of depth times width of the pelvis; of ten made adults.
BUTTOCK_M = 0.085
SEATED_RAD = np.radians(65.0)  # knees bent less than this do not sit on a chair


def place_furniture(
    skeleton: SkeletalModel,
    furniture: Sequence[Furniture],
    scales: Tensor,
    q: Tensor,
    bodies: Tensor,
    way: Array,
) -> tuple[Furniture, ...]:
    """Chairs under who sits on them, treadmills under who walks there; the rest is in place.

    scales: (N, 3); q: (T, K); bodies: (T, N, 4, 4) in ground; way: (2,) x and z, m, that the
    pelvis would go if a belt stood still.
    """
    coordinates, names = skeleton.osim.coordinate_names, skeleton.osim.body_names
    knees = [coordinates.index(f"knee_angle_{side}") for side in "rl"]
    placed = []
    for thing in furniture:
        if thing.kind == "chair":
            seated = int(bodies[:, names.index("pelvis"), 1, 3].argmin())
            if float(q[seated, knees].mean()) > SEATED_RAD:
                depth, _, width = scales[names.index("pelvis")].tolist()
                placed.append(_chair(thing, bodies[seated], names, BUTTOCK_M * depth * width))
        elif thing.kind == "treadmill":
            placed.append(_treadmill(thing, bodies[:, names.index("pelvis"), :3, 3], way))
        else:
            placed.append(thing)
    return tuple(placed)


def _chair(thing: Furniture, bodies: Tensor, names: Sequence[str], over_seat_m: float) -> Furniture:
    """A chair under the pelvis. bodies: (N, 4, 4), seated."""
    hips = torch.stack([bodies[names.index(f"femur_{side}"), :3, 3] for side in "rl"]).mean(dim=0)
    forward = bodies[names.index("pelvis"), :3, 0]
    heading = float(np.arctan2(-float(forward[2]), float(forward[0])))
    length, _, width = thing.size
    ahead = 0.5 * length - 0.18  # the back of the seat is this far behind the hips
    place = (
        float(hips[0]) + ahead * np.cos(heading),
        0.0,
        float(hips[2]) - ahead * np.sin(heading),
    )
    seat = float(hips[1]) - over_seat_m
    return replace(thing, place=place, heading=heading, size=(length, seat, width))


def _treadmill(thing: Furniture, pelvis: Tensor, way: Array) -> Furniture:
    """A treadmill under someone who stays in place, its belt against their way. pelvis: (T, 3)."""
    x, _, z = ((pelvis.amax(dim=0) + pelvis.amin(dim=0)) / 2).tolist()
    return replace(thing, place=(x, 0.0, z), heading=float(np.arctan2(-way[1], way[0])))
