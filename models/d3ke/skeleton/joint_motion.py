"""JointMotion: how coordinates and body scales place each joint's child body in its parent."""

from collections.abc import Sequence
from itertools import accumulate, count, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from d3ke.skeleton.frames import axis_rotation, axis_rotation_terms
from d3ke.skeleton.function_bank import FunctionBank
from d3ke.skeleton.joints import Axis, Joint
from d3ke.skeleton.osim import OsimModel
from d3ke.skeleton.scale_rows import growth_row, reach_rows, scale_row


class TurnGroup(nn.Module):
    """The rotations of the joints that turn about the same number of axes.

    A rotation about a fixed axis is a constant matrix, plus one times the cosine, plus one times
    the sine of its angle. So a joint with n axes is one matrix for each of 3^n products of these,
    the joint's fixed frames included, and many joints are one batched matrix product.
    """

    angles: Tensor
    weights: Tensor

    def __init__(self, joints: Sequence[Joint], angles: list[list[int]], dtype: torch.dtype):
        super().__init__()
        weights = torch.tensor(np.stack([_turn_weights(joint) for joint in joints]), dtype=dtype)
        self.register_buffer("angles", torch.tensor(angles, dtype=torch.long), persistent=False)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, circles: Tensor) -> Tensor:
        """Rotations of the group's children. circles: (A, 3, P). Returns (G, 9, P)."""
        terms = circles.new_ones(1, 1, circles.shape[2])
        for number, angle in enumerate(self.angles.unbind(1)):
            circle = circles.index_select(0, angle)  # (G, 3, P)
            # Rows of the product of the terms so far, (G, 3^n, P).
            terms = (terms[:, :, None] * circle[:, None]).flatten(1, 2) if number else circle
        return self.weights @ terms


class JointMotion(nn.Module):
    """Child bodies in parent bodies, for joints in a given order, the P poses last."""

    turn_values: Tensor
    turn_order: Tensor
    slide_values: Tensor
    slides: Tensor
    lengths: Tensor
    rollers: Tensor
    to_ellipsoid: Tensor
    child_normal: Tensor

    def __init__(self, osim: OsimModel, joints: Sequence[Joint], dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        turns = [(j, a) for j, joint in enumerate(joints) for a in joint.turns]
        slides = [(j, a) for j, joint in enumerate(joints) for a in joint.slides]
        names = osim.coordinate_names
        self.functions = FunctionBank(
            [(a.function, [names.index(c) for c in a.coordinates]) for _, a in turns + slides],
            len(names),
            dtype,
        )
        order = self.functions.order
        self._buffer("turn_values", order[: len(turns)])
        self._buffer("slide_values", order[len(turns) :])
        self._group_turns(joints)
        self._register_ellipsoids(joints)
        self._register_lengths(osim.body_names, joints, slides)

    def forward(self, q: Tensor, scales: Tensor) -> Tensor:
        """Frames of the child bodies in their parents.

        q: (K, P). scales: (3 N + 1, P or 1), as flat_scales gives them. Returns (J, 3, 4, P).
        """
        values = self.functions(q)
        angles = values.index_select(0, self.turn_values)  # (A, P)
        circles = torch.stack([torch.ones_like(angles), angles.cos(), angles.sin()], dim=1)
        turns = torch.cat([group(circles) for group in self.groups])  # (J, 9, P)
        rotations = turns.index_select(0, self.turn_order).view(-1, 3, 3, q.shape[1])
        lengths = (self.lengths @ scales).split(self.length_counts)
        places, child_points, growth, radii = lengths  # each (..., P or 1)
        if len(self.slide_values):
            slid = values.index_select(0, self.slide_values) * growth
            places = torch.addmm(places, self.slides, slid)
        places = places.view(-1, 3, places.shape[1])  # (J, 3, P or 1)
        if len(self.rollers):
            whole = places.expand(-1, -1, q.shape[1])  # shared by all poses where nothing slides
            places = whole.index_add(0, self.rollers, self._rolled(rotations, radii))
        places = places - _turned(rotations, child_points.view(-1, 3, child_points.shape[1]))
        return torch.cat([rotations, places[:, :, None]], dim=2)

    def _rolled(self, rotations: Tensor, radii: Tensor) -> Tensor:
        """Where the child frames touch their ellipsoids, in the parent bodies. (E, 3, P)."""
        turned = rotations.index_select(0, self.rollers)  # (E, 3, 3, P)
        normal = self.to_ellipsoid @ (turned * self.child_normal).sum(2)
        touching = radii.view(-1, 3, radii.shape[1]) * normal
        return self.to_ellipsoid.transpose(1, 2) @ touching

    def _buffer(self, name: str, values: object) -> None:
        if isinstance(values, np.ndarray):
            tensor = torch.tensor(values, dtype=self.dtype)
        else:
            tensor = torch.tensor(values, dtype=torch.long)
        self.register_buffer(name, tensor, persistent=False)

    def _group_turns(self, joints: Sequence[Joint]) -> None:
        """Sort the joints by their number of angles, which follow each other in their order."""
        number = count()
        angles = [[next(number) for _ in joint.turns] for joint in joints]
        members: dict[int, list[int]] = {}
        for j, found in enumerate(angles):
            members.setdefault(len(found), []).append(j)
        self.groups = nn.ModuleList(
            TurnGroup([joints[j] for j in group], [angles[j] for j in group], self.dtype)
            for group in members.values()
        )
        in_groups = [j for group in members.values() for j in group]
        self._buffer("turn_order", np.argsort(in_groups).tolist())

    def _register_lengths(
        self, bodies: Sequence[str], joints: Sequence[Joint], slides: list[tuple[int, Axis]]
    ) -> None:
        """All that grows with the bodies, as one matrix; and the directions of the slides."""
        directions = np.zeros((len(joints), 3, len(slides)))
        for column, (j, axis) in enumerate(slides):
            directions[j, :, column] = joints[j].parent.rotation @ axis.direction
        self._buffer("slides", directions.reshape(3 * len(joints), len(slides)))
        parts = (
            [row for joint in joints for row in reach_rows(bodies, joint.parent)],
            [row for joint in joints for row in reach_rows(bodies, joint.child)],
            [growth_row(bodies, joints[j].parent.body, axis.growth) for j, axis in slides],
            [
                scale_row(bodies, joint.parent.body, radius * direction)
                for joint in joints
                if joint.radii
                for radius, direction in zip(joint.radii, np.eye(3), strict=True)
            ],
        )
        self.length_counts = [len(part) for part in parts]
        self._buffer("lengths", np.array([row for part in parts for row in part]))

    def _register_ellipsoids(self, joints: Sequence[Joint]) -> None:
        """The joints whose child frame rolls on an ellipsoid, its Z axis being the normal."""
        rollers = [j for j, joint in enumerate(joints) if joint.radii]
        self._buffer("rollers", rollers)
        rolling = [joints[j] for j in rollers]
        inverse = [joint.parent.rotation.T for joint in rolling]
        self._buffer("to_ellipsoid", np.array(inverse).reshape(-1, 3, 3))
        normal = [joint.child.rotation[:, 2] for joint in rolling]
        self._buffer("child_normal", np.array(normal).reshape(-1, 1, 3, 1))


def _turned(rotations: Tensor, points: Tensor) -> Tensor:
    """Rotated points. rotations: (J, 3, 3, P), points: (J, 3, P or 1). Returns (J, 3, P)."""
    x, y, z = rotations.unbind(2)
    return x * points[:, :1] + y * points[:, 1:2] + z * points[:, 2:]


def _turn_weights(joint: Joint) -> NDArray[np.float64]:
    """The matrices of a joint's 3^n products of cosines and sines, (9, 3^n)."""
    factors: list[tuple[NDArray[np.float64], ...]] = [(joint.parent.rotation,)]
    for axis in joint.rotations:
        direction = np.array(axis.direction)
        if axis.is_constant:
            factors.append((axis_rotation(direction, axis.function.value(())),))
        else:
            factors.append(axis_rotation_terms(direction))
    factors.append((joint.child.rotation.T,))
    products = [list(accumulate(terms, np.matmul))[-1] for terms in product(*factors)]
    return np.stack(products).reshape(-1, 9).T
