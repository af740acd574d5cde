"""What training minimises: the four terms of D3KE, all through the skeleton, and three more.

Positions are relative to the pelvis and in the camera, so that they judge the orientation too.
Source: Bittner et al. 2023; the weights are those of the released networks (plain L1).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from d3ke.network.d3ke import Answer
from d3ke.skeleton.kinematics import SkeletalModel


@dataclass(frozen=True)
class LossWeights:
    """joint, marker per metre; body per unit of scale; angle, velocity per degree; root per rad."""

    joint: float = 1.0
    marker: float = 2.0
    body: float = 0.1
    angle: float = 0.06
    root: float = 0.0
    velocity: float = 0.0
    by_range: bool = True  # coordinates with a wide range count up to twice


class Target(NamedTuple):
    """What the answer should be.

    q: (B, T, K) rad; root: (B, T, 3, 3) pelvis in the camera; scales: (B, N, 3); valid: (B, T).
    """

    q: Tensor
    root: Tensor
    scales: Tensor
    valid: Tensor


class D3KELoss:
    """The weighted sum of the terms, and each of them."""

    def __init__(
        self, skeleton: SkeletalModel, predicted: Tensor, weights: LossWeights, every: int = 1
    ) -> None:
        """Compare the coordinates `predicted` (K',), and positions on each `every`-th frame only.

        Forward kinematics costs more than the rest, and neighbouring frames say the same.
        """
        self.skeleton, self.predicted = skeleton, predicted
        self.weights, self.every = weights, every
        ranges = torch.tensor([skeleton.osim.coordinates[i].range for i in predicted.tolist()])
        half = (ranges[:, 1] - ranges[:, 0]) / 2
        importance = range_weights(half) if weights.by_range else torch.ones_like(half)
        self.importance = importance.to(predicted.device)

    def __call__(self, answer: Answer, target: Target) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss (scalar) and its unweighted terms."""
        weights = self.weights
        valid = target.valid
        step = slice(None, None, self.every)
        joint, marker = self._positions(answer, target, step)
        error = on_circle(answer.q - target.q)[..., self.predicted]  # (B, T, K')
        terms = {
            "joint": masked_mean(joint, valid[:, step]),
            "marker": masked_mean(marker, valid[:, step]),
            "body": (answer.scales - target.scales).abs().sum(dim=2).mean(),
            "angle": masked_mean((self.importance * error.abs()).mean(dim=2).rad2deg(), valid),
            "root": masked_mean((answer.root - target.root).abs().sum(dim=(2, 3)), valid),
            "velocity": masked_mean(
                error.diff(dim=1).abs().mean(dim=2).rad2deg(), valid[:, 1:] & valid[:, :-1]
            ),
        }
        total = sum(getattr(weights, name) * term for name, term in terms.items())
        assert isinstance(total, Tensor)
        return total, terms

    def _positions(self, answer: Answer, target: Target, step: slice) -> tuple[Tensor, Tensor]:
        """Mean L1 error of joint centres and of markers, (B, T / every), m."""
        placed = []
        for result in (answer, target):
            q, root = result.q[:, step], result.root[:, step]
            scales = result.scales.unsqueeze(1).expand(-1, q.shape[1], -1, -1)
            pose = self.skeleton(q, scales, as_frame(root))
            placed.append((pose.joints - pose.joints[..., :1, :], pose.markers))
        (joints, markers), (true_joints, true_markers) = placed
        return _distance(joints, true_joints), _distance(markers, true_markers)


def _distance(points: Tensor, true: Tensor) -> Tensor:
    """Mean over points (B, T, P, 3) of the L1 distance, (B, T); 0 where a model has none."""
    return (points - true).abs().sum(dim=(2, 3)) / max(1, points.shape[2])


def as_frame(rotation: Tensor) -> Tensor:
    """Frames (..., 4, 4) at the origin with the given orientation (..., 3, 3)."""
    frame = torch.zeros(*rotation.shape[:-2], 4, 4, dtype=rotation.dtype, device=rotation.device)
    frame[..., 3, 3] = 1.0
    frame[..., :3, :3] = rotation
    return frame


def on_circle(error: Tensor) -> Tensor:
    """Angle errors in (-pi, pi]."""
    return torch.remainder(error + torch.pi, 2 * torch.pi) - torch.pi


def range_weights(half_range: Tensor) -> Tensor:
    """1 for the coordinate with the smallest range, 2 for the largest, exponential between."""
    smallest, largest = half_range.min(), half_range.max()
    share = (half_range - smallest) / (largest - smallest).clamp(min=1e-6)
    return torch.exp2(share)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values (...) where mask (...) is true."""
    return (values * mask).sum() / mask.sum().clamp(min=1)
