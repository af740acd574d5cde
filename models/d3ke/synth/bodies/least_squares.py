"""Levenberg-Marquardt for many small problems at once."""

from collections.abc import Callable

import torch
from torch import Tensor

FIRST_DAMPING = 1e-3  # times the diagonal
MOST_DAMPING, LEAST_DAMPING = 1e6, 1e-9


def levenberg_marquardt(
    residuals: Callable[[Tensor], Tensor], x: Tensor, rounds: int, step: float
) -> Tensor:
    """The x (B, D) that makes the sum of squared residuals least, each of B for itself.

    residuals: (..., B, D) -> (..., B, E). step: of the forward differences that give the Jacobian.
    """
    damping = x.new_full((len(x), 1, 1), FIRST_DAMPING)
    r = residuals(x)
    for _ in range(rounds):
        jacobian = _differences(residuals, x, r, step)
        normal = jacobian.transpose(1, 2) @ jacobian
        gradient = jacobian.transpose(1, 2) @ r.unsqueeze(2)
        damped = normal + damping * torch.diag_embed(normal.diagonal(dim1=1, dim2=2))
        tried_x = x - torch.linalg.solve(damped, gradient).squeeze(2)
        tried = residuals(tried_x)
        better = (tried.square().sum(1) < r.square().sum(1)).unsqueeze(1)
        x, r = torch.where(better, tried_x, x), torch.where(better, tried, r)
        damping = damping * torch.where(better, 0.1, 10.0).unsqueeze(2)
        damping = damping.clamp(LEAST_DAMPING, MOST_DAMPING)
    return x


def _differences(
    residuals: Callable[[Tensor], Tensor], x: Tensor, r: Tensor, step: float
) -> Tensor:
    """The Jacobian, (B, E, D): all of them from one call."""
    moved = x + step * torch.eye(x.shape[1], dtype=x.dtype).unsqueeze(1)  # (D, B, D)
    return ((residuals(moved) - r) / step).permute(1, 2, 0)
