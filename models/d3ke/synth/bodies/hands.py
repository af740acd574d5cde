"""Hands that curl: turns of finger bones at rest, from open to a fist."""

from functools import cache
from typing import NamedTuple

import numpy as np
import roma
import torch
from torch import Tensor

from d3ke.synth.bodies.body import parametric_body

JOINTS = 3  # of a finger, from the knuckle out
# Turns of a fist, deg, from the pose at rest: knuckle, middle and last joint. A relaxed hand curls
# by about 0.3.
FIST_DEG = (82.0, 100.0, 58.0)
THUMB_FIST_DEG = (34.0, 40.0, 55.0)
# How much more or less than the middle finger a loose hand's fingers curl; a fist's are alike.
LOOSENESS = {2: 0.75, 3: 1.0, 4: 1.15, 5: 1.3}
SOFTNESS = 1.5  # at rest the mesh's fingers are a little bent, so small curls add less
# Axes of the thumb's joints, along: the palm's normal (towards the fingers), the fingers' own
# axis backwards (down on them), the fingers' direction.
THUMB_AXES = ((0.75, 0.35, 0.55), (0.8, 0.6, 0.0), (0.85, 0.5, 0.0))


class HandBones(NamedTuple):
    """One hand's bones. fingers: (5, JOINTS) thumb first; knuckles: bones at the fingers' roots."""

    wrist: int
    fingers: tuple[tuple[int, ...], ...]


@cache
def hand_bones() -> tuple[HandBones, HandBones]:
    """Of the right and the left hand."""
    names = parametric_body().bone_names
    right, left = (
        HandBones(
            wrist=names.index(f"wrist.{side}"),
            fingers=tuple(
                tuple(names.index(f"finger{finger}-{joint + 1}.{side}") for joint in range(JOINTS))
                for finger in range(1, 6)
            ),
        )
        for side in "RL"
    )
    return right, left


def finger_turns(heads: Tensor, curl: Tensor, side: int) -> Tensor:
    """What curling adds to a hand's finger bones, in the space of the mesh at rest.

    heads: (R, 3). curl: (T,) from 0 open to 1 fist. side: 0 right, 1 left.
    Returns (T, 5, JOINTS, 4, 4); a bone's turn holds those before it.
    """
    bones = hand_bones()[side]
    joints = heads[torch.tensor(bones.fingers)]  # (5, JOINTS, 3)
    axes = _axes(joints, heads[bones.wrist], side)
    turns = roma.rotvec_to_rotmat(axes * _angles(curl).unsqueeze(-1))  # (T, 5, JOINTS, 3, 3)
    about = torch.eye(4).repeat(*turns.shape[:-2], 1, 1)
    about[..., :3, :3] = turns
    about[..., :3, 3] = joints - (turns @ joints.unsqueeze(-1)).squeeze(-1)
    chain = [about[:, :, 0]]
    for joint in range(1, JOINTS):
        chain.append(chain[-1] @ about[:, :, joint])
    return torch.stack(chain, dim=2)


def _axes(joints: Tensor, wrist: Tensor, side: int) -> Tensor:
    """Axes that close the hand, (5, JOINTS, 3)."""
    sign = -1.0 if side else 1.0
    forward = _unit(joints[2, 0] - wrist)
    normal = _unit(
        sign * torch.linalg.cross(forward, joints[4, 0] - joints[1, 0])
    )  # out of the palm
    fingers = _unit(joints[1:, 2] - joints[1:, 0])
    flexion = _unit(torch.linalg.cross(fingers, normal.expand(4, 3)))
    across = torch.linalg.cross(forward, normal)  # flexes the fingers
    frame = torch.stack([sign * normal, -across, sign * forward])
    thumb = _unit(torch.tensor(THUMB_AXES) @ frame)  # (JOINTS, 3)
    return torch.cat([thumb.unsqueeze(0), flexion.unsqueeze(1).expand(4, JOINTS, 3)])


def _angles(curl: Tensor) -> Tensor:
    """Turns in rad, (T, 5, JOINTS). curl: (T,)."""
    loose = torch.tensor([1.0, *LOOSENESS.values()])
    curl = curl.unsqueeze(1)
    own = curl**SOFTNESS * (loose + curl * (1 - loose))  # (T, 5)
    fist = torch.tensor(np.radians([THUMB_FIST_DEG, *[FIST_DEG] * 4]), dtype=torch.float32)
    return own.unsqueeze(2) * fist


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors, dim=-1)
