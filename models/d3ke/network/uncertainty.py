"""How far off an answer is: a small head that says so frame by frame, and factors from people.

- the head sees what the network's own heads see, and does not change what these say
- its numbers are sizes of errors beside each other; a factor for each coordinate makes them true
- factors are conformal: found on people whom no training saw, so that 90 % of errors lie within
Source: Kendall and Gal 2017 (the head); Vovk et al. 2005 (conformal prediction); Dunn et al. 2023
(frames of one person are no independent draws).
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from d3ke.errors import D3keError

Array = NDArray[np.float64]

SHARE = 0.9  # of errors that are to lie within an interval
NORMAL_90 = 1.6448536269514722  # standard deviations that hold 90 % of a normal distribution
FIRST_GUESS_DEG = 5.0
SIZES_DEG = (0.1, 120.0)  # what an error may be said to be


class UncertaintyHead(nn.Module):
    """From features to the logarithm of how far off each predicted coordinate is.

    factor: (K',) what makes it a standard deviation; NaN until people were measured.
    """

    factor: Tensor

    def __init__(self, width: int, hidden: int, coordinates: int) -> None:
        super().__init__()
        last = nn.Linear(hidden, coordinates)
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), last)
        self.register_buffer("factor", torch.full((coordinates,), torch.nan))
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.fill_(math.log(math.radians(FIRST_GUESS_DEG)))

    def forward(self, features: Tensor) -> Tensor:
        """features: (B, T, width). Returns (B, T, K'), the logarithm of radians."""
        low, high = (math.log(math.radians(size)) for size in SIZES_DEG)
        sizes: Tensor = self.layers(features).float().clamp(low, high)
        return sizes

    @property
    def calibrated(self) -> bool:
        """Whether people were measured."""
        return bool(self.factor.isfinite().all())


def laplace_loss(error: Tensor, log_sigma: Tensor) -> Tensor:
    """Negative logarithm of the likelihood of errors (...), rad, without its constant.

    A Laplace distribution has heavier ends than a normal one: few gross errors do not rule.
    """
    return error.abs() * torch.exp(-log_sigma) + log_sigma


def conformal_factor(scores: Array, people: Sequence[int] | NDArray[np.int64]) -> float:
    """By how much to multiply said sizes so that a new person's errors lie within 90 % of the time.

    scores: (F,) of frames, the error over its said size; people: (F,) whose each frame is. Each
    person counts the same, and one more, the new one, as if worse than all: the n + 1 rule.
    Raises D3keError for fewer than nine people: these can't bound a tenth one.
    """
    _, place, frames = np.unique(people, return_inverse=True, return_counts=True)
    count = len(frames)
    order = np.argsort(scores)
    reached = np.cumsum(1 / frames[place[order]]) / (count + 1)
    enough = np.flatnonzero(reached >= SHARE - 1e-9)  # a sum of shares is off by some 1e-16
    if not len(enough):
        raise D3keError(
            f"{count} people: too few to say how far off answers are. Give 9 at least, better 100."
        )
    return float(scores[order[enough[0]]])
