"""Train, with all that a person may say of it: which stages, on what, by which recipe."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from d3ke.errors import D3keError, OptionError
from d3ke.files import read_text
from d3ke.network.image_network import NO_TEMPORAL
from d3ke.network.scale_groups import read_scale_groups
from d3ke.network.sequence import STRIDES
from d3ke.progress import Progress, Silent
from d3ke.synth.plans import SynthConfig
from d3ke.train import Trained, train_frames, train_temporal
from d3ke.training.config import (
    D3KE_PLUS,
    PAPER,
    Config,
    FrameConfig,
    TemporalConfig,
    TrainConfig,
    with_recipe,
)
from d3ke.training.images import Start, open_sets, rate_of
from d3ke.training.run import STATE
from d3ke.training.stored import with_clips
from d3ke.workers import cores

FRAME, TEMPORAL, BOTH = "frame", "temporal", "both"
# Source: Bittner et al. 2023, the released networks.
PAPER_EPOCHS = {FRAME: 30, "transformer": 50, "lstm": 50, "tcn": 80}


@dataclass(frozen=True)
class ImageTraining:
    """A training of an image network, as a person asks for it; None is the recipe's.

    data: data sets. synthetic: seed of people made on the fly. stage: frame, temporal or both.
    epochs: instead of steps. only: what learns, all, head or temporal. motions, wardrobe: of people
    made on the fly.
    Raises OptionError for what does not go together.
    """

    data: tuple[Path, ...] = ()
    synthetic: int | None = None
    backbone: str = "resnext50"
    temporal: str = "transformer"
    stage: str | None = None
    recipe: str = D3KE_PLUS
    epochs: float | None = None
    steps: int | None = None
    temporal_steps: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    seed: int = 0
    size: int = 256
    window: int = 243
    pretrained: bool = False
    backbone_weights: Path | None = None
    init: str | None = None
    only: str = "all"
    coordinates: tuple[str, ...] = ()
    scale_groups: Path | None = None
    marker_weights: Path | None = None
    motions: Path | None = None
    wardrobe: Path | None = None
    save_every: int | None = None
    workers: int | None = None
    resume: bool = False
    device: str = "cpu"
    precision: str = "bf16"

    def __post_init__(self) -> None:
        if not self.data and self.synthetic is None:
            raise OptionError("nothing to learn from: give data sets, or --synthetic SEED.")
        if not self.data and TEMPORAL in self.stages():
            raise OptionError(
                "--stage temporal learns from the clips of a data set: give one that d3ke prepare "
                "made."
            )
        if self.only != "all" and self.init is None:
            raise OptionError(f"--only {self.only} needs --init: weights whose rest is kept.")
        if self.pretrained and self.backbone_weights is not None:
            raise OptionError("--pretrained and --backbone-weights both begin it. Give one.")
        if self.epochs is not None and (self.steps or self.temporal_steps):
            raise OptionError("--epochs and steps both say how long. Give one of them.")
        if self.epochs is not None and self.synthetic is not None:
            raise OptionError("--synthetic has no end to go through: give --steps, not --epochs.")
        begun = self.pretrained or self.backbone_weights or self.coordinates or self.scale_groups
        if self.init is not None and begun:
            raise OptionError(
                "--init brings backbone, coordinates and scales with it: leave --pretrained, "
                "--backbone-weights, --coordinates and --scale-groups out."
            )

    def stages(self) -> tuple[str, ...]:
        """Which stages are trained, in order."""
        if self.only == TEMPORAL:
            return (TEMPORAL,)
        stage = self.stage
        if stage is None:
            both = self.temporal != NO_TEMPORAL and self.only == "all" and self._has_clips()
            stage = BOTH if both else FRAME
        if stage != FRAME and self.temporal == NO_TEMPORAL:
            raise OptionError("--temporal none leaves no temporal stage. Use --stage frame.")
        return (FRAME, TEMPORAL) if stage == BOTH else (stage,)

    def start(self) -> Start:
        """What the network starts as."""
        groups = read_scale_groups(self.scale_groups) if self.scale_groups else ()
        return Start(
            self.backbone,
            self.size,
            self.pretrained,
            self.backbone_weights,
            self.coordinates,
            groups,
            exact=self.recipe == PAPER,
        )

    def frame(self) -> FrameConfig:
        """The frame stage's figures."""
        config = with_recipe(FrameConfig(), self.recipe)
        only = "head" if self.only == "head" else "all"
        config = replace(config, only=only, compile=self.device.startswith("cuda"))
        return _wished(config, self._wishes(config, self._steps(config, self.steps)))

    def temporal_config(self) -> TemporalConfig:
        """The temporal stage's figures."""
        config = TemporalConfig(network=self.temporal, window=self.window)
        config = with_recipe(config, self.recipe)
        return _wished(config, self._wishes(config, self._steps(config, self.temporal_steps)))

    def synth(self) -> SynthConfig | None:
        """Who is made on the fly."""
        if self.synthetic is None:
            return None
        return SynthConfig(
            frames=0, seed=self.synthetic, motions=self.motions, wardrobe=self.wardrobe
        )

    def _wishes(self, config: TrainConfig, steps: int | None) -> dict[str, Any]:
        """What was said, by the names of a stage's figures."""
        workers = self.workers if self.workers is not None else max(1, cores() - 1)
        wishes: dict[str, Any] = {
            "steps": steps,
            "batch": self.batch,
            "learning_rate": self.learning_rate,
            "save_every": self.save_every,
            "workers": workers,
            "seed": self.seed,
            "device": self.device,
        }
        if self.recipe == D3KE_PLUS:
            frames = isinstance(config, FrameConfig)
            wishes["precision" if frames else "frame_precision"] = self.precision
        if self.marker_weights is not None:
            weights = read_marker_weights(self.marker_weights)
            wishes["loss"] = replace(config.loss, markers=weights)
        return {name: wish for name, wish in wishes.items() if wish is not None}

    def _has_clips(self) -> bool:
        """Whether a temporal stage has something to learn from, and to be judged by."""
        clips = [clip for data in open_sets(self.data) for clip in data.manifest.clips]
        return {"train", "valid"} <= {c["split"] for c in clips if c["kind"] == "clip"}

    def _steps(self, config: TrainConfig, wished: int | None) -> int | None:
        """Updates of a stage: as wished, else by epochs, else None, which is the recipe's."""
        epochs = self.epochs
        if epochs is None and self.recipe == PAPER and self.synthetic is None:
            epochs = PAPER_EPOCHS[self.temporal if isinstance(config, TemporalConfig) else FRAME]
        if wished is not None or epochs is None:
            return wished
        clips = [c for data in open_sets(self.data) for c in data.manifest.clips]
        if isinstance(config, TemporalConfig):
            clips = [clip for clip in clips if clip["kind"] == "clip"]
        frames = sum(int(clip["frames"]) for clip in clips if clip["split"] == "train")
        return max(1, math.ceil(epochs * frames / (self.batch or config.batch)))


def train_images(output: Path, plan: ImageTraining, progress: Progress | None = None) -> Trained:
    """Train the stages of a plan, one after the other; what is done is left as it is.

    Raises D3keError for data, weights or options that do not fit together.
    """
    progress = progress or Silent()
    stages = plan.stages()
    begun = [stage for stage in stages if (output / stage / STATE).is_file()]
    if plan.resume and not begun:
        raise D3keError(f"{output}: no run to resume. Leave --resume out to start one.")
    if begun and not plan.resume:
        raise D3keError(f"{output}: holds a run. Pass --resume to go on, or another folder.")
    if TEMPORAL in stages:
        _check_temporal(plan)
    elif plan.stage is None and plan.only == "all" and plan.temporal != NO_TEMPORAL:
        progress.note("the frame stage alone is trained: no clips in train and valid of the data")
    weights, steps = dict[str, Path](), dict[str, int]()
    for stage in stages:
        resume = plan.resume and stage in begun
        if stage == FRAME:
            frame = plan.frame()
            weights[stage] = train_frames(
                output,
                plan.data,
                plan.start(),
                frame,
                synth=plan.synth(),
                init=plan.init,
                resume=resume,
                progress=progress,
            )
            steps[stage] = frame.steps
        else:
            temporal = plan.temporal_config()
            init = plan.init if FRAME not in stages else None
            weights[stage] = train_temporal(
                output, plan.data, temporal, init=init, resume=resume, progress=progress
            )
            steps[stage] = temporal.steps
    return Trained(weights, steps)


def _check_temporal(plan: ImageTraining) -> None:
    """See that a temporal stage can follow, before a frame stage takes a night.

    Raises D3keError where it cannot.
    """
    if plan.window not in STRIDES:
        known = ", ".join(map(str, STRIDES))
        raise OptionError(f"--window {plan.window}: a temporal network has one of {known} frames.")
    sets = open_sets(plan.data)
    rate_of(sets)
    for split in ("train", "valid"):
        with_clips(sets, split)


def read_marker_weights(path: Path) -> Mapping[str, float]:
    """How much each marker counts, by name, from a JSON file. Raises D3keError for another file."""
    try:
        found = json.loads(read_text(path))
        weights = {str(name): float(weight) for name, weight in found.items()}
        if not all(0 <= weight < math.inf for weight in weights.values()):
            raise ValueError("a weight below 0, or no number")
        return weights
    except (ValueError, TypeError, AttributeError) as error:
        raise D3keError(
            f"{path}: not a table of marker weights. Write JSON such as {{'RASI': 2.0}}."
        ) from error


def _wished(config: Config, wishes: Mapping[str, Any]) -> Config:
    """A stage's figures, with what was said in their place."""
    changed = replace(config, **wishes)
    warmup = min(changed.warmup, changed.steps // 10)
    every = min(changed.save_every, changed.steps)
    return replace(changed, warmup=warmup, save_every=every)
