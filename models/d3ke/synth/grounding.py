"""Feet on the floor: where the pelvis goes, and legs whose feet neither slide nor sink."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.contacts import find_stances
from d3ke.synth.foot_soles import Sole, both_soles
from d3ke.synth.footprints import Footprints, plan_feet
from d3ke.synth.leg_ik import LegSolver
from d3ke.synth.placing import place_furniture
from d3ke.synth.planned_motion import PlannedMotion
from d3ke.synth.stage import Furniture
from d3ke.synth.travel import lowest_heights, pelvis_path

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
        return _ground(skeleton, motion, scales, both_soles(skeleton, scales, sole_bodies, soles))


def _ground(
    skeleton: SkeletalModel, motion: PlannedMotion, scales: Tensor, soles: tuple[Sole, Sole]
) -> Grounded:
    names = skeleton.osim.coordinate_names
    slides = [names.index(f"pelvis_t{axis}") for axis in "xyz"]
    q = torch.from_numpy(np.array(motion.q, dtype=np.float32))
    q[:, slides] = 0
    floating = skeleton.bodies(q, scales).double().numpy()
    levels = np.zeros((len(q), 2)) if motion.levels is None else motion.levels.astype(float)
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
    return _settled(skeleton, motion, scales, soles, q, prints, carries)


def _settled(
    skeleton: SkeletalModel,
    motion: PlannedMotion,
    scales: Tensor,
    soles: tuple[Sole, Sole],
    q: Tensor,
    prints: Footprints,
    carries: NDArray[np.bool_],
) -> Grounded:
    """Raise what still sinks, let a belt run, place the furniture."""
    names = skeleton.osim.coordinate_names
    slides = [names.index(f"pelvis_t{axis}") for axis in "xyz"]
    bodies = skeleton.bodies(q, scales)
    sunk = -lowest_heights(soles, bodies.double().numpy(), prints.levels).min(axis=1)
    raised = gaussian_filter1d(maximum_filter1d(np.maximum(sunk, 0), 5), 1.0)
    q[:, slides[1]] += torch.from_numpy(raised).float()
    belt = np.zeros(3)
    if motion.belt_m_s:
        travelled = q[-1, slides] - q[0, slides]
        belt[[0, 2]] = -travelled[[0, 2]].double().numpy() / (len(q) - 1)
    start = q[0, slides].double().numpy() * (1, 0, 1)
    shift = np.arange(len(q))[:, None] * belt - start
    q[:, slides] += torch.from_numpy(shift).float()
    bodies = skeleton.bodies(q, scales)
    furniture = place_furniture(motion, prints, q, bodies, names, skeleton.osim.body_names, start)
    return Grounded(q, bodies, furniture, carries, prints.levels, belt)


def _leg_length(bodies: Array, names: Sequence[str]) -> float:
    """Thigh and shank of the right leg, m."""
    hip, knee, ankle = (
        bodies[:, names.index(f"{b}_r"), :3, 3] for b in ("femur", "tibia", "talus")
    )
    length = np.linalg.norm(hip - knee, axis=1) + np.linalg.norm(knee - ankle, axis=1)
    return float(np.median(length))
