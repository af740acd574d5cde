"""Growth: lengths that grow with a body along an axis."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from d3ke.skeleton.joints import Vector3


class Growth(nn.Module):
    """The factors of F lengths, each by the body that it grows with. None does not grow."""

    bodies: Tensor
    weights: Tensor
    fixed: Tensor

    def __init__(
        self, growths: Sequence[Vector3 | None], bodies: Sequence[int], dtype: torch.dtype
    ) -> None:
        super().__init__()
        weights = np.array([growth or (0.0, 0.0, 0.0) for growth in growths])
        fixed = np.array([growth is None for growth in growths])
        self.register_buffer("bodies", torch.tensor(bodies, dtype=torch.long), persistent=False)
        weights = weights.reshape(len(growths), 1, 3)
        self.register_buffer("weights", torch.tensor(weights, dtype=dtype), persistent=False)
        fixed = fixed.reshape(len(growths), 1)
        self.register_buffer("fixed", torch.tensor(fixed, dtype=dtype), persistent=False)

    def forward(self, scales: Tensor) -> Tensor:
        """The factors. scales: (N + 1, 3, P or 1). Returns (F, P or 1)."""
        return (self.weights @ scales.index_select(0, self.bodies))[:, 0] + self.fixed
