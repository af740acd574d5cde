"""Frames for a training made on the fly: synthetic people whom nobody stores."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader

from d3ke.dataset.labels import FrameItem
from d3ke.dataset.live import SyntheticFrames
from d3ke.errors import D3keError
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import SynthConfig
from d3ke.training.config import FrameConfig
from d3ke.training.processes import Processes
from d3ke.training.samples import AHEAD, Broken, FrameBatch, Loaded, collated
from d3ke.workers import single_threaded

MIXED = 8  # workers, each with a few people of its own at a time, whose frames make a batch
SEEDS_APART = 1_009  # between processes, each of which makes its own people
KEY = "a synthetic person made on the fly"


class LiveFrames:
    """Endless batches of synthetic people; a resumed training goes on with people not yet seen."""

    def __init__(
        self, synth: SynthConfig, osim: OsimModel, config: FrameConfig, processes: Processes
    ) -> None:
        """synth: who, where and how; its seed is that of the first process."""
        self.synth = replace(synth, seed=synth.seed + SEEDS_APART * processes.rank)
        self.osim, self.config = osim, config
        self.batch = processes.share(config.batch)
        self.parts = MIXED if self.batch % MIXED == 0 else 1

    def __call__(self, first: int) -> Iterator[FrameBatch]:
        """Batches from the training's batch `first` on."""
        config = self.config
        frames = SyntheticFrames(
            self.synth,
            self.osim,
            size=config.size,
            augmentation=config.augmentation,
            first=first * self.batch,  # a plan gives many frames: none of these was begun before
        )
        loader: DataLoader[Any] = DataLoader(
            Keyed(frames),
            batch_size=self.batch // self.parts,
            num_workers=config.workers,
            collate_fn=collated,
            prefetch_factor=AHEAD * self.parts if config.workers else None,
            multiprocessing_context="spawn" if config.workers else None,
            pin_memory=config.device == "cuda",
        )
        with single_threaded():
            batches = iter(loader)
        parts = map(_whole, batches)
        while chosen := list(islice(parts, self.parts)):
            yield joined(chosen)


def _whole(loaded: Loaded) -> FrameBatch:
    """The frames of a worker. Raises D3keError where it could make none."""
    if loaded.batch is None or loaded.broken:
        raise D3keError(loaded.broken[0].error)
    return loaded.batch


def joined(parts: Sequence[FrameBatch]) -> FrameBatch:
    """Batches as one, in order."""
    frames = map(torch.cat, zip(*(part.frames for part in parts), strict=True))
    return FrameBatch(tuple(key for part in parts for key in part.keys), FrameItem(*frames))


class Keyed(SyntheticFrames):
    """Such frames, each with a key, as those of data sets have; what ends them is told of."""

    def __init__(self, frames: SyntheticFrames) -> None:
        self.__dict__.update(frames.__dict__)

    def __iter__(self) -> Iterator[Any]:
        try:
            for item in super().__iter__():
                yield KEY, item
        except D3keError as error:  # as a sample: a worker's exception would show its traceback
            yield Broken(KEY, str(error))


def held_out_live(
    synth: SynthConfig, osim: OsimModel, config: FrameConfig
) -> list[tuple[str, FrameItem]]:
    """Frames of people who are in no other split."""
    frames = SyntheticFrames(synth, osim, split="valid", size=config.size)
    return [(KEY, item) for item in islice(frames, config.validation_frames)]
