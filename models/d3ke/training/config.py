"""How networks are trained: the figures of each stage, and the recipes that set them."""

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from d3ke.dataset.augmentation import Augmentation
from d3ke.errors import D3keError
from d3ke.network.losses import LossWeights
from d3ke.training.schedule import COSINE, PUBLISHED_FRAME, PUBLISHED_TEMPORAL, Schedule

D3KE_PLUS, PAPER = "d3ke+", "paper"


@dataclass(frozen=True)
class TrainConfig:
    """What every training has. The whole of it is saved with the weights.

    steps: updates. batch: samples an update, over all processes. warmup: steps. clip_norm: of the
    gradient, 0 is off. ema: share of the averaged weights that a step keeps, 0 is off.
    amsgrad: the optimiser's variant. save_every: steps between validations, each of which saves.
    """

    seed: int = 0
    steps: int = 7_500
    batch: int = 48
    learning_rate: float = 6e-4
    schedule: str = COSINE
    warmup: int = 300
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    amsgrad: bool = False
    clip_norm: float = 1.0
    ema: float = 0.998
    precision: str = "bf16"
    device: str = "cpu"
    workers: int = 1
    save_every: int = 500
    loss: LossWeights = field(default_factory=LossWeights)

    def rates(self) -> Schedule:
        """The learning rate over the steps."""
        return Schedule(self.schedule, self.learning_rate, self.steps, self.warmup)


@dataclass(frozen=True)
class FrameConfig(TrainConfig):
    """The frame stage.

    size: of the crops, px. only: "all", or "head", with the backbone as it is. freeze_norm: the
    backbone's normalisation stays as it is. compile: with torch.compile. data: what is learnt from,
    set by the run itself. validation_frames: at most so many are looked at, evenly strewn.
    """

    steps: int = 10_000
    batch: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    size: int = 256
    only: str = "all"
    freeze_norm: bool = False
    compile: bool = False
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(flip=0.5))
    loss: LossWeights = field(default_factory=lambda: LossWeights(root=0.3))
    data: str = ""
    validation_frames: int = 1_000


@dataclass(frozen=True)
class TemporalConfig(TrainConfig):
    """The temporal stage. network, window: what is trained, over how many frames.

    width: of the network, 0 is the published one. positions_every: frames of a window between
    those whose positions are compared; the middle one is always. frame_precision: of the frame
    network, whose answers are stored. data: hash of what they follow from, set by the run itself.
    """

    steps: int = 5_000
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    network: str = "transformer"
    window: int = 243
    width: int = 0
    positions_every: int = 9
    precision: str = "fp32"  # bf16 would round the rows: 0.2 deg of an angle of 1 rad
    frame_precision: str = "bf16"
    loss: LossWeights = field(default_factory=lambda: LossWeights(root=0.3))
    data: str = ""
    validation_windows: int = 1_000


Config = TypeVar("Config", FrameConfig, TemporalConfig)


def with_recipe(config: Config, recipe: str) -> Config:
    """A stage's figures by recipe: "d3ke+", ours, or "paper", the published ones.

    Raises D3keError for another name.
    """
    if recipe == D3KE_PLUS:
        return config
    if recipe != PAPER:
        raise D3keError(f"recipe {recipe!r} is not known. Use {D3KE_PLUS} or {PAPER}.")
    changes: dict[str, Any] = {
        "warmup": 0,
        "clip_norm": 0.0,
        "ema": 0.0,
        "precision": "fp32",
        "loss": LossWeights(circle=False),
    }
    if isinstance(config, FrameConfig):
        changes |= {"schedule": PUBLISHED_FRAME, "augmentation": Augmentation()}
    else:
        changes |= {
            "schedule": PUBLISHED_TEMPORAL,
            "amsgrad": config.network == "tcn",
            "positions_every": 1,
            "frame_precision": "fp32",
        }
    return replace(config, **changes)
