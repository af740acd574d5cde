"""Posing: a skeleton through a whole clip, a part at a time, so that memory stays flat."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.skeleton.kinematics import SkeletalModel

FRAMES = 2048  # posed at once: 6 MB of body frames


class Posed(NamedTuple):
    """markers: (T, M, 3), joints: (T, J, 3), metres, in the skeleton's precision."""

    markers: NDArray[Any]
    joints: NDArray[Any]


def in_parts(count: int) -> Iterator[slice]:
    """Slices that cover `count` frames."""
    return (slice(first, first + FRAMES) for first in range(0, count, FRAMES))


def posed(
    skeleton: SkeletalModel, q: NDArray[np.float64], scales: NDArray[np.float64] | None = None
) -> Posed:
    """Markers and joint centres of a motion.

    q: (T, K) rad or m. scales: (N, 3), by default those of the model's file.
    """
    precision = skeleton.joint_reach.dtype
    size = None if scales is None else torch.as_tensor(scales, dtype=precision)
    parts = []
    with torch.no_grad():
        for frames in in_parts(len(q)):
            pose = skeleton(torch.as_tensor(q[frames], dtype=precision), size)
            parts.append((pose.markers.numpy(), pose.joints.numpy()))
    markers, joints = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Posed(markers, joints)
