"""Which landmarks a person's own body hides from the camera."""

import torch
from torch import Tensor

# What hides: a segment between the means of landmarks, with its radius in metres.
TRUNK = ((11, 12), (23, 24), 0.12)
THIGHS = {"l": ((23,), (25,), 0.07), "r": ((24,), (26,), 0.07)}
SHANKS = {"l": ((25,), (27,), 0.05), "r": ((26,), (28,), 0.05)}
ARMS = tuple(range(13, 23))  # elbows, wrists, fingers
LEGS = {"l": (25, 27, 29, 31), "r": (26, 28, 30, 32)}
SOFT_M = 0.02  # over which a landmark fades behind an edge
BEHIND_M = 0.04  # a landmark this far behind a segment's axis is hidden by it


def hidden_landmarks(points: Tensor) -> Tensor:
    """How hidden each landmark is, 0 to 1. points: (B, T, 33, 3) in the camera, m.

    Returns (B, T, 33).
    """
    middle = points[:, :, 23:25, 2].mean(dim=2, keepdim=True).clamp(min=0.3)
    flat = points[..., :2] / points[..., 2:].clamp(min=0.3) * middle.unsqueeze(3)
    placed = torch.cat([flat, points[..., 2:]], dim=3)
    hidden = torch.zeros_like(points[..., 0])
    for targets, segments in (
        (ARMS, (TRUNK, *THIGHS.values())),
        (LEGS["l"], (THIGHS["r"], SHANKS["r"])),
        (LEGS["r"], (THIGHS["l"], SHANKS["l"])),
    ):
        for start, end, radius in segments:
            behind = _behind(placed[:, :, targets], placed[:, :, start], placed[:, :, end], radius)
            hidden[:, :, targets] = torch.maximum(hidden[:, :, targets], behind)
    return hidden


def _behind(points: Tensor, start: Tensor, end: Tensor, radius: float) -> Tensor:
    """How far points (B, T, P, 3) lie behind a segment of the given radius, 0 to 1."""
    a, b = start.mean(dim=2, keepdim=True), end.mean(dim=2, keepdim=True)
    along = b - a
    square = (along[..., :2] ** 2).sum(dim=-1).clamp(min=1e-4)
    part = (((points - a)[..., :2] * along[..., :2]).sum(dim=-1) / square).clamp(0, 1)
    nearest = a + part.unsqueeze(-1) * along
    gap = (points - nearest)[..., :2].norm(dim=-1)
    depth = (points - nearest)[..., 2]
    covered = torch.sigmoid((radius - gap) / SOFT_M)
    return covered * torch.sigmoid((depth - BEHIND_M) / SOFT_M)
