"""Frames for a training made on the fly: synthetic people whom nobody stores."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader

from d3ke.dataset.labels import FrameItem
from d3ke.dataset.live import SyntheticFrames
from d3ke.errors import D3keError
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import SynthConfig
from d3ke.training.config import FrameConfig
from d3ke.training.processes import Processes
from d3ke.training.samples import AHEAD, Broken, FrameBatch, collated
from d3ke.workers import single_threaded

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
            batch_size=self.batch,
            num_workers=config.workers,
            collate_fn=collated,
            prefetch_factor=AHEAD if config.workers else None,
            multiprocessing_context="spawn" if config.workers else None,
            pin_memory=config.device == "cuda",
        )
        with single_threaded():
            batches = iter(loader)
        for loaded in batches:
            if loaded.broken:
                raise D3keError(loaded.broken[0].error)
            yield loaded.batch


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
