"""BodyTree: from each child in its parent to every body in ground."""

import torch
from torch import Tensor, nn

from d3ke.skeleton.frames import GROUND
from d3ke.skeleton.osim import OsimModel


class BodyTree(nn.Module):
    """Composes the joints level by level from ground, all joints of a level at once.

    joints: the model's joints in the order in which they are wanted, nearest to ground first.
    """

    numbers: Tensor

    def __init__(self, osim: OsimModel) -> None:
        super().__init__()
        levels = joint_levels(osim)
        self.root = levels[0].index(root_joint(osim))
        self.sizes = [len(level) for level in levels]
        self.joints = [osim.joints[j] for level in levels for j in level]
        above: list[str] = []
        for depth, level in enumerate(levels):
            parents = [above.index(osim.joints[j].parent.body) for j in level] if depth else []
            self.register_buffer(f"parents_{depth}", torch.tensor(parents), persistent=False)
            above = [osim.joints[j].child.body for j in level]
        walked = [joint.child.body for joint in self.joints]
        numbers = [
            row for name in osim.body_names for row in _matrix_rows(walked.index(name), walked)
        ]
        self.register_buffer("numbers", torch.tensor(numbers), persistent=False)

    def forward(self, local: Tensor, root: Tensor | None) -> Tensor:
        """Body frames in ground.

        local: (J, 3, 4, P) frames of the children in their parents, in the order of `joints`.
        root: (P, 4, 4) in place of the root body's frame, or None. Returns (P, N, 4, 4).
        """
        level, *deeper = local.split(self.sizes)
        if root is not None:
            placed = root[:, :3].permute(1, 2, 0)[None]
            level = torch.cat([level[: self.root], placed, level[self.root + 1 :]])
        levels = [level]
        for depth, children in enumerate(deeper, start=1):
            parents = level.index_select(0, self.get_buffer(f"parents_{depth}"))
            level = _compose(parents, children)
            levels.append(level)
        rows = torch.cat(levels).flatten(0, 2)  # (12 N, P)
        # not from Python's numbers: a GPU would have to wait for them
        zero, one = torch.zeros_like(rows[:1]), torch.ones_like(rows[:1])
        matrices = torch.cat([rows, zero, one]).index_select(0, self.numbers)  # (16 N, P)
        return matrices.T.reshape(rows.shape[1], -1, 4, 4)


def _matrix_rows(place: int, walked: list[str]) -> list[int]:
    """Where the 16 numbers of a body's matrix are: 12 of its frame, then 0 0 0 1 after all."""
    zero, one = 12 * len(walked), 12 * len(walked) + 1
    return [*range(12 * place, 12 * place + 12), zero, zero, zero, one]


def _compose(parents: Tensor, children: Tensor) -> Tensor:
    """Frames in ground from parents in ground and children in parents, all (n, 3, 4, P).

    Written out with the poses innermost: four times as fast on a CPU as batched 3 x 3 products.
    """
    x, y, z, origin = parents.unbind(2)
    rows = [row[:, None] for row in children.unbind(1)]
    moved = x[:, :, None] * rows[0] + y[:, :, None] * rows[1] + z[:, :, None] * rows[2]
    return torch.cat([moved[:, :, :3], (moved[:, :, 3] + origin)[:, :, None]], dim=2)


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
