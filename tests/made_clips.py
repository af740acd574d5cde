"""Small clips that the tests make themselves, with PyAV."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def pictures(count: int, size: tuple[int, int] = (160, 120)) -> list[Image]:
    """Pictures that tell their number (a bar of that length) and which way is up (red corner)."""
    width, height = size
    made = []
    for index in range(count):
        image = np.full((height, width, 3), 60, np.uint8)
        image[: height // 3, : width // 3] = (255, 0, 0)
        image[-height // 4 :, : (index + 1) * width // count] = (0, 255, 0)
        made.append(image)
    return made


def write_clip(
    path: Path,
    images: Iterable[Image],
    rate_hz: float = 30,
    times: Sequence[float] | None = None,
    size: tuple[int, int] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    tags: Mapping[str, str] | None = None,
    **container: Any,
) -> Path:
    """Write a clip; `times` are the frames' time stamps, s. Returns its path."""
    unit = Fraction(1, 9000)
    with av.open(str(path), "w", **container) as file:
        file.metadata.update(tags or {})
        stream: Any = None
        for index, image in enumerate(images):
            shown = image if size is None else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            if stream is None:
                stream = file.add_stream(codec, rate=Fraction(rate_hz).limit_denominator(1001))
                stream.height, stream.width = shown.shape[:2]
                stream.pix_fmt = pixels
                stream.codec_context.time_base = unit
            whole = np.ascontiguousarray(shown, np.uint8)
            frame = av.VideoFrame.from_ndarray(whole, format="rgb24")
            frame.pts = round((times[index] if times else index / rate_hz) / unit)
            frame.time_base = unit
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


# The display matrices of the .mp4 container, by the clockwise turn that shows a picture upright.
# Source: ISO/IEC 14496-12, 8.3.2 (tkhd); rows a b u, c d v, x y w as 16.16 and 2.30 fixed point.
TURNS = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def turn_clip(path: Path, clockwise_deg: int) -> Path:
    """Write into an .mp4 file that its pictures are to be shown turned."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # version and flags, times, track, duration, layer, volume
    a, b, c, d = (value << 16 for value in TURNS[clockwise_deg])
    matrix = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    data[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(data)
    return path
