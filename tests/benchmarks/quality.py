"""What spoils a clip: errors of good clips that are spoilt step by step, and what d3ke says of it.

Three seconds of three development clips (squats, a jump, jumps with high knees; one man, filmed
from the front) are shrunk, blurred, thinned out, cut off, covered and shaken. The table gives what
d3ke.quality measures and its verdict, and the mean absolute error in degrees against multi-camera
angles, of the lower limb, trunk and arms. Limits of d3ke.quality are set by it.

    python -m tests.benchmarks.quality [--data FOLDER] [--weights NAME] [--only WORD]
"""

import argparse
import itertools
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.evaluate import evaluate
from d3ke.network.checkpoint import DEFAULT, load_weights
from d3ke.network.d3ke import D3KE
from d3ke.predict import predict_clip
from d3ke.predict_options import PredictOptions
from d3ke.prediction import read_meta
from d3ke.vision.person import PersonTrack, track_person
from d3ke.vision.video import Frame, Video
from tests.benchmarks.consistency import write

CLIPS = (
    "cmbbe_squats/video_cam0.mp4",
    "cmbbe_jump/video_cam1.mp4",
    "cmbbe_jump_high_knees/video_cam0.mp4",
)
GROUPS = ("lower_limb", "trunk", "arms")
RESULTS = Path(__file__).parent / "results" / "quality.txt"
GREY = 128
SECONDS = 3.0  # of each clip

Image = NDArray[np.uint8]
Spoil = Callable[[Frame, PersonTrack], Image | None]


class Variant(NamedTuple):
    """A way to spoil a clip. judged: the quality that tells of it."""

    name: str
    judged: str
    spoil: Spoil


def shrunk(frame: Frame, track: PersonTrack, by: float) -> Image:
    """The person so many pixels tall."""
    scale = by / _height(track)
    size = [2 * round(scale * side / 2) for side in frame.image.shape[1::-1]]
    return np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)


def blurred(frame: Frame, track: PersonTrack, by: float) -> Image:
    """Out of focus: a Gaussian whose sigma is a part of the person's height."""
    sigma = by / 100 * _height(track)
    return np.asarray(cv2.GaussianBlur(frame.image, (0, 0), sigma), np.uint8)


def thinned(frame: Frame, _: PersonTrack, by: float) -> Image | None:
    """So many frames of 60 a second."""
    return frame.image if frame.index % round(60 / by) == 0 else None


def hidden(frame: Frame, _: PersonTrack, by: float) -> Image:
    """Grey for a part of each second."""
    return np.full_like(frame.image, GREY) if frame.time % 1 > 1 - by else frame.image


def cut(frame: Frame, track: PersonTrack, by: float) -> Image:
    """The picture ends above the feet: a part of the person's height is outside."""
    bottom = np.nanmedian(track.boxes[:, 1] + track.boxes[:, 3]) - by * _height(track)
    return np.ascontiguousarray(frame.image[: 2 * round(float(bottom) / 2)])


def covered(frame: Frame, track: PersonTrack, by: float) -> Image:
    """A bench stands before the legs: up to a part of the person's height is grey."""
    image = frame.image.copy()
    bottom = np.nanmedian(track.boxes[:, 1] + track.boxes[:, 3])
    image[round(float(bottom) - by * _height(track)) : round(float(bottom) + 9)] = GREY
    return image


def swayed(frame: Frame, track: PersonTrack, by: float) -> Image:
    """The camera sways once in two seconds, from side to side by a part of the height."""
    shift = by / 100 * _height(track) / 2 * math.sin(math.pi * frame.time)
    move = np.array([[1, 0, shift], [0, 1, 0]])
    size = frame.image.shape[1::-1]
    moved = cv2.warpAffine(frame.image, move, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _series(
    name: str, judged: str, spoil: Callable[..., Image | None], *by: float
) -> list[Variant]:
    """A way to spoil, more and more."""
    return [Variant(name.format(one), judged, partial(spoil, by=one)) for one in by]


VARIANTS = (
    Variant("as it is", "height", lambda frame, _: frame.image),
    *_series("{} px tall", "height", shrunk, 150, 100, 70, 50),
    *_series("blurred by {} %", "blur", blurred, 0.25, 0.5, 1, 2),
    *_series("{} Hz", "frame rate", thinned, 30, 20, 15, 10, 6),
    *_series("{:.0%} of time hidden", "seen", hidden, 0.15, 0.3),
    *_series("{:.0%} cut off", "cut off", cut, 0.05, 0.15, 0.3),
    *_series("{:.0%} covered", "visible", covered, 0.15, 0.3),
    *_series("swayed by {} %", "camera motion", swayed, 2, 10, 30),
)


class Row(NamedTuple):
    """Of one variant of one clip. value, verdict: of the quality that is judged."""

    value: float
    verdict: str
    errors: tuple[float, ...]


def row(clip: Path, variant: Variant, track: PersonTrack, model: D3KE, folder: Path) -> Row | None:
    """Spoil a clip, predict and evaluate it. None where it is refused."""
    spoilt, output = folder / "clip.mp4", folder / "out.mot"
    write(_spoilt(Video(clip), variant.spoil, track), spoilt, crf=18)
    try:
        predict_clip(spoilt, output, PredictOptions(), model)
    except D3keError:
        return None
    found = evaluate(output, clip.with_name("truth.mot")).best
    said = {one["name"]: one for one in read_meta(output.with_suffix(".npz"))["quality"]}
    judged: dict[str, Any] = said.get(variant.judged, {"value": math.nan, "verdict": "-"})
    errors = tuple(found.groups[group] for group in GROUPS)
    return Row(judged["value"], judged["verdict"], errors)


def _spoilt(frames: Iterable[Frame], spoil: Spoil, track: PersonTrack) -> Iterator[Frame]:
    for frame in itertools.takewhile(lambda one: one.time < SECONDS, frames):
        image = spoil(frame, track)
        if image is not None:
            yield frame._replace(image=image)


def _height(track: PersonTrack) -> float:
    return float(np.nanmax(track.boxes[:, 3]))


def main() -> None:
    """Print the table, and write it where all of it was made."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--weights", default=DEFAULT)
    parser.add_argument("--only", default="", help="Variants with this in their name; no file.")
    given = parser.parse_args()
    model = load_weights(given.weights)
    clips = [given.data / "clips" / clip for clip in CLIPS]
    tracks = [track_person(Video(clip), rate_hz=15) for clip in clips]
    lines = [f"weights {given.weights}; mean of {len(clips)} clips", HEADER]
    print("\n".join(lines))
    for variant in VARIANTS:
        if given.only in variant.name:
            with tempfile.TemporaryDirectory() as folder:
                rows = [
                    row(clip, variant, track, model, Path(folder))
                    for clip, track in zip(clips, tracks, strict=True)
                ]
            lines.append(_line(variant, rows))
            print(lines[-1], flush=True)
    if not given.only:
        RESULTS.write_text("\n".join([*lines, ""]), encoding="utf-8")


HEADER = (
    f"{'':20} {'judged':>14} {'measured':>9} {'lower limb':>11} {'trunk':>6} {'arms':>6}  verdicts"
)


def _line(variant: Variant, rows: list[Row | None]) -> str:
    done = [one for one in rows if one is not None]
    verdicts = ", ".join(one.verdict if one else "refused" for one in rows)
    if not done:
        return f"{variant.name:20} {variant.judged:>14} {'':>34}  {verdicts}"
    value = float(np.nanmean([one.value for one in done]))
    lower, trunk, arms = np.mean([one.errors for one in done], axis=0)
    return (
        f"{variant.name:20} {variant.judged:>14} {value:9.2f} {lower:11.1f} {trunk:6.1f} "
        f"{arms:6.1f}  {verdicts}"
    )


if __name__ == "__main__":
    main()
