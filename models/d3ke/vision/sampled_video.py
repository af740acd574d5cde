"""A video that keeps a few of the frames it gave out, grey, for whoever asks afterwards."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from d3ke.vision.video import Frame, Video

MOST_SAMPLES = 8  # grey pictures in memory: 16 MB of a 1080p clip


class Sample(NamedTuple):
    """A frame that was kept: its number in the video, and (H, W) uint8 grey."""

    frame: int
    grey: NDArray[np.uint8]


class SampledVideo(Video):
    """A Video; samples: up to 8 frames, evenly over those of the last call of `frames`."""

    def __init__(self, path: Path | str, rate_hz: float | None = None) -> None:
        """Open `path` as Video does."""
        super().__init__(path, rate_hz)
        self.samples: list[Sample] = []

    def frames(self, max_rate_hz: float = math.inf) -> Iterator[Frame]:
        """The frames that Video gives."""
        self.samples, stride = [], 1
        for count, frame in enumerate(super().frames(max_rate_hz)):
            if count % stride == 0:
                if len(self.samples) == MOST_SAMPLES:
                    self.samples, stride = self.samples[::2], 2 * stride
                grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8)
                self.samples.append(Sample(frame.index, grey))
            yield frame
