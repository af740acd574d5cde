"""Batches of landmark windows with their truth, and endless streams of them."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from d3ke.network.landmarks import LandmarkWindow


class LandmarkBatch(NamedTuple):
    """Windows and what they show.

    q: (B, T, K) rad; root: (B, T, 3, 3) pelvis in the camera; scales: (B, N, 3).
    """

    window: LandmarkWindow
    q: Tensor
    root: Tensor
    scales: Tensor


class BatchStream(IterableDataset[LandmarkBatch]):
    """An endless stream of LandmarkBatch, from batch `first` on.

    Batch `i` of a seed is the same wherever and whenever it is made, so that a resumed training
    sees what an uninterrupted one would.
    """

    first: int = 0

    @abstractmethod
    def batch(self, index: int) -> LandmarkBatch:
        """Batch `index` of this seed."""

    def __iter__(self) -> Iterator[LandmarkBatch]:
        info = torch.utils.data.get_worker_info()
        start, step = (info.id, info.num_workers) if info else (0, 1)
        index = self.first + start
        while True:
            yield self.batch(index)
            index += step


def joined(batches: Sequence[LandmarkBatch]) -> LandmarkBatch:
    """Batches as one, in order."""
    windows = zip(*(batch.window for batch in batches), strict=True)
    labels = zip(*(batch[1:] for batch in batches), strict=True)
    return LandmarkBatch(LandmarkWindow(*map(torch.cat, windows)), *map(torch.cat, labels))
