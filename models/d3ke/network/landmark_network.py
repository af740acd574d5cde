"""D3KE from landmarks: BlazePose's points of a window of frames to a person's motion.

- One set of body scales for a window, the same left and right.
- The embedded default: light enough for a CPU, and trained on what others saw in real pictures.
"""

from dataclasses import replace

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.network.config import D3KEConfig
from d3ke.network.d3ke import D3KE, Answer
from d3ke.network.landmarks import LandmarkEncoder, LandmarkWindow
from d3ke.network.mirror import coordinate_signs, mirror_root, swap_of
from d3ke.network.temporal import TEMPORAL
from d3ke.network.transition import FACING, ROOT, rotation_of
from d3ke.network.uncertainty import UncertaintyHead
from d3ke.skeleton.osim import OsimModel

LOG_SCALE_RANGE = 0.5  # scales lie within 1/1.65 and 1.65 of the model's own size


class LandmarkD3KE(D3KE):
    """The network that works from landmarks."""

    scale_group: Tensor

    def __init__(self, config: D3KEConfig, osim: OsimModel) -> None:
        super().__init__(config, osim)
        if config.temporal not in TEMPORAL:
            known = ", ".join(TEMPORAL)
            raise D3keError(f"temporal network {config.temporal!r} is not known. Use {known}.")
        self.encoder = LandmarkEncoder(config.width)
        self.temporal = TEMPORAL[config.temporal](
            config.width, config.blocks, config.heads, config.feedforward
        )
        groups = _scale_groups(osim.body_names)
        self.register_buffer("scale_group", groups, persistent=False)
        self.frame_head = nn.Linear(config.width, len(self.predicted) + ROOT)
        self.scale_head = nn.Linear(config.width, int(groups.max()) + 1)
        self._start_neutral()
        self.uncertainty = (
            UncertaintyHead(config.width, config.uncertainty, len(self.predicted))
            if config.uncertainty
            else None
        )

    def forward(self, window: LandmarkWindow) -> Answer:
        """Coordinates, pelvis orientation and body scales of a window."""
        return self.answer(*self.features(window), window.valid)

    def answer(self, features: Tensor, views: Tensor, valid: Tensor) -> Answer:
        """What the heads say of features (B, T, width); views, valid: of the window."""
        raw = self.frame_head(features).float()
        q = self.coordinates.q(torch.tanh(raw[..., ROOT:]))
        root = views.transpose(-1, -2) @ rotation_of(raw[..., :ROOT])
        return Answer(q, root, self._scales(features, valid), self._log_sigma(features))

    def features(self, window: LandmarkWindow) -> tuple[Tensor, Tensor]:
        """What the heads see, (B, T, width), and the virtual cameras (B, T, 3, 3)."""
        features, views = self.encoder(window)
        return self.temporal(features, window.valid), views

    def both_ways(self, window: LandmarkWindow) -> Answer:
        """The mean of the answer and of the mirrored answer to the mirrored window."""
        straight, mirrored = self(window), self(window.mirrored())
        names = self.osim.coordinate_names
        q = mirrored.q[..., swap_of(names)] * coordinate_signs(names).to(mirrored.q)
        scales = mirrored.scales[:, swap_of(self.osim.body_names)]
        root = roma.special_procrustes(straight.root + mirror_root(mirrored.root))
        sigma = straight.log_sigma
        if sigma is not None and mirrored.log_sigma is not None:
            sigma = (sigma + mirrored.log_sigma[..., swap_of(names)]) / 2
        return Answer((straight.q + q) / 2, root, (straight.scales + scales) / 2, sigma)

    @property
    def tells_std(self) -> bool:
        """Whether it says how far off its coordinates are."""
        return self.uncertainty is not None and self.uncertainty.calibrated

    def q_std(self, log_sigma: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Standard deviations (T, K), rad, of what the head says; None where it can't be known."""
        if self.uncertainty is None or not self.uncertainty.calibrated:
            return None
        std: NDArray[np.float64] = np.exp(log_sigma)
        std[:, self.predicted.cpu().numpy()] *= self.uncertainty.factor.double().cpu().numpy()
        return std

    def _scales(self, features: Tensor, valid: Tensor) -> Tensor:
        weight = valid.unsqueeze(2).to(features.dtype)
        pooled = (features * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        logs = LOG_SCALE_RANGE * torch.tanh(self.scale_head(pooled).float())
        return torch.exp(logs[:, self.scale_group])  # (B, N, 3)

    def forget_uncertainty(self) -> None:
        """Take the head away that says how far off this network's answers are."""
        self.uncertainty = None
        self.config = replace(self.config, uncertainty=0)

    def _log_sigma(self, features: Tensor) -> Tensor | None:
        """What the head says of all coordinates, NaN for those that are not predicted."""
        if self.uncertainty is None:
            return None
        sizes = self.uncertainty(features)
        nothing = sizes.new_full((*sizes.shape[:2], len(self.osim.coordinate_names)), torch.nan)
        told: Tensor = nothing.index_copy(2, self.predicted, sizes)
        return told

    def _start_neutral(self) -> None:
        """Begin at coordinates of 0, an upright pelvis that faces the camera, scales of 1."""
        with torch.no_grad():
            for head in (self.frame_head, self.scale_head):
                head.weight.mul_(0.1)
                head.bias.zero_()
            self.frame_head.bias[ROOT:] = torch.atanh(self.coordinates.neutral())
            self.frame_head.bias[:ROOT] = FACING.flatten()


def _scale_groups(body_names: tuple[str, ...]) -> Tensor:
    """Which output scales which axis of which body, (N, 3): left and right share theirs."""
    twins = [min(index, twin) for index, twin in enumerate(swap_of(body_names))]
    order = {body: rank for rank, body in enumerate(sorted(set(twins)))}
    first = torch.tensor([order[twin] for twin in twins])
    return 3 * first.unsqueeze(1) + torch.arange(3)
