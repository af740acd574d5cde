"""Errors of answers, as trainings log them: coordinates, joint centres, markers, scales."""

import torch
from torch import Tensor

from d3ke.network.d3ke import D3KE
from d3ke.network.image_network import ImageD3KE
from d3ke.network.losses import Target, about_first, as_frame, on_circle
from d3ke.network.transition import FrameAnswer

LEGS, KNEES = ("hip_", "knee_", "ankle_"), ("knee_",)


class Sums:
    """Sums of figures over samples, and what their own mean posture would score."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.true: list[Tensor] = []
        self.count = 0

    def add(self, figures: dict[str, Tensor], q: Tensor) -> None:
        """Add figures of samples, (B,) each, whose true coordinates are q (B, K)."""
        self.true.append(q)
        for name, values in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(values.sum())
        self.count += len(next(iter(figures.values())))

    def means(self) -> dict[str, float]:
        """Means over all samples."""
        return {name: value / max(1, self.count) for name, value in self.sums.items()}

    def own_mean(self, model: D3KE) -> dict[str, float]:
        """Errors of the mean of the true coordinates, deg: no constant does much better."""
        if not self.true:
            return {}
        q = torch.cat(self.true)
        mean = torch.atan2(q.sin().mean(dim=0), q.cos().mean(dim=0))
        errors = angle_errors(model, mean.expand_as(q), q)
        return {name: float(error.mean()) for name, error in errors.items()}


def errors_of(model: ImageD3KE, answer: FrameAnswer, target: Target) -> dict[str, Tensor]:
    """Errors (B,) of frames' answers: coordinates deg; joints, markers, root-relative, mm; scales.

    body is the sum over axes of the absolute error, as published.
    """
    assert target.joints is not None
    assert target.markers is not None
    pose = model.skeleton(answer.q, answer.scales, as_frame(answer.root))
    found = about_first(pose.joints, pose.markers)
    true = about_first(target.joints[:, 0], target.markers[:, 0])
    return {
        **angle_errors(model, answer.q, target.q[:, 0], _known(target)),
        "joints_mm": 1e3 * (found.joints - true.joints).norm(dim=2).mean(dim=1),
        "markers_mm": 1e3 * (found.markers - true.markers).norm(dim=2).mean(dim=1),
        "body": (answer.scales - target.scales).abs().sum(dim=2).mean(dim=1),
    }


def angle_errors(
    model: D3KE, q: Tensor, true: Tensor, known: Tensor | None = None
) -> dict[str, Tensor]:
    """Mean absolute errors (B,) of coordinates (B, K): lower limb, knees, all predicted; deg.

    known: (B, K) which labels are trusted.
    """
    error = on_circle(q - true).abs().rad2deg()
    weight = torch.ones_like(error) if known is None else known.to(error.dtype)
    error = error * weight
    return {
        name: error[..., columns].sum(dim=-1) / weight[..., columns].sum(dim=-1).clamp(min=1)
        for name, columns in angle_groups(model).items()
    }


def _known(target: Target) -> Tensor | None:
    return None if target.q_mask is None else target.q_mask[:, 0]


def angle_groups(model: D3KE) -> dict[str, list[int]]:
    """Which coordinates a figure is a mean of; those that the model has."""
    names = model.osim.coordinate_names
    predicted = model.predicted.tolist()
    groups = {
        "legs_deg": [i for i in predicted if names[i].startswith(LEGS)],
        "knees_deg": [i for i in predicted if names[i].startswith(KNEES)],
        "all_deg": predicted,
    }
    return {name: columns for name, columns in groups.items() if columns}
