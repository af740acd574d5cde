"""The video of a page: small, skeleton drawn, every frame that was looked at, at its own time."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from d3ke.progress import Progress
from d3ke.report.overlay import Drawing, encode
from d3ke.vision.person import SAMPLING_HZ
from d3ke.vision.video import Frame, Video

HIGHER_SIDE_PX = 640
# Of the least quality at which a drawn bone keeps its edges; a key frame every half second, for
# a browser decodes from one when a person scrubs backwards.
CODING = {"crf": "27", "preset": "fast", "g": "15"}
MOST_BITS_S = 1.5e6
MOST_BITS = 8 * 30e6  # of a whole clip: from 160 s on the quality gives way


def small_video(video: Video, drawing: Drawing | None, progress: Progress) -> bytes:
    """The video as .mp4, H.264, no side above 640 px: the same bytes for the same frames.

    drawing: the skeleton, if any. Raises D3keError for a clip that cannot be read.
    """
    progress.start("video of the page", video.frame_count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.mp4"
        frames = _small(video, drawing, progress)
        coding = CODING | _at_most(min(MOST_BITS_S, MOST_BITS / (video.duration_s or 1.0)))
        encode(frames, path, min(video.rate_hz, SAMPLING_HZ), repeatable=True, coding=coding)
        progress.finish()
        return path.read_bytes()


def _at_most(bits_s: float) -> dict[str, str]:
    """x264's options for a rate that is not passed for more than two seconds."""
    return {"maxrate": f"{bits_s:.0f}", "bufsize": f"{2 * bits_s:.0f}"}


def _small(video: Video, drawing: Drawing | None, progress: Progress) -> Iterator[Frame]:
    shrink = min(1.0, HIGHER_SIDE_PX / max(video.size))
    size = tuple(round(side * shrink / 2) * 2 for side in video.size)  # even, as H.264 needs
    shown = 0
    for frame in video.frames(SAMPLING_HZ):
        picture = frame.image if frame.image.flags.writeable else frame.image.copy()
        drawn = frame._replace(image=np.ascontiguousarray(picture))
        if drawing is not None:
            drawing.draw(drawn)
        small = cv2.resize(drawn.image, size, interpolation=cv2.INTER_AREA)
        progress.advance(frame.index + 1 - shown)
        shown = frame.index + 1
        yield frame._replace(image=np.asarray(small, np.uint8))
