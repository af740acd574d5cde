"""What feet stand on besides the floor: stairs, boxes and beams, put where the feet are."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from d3ke.synth.motions.planned_motion import PlannedMotion
from d3ke.synth.stage import Furniture

Array = NDArray[np.float64]

TREAD_M = (0.25, 0.34)  # depth of a step
EDGE_M = 0.015  # between a foot and the next step
TOES_M = 0.16  # a box ends this far ahead of the middle of the feet on it
BEAM_END_M = 0.5  # a beam goes on this far beyond the outermost feet


def align(
    motion: PlannedMotion, areas: Array, levels: Array
) -> tuple[Array, tuple[Furniture, ...]]:
    """Move stances onto what they stand on, and that under them.

    areas: (C, 3) x and z of the middle of the sole in each stance, and half its length along x;
    levels: (C,) height of what it stands on, m. Returns moves (C, 2), m, and furniture in place.
    """
    centres = areas[:, :2]
    moves, placed = np.zeros_like(centres), []
    for thing in motion.furniture:
        raised = levels > 1e-3
        if thing.kind == "stairs" and len(centres):
            stairs, ahead = _stairs(thing, areas, levels)
            moves[:, 0] += ahead
            placed.append(stairs)
        elif thing.kind == "beam" and len(centres):
            middle = float(centres[:, 1].mean())
            moves[:, 1] += middle - centres[:, 1]
            length = max(thing.size[0], np.ptp(centres[:, 0]) + 2 * BEAM_END_M)
            x = float(centres[:, 0].max() + centres[:, 0].min()) / 2
            placed.append(replace(thing, place=(x, 0.0, middle), size=(length, *thing.size[1:])))
        elif thing.kind == "box" and raised.any():
            x, z = centres[raised].mean(axis=0).tolist()
            placed.append(replace(thing, place=(x + TOES_M - thing.size[0] / 2, 0.0, z)))
        elif thing.kind in ("chair", "treadmill"):
            placed.append(thing)
    return moves, tuple(placed)


def _stairs(thing: Furniture, areas: Array, levels: Array) -> tuple[Furniture, Array]:
    """Stairs whose treads are as deep as the steps are long; how far each foot is off its own."""
    step = np.rint(levels * thing.steps / thing.size[1])  # 1 is the lowest
    x, z, reach = areas.T
    rising = thing.heading == 0
    depth = float(np.polyfit(step, x, 1)[0]) if len(set(step.tolist())) > 1 else 0.0
    depth = float(np.clip(depth if rising else -depth, *TREAD_M)) * (1 if rising else -1)
    lowest = float(np.median(x - depth * step))
    middle = lowest + depth * (thing.steps + 1) / 2
    size = (abs(depth) * thing.steps, *thing.size[1:])
    # Feet longer than a tread stick out over its edge, not into the next step.
    over = np.maximum(reach + EDGE_M - abs(depth) / 2, 0) * (-1 if rising else 1)
    stairs = replace(thing, place=(middle, 0.0, float(z.mean())), size=size)
    return stairs, lowest + depth * step + over - x
