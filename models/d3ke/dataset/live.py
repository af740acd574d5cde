"""Synthetic people on the fly: the frames of a data set that is never written."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from torch.utils.data import IterableDataset, get_worker_info

from d3ke.dataset.augmentation import Augmentation
from d3ke.dataset.labels import FrameItem, Framing, Mirror, frame_item
from d3ke.dataset.reading import FRAME_SIZE_PX
from d3ke.dataset.sample import Sample
from d3ke.dataset.source import BOXES, ClipSource, OpenSource, synthetic_people
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import SynthConfig, endless

Item = TypeVar("Item")

POOL = 256  # samples from which the next is drawn: neighbours show the same person


class SyntheticFrames(IterableDataset[FrameItem]):
    """Frames without end, as FrameDataset gives them, made in each worker.

    The plans of a split are dealt out to the workers in turn; each worker's frames depend on the
    seed, its place and the number of workers alone. Start workers with the `spawn` method.
    """

    def __init__(
        self,
        config: SynthConfig,
        osim: OsimModel,
        split: str = "train",
        size: int = FRAME_SIZE_PX,
        augmentation: Augmentation | None = None,
        first: int = 0,
        pool: int = POOL,
        open_source: OpenSource[SynthConfig] = synthetic_people,
    ) -> None:
        """size: of the pictures, px. first: the plan to begin with. pool: samples to draw from."""
        super().__init__()
        self.config, self.osim, self.split = config, osim, split
        self.framing = Framing(size, BOXES, augmentation, Mirror.of(osim))
        self.open_source, self.first, self.pool = open_source, first, pool

    def __iter__(self) -> Iterator[FrameItem]:
        worker = get_worker_info()
        place, count = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        rng = np.random.default_rng([self.config.seed, self.first, place])
        source = self.open_source(self.config, self.osim)
        try:
            for sample in shuffled(self._samples(source, place, count), self.pool, rng):
                yield frame_item(sample, self.framing, rng)
        finally:
            source.close()

    def _samples(self, source: ClipSource, place: int, count: int) -> Iterator[Sample]:
        mine = islice(endless(self.config, self.split, self.first), place, None, count)
        for plan in mine:
            yield from source.make(plan).samples


def shuffled(items: Iterable[Item], pool: int, rng: Generator) -> Iterator[Item]:
    """All items, each drawn from the next `pool` of them."""
    waiting: list[Item] = []
    for item in items:
        waiting.append(item)
        if len(waiting) >= pool:
            place = int(rng.integers(len(waiting)))
            waiting[place], waiting[-1] = waiting[-1], waiting[place]
            yield waiting.pop()
    yield from (waiting[place] for place in rng.permutation(len(waiting)))
