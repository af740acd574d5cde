"""JointMotion: how coordinates and body scales place each joint's child body in its parent."""

from collections.abc import Sequence
from itertools import accumulate, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from d3ke.skeleton.frames import GROUND, axis_rotation, axis_rotation_terms
from d3ke.skeleton.function_bank import FunctionBank
from d3ke.skeleton.growth import Growth
from d3ke.skeleton.joints import Axis, Joint
from d3ke.skeleton.osim import OsimModel


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

    def forward(self, values: Tensor) -> Tensor:
        """Rotations of the group's children. values: (F, P). Returns (G, 9, P)."""
        terms = values.new_ones(len(self.angles), 1, values.shape[1])
        for angle in self.angles.unbind(1):
            turn = values.index_select(0, angle)  # (G, P)
            basis = torch.stack([torch.ones_like(turn), turn.cos(), turn.sin()], dim=1)
            terms = (terms[:, :, None] * basis[:, None]).flatten(1, 2)  # (G, 3^n, P)
        return self.weights @ terms


class JointMotion(nn.Module):
    """Child bodies in parent bodies, for all joints. Joints come first, the P poses last."""

    turn_order: Tensor
    slide_values: Tensor
    slides: Tensor
    parent_bodies: Tensor
    child_bodies: Tensor
    parent_reach: Tensor
    child_reach: Tensor
    rollers: Tensor
    radii: Tensor
    to_ellipsoid: Tensor
    child_normal: Tensor

    def __init__(self, osim: OsimModel, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        turns = [(j, a) for j, joint in enumerate(osim.joints) for a in joint.turns]
        slides = [(j, a) for j, joint in enumerate(osim.joints) for a in joint.slides]
        names = osim.coordinate_names
        self.functions = FunctionBank(
            [(a.function, [names.index(c) for c in a.coordinates]) for _, a in turns + slides],
            len(names),
            dtype,
        )
        order = self.functions.order
        self._group_turns(osim, order[: len(turns)])
        self._buffer("slide_values", order[len(turns) :])
        self._register_slides(osim, slides)
        self._register_offsets(osim)
        self._register_ellipsoids(osim)

    def forward(self, q: Tensor, scales: Tensor) -> Tensor:
        """Frames of the child bodies in their parents.

        q: (K, P). scales: (N + 1, 3, P or 1), the last is ground's. Returns (J, 3, 4, P).
        """
        values = self.functions(q)
        turns = torch.cat([group(values) for group in self.groups])  # (J, 9, P)
        rotations = turns.index_select(0, self.turn_order).view(-1, 3, 3, q.shape[1])
        places = self.parent_reach @ scales.index_select(0, self.parent_bodies)  # (J, 3, P or 1)
        if len(self.slide_values):
            places = places + self._slid(values, scales)
        if len(self.rollers):
            places = places.index_add(0, self.rollers, self._rolled(rotations, scales))
        places = places - self._child_offsets(rotations, scales)
        return torch.cat([rotations, places[:, :, None]], dim=2)

    def _slid(self, values: Tensor, scales: Tensor) -> Tensor:
        """What the translations add, in the parent bodies. Returns (J, 3, P)."""
        lengths: Tensor = self.slide_growth(scales) * values.index_select(0, self.slide_values)
        return (self.slides @ lengths).view(-1, 3, lengths.shape[1])

    def _rolled(self, rotations: Tensor, scales: Tensor) -> Tensor:
        """Where the child frames touch their ellipsoids, in the parent bodies. (E, 3, P)."""
        bodies = self.parent_bodies.index_select(0, self.rollers)
        radii = self.radii * scales.index_select(0, bodies)  # (E, 3, P or 1)
        turned = rotations.index_select(0, self.rollers)  # (E, 3, 3, P)
        normal = self.to_ellipsoid @ (turned * self.child_normal).sum(2)
        return self.to_ellipsoid.transpose(1, 2) @ (radii * normal)

    def _child_offsets(self, rotations: Tensor, scales: Tensor) -> Tensor:
        """Origins of the child frames from their bodies' origins, in the parents. (J, 3, P)."""
        points = self.child_reach @ scales.index_select(0, self.child_bodies)  # (J, 3, P or 1)
        x, y, z = rotations.unbind(2)
        return x * points[:, :1] + y * points[:, 1:2] + z * points[:, 2:]

    def _buffer(self, name: str, values: object) -> None:
        if isinstance(values, np.ndarray):
            tensor = torch.tensor(values, dtype=self.dtype)
        else:
            tensor = torch.tensor(values, dtype=torch.long)
        self.register_buffer(name, tensor, persistent=False)

    def _group_turns(self, osim: OsimModel, places: list[int]) -> None:
        """Sort the joints by their number of angles; `places` finds the angles' values."""
        remaining = iter(places)
        angles = [[next(remaining) for _ in joint.turns] for joint in osim.joints]
        members: dict[int, list[int]] = {}
        for j, found in enumerate(angles):
            members.setdefault(len(found), []).append(j)
        self.groups = nn.ModuleList(
            TurnGroup([osim.joints[j] for j in group], [angles[j] for j in group], self.dtype)
            for group in members.values()
        )
        in_groups = [j for group in members.values() for j in group]
        self._buffer("turn_order", np.argsort(in_groups).tolist())

    def _register_slides(self, osim: OsimModel, slides: list[tuple[int, Axis]]) -> None:
        body = {name: i for i, name in enumerate((*osim.body_names, GROUND))}
        directions = np.zeros((len(osim.joints), 3, len(slides)))
        for column, (j, axis) in enumerate(slides):
            directions[j, :, column] = osim.joints[j].parent.rotation @ axis.direction
        self._buffer("slides", directions.reshape(3 * len(osim.joints), len(slides)))
        parents = [body[osim.joints[j].parent.body] for j, _ in slides]
        self.slide_growth = Growth([axis.growth for _, axis in slides], parents, self.dtype)

    def _register_offsets(self, osim: OsimModel) -> None:
        body = {name: i for i, name in enumerate((*osim.body_names, GROUND))}
        self._buffer("parent_bodies", [body[joint.parent.body] for joint in osim.joints])
        self._buffer("child_bodies", [body[joint.child.body] for joint in osim.joints])
        self._buffer("parent_reach", np.stack([j.parent.reach for j in osim.joints]))
        self._buffer("child_reach", np.stack([j.child.reach for j in osim.joints]))

    def _register_ellipsoids(self, osim: OsimModel) -> None:
        """The joints whose child frame rolls on an ellipsoid, its Z axis being the normal."""
        rollers = [j for j, joint in enumerate(osim.joints) if joint.radii]
        self._buffer("rollers", rollers)
        joints = [osim.joints[j] for j in rollers]
        self._buffer("radii", np.array([joint.radii for joint in joints]).reshape(-1, 3, 1))
        inverse = [joint.parent.rotation.T for joint in joints]
        self._buffer("to_ellipsoid", np.array(inverse).reshape(-1, 3, 3))
        normal = [joint.child.rotation[:, 2] for joint in joints]
        self._buffer("child_normal", np.array(normal).reshape(-1, 1, 3, 1))


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
