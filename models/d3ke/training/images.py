"""What an image network is trained on, and what it starts from."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from d3ke.dataset.reading import DataSet, FrameDataset
from d3ke.errors import D3keError
from d3ke.network.backbones import imagenet_weights, read_backbone_weights
from d3ke.network.config import D3KEConfig, bounds_of, default_bounds, default_priors
from d3ke.network.image_network import NO_TEMPORAL, ImageD3KE
from d3ke.network.scale_groups import ScaleGroup, symmetric_groups
from d3ke.progress import Progress
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import SynthConfig
from d3ke.training.config import FrameConfig
from d3ke.training.processes import Processes
from d3ke.training.samples import FrameBatch, Frames, Loading, shuffled_batches


@dataclass(frozen=True)
class Start:
    """What an image network starts as.

    backbone: its name. size: of the crops, px. pretrained: ImageNet weights from torchvision's
    place. backbone_weights: ImageNet weights in a file. coordinates: which are predicted, by
    default all that can be. scale_groups: which body scales are one, by default each axis of a
    body, left and right alike. exact: coordinates are bounded by their very ranges, as published,
    and not a little wider.
    """

    backbone: str = "resnext50"
    size: int = 256
    pretrained: bool = False
    backbone_weights: Path | None = None
    coordinates: tuple[str, ...] = ()
    scale_groups: tuple[ScaleGroup, ...] = ()
    exact: bool = False

    def network(self, osim: OsimModel, rate_hz: float) -> ImageD3KE:
        """A fresh frame network for a skeleton. Raises D3keError for what does not fit together."""
        chosen = self.coordinates or (tuple(default_bounds(osim)) if self.exact else ())
        groups = self.scale_groups or symmetric_groups(osim.body_names)
        config = D3KEConfig(
            skeleton_sha256=osim.sha256,
            encoder=self.backbone,
            temporal=NO_TEMPORAL,
            width=0,
            rate_hz=rate_hz,
            bounds=bounds_of(osim, chosen) if chosen else default_bounds(osim),
            priors=default_priors(osim),
            size=self.size,
            scale_groups=tuple(group.to_dict() for group in groups),
        )
        model = ImageD3KE(config, osim)
        weights = self._weights()
        if weights is not None:
            try:
                model.trunk.load_classifier(weights)
            except D3keError as error:
                raise D3keError(f"{self.backbone_weights or self.backbone}: {error}") from error
        return model

    def told(self) -> str:
        """What the backbone's weights were before this training."""
        known = self.pretrained or self.backbone_weights
        return "ImageNet classification" if known else "none, from scratch"

    def _weights(self) -> dict[str, Tensor] | None:
        if self.backbone_weights is not None:
            return read_backbone_weights(self.backbone_weights)
        return imagenet_weights(self.backbone) if self.pretrained else None


def frame_part(model: ImageD3KE) -> ImageD3KE:
    """The same backbone and head without a temporal network."""
    found = ImageD3KE(replace(model.config, temporal=NO_TEMPORAL), model.osim)
    found.load_state_dict(model.state_dict(), strict=False)
    return found


def open_sets(folders: Sequence[Path], osim: OsimModel | None = None) -> list[DataSet]:
    """The data sets in folders, all of one skeleton. Raises D3keError where they are not."""
    sets: list[DataSet] = []
    for folder in folders:
        data = DataSet.open(folder, osim)
        osim = osim or data.manifest.model()
        sets.append(data)
    return sets


def seen_of(sets: Sequence[DataSet], synth: SynthConfig | None = None) -> str:
    """What is learnt from, as one word: a hash of shards, or the seed of people made on the fly."""
    shards = [record["sha256"] for data in sets for record in data.manifest.shards]
    made = f"synthetic {synth.seed} " if synth else ""
    return made + hashlib.sha256("".join(shards).encode()).hexdigest()[:16]


def story_of_sets(sets: Sequence[DataSet], synth: SynthConfig | None = None) -> dict[str, Any]:
    """What the weights' story tells of the data that they were trained, or only judged, on."""
    told = [
        {
            "kind": data.manifest.kind,
            "counts": data.manifest.counts,
            "licences": data.manifest.licences,
            "d3ke": data.manifest.d3ke,
        }
        for data in sets
    ]
    if synth is None:
        return {"data": told}
    return {"data": f"synthetic people on the fly, seed {synth.seed}", "judged_on": told}


def frames_of(
    sets: Sequence[DataSet], config: FrameConfig, processes: Processes, progress: Progress
) -> Callable[[int], Iterator[FrameBatch]]:
    """Shuffled batches of the train splits. Raises D3keError where no set has one."""
    learnt = [data for data in sets if data.has("train")] or sets
    chosen = [
        FrameDataset(data, "train", config.size, config.augmentation, config.seed)
        for data in learnt
    ]
    loading = Loading(
        config.seed,
        processes.share(config.batch),
        config.workers,
        processes.rank,
        processes.total,
    )
    return partial(shuffled_batches, Frames(chosen), loading, progress)


def check_markers(markers: Mapping[str, float], osim: OsimModel) -> None:
    """Raises D3keError where markers are weighted that the skeleton lacks."""
    unknown = [name for name in markers if name not in osim.marker_names]
    if unknown:
        raise D3keError(
            f"--marker-weights: {osim.name} has no marker {unknown[0]}. "
            f"It has {', '.join(osim.marker_names)}."
        )


def rate_of(sets: Sequence[DataSet]) -> float:
    """The rate of the sets' clips, Hz. Raises D3keError where they differ."""
    rates = {float(clip["rate_hz"]) for data in sets for clip in data.manifest.clips}
    if len(rates) > 1:
        told = ", ".join(f"{rate:g}" for rate in sorted(rates))
        raise D3keError(
            f"clips of {told} Hz: a temporal network knows one rate. Prepare them at the same one."
        )
    if not rates:
        raise D3keError(f"{sets[0].folder}: an empty data set. Prepare a larger one.")
    return rates.pop()
