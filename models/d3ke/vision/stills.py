"""A folder of pictures as a video: one file a frame, in natural order."""

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from d3ke.errors import D3keError
from d3ke.vision.container import DEFAULT_RATE_HZ, Image, Stamped, focal_from_metadata

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
EXIF_FOCAL_35MM = 0xA405  # Exif 2.3, FocalLengthIn35mmFilm
EXIF_IFD = 0x8769


class Stills:
    """The pictures of a folder, evenly spaced in time."""

    def __init__(self, path: Path, rate_hz: float | None = None) -> None:
        """List the pictures of `path`; `rate_hz` is their rate, 30 where none is stated."""
        self.path = path
        self.warnings: list[str] = []
        self._files = sorted(
            (file for file in path.iterdir() if file.suffix.lower() in SUFFIXES), key=natural_key
        )
        if not self._files:
            raise D3keError(f"{path}: a folder without pictures. Name a video or a folder of them.")
        if rate_hz is None:
            self.warnings.append(
                f"{path}: a folder of pictures says no rate; taken as {DEFAULT_RATE_HZ:g} frames/s"
            )
        self.rate_hz = DEFAULT_RATE_HZ if rate_hz is None else rate_hz
        self.frame_count = len(self._files)
        self.duration_s = len(self._files) / self.rate_hz
        height, width = _read(self._files[0]).shape[:2]
        self.size = (width, height)
        self.focal_px = focal_from_metadata(_exif(self._files[0]), self.size)

    def stamps(self) -> Iterator[Stamped]:
        """Every picture: its time and a function that reads it."""
        for index, file in enumerate(self._files):
            yield index / self.rate_hz, lambda file=file: self._picture(file)  # type: ignore[misc]

    def _picture(self, file: Path) -> Image:
        image = _read(file)
        height, width = image.shape[:2]
        if (width, height) != self.size:
            raise D3keError(
                f"{file}: is {width} x {height} px, the first picture {self.size[0]} x "
                f"{self.size[1]}. Put pictures of one size into the folder."
            )
        return image


def natural_key(file: Path) -> list[tuple[int, str]]:
    """Order in which frame_2 comes before frame_10."""
    parts = re.split(r"(\d+)", file.name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _read(file: Path) -> Image:
    # imdecode, because imread cannot open every file name on Windows.
    content = np.frombuffer(file.read_bytes(), np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB) if content.size else None
    if image is None:
        raise D3keError(f"{file}: not a picture, or damaged. Take it out of the folder.")
    return image.astype(np.uint8, copy=False)


def _exif(file: Path) -> dict[str, str]:
    # Imported here: only folders of pictures need it.
    from PIL import Image as Pictures

    with Pictures.open(file) as picture:
        value = picture.getexif().get_ifd(EXIF_IFD).get(EXIF_FOCAL_35MM)
    return {} if value is None else {"FocalLengthIn35mmFilm": str(value)}
