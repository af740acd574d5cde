"""How well feet stand on what is under them: sinking, floating and sliding."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.synth.motions.contacts import stances
from d3ke.synth.motions.foot_soles import Sole, carried_steps
from d3ke.synth.stage import Furniture

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class ContactErrors(NamedTuple):
    """How badly soles meet what they stand on, m.

    sinking: (T,) depth of the deepest point. floating, sliding: (C,) of each stance: the greatest
    height of the lowest point, how far what carries has wandered.
    """

    sinking: Array
    floating: Array
    sliding: Array


def contact_errors(
    soles: tuple[Sole, Sole],
    bodies: Array,
    carries: Flags,
    levels: Array,
    belt_step: Array | None = None,
) -> ContactErrors:
    """Sinking, floating and sliding of a motion.

    bodies: (T, N, 4, 4) in ground; carries: (T, 2); levels: (T, 2) height of what is under each
    foot, m. belt_step: (3,) m that a treadmill's belt moves in a frame.
    """
    placed = [sole.placed(bodies) for sole in soles]
    heights = [points[..., 1] - levels[:, side, None] for side, points in enumerate(placed)]
    lowest = np.stack([height.min(axis=1) for height in heights], axis=1)  # (T, 2)
    floating, sliding = [], []
    belt = np.zeros(3) if belt_step is None else belt_step
    for side, begin, end in stances(carries):
        floating.append(max(float(lowest[begin:end, side].max()), 0.0))
        steps = carried_steps(placed[side][begin:end], heights[side][begin:end]) - belt
        wandered = np.cumsum(steps[:, [0, 2]], axis=0)
        wandered = np.concatenate([np.zeros((1, 2)), wandered])
        sliding.append(float(np.linalg.norm(wandered - wandered.mean(axis=0), axis=1).max()) * 2)
    sinking = np.maximum(-lowest.min(axis=1), 0)
    return ContactErrors(sinking, np.array(floating), np.array(sliding))


def floor_height(furniture: Sequence[Furniture], x: Array, z: Array) -> Array:
    """Height of what feet can stand on at x, z (any shape), m. Chairs don't count."""
    height = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(z)))
    for thing in furniture:
        if thing.kind == "chair":
            continue
        ahead, aside = x - thing.place[0], z - thing.place[2]
        cosine, sine = np.cos(thing.heading), np.sin(thing.heading)
        along, across = cosine * ahead - sine * aside, sine * ahead + cosine * aside
        length, top, width = thing.size
        inside = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)
        step = np.floor((along / length + 0.5) * thing.steps).clip(0, thing.steps - 1)
        height = np.where(inside, np.maximum(height, top * (step + 1) / thing.steps), height)
    return height
