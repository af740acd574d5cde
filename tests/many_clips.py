"""Many short clips, all different, some of them broken: cuts of the examples' walk."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3ke.vision.video import Video
from tests.made_clips import write_clip

WALK = Path(__file__).parents[1] / "examples" / "walk_3s.mp4"
FEWEST, MOST = 6, 10  # frames
LAST_START = 60  # later she leaves the picture
MOST_CROPPED = 60  # px, on each side: she never comes nearer to an edge until then
BROKEN = ("truncated", "empty", "text", "nobody")

Image = NDArray[np.uint8]


def write_many(folder: Path, count: int, broken: int, seed: int = 0) -> list[Path]:
    """Write so many clips, of which some, spread evenly, cannot be predicted."""
    folder.mkdir(parents=True, exist_ok=True)
    walk = [frame.image for frame in Video(WALK)]
    bad = set(np.linspace(1, count - 1, broken).round().astype(int).tolist())
    random, kinds = np.random.default_rng(seed), iter(BROKEN * broken)
    return [
        _write(
            folder / f"clip_{number:04d}.mp4", walk, random, next(kinds) if number in bad else ""
        )
        for number in range(count)
    ]


def _write(path: Path, walk: list[Image], random: np.random.Generator, broken: str) -> Path:
    """A clip, or what is left of it."""
    images = list(_cut(walk, random))
    if broken == "nobody":
        images = [np.full_like(image, 90) for image in images]
    write_clip(path, images)
    if broken == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif broken == "empty":
        path.write_bytes(b"")
    elif broken == "text":
        path.write_text("This is no video.\n", encoding="utf-8")
    return path


def _cut(walk: list[Image], random: np.random.Generator) -> Iterator[Image]:
    """A few frames from somewhere, cropped, every other time mirrored."""
    start, count = random.integers(LAST_START), random.integers(FEWEST, MOST + 1)
    left, right = 2 * random.integers(MOST_CROPPED // 2, size=2)
    mirrored = random.random() < 0.5
    for image in walk[start : start + count]:
        cropped = image[:, left : image.shape[1] - right]
        yield np.ascontiguousarray(cropped[:, ::-1] if mirrored else cropped)
