"""JointTwists: how each coordinate moves the bodies that hang on its joint, in closed form.

Of the axes that a joint turns about, the first is fixed in the parent body and the last in the
child body; only a joint of three turns has another, which the first angle turns. So no rotations
are composed here but those that the kinematics have composed already.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.skeleton.frames import GROUND, axis_rotation, axis_rotation_terms
from d3ke.skeleton.function_bank import FunctionBank
from d3ke.skeleton.functions import Function
from d3ke.skeleton.joints import Axis, Joint
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]


class Mover(NamedTuple):
    """An axis by which a coordinate moves a joint.

    terms: (3, 3) its direction in a body: constant, and with cosine and sine of the angle before.
    """

    axis: Axis
    body: str
    terms: Array
    before: Axis | None = None


class JointTwists:
    """The velocity of what hangs on a joint at each coordinate's unit rate, for P poses.

    A twist is (6,): how it turns, rad/s, and how the point of the moving body at ground's origin
    moves, m/s. Couplers are not followed: a dependent coordinate has a twist of its own.
    """

    def __init__(self, osim: OsimModel) -> None:
        self.names, self.bodies = osim.coordinate_names, (*osim.body_names, GROUND)
        turning = [mover for joint in osim.joints for mover in _turning(joint)]
        sliding = [mover for joint in osim.joints for mover in _sliding(joint)]
        movers = [(m, i) for m in turning + sliding for i in range(len(m.axis.coordinates))]
        self.turns = sum(len(mover.axis.coordinates) for mover in turning)
        self.slopes, self.slope_order = self._bank([(m.axis, i) for m, i in movers])
        self.owners = torch.tensor([self.names.index(m.axis.coordinates[i]) for m, i in movers])
        self.carriers = torch.tensor([self.bodies.index(m.body) for m, _ in movers])
        self.directions = torch.tensor(np.array([m.terms[0] for m, _ in movers]))[:, :, None]
        turned = [(place, m) for place, (m, _) in enumerate(movers) if m.before]
        self.turned = torch.tensor([place for place, _ in turned], dtype=torch.long)
        self.angles, self.angle_order = self._bank([(m.before, None) for _, m in turned])
        terms = np.array([m.terms[1:] for _, m in turned]).reshape(-1, 2, 3, 1)
        self.cosine, self.sine = torch.tensor(terms).unbind(1)
        self._place_joints(osim)

    def __call__(self, q: Tensor, bodies: Tensor) -> Tensor:
        """The twists.

        q: (K, P) that obey the couplers. bodies: (N, 3, 4, P) in ground. Returns (K, 6, P).
        """
        local = self.directions.repeat(1, 1, q.shape[1])
        if len(self.turned):
            angles = self.angles(q).index_select(0, self.angle_order)[:, None]
            local.index_add_(0, self.turned, self.cosine * angles.cos() + self.sine * angles.sin())
        ground = torch.eye(3, 4, dtype=q.dtype)[None, :, :, None].expand(1, 3, 4, q.shape[1])
        frames = torch.cat([bodies, ground])
        axes = _turned(frames.index_select(0, self.carriers), local)
        axes *= self.slopes(q).index_select(0, self.slope_order)[:, None]
        turning, sliding = q.new_zeros(2, len(self.names), 3, q.shape[1]).unbind()
        turning.index_add_(0, self.owners[: self.turns], axes[: self.turns])
        sliding.index_add_(0, self.owners[self.turns :], axes[self.turns :])
        moved = frames.index_select(0, self.moved)
        centres = _turned(moved, self.centres) + moved[:, :, 3]
        sliding -= torch.linalg.cross(turning, centres, dim=1)
        if len(self.rolling):
            self._roll(frames, turning, sliding)
        return torch.cat([turning, sliding], dim=1)

    def _roll(self, frames: Tensor, turning: Tensor, sliding: Tensor) -> None:
        """Add that a child frame on an ellipsoid moves where its normal turns to."""
        moved = frames.index_select(0, self.moved.index_select(0, self.rolling))
        normal = _turned(moved, self.normals)
        swept = torch.linalg.cross(turning.index_select(0, self.rolling), normal, dim=1)
        parents = frames.index_select(0, self.parents)
        inside = (parents[:, :, :3] * swept[:, :, None]).sum(1)
        sliding.index_add_(0, self.rolling, _turned(parents, self.ellipsoids @ inside))

    def _bank(self, parts: Sequence[tuple[Axis | None, int | None]]) -> tuple[FunctionBank, Tensor]:
        """The functions of axes, or their slopes by one of their coordinates; and their places."""
        functions: list[tuple[Function, list[int]]] = []
        for axis, argument in parts:
            assert axis is not None
            function = axis.function if argument is None else axis.function.slope(argument)
            functions.append((function, [self.names.index(name) for name in axis.coordinates]))
        bank = FunctionBank(functions, len(self.names), torch.float64)
        return bank, torch.tensor(bank.order, dtype=torch.long)

    def _place_joints(self, osim: OsimModel) -> None:
        """Of each coordinate, the body that it moves and the centre of the joint in that body."""
        joints = [next(j for j in osim.joints if j.name == c.joint) for c in osim.coordinates]
        self.moved = torch.tensor([self.bodies.index(joint.child.body) for joint in joints])
        self.centres = _columns([joint.child.reach.sum(1) for joint in joints])
        rolling = [(place, joint) for place, joint in enumerate(joints) if joint.radii]
        self.rolling = torch.tensor([place for place, _ in rolling], dtype=torch.long)
        parents = [self.bodies.index(joint.parent.body) for _, joint in rolling]
        self.parents = torch.tensor(parents, dtype=torch.long)
        self.normals = _columns([joint.child.rotation[:, 2] for _, joint in rolling])
        turns = [joint.parent.rotation for _, joint in rolling]
        radii = [np.diag(joint.radii or ()) for _, joint in rolling]
        stretched = [turn @ size @ turn.T for turn, size in zip(turns, radii, strict=True)]
        self.ellipsoids = torch.tensor(np.array(stretched).reshape(-1, 3, 3))


def _turning(joint: Joint) -> Iterator[Mover]:
    """The axes that a joint turns about, each in the body where it is easiest to find."""
    turn = joint.parent.rotation
    first = joint.turns[0] if joint.turns else None
    for axis in joint.rotations:
        direction = np.array(axis.direction)
        if axis.is_constant:
            turn = turn @ axis_rotation(direction, axis.function.value(()))
        elif axis is first:
            yield Mover(axis, joint.parent.body, _fixed(turn @ direction))
        elif axis is joint.turns[-1]:
            yield Mover(axis, joint.child.body, _fixed(_from_behind(joint, axis)))
        else:
            assert first is not None
            terms = np.array(axis_rotation_terms(np.array(first.direction))) @ direction
            yield Mover(axis, joint.parent.body, terms @ turn.T, first)


def _from_behind(joint: Joint, axis: Axis) -> Array:
    """The direction of a joint's last moving axis in the child body."""
    direction = np.array(axis.direction)
    for later in joint.rotations[joint.rotations.index(axis) + 1 :]:
        turn = axis_rotation(np.array(later.direction), later.function.value(()))
        direction = turn.T @ direction
    turned: Array = joint.child.rotation @ direction
    return turned


def _sliding(joint: Joint) -> Iterator[Mover]:
    for axis in joint.slides:
        if not axis.is_constant:
            direction = joint.parent.rotation @ np.array(axis.direction)
            yield Mover(axis, joint.parent.body, _fixed(direction))


def _fixed(direction: Array) -> Array:
    return np.stack([direction, np.zeros(3), np.zeros(3)])


def _columns(vectors: Sequence[Array]) -> Tensor:
    """Constant vectors (n, 3, 1)."""
    return torch.tensor(np.array(vectors).reshape(-1, 3, 1))


def _turned(frames: Tensor, vectors: Tensor) -> Tensor:
    """Vectors of bodies in ground. frames: (n, 3, 4, P), vectors: (n, 3, P or 1)."""
    x, y, z, _ = frames.unbind(2)
    return x * vectors[:, :1] + y * vectors[:, 1:2] + z * vectors[:, 2:]
