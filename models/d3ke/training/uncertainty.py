"""The uncertainty's stage: how far off a landmark network's answers are; the network stays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from d3ke.network.d3ke import D3KE
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.losses import on_circle
from d3ke.network.uncertainty import laplace_loss
from d3ke.synth.landmarks.batches import BatchStream, LandmarkBatch
from d3ke.training.landmarks import LandmarkConfig, LandmarkStage
from d3ke.training.stage import Losses, autocast


@dataclass(frozen=True)
class UncertaintyConfig(LandmarkConfig):
    """The training of the head that says how far off answers are.

    hidden: its width. calibration_batches: of held-out windows, on which its sizes are made true.
    """

    steps: int = 2_000
    learning_rate: float = 2e-3
    warmup: int = 100
    weight_decay: float = 1e-4
    save_every: int = 250
    hidden: int = 24
    calibration_batches: int = 20


class UncertaintyStage(LandmarkStage):
    """The head of a LandmarkD3KE, trained on the errors of the network as it is."""

    def __init__(
        self,
        model: LandmarkD3KE,
        config: UncertaintyConfig,
        stream: BatchStream,
        held_out: Mapping[str, BatchStream],
    ) -> None:
        """held_out: streams of people never trained on, by name; the last judges."""
        super().__init__(model, config, stream, held_out)
        self.judge = "valid_nats"

    def learning(self, model: D3KE) -> nn.Module:
        """The head alone."""
        assert isinstance(model, LandmarkD3KE)
        assert model.uncertainty is not None
        return model.uncertainty

    def loss(self, network: nn.Module, batch: LandmarkBatch) -> Losses:
        """The loss of a batch: also of frames without the person, whose answers are worse."""
        features, error = self._said(self.model, batch)
        log_sigma = network(features)
        loss = laplace_loss(error, log_sigma).mean()
        said = torch.exp(log_sigma.detach()).mean()
        return loss, {"angle": error.abs().mean().rad2deg(), "said": said.rad2deg()}

    def validate(self, model: D3KE) -> dict[str, float]:
        """On held-out windows: the loss, in nats; mean errors and how large they are said, deg."""
        sums = {"nats": 0.0, "error_deg": 0.0, "said_deg": 0.0}
        batches = list(self.held_out.values())[-1]
        for index in range(self.config.validation_batches):
            loss, terms = self.loss(self.learning(model), self.on_device(batches.batch(index)))
            found = {"nats": loss, "error_deg": terms["angle"], "said_deg": terms["said"]}
            for what, value in found.items():
                sums[what] += float(value) / self.config.validation_batches
        return {f"valid_{what}": value for what, value in sums.items()}

    def about(self) -> Mapping[str, Any]:
        """What the weights' story tells."""
        return {**super().about(), "what": "uncertainty of landmarks"}

    def _said(self, model: D3KE, batch: LandmarkBatch) -> tuple[Tensor, Tensor]:
        """What the head sees of a batch, and the errors (B, T, K'), rad, that it is to foresee."""
        assert isinstance(model, LandmarkD3KE)
        with torch.no_grad(), autocast(self.config):
            features, views = model.features(batch.window)
            answer = model.answer(features, views, batch.window.valid)
        error = on_circle(answer.q - batch.q)[..., model.predicted]
        return features.float(), error
