"""A video that keeps a few of the frames it gave out, grey, for whoever asks afterwards."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from d3ke.vision.video import Frame, Video

Kept = TypeVar("Kept")

MOST_SAMPLES = 8  # grey pictures in memory: 16 MB of a 1080p clip


class Sample(NamedTuple):
    """A frame that was kept: its number in the video, and (H, W) uint8 grey."""

    frame: int
    grey: NDArray[np.uint8]


class Evenly(Generic[Kept]):
    """Keeps some of what goes by, evenly spread however much comes. kept: by their places."""

    def __init__(self, most: int) -> None:
        self.most, self.kept = most, dict[int, Kept]()
        self._place, self._step = 0, 1

    def offer(self, made: Callable[[], Kept]) -> None:
        """Another one goes by. made: what to keep of it."""
        if self._place % self._step == 0:
            self.kept[self._place] = made()
        self._place += 1
        if len(self.kept) > self.most:
            self._step *= 2
            self.kept = {n: one for n, one in self.kept.items() if n % self._step == 0}


class SampledVideo(Video):
    """A Video that keeps up to 8 frames, evenly over those of the last call of `frames`."""

    def __init__(self, path: Path | str, rate_hz: float | None = None) -> None:
        """Open `path` as Video does."""
        super().__init__(path, rate_hz)
        self._kept = Evenly[Sample](MOST_SAMPLES)

    @property
    def samples(self) -> list[Sample]:
        """The frames that were kept, in their order."""
        return list(self._kept.kept.values())

    def frames(self, max_rate_hz: float = math.inf) -> Iterator[Frame]:
        """The frames that Video gives."""
        self._kept = Evenly[Sample](MOST_SAMPLES)
        for frame in super().frames(max_rate_hz):
            self._kept.offer(partial(_sample, frame))
            yield frame


def _sample(frame: Frame) -> Sample:
    grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8)
    return Sample(frame.index, grey)
