"""RootJoint: the coordinates of the joint that carries the whole body, from its place in ground."""

import numpy as np
import torch
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.skeleton.body_tree import root_joint
from d3ke.skeleton.functions import Line
from d3ke.skeleton.joints import Axis, Joint
from d3ke.skeleton.osim import OsimModel

SQUARE = 1e-6  # how far from orthogonal the axes may be: rounding of the file's numbers


class RootJoint(nn.Module):
    """The inverse of a joint with three turns about orthogonal axes and three slides."""

    parent: Tensor
    child: Tensor
    turns: Tensor
    lengths: Tensor
    slopes: Tensor
    constants: Tensor

    def __init__(self, osim: OsimModel, dtype: torch.dtype) -> None:
        super().__init__()
        self.joint = osim.joints[root_joint(osim)]
        self.body = osim.body_names.index(self.joint.child.body)
        self.is_free = _is_free(self.joint)
        if not self.is_free:
            return
        names = [coordinate.name for coordinate in self.joint.coordinates]
        axes = {axis.coordinates[0]: axis for axis in self.joint.axes}
        turns = np.array([axis.direction for axis in self.joint.rotations]).T
        slides = np.array([axis.direction for axis in self.joint.translations]).T
        order = [list(axes).index(name) for name in names]
        lines = [axes[name].function for name in names]
        buffers = {
            "parent": np.stack([self.joint.parent.rotation, self.joint.parent.reach]),
            "child": np.stack([self.joint.child.rotation, self.joint.child.reach]),
            "turns": turns,
            "lengths": np.linalg.inv(slides),
            "slopes": [line.coefficients[0] for line in lines if isinstance(line, Line)],
            "constants": [line.constant for line in lines if isinstance(line, Line)],
        }
        for name, values in buffers.items():
            tensor = torch.tensor(np.array(values), dtype=dtype)
            self.register_buffer(name, tensor, persistent=False)
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.handed = round(float(np.linalg.det(turns)))

    def forward(self, root: Tensor, scale: Tensor | None = None) -> Tensor:
        """The joint's coordinates. root: (..., 4, 4), scale: (..., 3). Returns (..., 6).

        Raises D3keError for a joint of another kind.
        """
        if not self.is_free:
            raise D3keError(
                f"joint {self.joint.name} does not leave its body free to turn about three "
                "orthogonal axes and to move. Use a model whose pelvis is free in ground."
            )
        scale = root.new_ones(3) if scale is None else scale
        rotation = self.parent[0].T @ root[..., :3, :3] @ self.child[0]
        child = root[..., :3, :3] @ (self.child[1] @ scale[..., None])
        place = (root[..., :3, 3:] + child)[..., 0] - self.parent[1].sum(-1)
        lengths = (self.lengths @ self.parent[0].T @ place[..., None])[..., 0]
        turned = self.turns.T @ rotation @ self.turns
        values = torch.cat([self.handed * matrix_to_xyz(turned), lengths], dim=-1)
        return (values.index_select(-1, self.get_buffer("order")) - self.constants) / self.slopes


def matrix_to_xyz(rotation: Tensor) -> Tensor:
    """Body-fixed X-Y-Z angles of a rotation, rad; the middle one within a quarter turn.

    (..., 3, 3) -> (..., 3).
    """
    x = torch.atan2(-rotation[..., 1, 2], rotation[..., 2, 2])
    y = torch.atan2(rotation[..., 0, 2], torch.hypot(rotation[..., 0, 0], rotation[..., 0, 1]))
    z = torch.atan2(-rotation[..., 0, 1], rotation[..., 0, 0])
    return torch.stack([x, y, z], dim=-1)


def _is_free(joint: Joint) -> bool:
    if len(joint.coordinates) != 6 or len(joint.turns) != 3 or len(joint.slides) != 3:
        return False
    turns = np.array([axis.direction for axis in joint.rotations])
    orthogonal = bool(np.abs(turns @ turns.T - np.eye(3)).max() < SQUARE)
    coordinates = {name for axis in joint.axes for name in axis.coordinates}
    return orthogonal and len(coordinates) == 6 and all(map(_is_straight, joint.axes))


def _is_straight(axis: Axis) -> bool:
    # that a slide grows with its parent does not matter: the parent is ground
    line = isinstance(axis.function, Line) and len(axis.coordinates) == 1
    return line and axis.function.coefficients != (0.0,)
