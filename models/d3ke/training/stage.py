"""A stage: what is trained on what, as the loop sees it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from d3ke.network.d3ke import D3KE
from d3ke.training.config import TrainConfig

Batch = TypeVar("Batch")
Losses = tuple[Tensor, dict[str, Tensor]]


class Stage(ABC, Generic[Batch]):
    """What the loop asks of a stage.

    unit: what a sample is called; judge: which figure of `validate` says which weights are best.
    """

    unit: str
    judge: str
    model: D3KE
    config: TrainConfig

    @abstractmethod
    def learning(self, model: D3KE) -> nn.Module:
        """The part of a model that learns."""

    def network(self) -> nn.Module:
        """What is called in a step: gradients of its parameters are shared by processes."""
        return self.learning(self.model)

    @abstractmethod
    def batches(self, first: int) -> Iterator[Batch]:
        """Endless batches of this process, from the training's batch `first` on."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Losses:
        """The loss (scalar) of a batch on the stage's device, and its terms."""

    @abstractmethod
    def on_device(self, batch: Batch) -> Batch:
        """The batch where it is computed on."""

    @abstractmethod
    def names(self, batch: Batch) -> Sequence[str]:
        """What its samples are called."""

    @abstractmethod
    def part(self, batch: Batch, chosen: slice) -> Batch:
        """The batch of some of its samples."""

    @abstractmethod
    def validate(self, model: D3KE) -> dict[str, float]:
        """Errors on people never trained on, deg and mm."""

    @abstractmethod
    def about(self) -> Mapping[str, Any]:
        """What the weights' story tells of the data."""

    def before(self, share: float) -> None:
        """Called before each step with the part of the training that is done."""
        self.network().train()


def modes(network: nn.Module, frozen_norm: bool) -> None:
    """Training mode, but for normalisation where it is frozen."""
    network.train()
    if frozen_norm:
        for part in network.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()


def autocast(config: TrainConfig) -> torch.autocast:
    """The numbers that a network's forward computes with."""
    return torch.autocast(config.device, torch.bfloat16, enabled=config.precision == "bf16")
