"""The contact sheet: samples of a data set with their joints and markers drawn on, to look at."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from d3ke.dataset.augmentation import Image
from d3ke.dataset.labels import picture_of
from d3ke.dataset.reading import DataSet
from d3ke.dataset.sample import Sample
from d3ke.errors import D3keError, OptionError
from d3ke.files import replacing
from d3ke.outputs import check_writable
from d3ke.report.overlay import SUBPIXEL_BITS, Bone, bones_of, draw_skeleton

ROWS, COLUMNS = 6, 6
TILE_PX = 256
SUFFIXES = (".png", ".jpg", ".jpeg")
MARKER = (90, 255, 120)  # RGB
TEXT, SHADE = (255, 255, 255), (0, 0, 0)
LONGEST_CAPTION = 40  # letters: as many as fit
TEXT_SIZE = 0.36  # of cv2's letters: 9 px high


def check_sheet(path: Path) -> None:
    """See that a sheet can be written here. Raises D3keError where not."""
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(f"{path}: no picture's name. End it with {' or '.join(SUFFIXES[:2])}.")
    check_writable(path)


def write_contact_sheet(data: DataSet, path: Path) -> None:
    """Draw 36 samples, spread evenly over the data set. Raises D3keError as reading, writing do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, content = cv2.imencode(path.suffix, contact_sheet(data)[..., ::-1])
    if not ok:
        raise D3keError(f"{path}: cannot be encoded. Choose a .png.")
    with replacing(path) as temporary:
        temporary.write_bytes(content.tobytes())


def contact_sheet(data: DataSet) -> Image:
    """The sheet, (6 * 256, 6 * 256, 3) RGB; fewer samples leave places black."""
    sheet = np.zeros((ROWS * TILE_PX, COLUMNS * TILE_PX, 3), np.uint8)
    bones = bones_of(data.manifest.model())
    for place, (sample, caption) in enumerate(_chosen(data, ROWS * COLUMNS)):
        top, left = (TILE_PX * part for part in divmod(place, COLUMNS))
        sheet[top : top + TILE_PX, left : left + TILE_PX] = _tile(sample, caption, bones)
    return sheet


def _chosen(data: DataSet, count: int) -> Iterator[tuple[Sample, str]]:
    """Samples with their captions: from as many clips as there are, each time another frame."""
    clips = data.manifest.clips
    frames = sum(clip["frames"] for clip in clips)
    for number in range(min(count, frames)):
        clip, seen = clips[number * len(clips) // count], number * len(clips) % count
        index = seen * clip["frames"] // count if len(clips) < count else clip["frames"] // 2
        # of independent frames the manifest does not say which does what
        does = clip["activities"][0] if clip["kind"] == "clip" else ""
        caption = f"{clip['subject']} {does}"[:LONGEST_CAPTION]
        yield data.sample(clip, index), caption


def _tile(sample: Sample, caption: str, bones: tuple[Bone, ...]) -> Image:
    image = picture_of(sample)
    scale = TILE_PX / len(image)
    places = np.concatenate([sample.joints, sample.markers]).astype(np.float64) @ sample.crop_R.T
    pixels = places @ sample.crop_camera_matrix.T
    pixels = (pixels[:, :2] / pixels[:, 2:] + 0.5) * scale - 0.5
    tile = np.asarray(cv2.resize(image, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA), np.uint8)
    draw_skeleton(tile, pixels, places[:, 2], bones)
    for x, y in np.round(pixels[len(sample.joints) :][sample.markers_mask] * 2**SUBPIXEL_BITS):
        cv2.circle(tile, (int(x), int(y)), 20, MARKER, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)
    for colour, thickness in ((SHADE, 3), (TEXT, 1)):
        cv2.putText(
            tile, caption, (5, TILE_PX - 7), cv2.FONT_HERSHEY_SIMPLEX, TEXT_SIZE, colour, thickness
        )
    return tile
