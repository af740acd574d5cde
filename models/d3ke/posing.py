"""Posing: a skeleton through a whole clip, a part at a time, so that memory stays flat."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.motion.motion import Motion
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

FRAMES = 256  # posed at once: fits the caches, and is the fastest


class Posed(NamedTuple):
    """markers: (T, M, 3), joints: (T, J, 3), metres."""

    markers: NDArray[np.float32]
    joints: NDArray[np.float32]


def in_parts(count: int) -> Iterator[slice]:
    """Slices that cover `count` frames."""
    return (slice(first, first + FRAMES) for first in range(0, count, FRAMES))


def coordinates_of(motion: Motion, osim: OsimModel) -> NDArray[np.float64]:
    """A motion of a model as (T, K) in the model's order; what it lacks has its default."""
    q = np.array([[c.default for c in osim.coordinates]]).repeat(len(motion.time), axis=0)
    for name in motion.names:
        if name in osim.coordinate_names:
            q[:, osim.coordinate_names.index(name)] = motion.column(name)
    return q


def posed(
    skeleton: SkeletalModel, q: NDArray[np.float64], scales: NDArray[np.float64] | None = None
) -> Posed:
    """Markers and joint centres of a motion.

    q: (T, K) rad or m, NaN = unknown. scales: (N, 3), by default those of the model's file.
    """
    size = None if scales is None else torch.as_tensor(scales, dtype=torch.float32)
    markers = np.empty((len(q), len(skeleton.osim.markers), 3), np.float32)
    joints = np.empty((len(q), len(skeleton.osim.joints), 3), np.float32)
    with torch.inference_mode():
        for frames in in_parts(len(q)):
            pose = skeleton(torch.as_tensor(q[frames], dtype=torch.float32), size)
            markers[frames], joints[frames] = pose.markers.numpy(), pose.joints.numpy()
    return Posed(markers, joints)
