"""What training minimises: the four terms of D3KE, all through the skeleton, and three more.

Positions are relative to the first joint and in the camera, so that they judge the orientation too.
Source: Bittner et al. 2023; the weights are those of the released networks (plain L1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from d3ke.network.d3ke import Answer
from d3ke.skeleton.kinematics import SkeletalModel


@dataclass(frozen=True)
class LossWeights:
    """joint, marker per metre; body per unit of scale; angle, velocity per degree; root per rad.

    by_range: coordinates with a wide range count up to twice. circle: 359 deg are 1 deg off 0;
    the published loss says 359. markers: how much each counts, by name; all 1 where empty, else 0
    where not named.
    """

    joint: float = 1.0
    marker: float = 2.0
    body: float = 0.1
    angle: float = 0.06
    root: float = 0.0
    velocity: float = 0.0
    by_range: bool = True
    circle: bool = True
    markers: Mapping[str, float] = field(default_factory=dict)


class Target(NamedTuple):
    """What the answer should be.

    q: (B, T, K) rad; root: (B, T, 3, 3) pelvis in the camera; scales: (B, N, 3); valid: (B, T).
    joints: (B, T, J, 3), markers: (B, T, M, 3) m, in the camera, by default those of q, root and
    scales. q_mask: (B, T, K), joints_mask: (B, T, J), markers_mask: (B, T, M): which are known.
    """

    q: Tensor
    root: Tensor
    scales: Tensor
    valid: Tensor
    joints: Tensor | None = None
    markers: Tensor | None = None
    q_mask: Tensor | None = None
    joints_mask: Tensor | None = None
    markers_mask: Tensor | None = None


class Points(NamedTuple):
    """Joint centres (B, T, J, 3) and markers (B, T, M, 3) about the first joint, m."""

    joints: Tensor
    markers: Tensor


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
        names = skeleton.osim.marker_names
        markers = [weights.markers.get(n, 0.0) if weights.markers else 1.0 for n in names]
        self.marker_weights = torch.tensor(markers, device=predicted.device)

    def __call__(self, answer: Answer, target: Target) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss (scalar) and its unweighted terms."""
        weights, valid = self.weights, target.valid
        step = slice(None, None, self.every)
        joint, marker = self._positions(answer, target, step)
        error = answer.q - target.q
        error = (on_circle(error) if weights.circle else error)[..., self.predicted]  # (B, T, K')
        body = (answer.scales - self._scales(answer, target)).abs().sum(dim=-1)
        terms = {
            "joint": masked_mean(joint, valid[:, step]),
            "marker": masked_mean(marker, valid[:, step]),
            "body": body.mean(),
            "angle": masked_mean(self._angle(error, target), valid),
            "root": masked_mean((answer.root - target.root).abs().sum(dim=(2, 3)), valid),
            "velocity": masked_mean(
                error.diff(dim=1).abs().mean(dim=2).rad2deg(), valid[:, 1:] & valid[:, :-1]
            ),
        }
        total = sum(getattr(weights, name) * term for name, term in terms.items())
        assert isinstance(total, Tensor)
        return total, terms

    def _angle(self, error: Tensor, target: Target) -> Tensor:
        """Mean over coordinates (B, T, K') that are known of the weighted error, (B, T), deg."""
        size = (self.importance * error.abs()).rad2deg()
        if target.q_mask is None:
            return size.mean(dim=2)
        known = target.q_mask[..., self.predicted]
        return (size * known).sum(dim=2) / known.sum(dim=2).clamp(min=1)

    def _positions(self, answer: Answer, target: Target, step: slice) -> tuple[Tensor, Tensor]:
        """Mean L1 error of joint centres and of markers, (B, T / every), m."""
        found = self._posed(answer.q[:, step], answer.root[:, step], self._each(answer, step))
        if target.joints is None or target.markers is None:
            said = Answer(target.q, target.root, target.scales)
            true = self._posed(target.q[:, step], target.root[:, step], self._each(said, step))
        else:
            true = about_first(target.joints[:, step], target.markers[:, step])
        masks = [
            mask[:, step] if mask is not None else None
            for mask in (target.joints_mask, target.markers_mask)
        ]
        ones = torch.ones_like(found.joints[0, 0, :, 0])
        return (
            _distance(found.joints, true.joints, masks[0], ones),
            _distance(found.markers, true.markers, masks[1], self.marker_weights),
        )

    def _posed(self, q: Tensor, root: Tensor, scales: Tensor) -> Points:
        pose = self.skeleton(q, scales, as_frame(root))
        return about_first(pose.joints, pose.markers)

    @staticmethod
    def _each(answer: Answer, step: slice) -> Tensor:
        """Scales of each of the chosen frames, (B, T / every, N, 3)."""
        q = answer.q[:, step]
        if answer.scales.dim() == 4:
            return answer.scales[:, step]
        return answer.scales.unsqueeze(1).expand(-1, q.shape[1], -1, -1)

    @staticmethod
    def _scales(answer: Answer, target: Target) -> Tensor:
        """The true scales, with a place for frames where the answer has one."""
        return target.scales.unsqueeze(1) if answer.scales.dim() == 4 else target.scales


def about_first(joints: Tensor, markers: Tensor) -> Points:
    """Joint centres (B, T, J, 3) and markers (B, T, M, 3) about the first joint."""
    first = joints[..., :1, :]
    return Points(joints - first, markers - first)


def _distance(points: Tensor, true: Tensor, mask: Tensor | None, weights: Tensor) -> Tensor:
    """Mean over known points (B, T, P, 3) of the weighted L1 distance, (B, T); 0 without any."""
    apart = (points - true).abs().sum(dim=3) * weights
    if mask is None:
        return apart.sum(dim=2) / max(1, points.shape[2])
    return (apart * mask).sum(dim=2) / mask.sum(dim=2).clamp(min=1)


def as_frame(rotation: Tensor) -> Tensor:
    """Frames (..., 4, 4) at the origin with the given orientation (..., 3, 3)."""
    frame = torch.nn.functional.pad(rotation, (0, 1, 0, 1))
    frame[..., 3, 3] = 1.0
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
