"""Random errors with the memory and the spread of real ones."""

import numpy as np
import torch
from torch import Tensor


def slow_noise(shape: tuple[int, ...], frames_constant: float, random: torch.Generator) -> Tensor:
    """Unit-variance noise of shape (B, T, ...) that forgets itself in `frames_constant` frames.

    A first-order autoregression, made as one matrix product over time.
    """
    frames = shape[1]
    keep = float(np.exp(-1 / frames_constant))
    lag = torch.arange(frames).unsqueeze(1) - torch.arange(frames)
    kernel = torch.where(lag >= 0, keep ** lag.clamp(min=0), 0.0) * (1 - keep**2) ** 0.5
    kernel[:, 0] /= (1 - keep**2) ** 0.5  # stationary from the first frame on
    white = torch.randn(shape, generator=random)
    return torch.einsum("ts,bs...->bt...", kernel, white)


def spread(count: int, size: float, random: torch.Generator) -> Tensor:
    """Log-normal factors (count,) with median 1: how much noisier one clip is than another."""
    return torch.exp(size * torch.randn(count, generator=random))
