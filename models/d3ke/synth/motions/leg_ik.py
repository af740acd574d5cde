"""Legs that reach where their feet are wanted: Gauss-Newton over all frames of a clip at once.

Frames are coupled: a correction that changes abruptly costs, because a nearly straight knee would
otherwise answer a millimetre with degrees. The normal equations are banded and cheap.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solveh_banded
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel

Array = NDArray[np.float64]

JOINTS = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle",
          "subtalar_angle")  # fmt: skip
STEP_RAD = 1e-2
ITERATIONS, ENOUGH = 24, 3e-3  # at most; until the loss falls by less than this part
DAMPING = 1e-6  # of a step, m2 a rad2; more where a step led astray
# Three points of the calcaneus stand for its place and its turn, m.
MARKS_M = ((0.0, 0.0, 0.0), (0.18, 0.0, 0.0), (0.06, 0.0, 0.10))
# What a radian away from the plan costs, as metres of the foot: hips turn less gladly than knees
# bend. Then a radian of change of the rate of change from frame to frame, and for the pelvis.
COST_M = (0.009, 0.014, 0.014, 0.009, 0.009, 0.014)
ROUGH_M, ROUGH_PELVIS = 0.02, 0.08
LIMIT_COST_M = 0.15
FURTHEST_RAD = 0.35  # in one iteration
SLACK_RAD = (0.0, 0.0, 0.0, 0.17, 0.35, 0.1)  # kept from the end of a joint's range
UNKNOWNS = 2 * len(JOINTS) + 3


class LegSolver:
    """Finds leg angles and pelvis translations for wanted feet."""

    def __init__(self, skeleton: SkeletalModel) -> None:
        self.skeleton = skeleton
        coordinates = skeleton.osim.coordinate_names
        bodies = skeleton.osim.body_names
        legs = [[coordinates.index(f"{joint}_{side}") for joint in JOINTS] for side in "rl"]
        pelvis = [coordinates.index(f"pelvis_t{axis}") for axis in "xyz"]
        self.legs = torch.tensor(legs)  # (2, 6)
        self.free = [*legs[0], *legs[1], *pelvis]
        self.feet = torch.tensor([bodies.index(f"calcn_{side}") for side in "rl"])
        ranges = np.array([c.range for c in skeleton.osim.coordinates])[self.free]
        slack = np.array([*SLACK_RAD, *SLACK_RAD, 0.0, 0.0, 0.0])
        self.low, self.high = ranges[:, 0] + slack, ranges[:, 1] - slack
        self.marks = torch.tensor(MARKS_M)

    def solve(self, q: Tensor, scales: Tensor, feet: Tensor, hold: Array) -> Tensor:
        """Coordinates (T, K) whose feet are where they are wanted.

        q: (T, K) planned, pelvis translations too. feet: (T, 2, 4, 4) wanted frames of the right
        and the left calcaneus in ground. hold: (T,) how much a metre of the pelvis away from its
        plan costs, as metres of a foot.
        """
        planned, wanted = q[:, self.free].double().numpy(), self._marks(feet)
        legs = np.tile([*COST_M, *COST_M], (len(q), 1))
        cost = np.concatenate([legs, np.repeat(hold[:, None], 3, axis=1)], axis=1) ** 2
        rough = np.array([ROUGH_M] * 12 + [ROUGH_PELVIS] * 3) ** 2
        now, step = planned, np.zeros_like(planned)
        least, damping = np.inf, DAMPING
        for _ in range(ITERATIONS):
            tried = now + step
            errors, change = self._errors(self._with(q, tried), scales, wanted)
            away, beyond = tried - planned, self._beyond(tried, planned)
            loss = (errors**2).sum() + (cost * away**2).sum() + LIMIT_COST_M**2 * (beyond**2).sum()
            loss += (rough * np.diff(away, n=2, axis=0) ** 2).sum()
            if loss < least:
                now, gained, least = tried, least - loss, loss
                damping = max(damping / 4, DAMPING)
                best = errors, change, away, beyond
                if gained < ENOUGH * loss:
                    break
            else:
                damping *= 10
            errors, change, away, beyond = best
            pull = -cost * away - LIMIT_COST_M**2 * beyond
            stiffness = cost + LIMIT_COST_M**2 * (beyond != 0) + damping
            step = smooth_step(change, errors, pull, stiffness, away, rough)
            step[:, :12] = step[:, :12].clip(-FURTHEST_RAD, FURTHEST_RAD)
        return self._with(q, now)

    def _with(self, q: Tensor, free: Array) -> Tensor:
        """Coordinates (T, K) with other free ones (T, U)."""
        q = q.clone()
        q[:, self.free] = torch.from_numpy(free).float()
        return q

    def _errors(self, q: Tensor, scales: Tensor, wanted: Tensor) -> tuple[Array, Array]:
        """What the marks of both feet lack (T, 18), and what each unknown changes (T, 18, U)."""
        frames, joints = len(q), len(JOINTS)
        tried = q.expand(joints + 1, frames, -1).clone()
        for joint in range(joints):
            tried[joint + 1][:, self.legs[:, joint]] += STEP_RAD
        marks = self._marks(self.skeleton.bodies(tried, scales)[:, :, self.feet])
        moved = ((marks[1:] - marks[0]) / STEP_RAD).permute(1, 2, 3, 0)  # (T, 2, 9, 6)
        change = torch.zeros(frames, 2, 9, UNKNOWNS)
        change[:, 0, :, :joints], change[:, 1, :, joints : 2 * joints] = moved.unbind(1)
        change[..., 2 * joints :] = torch.eye(3).repeat(3, 1)
        error = (wanted - marks[0]).flatten(1)
        return error.double().numpy(), change.flatten(1, 2).double().numpy()

    def _beyond(self, now: Array, planned: Array) -> Array:
        """How far coordinates (T, U) are beyond both their ranges and the plan."""
        low, high = np.minimum(self.low, planned), np.maximum(self.high, planned)
        beyond: Array = np.minimum(now - low, 0) + np.maximum(now - high, 0)
        beyond[:, 12:] = 0
        return beyond

    def _marks(self, frames: Tensor) -> Tensor:
        """(..., 9): the marks of frames (..., 4, 4)."""
        placed = frames[..., :3, :3] @ self.marks.T + frames[..., :3, 3:]
        return placed.transpose(-1, -2).flatten(-2)


def smooth_step(
    change: Array, error: Array, pull: Array, stiffness: Array, away: Array, rough: Array
) -> Array:
    """One Gauss-Newton step of all frames, (T, U).

    change: (T, E, U) of the errors; error: (T, E) m; pull, stiffness: (T, U) of springs on the
    unknowns; away: (T, U) from the plan; rough: (U,) cost of its second difference.
    """
    frames, unknowns = away.shape
    block = change.transpose(0, 2, 1) @ change  # (T, U, U)
    bend = np.diff(np.eye(frames), n=2, axis=0)
    bend = bend.T @ bend  # (T, T), five diagonals
    right = np.einsum("teu,te->tu", change, error) + pull - rough * (bend @ away)
    banded = np.zeros((2 * unknowns + 1, frames, unknowns))
    for lower in range(unknowns):
        banded[lower, :, : unknowns - lower] = np.diagonal(block, -lower, axis1=1, axis2=2)
    banded[0] += stiffness
    for apart in range(min(3, frames)):
        banded[apart * unknowns, : frames - apart] += np.diagonal(bend, -apart)[:, None] * rough
    step: Array = solveh_banded(
        banded.reshape(2 * unknowns + 1, -1), right.ravel(), lower=True, check_finite=False
    )
    return step.reshape(frames, unknowns)
