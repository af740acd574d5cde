"""Feet on the floor: where the pelvis goes, and legs whose feet neither slide nor sink."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.motions.clearance import Clearance
from d3ke.synth.motions.contacts import find_stances
from d3ke.synth.motions.foot_soles import Sole, both_soles
from d3ke.synth.motions.footprints import plan_feet
from d3ke.synth.motions.leg_ik import LegSolver
from d3ke.synth.motions.placing import place_furniture
from d3ke.synth.motions.planned_motion import PlannedMotion
from d3ke.synth.motions.travel import lowest_heights, pelvis_path
from d3ke.synth.stage import Furniture

Array = NDArray[np.float64]

HOLD = (0.03, 1.0)  # metres of a foot that a metre of the pelvis costs: in stance, in the air
LEG_M = 0.828  # thigh and shank at scale 1, as recorded paths are scaled


class Grounded(NamedTuple):
    """A motion on the floor.

    q: (T, K) rad, m; bodies: (T, N, 4, 4) in ground; contact: (T, 2) whether the right and the
    left foot carry; levels: (T, 2) m, height of what is under each; belt_step: (3,) m that what
    is under the feet moves in a frame (a treadmill's belt).
    """

    q: Tensor
    bodies: Tensor
    furniture: tuple[Furniture, ...]
    contact: NDArray[np.bool_]
    levels: Array
    belt_step: Array


def ground(
    skeleton: SkeletalModel,
    motion: PlannedMotion,
    scales: Tensor,
    sole_bodies: Sequence[int],
    soles: NDArray[np.float32],
) -> Grounded:
    """Put a motion on the floor, for one person.

    scales: (N, 3); sole_bodies: (S,) index of each sole point's body; soles: (S, 3) m, in the
    frames of those bodies. The pelvis starts over the ground's origin.
    """
    with torch.no_grad():
        return _ground(
            skeleton,
            motion,
            scales,
            both_soles(skeleton, scales, sole_bodies, np.asarray(soles, float)),
        )


def _ground(
    skeleton: SkeletalModel, motion: PlannedMotion, scales: Tensor, soles: tuple[Sole, Sole]
) -> Grounded:
    names = skeleton.osim.coordinate_names
    slides = [names.index(f"pelvis_t{axis}") for axis in "xyz"]
    q = torch.from_numpy(np.array(motion.q, dtype=np.float32))
    q[:, slides] = 0
    q = Clearance(skeleton).clear(q, scales)  # for this person's proportions
    floating = skeleton.bodies(q, scales).double().numpy()
    decks = [thing.size[1] for thing in motion.furniture if thing.kind == "treadmill"]
    levels = np.full((len(q), 2), max(decks, default=0.0))
    if motion.levels is not None:
        levels = levels + motion.levels
    growth = _leg_length(floating, skeleton.osim.body_names) / LEG_M
    carries = motion.stance
    if carries is None:
        travel = pelvis_path(motion, soles, floating, levels, growth)
        airborne = motion.airborne.astype(float)
        carries = find_stances(travel.steps, travel.heights, airborne, motion.rate_hz)
    travel = pelvis_path(motion, soles, floating, levels, growth, carries)
    prints = plan_feet(skeleton, motion, scales, soles, floating, travel.path, carries, levels)
    q[:, slides] = torch.from_numpy(prints.pelvis).float()
    for side, suffix in enumerate("rl"):
        q[:, names.index(f"mtp_angle_{suffix}")] = torch.from_numpy(prints.mtp[:, side]).float()
    flying = gaussian_filter1d((~carries.any(axis=1)).astype(float), 0.7)
    hold = HOLD[0] + (HOLD[1] - HOLD[0]) * flying
    feet = torch.from_numpy(prints.frames).float()
    q = LegSolver(skeleton).solve(q, scales, feet, hold)
    sunk = -lowest_heights(soles, skeleton.bodies(q, scales).double().numpy(), levels).min(axis=1)
    raised = gaussian_filter1d(maximum_filter1d(np.maximum(sunk, 0), 5), 1.0)
    q[:, slides[1]] += torch.from_numpy(raised).float()
    q, bodies, furniture, belt = _placed(skeleton, motion, scales, q, prints.furniture)
    return Grounded(q, bodies, furniture, carries, levels, belt)


def _placed(
    skeleton: SkeletalModel,
    motion: PlannedMotion,
    scales: Tensor,
    q: Tensor,
    furniture: Sequence[Furniture],
) -> tuple[Tensor, Tensor, tuple[Furniture, ...], Array]:
    """q, bodies, furniture and belt step of the motion from the origin on, on a running belt."""
    names = skeleton.osim.coordinate_names
    x, z = names.index("pelvis_tx"), names.index("pelvis_tz")
    start = q[0, [x, z]].double().numpy()
    way = q[-1, [x, z]].double().numpy() - start
    belt = -way / max(len(q) - 1, 1) * bool(motion.belt_m_s)
    shift = np.arange(len(q))[:, None] * belt - start
    q = q.clone()
    q[:, [x, z]] += torch.from_numpy(shift).float()
    bodies = skeleton.bodies(q, scales)
    moved = [
        replace(thing, place=(thing.place[0] - start[0], 0.0, thing.place[2] - start[1]))
        for thing in furniture
    ]
    placed = place_furniture(skeleton, moved, scales, q, bodies, way)
    return q, bodies, placed, np.array([belt[0], 0.0, belt[1]])


def _leg_length(bodies: Array, names: Sequence[str]) -> float:
    """Thigh and shank of the right leg, m."""
    hip, knee, ankle = (
        bodies[:, names.index(f"{b}_r"), :3, 3] for b in ("femur", "tibia", "talus")
    )
    length = np.linalg.norm(hip - knee, axis=1) + np.linalg.norm(knee - ankle, axis=1)
    return float(np.median(length))
