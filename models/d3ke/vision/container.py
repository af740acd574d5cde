"""A video file of any container that ffmpeg reads, decoded frame by frame with PyAV."""

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from d3ke.errors import D3keError

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Stamped = tuple[float, Callable[[], Image]]  # s after the first frame, and how to get the picture

DEFAULT_RATE_HZ = 30.0  # where neither the file nor the user states one
PROBE_PACKETS = 300  # enough for the median rate; a long file is not read to its end for it
TEXT_CODECS = {"ansi", "bintext", "idf", "xbin"}  # ffmpeg would film a text file scrolling past
# Nothing but the named file is opened: play lists may point anywhere, the network included.
OPEN_OPTIONS = {"protocol_whitelist": "file"}
FILM_DIAGONAL_MM = 43.27  # of 36 x 24 mm; the 35-mm equivalent keeps the diagonal (CIPA DCG-001)
USUAL_INTERVAL = 0.5  # of the median interval: what lies within is rounding, not a gap
SAME_RATE = 0.01  # part by which a stated rate may differ from the measured one
# A clip counts as cut off where it lacks more than this part and time: sound may last longer.
MISSING_PART, MISSING_S = 0.05, 0.5
SLOW_MOTION_RATIO = 1.5  # of the camera's over the file's rate
TURNS = {
    1: cv2.ROTATE_90_COUNTERCLOCKWISE,
    2: cv2.ROTATE_180,
    3: cv2.ROTATE_90_CLOCKWISE,
}


class Container:
    """One video stream of a file: its facts, and its frames as often as they are asked for."""

    def __init__(self, path: Path) -> None:
        """Read the facts of the first video stream of `path`. Raises D3keError."""
        self.path = path
        self.warnings: list[str] = []
        with self._open() as container:
            stream = self._stream(container)
            stamps, whole = _probe(container, stream)
            self.rate_hz = _rate(stamps, (stream.average_rate, stream.guessed_rate))
            self.frame_count = len(stamps) if whole else (stream.frames or None)
            self._expected = int(stream.frames)
            self._stated_s = _stated_duration(container, stream)
            self.duration_s = _span(stamps, self.rate_hz) if whole else self._stated_s
            metadata = {**container.metadata, **stream.metadata}
            aspect = stream.sample_aspect_ratio
        first = self._first_frame()
        self._turns = self._quarter_turns(first)
        self._stored = (first.width, first.height)
        if aspect and aspect != 1:
            self._stored = (round(first.width * float(aspect)), first.height)
        self.size = self._stored if self._turns % 2 == 0 else (self._stored[1], self._stored[0])
        self.focal_px = focal_from_metadata(metadata, self.size)
        self._note_slow_motion(metadata)

    def stamps(self) -> Iterator[Stamped]:
        """Every frame that can be decoded: its time and a function that converts its picture."""
        last: float | None = None
        first = 0.0
        count = repaired = 0
        self._damaged = 0
        for frame in self._decoded():
            time = None if frame.time is None else float(frame.time)
            if last is None:
                first = time or 0.0
            stamp = None if time is None else time - first
            if stamp is None or (last is not None and stamp <= last):
                repaired += last is not None or stamp is None
                stamp = 0.0 if last is None else last + 1 / self.rate_hz
            last = stamp
            count += 1
            yield stamp, lambda frame=frame: self._picture(frame)  # type: ignore[misc]
        self._note_faults(count, repaired, first, last or 0.0)

    def _open(self) -> InputContainer:
        try:
            # "file:" keeps a colon in a name from being read as a protocol.
            return av.open(f"file:{self.path}", options=OPEN_OPTIONS)
        except av.error.PermissionError as error:
            raise D3keError(f"{self.path}: may not be read. Change its permissions.") from error
        except (av.error.FFmpegError, ValueError) as error:
            raise D3keError(
                f"{self.path}: not a video, or cut off before its table of contents "
                f"({_reason(error)}). Does another player open it?"
            ) from error

    def _stream(self, container: InputContainer) -> VideoStream:
        for stream in container.streams.video:
            if stream.disposition & Disposition.attached_pic:
                continue
            if stream.codec_context is None or stream.codec_context.name in TEXT_CODECS:
                continue
            stream.thread_type = "AUTO"
            return stream
        raise D3keError(f"{self.path}: holds no video stream. Name a video file.")

    def _first_frame(self) -> VideoFrame:
        self._damaged = 0
        for frame in self._decoded():
            return frame
        raise D3keError(f"{self.path}: no frame can be decoded. Does another player show it?")

    def _decoded(self) -> Iterator[VideoFrame]:
        """Decoded frames; what is broken is counted in `_damaged` and, if it must be, left out."""
        with self._open() as container:
            stream = self._stream(container)
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets, None)
                except (av.error.FFmpegError, ValueError):
                    self._damaged += 1
                    break
                if packet is None:
                    break
                try:
                    frames = packet.decode()
                except (av.error.FFmpegError, ValueError):
                    self._damaged += 1
                    continue
                for frame in frames:
                    if isinstance(frame, VideoFrame):
                        self._damaged += frame.is_corrupt
                        yield frame

    def _picture(self, frame: VideoFrame) -> Image:
        width, height = self._stored
        image = frame.to_ndarray(format="rgb24", width=width, height=height)
        return cv2.rotate(image, TURNS[self._turns]) if self._turns else image  # type: ignore[return-value]

    def _quarter_turns(self, frame: VideoFrame) -> int:
        """Turns counter-clockwise by 90 deg that show the picture upright."""
        turns = round(frame.rotation / 90)
        if frame.rotation != 90 * turns:
            self.warnings.append(
                f"{self.path}: is to be shown turned by {frame.rotation} deg; taken as {90 * turns}"
            )
        return turns % 4

    def _note_faults(self, count: int, repaired: int, first_s: float, last_s: float) -> None:
        fewer = count < (1 - MISSING_PART) * self._expected - 2
        # Some containers count their duration from zero, not from the first frame.
        end_s = max(first_s, 0) + last_s
        shorter = end_s < (1 - MISSING_PART) * (self._stated_s or 0) - MISSING_S
        if self._damaged or fewer or shorter:
            expected = f" of {self._expected}" if self._expected else ""
            self.warnings.append(
                f"{self.path}: damaged or cut off: {count}{expected} frames, up to {last_s:.2f} s, "
                f"could be decoded"
            )
        if repaired:
            self.warnings.append(
                f"{self.path}: {repaired} of {count} frames have no usable time stamp; "
                f"placed 1/{self.rate_hz:g} s after the frame before"
            )

    def _note_slow_motion(self, metadata: Mapping[str, str]) -> None:
        captured_hz = _number(metadata, "com.android.capture.fps")
        if captured_hz and captured_hz > SLOW_MOTION_RATIO * self.rate_hz:
            self.warnings.append(
                f"{self.path}: filmed at {captured_hz:g} frames/s but plays at {self.rate_hz:g}: "
                f"its times are {captured_hz / self.rate_hz:.3g} times too long"
            )


def _probe(container: InputContainer, stream: VideoStream) -> tuple[list[float | None], bool]:
    """Time stamps of the first packets, and whether these are all."""
    stamps: list[float | None] = []
    try:
        for packet in islice(container.demux(stream), PROBE_PACKETS + 1):
            if packet.size:
                unit = packet.time_base
                known = packet.pts is not None and unit is not None
                stamps.append(float(packet.pts * unit) if known else None)  # type: ignore[operator]
    except (av.error.FFmpegError, ValueError):
        return stamps, False
    return stamps, len(stamps) <= PROBE_PACKETS


def _rate(stamps: list[float | None], stated: tuple[Fraction | None, ...]) -> float:
    """Frames a second: from the median interval, or what the file states if that is the same.

    Intervals near the median are averaged: .mkv rounds each to a millisecond.
    """
    intervals = np.diff(sorted({time for time in stamps if time is not None}))
    known = [float(rate) for rate in stated if rate]
    if not len(intervals):
        return next(iter(known), DEFAULT_RATE_HZ)
    usual = abs(intervals / np.median(intervals) - 1) < USUAL_INTERVAL
    measured = float(1 / intervals[usual].mean())
    return next((rate for rate in known if abs(rate / measured - 1) < SAME_RATE), measured)


def _span(stamps: list[float | None], rate_hz: float) -> float:
    """Seconds from the first frame to the end of the last one."""
    times = [time for time in stamps if time is not None]
    if len(times) < len(stamps):
        return len(stamps) / rate_hz
    return max(times, default=0.0) - min(times, default=0.0) + 1 / rate_hz


def _stated_duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds that the file says it lasts."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _number(metadata: Mapping[str, str], key: str) -> float | None:
    try:
        value = float(metadata[key])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) and value > 0 else None


def focal_from_metadata(metadata: Mapping[str, str], size: tuple[int, int]) -> float | None:
    """Focal length in px from a 35-mm equivalent among a file's metadata, None without one."""
    for key in metadata:
        name = key.lower().replace("_", "").replace(" ", "")
        if "focallength" in name and "35mm" in name:
            film_mm = _number(metadata, key)
            if film_mm is not None:
                return film_mm / FILM_DIAGONAL_MM * math.hypot(*size)
    return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).rstrip(".")
