"""Limbs that keep out of the body: capsules about bones, and arms and hips that make way."""

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.motions.leg_ik import smooth_step

Array = NDArray[np.float64]

# name: two ends (body, place in its frame at scale 1) and a radius, m; a rounded adult.
Capsule = tuple[
    tuple[str, tuple[float, float, float]], tuple[str, tuple[float, float, float]], float
]
TRUNK: dict[str, Capsule] = {
    "pelvis": (("pelvis", (-0.07, -0.03, -0.06)), ("pelvis", (-0.07, -0.03, 0.06)), 0.100),
    "belly": (("torso", (0.02, 0.07, -0.05)), ("torso", (0.02, 0.07, 0.05)), 0.095),
    "chest": (("torso", (0.03, 0.24, -0.07)), ("torso", (0.03, 0.24, 0.07)), 0.105),
    "head": (("head", (0.01, 0.03, 0.0)), ("head", (0.01, 0.12, 0.0)), 0.095),
}
LIMBS: dict[str, Capsule] = {
    "forearm": (("ulna", (0.0, 0.0, 0.0)), ("hand", (0.0, 0.0, 0.0)), 0.040),
    "hand": (("hand", (0.0, -0.02, 0.0)), ("hand", (0.01, -0.12, 0.0)), 0.032),
    "thigh": (("femur", (0.0, -0.05, 0.0)), ("tibia", (0.0, 0.0, 0.0)), 0.075),
    "shank": (("tibia", (0.0, -0.03, 0.0)), ("talus", (0.0, 0.02, 0.0)), 0.045),
    "foot": (("calcn", (0.02, 0.0, 0.0)), ("toes", (0.03, 0.0, 0.0)), 0.035),
}
MOVED = ("arm_flex", "arm_add", "arm_rot", "elbow_flex", "hip_adduction", "hip_rotation")
# What a radian in one step costs, as metres of depth, and of change of a correction's rate.
COST_M, ROUGH_M = 0.03, 0.6
SOFT_M = 0.008  # bodies give way this much
DEEP_M = 0.012  # less than this is left alone
NEAR_M, LEAD_M = 0.09, 0.2  # axes nearer than this are led apart, this strongly
WATCHED_M = 0.08  # pairs that never come this near are not looked at
ROUNDS, STEP_RAD, FURTHEST_RAD = 20, 1e-2, 0.3


class Pair(NamedTuple):
    """Two capsules that keep out of each other.

    way: where the first is led, in the pelvis' frame, when it is so deep that the shortest way out
    may be the wrong one.
    """

    first: str
    second: str
    way: tuple[float, float, float]


def _pairs() -> list[Pair]:
    found = []
    for (side, out), limb in product((("r", 1.0), ("l", -1.0)), ("forearm", "hand")):
        for part in TRUNK:
            way = (1.0, 0.0, 0.0) if part == "head" else (0.3, 0.0, out)
            found.append(Pair(f"{limb}_{side}", part, way))
        for other in "rl":
            way = (0.5, 0.2, out) if other == side else (0.6, 0.8, 0.0)
            found.append(Pair(f"{limb}_{side}", f"thigh_{other}", way))
    for first, second in product(("forearm", "hand"), repeat=2):
        found.append(Pair(f"{first}_r", f"{second}_l", (1.0, 0.3, 0.0)))
    for first, second in product(("shank", "foot"), repeat=2):
        found.append(Pair(f"{first}_r", f"{second}_l", (0.0, 0.0, 1.0)))
    return found


class Clearance:
    """Finds limbs inside the body or each other and moves them out."""

    def __init__(self, skeleton: SkeletalModel) -> None:
        self.skeleton = skeleton
        names, coordinates = skeleton.osim.body_names, skeleton.osim.coordinate_names
        self.moved = [coordinates.index(f"{joint}_{side}") for side in "rl" for joint in MOVED]
        capsules = dict(TRUNK)
        for (limb, (start, end, radius)), side in product(LIMBS.items(), "rl"):
            one, other = (f"{start[0]}_{side}", start[1]), (f"{end[0]}_{side}", end[1])
            capsules[f"{limb}_{side}"] = (one, other, radius)
        labels, pairs = list(capsules), _pairs()
        self.first = np.array([labels.index(pair.first) for pair in pairs])
        self.second = np.array([labels.index(pair.second) for pair in pairs])
        self.ways = np.array([pair.way for pair in pairs])
        self.pelvis = names.index("pelvis")
        # Arms make way for bodies, hips for the other leg.
        legs = np.array([pair.first.startswith(("shank", "foot")) for pair in pairs])
        hips = np.array([joint.startswith("hip") for _ in "rl" for joint in MOVED])
        self.makes_way = legs[:, None] == hips
        radii = np.array([radius for *_, radius in capsules.values()])
        self.reach = radii[self.first] + radii[self.second]
        ends = [end for start, stop, _ in capsules.values() for end in (start, stop)]
        self.bodies = torch.tensor([names.index(body) for body, _ in ends])
        self.places = torch.tensor([place for _, place in ends])

    def depths(self, q: Tensor, scales: Tensor) -> Array:
        """How deep each pair is in each other, (..., P) m; 0 where it is not. q: (..., K)."""
        gap, turn = self._apart(q, scales, np.arange(len(self.reach)))
        return self._depths(gap, turn, scales, np.arange(len(self.reach)))

    def clear(self, q: Tensor, scales: Tensor) -> Tensor:
        """Coordinates (T, K) with arms and hips moved just far enough, smoothly over time."""
        every = np.arange(len(self.reach))
        gap, turn = self._apart(q, scales, every)
        if self._depths(gap, turn, scales, every).max() < DEEP_M:
            return q
        apart = np.sqrt((gap**2).sum(axis=-1)).min(axis=0)
        near = every[apart < self.reach + WATCHED_M]
        planned = q[:, self.moved].double().numpy()
        unknowns = len(self.moved)
        cost, rough = np.full_like(planned, COST_M**2), np.full(unknowns, ROUGH_M**2)
        for _ in range(ROUNDS):
            tried = q.expand(unknowns + 1, *q.shape).clone()
            for row, column in enumerate(self.moved):
                tried[row + 1, :, column] += STEP_RAD
            depths = self._depths(*self._apart(tried, scales, near), scales, near)
            if depths[0].max() < DEEP_M:
                break
            change = ((depths[1:] - depths[0]) / STEP_RAD).transpose(1, 2, 0)  # (T, P, U)
            change = change * self.makes_way[near]
            away = q[:, self.moved].double().numpy() - planned
            step = smooth_step(change, -depths[0], np.zeros_like(away), cost, away, rough)
            q = q.clone()
            q[:, self.moved] += torch.from_numpy(step.clip(-FURTHEST_RAD, FURTHEST_RAD)).float()
        return q

    def _apart(self, q: Tensor, scales: Tensor, pairs: NDArray[np.intp]) -> tuple[Array, Array]:
        """Gaps between the axes of pairs, (..., P, 3) m, and the pelvis' turn (..., 3, 3)."""
        frames = self.skeleton.bodies(q, scales)
        ends = self.skeleton.stations(frames, self.bodies, self.places, scales).double().numpy()
        starts, stops = ends[..., 0::2, :], ends[..., 1::2, :]
        first, second = self.first[pairs], self.second[pairs]
        gap = _gaps(
            starts[..., first, :],
            stops[..., first, :],
            starts[..., second, :],
            stops[..., second, :],
        )
        return gap, frames[..., self.pelvis, :3, :3].double().numpy()

    def _depths(self, gap: Array, turn: Array, scales: Tensor, pairs: NDArray[np.intp]) -> Array:
        apart = np.sqrt((gap**2).sum(axis=-1))
        lead = np.clip(1 - apart / NEAR_M, 0, 1)[..., None]
        normal = gap + LEAD_M * lead * (self.ways[pairs] @ turn.swapaxes(-1, -2))
        normal /= np.sqrt((normal**2).sum(axis=-1, keepdims=True)) + 1e-9
        reach = float(scales.mean()) * self.reach[pairs] - SOFT_M
        depths: Array = np.maximum(reach - (gap * normal).sum(axis=-1), 0) * (apart < reach)
        return depths


def _gaps(start: Array, stop: Array, other_start: Array, other_stop: Array) -> Array:
    """From the nearest points of other segments to those of segments; all (..., 3).

    Source: Ericson 2005, Real-Time Collision Detection, 5.1.9.
    """
    along, other = stop - start, other_stop - other_start
    between = start - other_start
    a, e = (along**2).sum(axis=-1), (other**2).sum(axis=-1)
    b, c = (along * other).sum(axis=-1), (along * between).sum(axis=-1)
    f = (other * between).sum(axis=-1)
    s = np.clip((b * f - c * e) / np.maximum(a * e - b * b, 1e-9), 0, 1)
    t = np.clip((b * s + f) / np.maximum(e, 1e-9), 0, 1)
    s = np.clip((b * t - c) / np.maximum(a, 1e-9), 0, 1)
    gaps: Array = between + s[..., None] * along - t[..., None] * other
    return gaps
