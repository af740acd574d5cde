"""Soles: the points of both feet that may touch the floor, and how they roll on it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel

Array = NDArray[np.float64]

SIDES = ("r", "l")
CARRYING_M = 0.004  # what lies this much over the lowest point carries as well
TOES_TRIED = np.radians(np.linspace(-25, 15, 41))
DIRECTIONS = 12  # round the foot, in which its outermost points are looked for


class Sole(NamedTuple):
    """The points of one foot that can touch the floor first, and how it lies flat.

    owners: (P,) the body of each point; points: (P, 3) m, in the bodies' frames. pitch, roll:
    angles of the calcaneus when the sole is level, rad; mtp: that of the toes, rad.
    """

    owners: NDArray[np.intp]
    points: Array
    pitch: float
    roll: float
    mtp: float

    def placed(self, bodies: Array) -> Array:
        """The points in ground, (T, P, 3). bodies: (T, N, 4, 4)."""
        frames = bodies[:, self.owners]
        placed: Array = np.einsum("tpij,pj->tpi", frames[..., :3, :3], self.points)
        return placed + frames[..., :3, 3]


def both_soles(
    skeleton: SkeletalModel, scales: Tensor, sole_bodies: Sequence[int], soles: Array
) -> tuple[Sole, Sole]:
    """The right and the left sole. soles: (S, 3) m in frames of sole_bodies (S,), indices."""
    bodies = np.asarray(sole_bodies)
    right, left = (_sole(skeleton, scales, bodies, soles, s) for s in SIDES)
    return right, left


def _sole(
    skeleton: SkeletalModel, scales: Tensor, sole_bodies: NDArray[np.intp], soles: Array, side: str
) -> Sole:
    names = skeleton.osim.body_names
    heel, toes = names.index(f"calcn_{side}"), names.index(f"toes_{side}")
    column = skeleton.osim.coordinate_names.index(f"mtp_angle_{side}")
    hind = _outermost(soles[sole_bodies == heel])
    fore = _outermost(soles[sole_bodies == toes])
    along, across = _slopes(hind)
    level = _turn(0.0, -np.arctan(along), 0.0) @ _turn(0.0, 0.0, np.arctan(across))
    q = torch.zeros(len(TOES_TRIED), len(skeleton.osim.coordinates))
    q[:, column] = torch.from_numpy(TOES_TRIED)
    frames = skeleton.bodies(q, scales).double().numpy()
    flat = 0.0
    if len(fore):
        toes_in_heel = np.linalg.inv(frames[:, heel]) @ frames[:, toes]
        placed = np.einsum("tij,pj->tpi", toes_in_heel[:, :3, :3], fore)
        heights = (placed + toes_in_heel[:, None, :3, 3]) @ level[1]
        over = heights.min(axis=1) - (hind @ level[1]).min()
        flat = float(TOES_TRIED[over >= -0.001].max(initial=TOES_TRIED[0]))
    return Sole(
        owners=np.array([heel] * len(hind) + [toes] * len(fore)),
        points=np.concatenate([hind, fore]),
        pitch=float(-np.arctan(along)),
        roll=float(np.arctan(across)),
        mtp=flat,
    )


def _outermost(points: Array) -> Array:
    """Those of the points (P, 3) that are lowest from some tilt of the foot."""
    if len(points) <= DIRECTIONS:
        return points
    turns = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    chosen = set()
    for lean in (0.0, 0.25, 0.8, 2.5):
        down = np.stack([lean * np.cos(turns), np.full(DIRECTIONS, -1.0), lean * np.sin(turns)], 1)
        chosen.update(np.argmax(points @ down.T, axis=0).tolist())
    return points[sorted(chosen)]


def _slopes(points: Array) -> tuple[float, float]:
    """How a sole (P, 3) rises forward and to the right in its calcaneus' frame, m a m."""
    x, reach = points[:, 0], np.ptp(points[:, 0])
    back, front = points[x <= x.min() + 0.35 * reach], points[x >= x.max() - 0.35 * reach]
    heel, ball = back[back[:, 1].argmin()], front[front[:, 1].argmin()]
    along = (ball[1] - heel[1]) / max(ball[0] - heel[0], 1e-3) if reach > 0.08 else 0.0
    z, width = front[:, 2], np.ptp(front[:, 2])
    if width < 0.03:
        return float(along), 0.0
    level = front - front[:, :1] * np.array([0.0, along, 0.0])
    left = level[z <= z.min() + 0.35 * width]
    right = level[z >= z.max() - 0.35 * width]
    outer, inner = right[right[:, 1].argmin()], left[left[:, 1].argmin()]
    across = (outer[1] - inner[1]) / max(outer[2] - inner[2], 1e-3)
    return float(np.clip(along, -0.3, 0.3)), float(np.clip(across, -0.2, 0.2))


def carried_steps(points: Array, heights: Array) -> Array:
    """How the carrying part of a sole moves between frames, (T - 1, 3) m.

    points: (T, P, 3) in ground; heights: (T, P) over what is under them. What carries is what is
    lowest in both frames.
    """
    both = np.maximum(heights[1:], heights[:-1])
    over = both - both.min(axis=1, keepdims=True)
    weights = np.exp(-((over / CARRYING_M) ** 2))
    weights /= weights.sum(axis=1, keepdims=True)
    steps: Array = np.einsum("tp,tpi->ti", weights, np.diff(points, axis=0))
    return steps


def foot_angles(frames: Array) -> tuple[Array, Array, Array]:
    """Yaw, pitch (toes up positive) and roll of frames (T, 3, 3), rad."""
    x = frames[:, :, 0]
    yaw = np.arctan2(-x[:, 2], x[:, 0])
    pitch = np.arcsin(np.clip(x[:, 1], -1, 1))
    level = np.swapaxes(foot_rotations(yaw, pitch, np.zeros_like(yaw)), 1, 2) @ frames
    return yaw, pitch, np.arctan2(level[:, 2, 1], level[:, 1, 1])


def foot_rotations(yaw: Array, pitch: Array, roll: Array) -> Array:
    """Rotations (T, 3, 3): yaw about y, then pitch about z, then roll about x; rad (T,)."""
    return np.stack([_turn(*angles) for angles in zip(yaw, pitch, roll, strict=True)])


def _turn(yaw: float, pitch: float, roll: float) -> Array:
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cp, -sp, 0], [sp, cp, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    turned: Array = about_y @ about_z @ about_x
    return turned
