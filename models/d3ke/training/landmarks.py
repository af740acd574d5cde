"""The landmark network's stage: windows of BlazePose's landmarks, modelled or recorded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from d3ke.network.d3ke import D3KE
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.landmarks import LandmarkWindow
from d3ke.network.losses import D3KELoss, LossWeights, Target, masked_mean, on_circle
from d3ke.progress import Progress
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.landmarks.batches import BatchStream, LandmarkBatch
from d3ke.synth.landmarks.clips import LandmarkClipsConfig, landmark_clips
from d3ke.synth.landmarks.records import read_records
from d3ke.synth.landmarks.windows import MixedBatches, RecordWindows, RecordWindowsConfig
from d3ke.training.config import TrainConfig
from d3ke.training.errors_of import angle_groups
from d3ke.training.stage import Losses, Stage, autocast

VALIDATION_SEED = 1_000_003  # added to a run's seed: people and procedural motions never trained on
AHEAD = 4  # batches that each worker prepares


@dataclass(frozen=True)
class LandmarkConfig(TrainConfig):
    """The landmark network's training.

    positions_every: frames between those whose positions are compared. records: hash of the
    records' folder, set by the run itself. record_share: part of the windows that are cut from
    records, where there are any.
    """

    validation_batches: int = 6
    positions_every: int = 8
    loss: LossWeights = field(
        default_factory=lambda: LossWeights(
            joint=2.0, marker=2.0, body=0.3, angle=0.08, root=0.6, velocity=0.06, by_range=False
        )
    )
    clips: LandmarkClipsConfig = field(default_factory=LandmarkClipsConfig)
    records: str | None = None
    record_share: float = 0.5


class LandmarkStage(Stage[LandmarkBatch]):
    """A LandmarkD3KE, trained on windows."""

    unit = "windows"

    def __init__(
        self,
        model: LandmarkD3KE,
        config: LandmarkConfig,
        stream: BatchStream,
        held_out: Mapping[str, BatchStream],
    ) -> None:
        """held_out: streams of people never trained on, by name; the last judges."""
        self.model: D3KE = model
        self.config: LandmarkConfig = config
        self.stream, self.held_out = stream, held_out
        self.judge = f"{list(held_out)[-1]}_all_deg"
        skeleton = SkeletalModel(model.osim).to(config.device)
        self._loss = D3KELoss(skeleton, model.predicted, config.loss, config.positions_every)

    def learning(self, model: D3KE) -> nn.Module:
        """All of it."""
        return model

    def batches(self, first: int) -> Iterator[LandmarkBatch]:
        """Endless batches."""
        self.stream.first = first
        workers = self.config.workers
        ahead = AHEAD if workers else None
        loader: DataLoader[Any] = DataLoader(
            self.stream, batch_size=None, num_workers=workers, prefetch_factor=ahead
        )
        yield from loader

    def loss(self, network: nn.Module, batch: LandmarkBatch) -> Losses:
        """The loss of a batch."""
        with autocast(self.config):
            answer = network(batch.window)
        return self._loss(answer, Target(batch.q, batch.root, batch.scales, batch.window.valid))

    def on_device(self, batch: LandmarkBatch) -> LandmarkBatch:
        """The batch where it is computed on."""

        def to(part: Tensor) -> Tensor:
            return part.to(self.config.device)

        return LandmarkBatch(LandmarkWindow(*map(to, batch.window)), *map(to, batch[1:]))

    def names(self, batch: LandmarkBatch) -> Sequence[str]:
        """Windows have numbers only: they are made up."""
        return [f"window {index}" for index in range(len(batch.q))]

    def part(self, batch: LandmarkBatch, chosen: slice) -> LandmarkBatch:
        """Some of the windows."""
        window = LandmarkWindow(*(field[chosen] for field in batch.window))
        return LandmarkBatch(window, *(field[chosen] for field in batch[1:]))

    def validate(self, model: D3KE) -> dict[str, float]:
        """Mean absolute errors on held-out windows: lower limb, knees, all; deg."""
        return {
            f"{name}_{group}": error
            for name, batches in self.held_out.items()
            for group, error in self._errors(model, batches).items()
        }

    def about(self) -> Mapping[str, Any]:
        """What the weights' story tells."""
        return {"data": "synthetic people (d3ke.synth), no real video", "what": "landmarks"}

    def _errors(self, model: D3KE, batches: BatchStream) -> dict[str, float]:
        groups = angle_groups(model)
        sums = dict.fromkeys(groups, 0.0)
        with torch.inference_mode():
            for index in range(self.config.validation_batches):
                batch = self.on_device(batches.batch(index))
                error = on_circle(model(batch.window).q - batch.q).abs().rad2deg()
                for group, columns in groups.items():
                    mean = masked_mean(error[..., columns].mean(dim=2), batch.window.valid)
                    sums[group] += float(mean) / self.config.validation_batches
        return sums


def landmark_stream(
    data: Path, records: Path | None, osim: OsimModel, config: LandmarkConfig, progress: Progress
) -> BatchStream:
    """What is trained on: modelled errors, mixed with real ones."""
    cut = round(config.record_share * config.batch) if records else 0
    clips = replace(config.clips, batch=config.batch - cut)
    if records is None or cut == 0:
        return landmark_clips(osim, data, config.seed, clips, progress)
    windows = RecordWindowsConfig(config.clips.frames, cut, config.clips.focal_sd)
    streams: list[BatchStream] = [
        RecordWindows(osim, read_records(records, "train"), windows, config.seed)
    ]
    if cut < config.batch:
        streams.append(landmark_clips(osim, data, config.seed, clips, progress))
    return MixedBatches(streams)


def held_out_windows(
    data: Path, records: Path | None, osim: OsimModel, config: LandmarkConfig, progress: Progress
) -> dict[str, BatchStream]:
    """What weights are judged by: people, clothes, cameras and procedural motions never trained on.

    Recorded motions are few, and the modelled stream takes them all: some of the records' motions
    were trained on, so real clips, not these, tell how good weights are.
    """
    seed = config.seed + VALIDATION_SEED
    clips = replace(config.clips, batch=config.batch)
    found: dict[str, BatchStream] = {"valid": landmark_clips(osim, data, seed, clips, progress)}
    if records is not None:
        windows = RecordWindowsConfig(config.clips.frames, config.batch, config.clips.focal_sd)
        found["records"] = RecordWindows(osim, read_records(records, "valid"), windows, seed)
    return found
