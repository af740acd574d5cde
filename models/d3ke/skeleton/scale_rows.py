"""Lengths as sums of body scales, in matrix rows.

The scales of N bodies are laid out as 3 N rows, x y z of each body, and a last row of ones.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.skeleton.frames import GROUND, Offset
from d3ke.skeleton.joints import Vector3


def flat_scales(scales: Tensor) -> Tensor:
    """Scales (P, N, 3) as rows (3 N + 1, P)."""
    rows = scales.flatten(1).T
    return torch.cat([rows, torch.ones_like(rows[:1])])


def scale_row(
    bodies: Sequence[str], body: str, weights: NDArray[np.float64] | Vector3
) -> NDArray[np.float64]:
    """The row whose product with the scales is `weights` times the body's; ground's are 1."""
    row = np.zeros(3 * len(bodies) + 1)
    if body == GROUND:
        row[-1] = np.sum(weights)
    else:
        start = 3 * bodies.index(body)
        row[start : start + 3] = weights
    return row


def growth_row(bodies: Sequence[str], body: str, growth: Vector3 | None) -> NDArray[np.float64]:
    """The row for a factor that grows with a body, or that is 1 where `growth` is None."""
    if growth is None:
        return scale_row(bodies, GROUND, (1.0, 0.0, 0.0))
    return scale_row(bodies, body, growth)


def reach_rows(bodies: Sequence[str], offset: Offset) -> NDArray[np.float64]:
    """The three rows for the origin of a frame in its body."""
    return np.stack([scale_row(bodies, offset.body, weights) for weights in offset.reach])
