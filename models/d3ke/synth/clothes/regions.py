"""Where each vertex of the base mesh lies on the body: the terms in which clothes are cut.

All of it is measured on the template, which all people share, so a cut is the same for everyone.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from d3ke.synth.bodies.body import parametric_body
from d3ke.synth.clothes.surfaces import BaseMesh
from d3ke.synth.stage import Floats

SIDES = ("R", "L")
COLLAR_M, NECK_M = 0.10, 0.06  # half widths of the widest collar and of the neck
FAR = 9.0  # m, where a limb's measure does not apply


class Regions:
    """Measures of the V vertices of the base mesh, (V,) each, m on the template.

    height: over the hips' centre; arm, leg: along the limb from the shoulder's and the hip's
    centre, -FAR off the limb; arm_share, leg_share, foot_share, toe_share, head_share: of the skin
    weights, 0..1; part: 0 trunk, 1 right arm, 2 left arm, 3 right leg, 4 left leg.
    around, along: (5, V), as if the vertices belonged to each of the parts: about it, turns
    -0.5..0.5, 0 in front; and the way down it from its upper end, m.
    """

    def __init__(self, base: BaseMesh) -> None:
        self.base = base
        self.position = base.body.template.numpy()
        self._heads = dict(
            zip(base.body.bone_names, base.body.heads.numpy(), strict=True),
        )
        self.arm_share = base.share("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
        self.leg_share = base.share("upperleg", "lowerleg", "foot", "toe")
        self.foot_share = base.share("foot", "toe")
        self.toe_share = base.share("toe")
        self.head_share = base.share("head", "eye")
        hips = (self._heads["upperleg01.R"] + self._heads["upperleg01.L"]) / 2
        self.height = self.position[:, 1] - hips[1]
        self.right = self.position[:, 2] > 0
        arm, arm_turn = self._limb(("upperarm01", "lowerarm01", "wrist"))
        leg, leg_turn = self._limb(("upperleg01", "lowerleg01", "foot"))
        self.arm = np.where(self.arm_share < 0.02, -FAR, arm)
        self.leg = np.where((self.leg_share < 0.02) | (self.arm_share > 0.02), -FAR, leg)
        trunk_turn = np.arctan2(self.position[:, 2], self.position[:, 0] - hips[0]) / (2 * np.pi)
        limb = np.where(self.arm_share > 0.5, 1, np.where(self.leg_share > 0.5, 3, 0))
        self.part = np.where(limb == 0, 0, limb + ~self.right)
        self.around = np.stack([trunk_turn, arm_turn, arm_turn, leg_turn, leg_turn])
        self.along = np.stack([0.65 - self.height, arm, arm, leg, leg])

    def collar_height(self, tilt: float) -> Floats:
        """Height over the neck's base, m; between the shoulders tilted: the more, the deeper."""
        forward = self.position[:, 0] - self._heads["neck01"][0]
        sideways = np.abs(self.position[:, 2])
        between = np.clip(1 - (sideways / COLLAR_M) ** 2, 0, 1)
        rise = self.position[:, 1] - self._heads["neck01"][1]
        rise = rise + tilt * forward * between - np.maximum(sideways - NECK_M, 0)
        return np.asarray(rise, np.float32)

    def head(self, bone: str) -> Floats:
        """Where a bone of the rig begins, on the template, (3,)."""
        return np.asarray(self._heads[bone])

    def _limb(self, bones: tuple[str, str, str]) -> tuple[Floats, Floats]:
        """How far along a limb, m, and where about it, turns."""
        along = np.zeros(len(self.position), np.float32)
        turn = np.zeros(len(self.position), np.float32)
        for side in SIDES:
            mine = self.right == (side == "R")
            joints = np.stack([self._heads[f"{bone}.{side}"] for bone in bones])
            along[mine], turn[mine] = _along(self.position[mine], joints)
        return along, turn


def _along(points: Floats, joints: Floats) -> tuple[Floats, Floats]:
    """Along a line of two segments through joints (3, 3), and about it (0 faces forward)."""
    best = np.full(len(points), np.inf)
    along, turn = np.zeros(len(points)), np.zeros(len(points))
    covered = 0.0
    for index in range(2):
        start, step = joints[index], joints[index + 1] - joints[index]
        length = float(np.linalg.norm(step))
        axis = step / length
        way = (points - start) @ axis
        low, high = (-np.inf, length) if index == 0 else (0.0, np.inf)
        away = points - start - np.clip(way, low, high)[:, None] * axis
        distance = np.linalg.norm(away, axis=1)
        near = distance < best
        best[near] = distance[near]
        along[near] = covered + way[near]
        turn[near] = _turn(away[near], axis)
        covered += length
    return along.astype(np.float32), turn.astype(np.float32)


def _turn(away: NDArray[np.floating], axis: Floats) -> NDArray[np.floating]:
    """Directions about an axis, turns: 0 forward, 0.25 to the right."""
    forward = np.array([1.0, 0.0, 0.0]) - axis[0] * axis
    forward /= np.linalg.norm(forward)
    sideways = np.cross(forward, -axis)
    turned: NDArray[np.floating] = np.arctan2(away @ sideways, away @ forward) / (2 * np.pi)
    return turned


@cache
def regions() -> Regions:
    """Regions of the body that ships with the package."""
    return Regions(BaseMesh(parametric_body()))
