"""BodyTree: from each child in its parent to every body in ground."""

import torch
from torch import Tensor, nn

from d3ke.skeleton.frames import GROUND
from d3ke.skeleton.osim import OsimModel


class BodyTree(nn.Module):
    """Composes the joints level by level from ground, all joints of a level at once."""

    body_order: Tensor

    def __init__(self, osim: OsimModel) -> None:
        super().__init__()
        levels = joint_levels(osim)
        self.root = levels[0].index(root_joint(osim))
        above: list[int] = []
        self.depth = len(levels)
        for depth, level in enumerate(levels):
            bodies = [osim.joints[j].child.body for j in above]
            parents = [bodies.index(osim.joints[j].parent.body) for j in level] if depth else []
            self.register_buffer(f"joints_{depth}", torch.tensor(level), persistent=False)
            self.register_buffer(f"parents_{depth}", torch.tensor(parents), persistent=False)
            above = level
        walked = [osim.joints[j].child.body for level in levels for j in level]
        order = torch.tensor([walked.index(name) for name in osim.body_names])
        self.register_buffer("body_order", order, persistent=False)

    def forward(self, rotations: Tensor, places: Tensor, root: Tensor | None) -> Tensor:
        """Body frames in ground.

        rotations: (J, P, 3, 3), places: (J, P, 3) of the children in their parents. root:
        (P, 4, 4) in place of the root body's frame, or None. Returns (P, N, 4, 4).
        """
        local = torch.cat([rotations, places[..., None]], dim=-1)  # (J, P, 3, 4)
        level = local.index_select(0, self.get_buffer("joints_0"))
        if root is not None:
            level = torch.cat([level[: self.root], root[None, :, :3], level[self.root + 1 :]])
        levels = [level]
        for depth in range(1, self.depth):
            parents = level.index_select(0, self.get_buffer(f"parents_{depth}"))
            moved = parents[..., :3] @ local.index_select(0, self.get_buffer(f"joints_{depth}"))
            level = torch.cat([moved[..., :3], moved[..., 3:] + parents[..., 3:]], dim=-1)
            levels.append(level)
        frames = torch.cat(levels).index_select(0, self.body_order).transpose(0, 1)
        bottom = frames.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*frames.shape[:2], 1, 4)
        return torch.cat([frames, bottom], dim=2)


def joint_levels(osim: OsimModel) -> list[list[int]]:
    """Indices of the joints by their distance from ground, nearest first."""
    reached, levels = {GROUND}, []
    waiting = list(range(len(osim.joints)))
    while waiting:
        level = [j for j in waiting if osim.joints[j].parent.body in reached]
        levels.append(level)
        reached = {osim.joints[j].child.body for j in level}
        waiting = [j for j in waiting if j not in level]
    return levels


def root_joint(osim: OsimModel) -> int:
    """The index of the joint by which most bodies hang on ground."""
    parent = {joint.child.body: joint.parent.body for joint in osim.joints}
    carried = dict.fromkeys(osim.body_names, 0)
    for body in osim.body_names:
        while parent[body] != GROUND:
            body = parent[body]
        carried[body] += 1
    heaviest = max(carried, key=lambda body: carried[body])
    return next(j for j, joint in enumerate(osim.joints) if joint.child.body == heaviest)
