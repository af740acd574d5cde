"""Furniture where a motion needs it, and the height of the floor with it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.synth.footprints import Footprints
from d3ke.synth.planned_motion import PlannedMotion
from d3ke.synth.stage import Furniture

Array = NDArray[np.float64]

BUTTOCK_M = 0.095  # hip centre over the seat it sits on, at pelvis scale 1
SEATED_RAD = np.radians(65.0)  # knees bent less than this do not sit on a chair


def place_furniture(
    motion: PlannedMotion,
    prints: Footprints,
    q: Tensor,
    bodies: Tensor,
    coordinates: Sequence[str],
    names: Sequence[str],
    start: Array,
) -> tuple[Furniture, ...]:
    """The furniture of a motion in ground. q: (T, K); bodies: (T, N, 4, 4); start: (3,) m that
    everything was moved by, backward.
    """
    knees = [coordinates.index(f"knee_angle_{side}") for side in "rl"]
    placed = []
    for thing in motion.furniture:
        if thing.kind == "chair":
            seated = int(bodies[:, names.index("pelvis"), 1, 3].argmin())
            if float(q[seated, knees].mean()) > SEATED_RAD:
                placed.append(_chair(thing, bodies[seated], names))
        elif thing.kind == "treadmill":
            placed.append(_treadmill(thing, bodies, names, prints))
        else:
            x, y, z = thing.place
            placed.append(replace(thing, place=(x - start[0], y, z - start[2])))
    return tuple(placed)


def floor_height(furniture: Sequence[Furniture], x: Array, z: Array) -> Array:
    """Height of what can be stood on at x, z (any shape), m. Chairs and belts don't count."""
    height = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(z)))
    for thing in furniture:
        if thing.kind not in ("stairs", "box", "beam"):
            continue
        along, across = x - thing.place[0], z - thing.place[2]
        cosine, sine = np.cos(thing.heading), np.sin(thing.heading)
        along, across = cosine * along - sine * across, sine * along + cosine * across
        length, top, width = thing.size
        inside = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)
        step = np.floor((along / length + 0.5) * thing.steps).clip(0, thing.steps - 1)
        height = np.where(inside, np.maximum(height, top * (step + 1) / thing.steps), height)
    return height


def _chair(thing: Furniture, bodies: Tensor, names: Sequence[str]) -> Furniture:
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
    seat = float(hips[1]) - BUTTOCK_M
    return replace(thing, place=place, heading=heading, size=(length, seat, width))


def _treadmill(
    thing: Furniture, bodies: Tensor, names: Sequence[str], prints: Footprints
) -> Furniture:
    """A treadmill under someone who stays in place, its belt against their way."""
    pelvis = bodies[:, names.index("pelvis"), :3, 3].double().numpy()
    way = prints.pelvis[-1] - prints.pelvis[0]
    heading = float(np.arctan2(-way[2], way[0]))
    middle = (pelvis.max(axis=0) + pelvis.min(axis=0)) / 2
    return replace(thing, place=(float(middle[0]), 0.0, float(middle[2])), heading=heading)
