"""Video: frames with their own time stamps, upright, one after the other."""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from d3ke.errors import D3keError
from d3ke.vision.container import Container, Image, Stamped
from d3ke.vision.stills import Stills

# Of files, those that people send most first.
SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mts", ".wmv")
GAP_RATIO = 1.5  # longest over median frame interval above which a clip counts as uneven
# A frame is sampled once this part of the interval has passed: 60 -> 30, 50 -> 25, 240 -> 30 Hz.
SAMPLING_TOLERANCE = 0.92
# A clip less than this many times too fast is sampled whole: 40 Hz is better than every other, 20.
WHOLE_RATIO = 1.5
WHOLE_TOLERANCE = 0.6  # instead: the step of such a clip, 0.67 of the interval, and its jitter


class Frame(NamedTuple):
    """One picture: its number in the video, its time in s after the first, (H, W, 3) uint8 RGB."""

    index: int  # type: ignore[assignment]  # a NamedTuple's own `index` is hidden, on purpose
    time: float
    image: Image


class Video:
    """A clip: any file that ffmpeg reads, or a folder of pictures. Iterating it streams Frames.

    size: (width, height) px as shown, rotation applied; rate_hz: from the median interval of the
    first frames; duration_s, frame_count: None where the file doesn't say; focal_px: from the
    metadata, or None; warnings: what a person should know, complete after the last frame.
    """

    def __init__(self, path: Path | str, rate_hz: float | None = None) -> None:
        """Open `path`; `rate_hz` is the rate of a folder of pictures.

        Raises D3keError where there is no such file, no video in it or fewer than two frames.
        """
        self.path = Path(path)
        self._source = _source(self.path, rate_hz)
        if self._source.frame_count is not None and self._source.frame_count < 2:
            raise D3keError(f"{self.path}: holds a single picture. d3ke needs a clip that moves.")
        self.size = self._source.size
        self.rate_hz = self._source.rate_hz
        self.duration_s = self._source.duration_s
        self.frame_count = self._source.frame_count
        self.focal_px = self._source.focal_px

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about the clip, so far."""
        return tuple(dict.fromkeys(self._source.warnings))

    def __iter__(self) -> Iterator[Frame]:
        """Every frame."""
        return self.frames()

    def frames(self, max_rate_hz: float = math.inf) -> Iterator[Frame]:
        """Every n-th frame, at about `max_rate_hz`; those left out are not even converted.

        All frames of a clip below 1.5 times that rate.
        """
        whole = self.rate_hz < WHOLE_RATIO * max_rate_hz
        interval = (WHOLE_TOLERANCE if whole else SAMPLING_TOLERANCE) / max_rate_hz
        sampled = -math.inf
        last, longest = None, 0.0
        for index, (time, picture) in enumerate(self._source.stamps()):
            if last is not None:
                longest = max(longest, time - last)
            last = time
            if time - sampled >= interval:
                sampled = time
                yield Frame(index, time, picture())
        if longest > GAP_RATIO / self.rate_hz:
            self._source.warnings.append(
                f"{self.path}: frames come unevenly: every {1 / self.rate_hz:.3f} s, but up to "
                f"{longest:.3f} s apart"
            )

    def chosen(self, numbers: Collection[int]) -> Iterator[Frame]:
        """The frames of these numbers, in order; the others are not even converted."""
        return Reel(self).chosen(numbers)

    def stamps(self) -> Iterator[Stamped]:
        """The time of every frame, s, and what converts its picture."""
        return self._source.stamps()


class Reel:
    """A video that is read on from where it was left: parts in their order are decoded once."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self._rewind()

    def chosen(self, numbers: Collection[int]) -> Iterator[Frame]:
        """The frames of these numbers, in order; what lies behind is read anew."""
        wanted = set(numbers)
        if wanted and min(wanted) < self._next:
            self._rewind()
        while wanted and self._next <= max(wanted):
            stamped = next(self._rest, None)
            if stamped is None:
                return
            self._next += 1
            if self._next - 1 in wanted:
                time, picture = stamped
                yield Frame(self._next - 1, time, picture())

    def _rewind(self) -> None:
        self._next, self._rest = 0, self.video.stamps()


def _source(path: Path, rate_hz: float | None) -> Container | Stills:
    try:
        if path.is_dir():
            return Stills(path, rate_hz)
        if not path.exists():
            raise D3keError(f"{path}: no such file. Check its name.")
        if path.stat().st_size == 0:
            raise D3keError(f"{path}: an empty file. Copy the clip again.")
    except OSError as error:
        raise D3keError(f"{path}: {error.strerror}. Check its name and permissions.") from error
    return Container(path)
