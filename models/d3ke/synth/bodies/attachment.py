"""Attachment: the mesh's bones, driven by the skeleton's bodies."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.bodies.adults import Adult
from d3ke.synth.bodies.body import parametric_body
from d3ke.synth.bodies.hands import finger_turns, hand_bones

# The body that a bone goes with, by what the bone's name begins with.
BODIES: Mapping[str, str] = {
    "root": "pelvis", "pelvis": "pelvis", "spine": "torso", "neck": "torso", "head": "head",
    "eye": "head", "clavicle": "torso", "shoulder": "torso", "upperleg": "femur",
    "lowerleg": "tibia", "foot": "calcn", "toe": "toes", "upperarm": "humerus",
    "lowerarm": "ulna", "wrist": "hand", "metacarpal": "hand", "finger": "hand",
}  # fmt: skip
MIDDLE = ("pelvis", "torso", "head")


class Share(NamedTuple):
    """A part of a joint's turn that bones between two bodies take."""

    joint: str
    parent: str
    child: str
    parts: Mapping[str, float]


SHARES = (
    Share("back", "pelvis", "torso", {"spine05": 0.03, "spine04": 0.15, "spine03": 0.8}),
    Share("head_torso", "torso", "head", {"neck01": 0.25, "neck02": 0.5, "neck03": 0.8}),
    Share("radioulnar_r", "ulna_r", "radius_r", {"lowerarm01.R": 0.25, "lowerarm02.R": 0.75}),
    Share("radioulnar_l", "ulna_l", "radius_l", {"lowerarm01.L": 0.25, "lowerarm02.L": 0.75}),
)
# Of the upper arm's swing and of its twist about itself, so that skin does not wring.
SWINGS: Mapping[str, tuple[float, float]] = {
    "clavicle": (0.08, 0.0),
    "shoulder01": (0.35, 0.2),
    "upperarm01": (0.78, 0.5),
}
# A raised arm is turned outwards by nature: the twist is counted from there, rad at straight up.
RAISED_TWIST = np.pi / 2


class Attachment:
    """Bone transforms of people in any pose of the skeleton."""

    def __init__(self, osim: OsimModel) -> None:
        self._osim = osim
        self._skeleton = SkeletalModel(osim)
        names = parametric_body().bone_names
        self._bodies = torch.tensor([osim.body_names.index(_body_of(name)) for name in names])

    def bones(self, adult: Adult, bodies: Tensor, fingers: Tensor) -> Tensor:
        """Bone transforms from the mesh at rest to ground.

        bodies: (T, N, 4, 4) frames of the adult's scaled skeleton in ground. fingers: (T, 2) curl
        of the right and left hand, 0 open .. 1 fist. Returns (T, R, 3, 4).
        """
        moved = bodies @ _inverse(adult.rest_bodies)  # (T, N, 4, 4)
        bones = moved[:, self._bodies]
        centres = self._skeleton.joint_centres(adult.rest_bodies, adult.scales)
        for share in SHARES:
            self._add_share(bones, moved, centres, share)
        for letter in "rl":
            self._add_arm(bones, moved, centres, adult, letter)
        heads = torch.from_numpy(adult.heads)
        for side, hand in enumerate(hand_bones()):
            turns = finger_turns(heads, fingers[:, side], side)
            chosen = torch.tensor(hand.fingers)
            bones[:, chosen] = bones[:, chosen] @ turns
        return bones[:, :, :3]

    def _add_share(self, bones: Tensor, moved: Tensor, centres: Tensor, share: Share) -> None:
        parent, child = (moved[:, self._osim.body_names.index(b)] for b in share[1:3])
        between = parent[:, :3, :3].transpose(1, 2) @ child[:, :3, :3]
        vector = roma.rotmat_to_rotvec(between)  # (T, 3)
        centre = centres[self._osim.joint_names.index(share.joint)]
        for name, part in share.parts.items():
            turned = _about(roma.rotvec_to_rotmat(part * vector), centre)
            bones[:, _bone(name)] = parent @ turned

    def _add_arm(
        self, bones: Tensor, moved: Tensor, centres: Tensor, adult: Adult, side: str
    ) -> None:
        names, joints = self._osim.body_names, self._osim.joint_names
        torso, humerus = (moved[:, names.index(body)] for body in ("torso", f"humerus_{side}"))
        centre = centres[joints.index(f"acromial_{side}")]
        rest = centres[joints.index(f"elbow_{side}")] - centre
        rest = rest / rest.norm()
        up = adult.rest_bodies[names.index("torso"), :3, 1]
        turn = torso[:, :3, :3].transpose(1, 2) @ humerus[:, :3, :3]
        swing, twist = swing_twist(turn, rest, up, RAISED_TWIST if side == "r" else -RAISED_TWIST)
        for stem, (swung, twisted) in SWINGS.items():
            part = roma.rotvec_to_rotmat(swung * swing)
            part = part @ roma.rotvec_to_rotmat(twisted * twist.unsqueeze(1) * rest)
            bones[:, _bone(f"{stem}.{side.upper()}")] = torso @ _about(part, centre)


def swing_twist(turn: Tensor, axis: Tensor, up: Tensor, raised: float) -> tuple[Tensor, Tensor]:
    """A turn as a shortest swing of an axis after a twist about it.

    turn: (T, 3, 3). axis, up: (3,). Returns rotation vectors (T, 3) and angles (T,), which lie
    within half a turn of `raised` times how far the axis points up.
    """
    moved = turn @ axis
    swing = _shortest(axis, moved)
    twist = roma.rotmat_to_rotvec(roma.rotvec_to_rotmat(swing).transpose(1, 2) @ turn) @ axis
    height = ((moved @ up) - axis @ up) / (1 - axis @ up)
    middle = raised * height.clamp(0, 1)
    twist = middle + torch.remainder(twist - middle + torch.pi, 2 * torch.pi) - torch.pi
    return swing, twist


def sole_points(
    adult: Adult, osim: OsimModel, rest: NDArray[np.float32], bodies: Sequence[str]
) -> Tensor:
    """Points of the mesh at rest (S, 3), each in the frame of its body, m. Returns (S, 3)."""
    frames = adult.rest_bodies[[osim.body_names.index(body) for body in bodies]]
    away = torch.from_numpy(rest) - frames[:, :3, 3]
    points: Tensor = (away.unsqueeze(1) @ frames[:, :3, :3]).squeeze(1)
    return points


def _shortest(axis: Tensor, moved: Tensor) -> Tensor:
    """Rotation vectors (T, 3) of the shortest turns from an axis (3,) to others (T, 3)."""
    across = torch.linalg.cross(axis.expand_as(moved), moved)
    sine = across.norm(dim=1, keepdim=True)
    angle = torch.atan2(sine, (moved @ axis).unsqueeze(1))
    swing: Tensor = across * angle / sine.clamp(min=1e-6)
    return swing


def _about(turn: Tensor, centre: Tensor) -> Tensor:
    """Turns (T, 3, 3) about a point, (T, 4, 4)."""
    about = torch.eye(4).repeat(len(turn), 1, 1)
    about[:, :3, :3] = turn
    about[:, :3, 3] = centre - turn @ centre
    return about


def _inverse(frames: Tensor) -> Tensor:
    turned = frames[..., :3, :3].transpose(-2, -1)
    inverse = torch.zeros_like(frames)
    inverse[..., :3, :3] = turned
    inverse[..., :3, 3] = -(turned @ frames[..., :3, 3:]).squeeze(-1)
    inverse[..., 3, 3] = 1.0
    return inverse


def _body_of(bone: str) -> str:
    body = next(body for stem, body in BODIES.items() if bone.startswith(stem))
    return body if body in MIDDLE else f"{body}_{bone[-1].lower()}"


def _bone(name: str) -> int:
    return parametric_body().bone_names.index(name)
