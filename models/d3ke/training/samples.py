"""Samples of data sets for a training: several sets as one, and broken samples left out."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from d3ke.dataset.labels import FrameItem
from d3ke.dataset.reading import FrameDataset, Shuffled
from d3ke.errors import D3keError
from d3ke.progress import Progress

MOST_BROKEN = 0.01  # part of the samples; more is no accident
AHEAD = 4  # batches that each worker prepares


class FrameBatch(NamedTuple):
    """Frames of a batch, B first; keys: what they are called."""

    keys: tuple[str, ...]
    frames: FrameItem


class Broken(NamedTuple):
    """What is said of a sample that cannot be read."""

    key: str
    error: str


class Loaded(NamedTuple):
    """What a worker sends: the samples of a batch that could be read, and the others."""

    batch: FrameBatch | None
    broken: list[Broken]


class Frames(Dataset["tuple[str, FrameItem] | Broken"]):
    """The frames of several data sets as one, each with its key; a broken one is told of."""

    def __init__(self, sets: Sequence[FrameDataset]) -> None:
        self.sets = list(sets)
        self.ends = list(accumulate(len(frames) for frames in self.sets))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, number: int) -> "tuple[str, FrameItem] | Broken":
        epoch, place = divmod(number, len(self))
        at = bisect_right(self.ends, place)
        frames = self.sets[at]
        inside = place - self.ends[at] + len(frames)
        key = frames.title(inside)
        try:
            return key, frames[epoch * len(frames) + inside]
        except D3keError as error:
            return Broken(key, str(error))


def collated(samples: "Sequence[tuple[str, FrameItem] | Broken]") -> Loaded:
    """Samples as a batch, and what is broken."""
    whole = [sample for sample in samples if not isinstance(sample, Broken)]
    broken = [sample for sample in samples if isinstance(sample, Broken)]
    if not whole:
        return Loaded(None, broken)
    keys = tuple(key for key, _ in whole)
    return Loaded(FrameBatch(keys, default_collate([item for _, item in whole])), broken)


class Watch:
    """Names broken samples once, counts them, and stops a training where they are many."""

    def __init__(self, count: int, progress: Progress) -> None:
        """count: of all samples."""
        self.count, self.progress = count, progress
        self.seen: set[str] = set()

    def passed(self, loaded: Loaded) -> FrameBatch | None:
        """The batch. Raises D3keError where more than a hundredth of all samples are broken."""
        for broken in loaded.broken:
            if broken.key not in self.seen:
                self.seen.add(broken.key)
                self.progress.warn(f"left out ({len(self.seen)} so far): {broken.error}")
        if len(self.seen) > min(max(1, MOST_BROKEN * self.count), self.count - 1):
            raise D3keError(
                f"{len(self.seen)} of {self.count} samples cannot be read, more than one in a "
                "hundred. Prepare the data set again."
            )
        return loaded.batch


class Loading(NamedTuple):
    """How batches are loaded. batch: of this process; rank, total: which process of how many."""

    seed: int
    batch: int
    workers: int
    rank: int = 0
    total: int = 1


def shuffled_batches(
    frames: Frames, loading: Loading, progress: Progress, first: int
) -> Iterator[FrameBatch]:
    """Endless shuffled batches, from the training's batch `first` on."""
    start = first * loading.batch * loading.total
    numbers = Shuffled(len(frames), loading.seed, start)
    loader: DataLoader[Any] = DataLoader(
        frames,
        batch_sampler=Share(numbers, loading),
        num_workers=loading.workers,
        collate_fn=collated,
        prefetch_factor=AHEAD if loading.workers else None,
        pin_memory=torch.cuda.is_available(),
    )
    watch = Watch(len(frames), progress)
    for loaded in loader:
        batch = watch.passed(loaded)
        if batch is not None:
            yield batch


class Share:
    """The numbers of each batch that are this process' own."""

    def __init__(self, numbers: Shuffled, loading: Loading) -> None:
        self.numbers, self.loading = numbers, loading

    def __iter__(self) -> Iterator[list[int]]:
        batch, rank = self.loading.batch, self.loading.rank
        whole: list[int] = []
        for number in self.numbers:
            whole.append(number)
            if len(whole) == batch * self.loading.total:
                yield whole[rank * batch : (rank + 1) * batch]
                whole = []
