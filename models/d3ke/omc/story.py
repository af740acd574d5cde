"""Story: what was found out about a person's recordings, for the page that a laboratory reads."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from d3ke.errors import D3keError
from d3ke.files import read_text, replacing
from d3ke.omc.segments import Segment


class Curve(NamedTuple):
    """A line of a plot."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class FilmStory:
    """A camera's video of a take.

    frames: that became samples, of `filmed`. offset_s: between the clocks, which `clock` tells of;
    match: how well landmarks and markers agree, by offset in s. view: where the camera came from;
    mismatch: of landmarks and projected skeleton, as a part of the person's height; pictures: JPEG
    files with the skeleton drawn, base64.
    """

    camera: str
    video: str
    frames: int
    filmed: int
    offset_s: float
    clock: str
    match: Curve
    view: str
    fov_deg: float
    mismatch: float
    pictures: tuple[str, ...]


@dataclass(frozen=True)
class TakeStory:
    """A trial.

    way: how its coordinates were found; residuals_mm, worst_mm: of markers over time in s;
    of_marker_mm: RMS; trusted: part of the moments, by coordinate.
    """

    name: str
    activity: str
    way: str
    seconds: float
    residuals_mm: Curve
    worst_mm: Curve
    of_marker_mm: Mapping[str, float]
    trusted: Mapping[str, float]
    films: tuple[FilmStory, ...]


@dataclass(frozen=True)
class PersonStory:
    """A subject.

    source: where the recordings lie. size: how the scales were found; scales: of the bodies;
    segments: beside what is usual; left_out: what cannot be used, and why; remarks: what is odd.
    """

    name: str
    source: str
    facts: Mapping[str, Any]
    size: str
    scales: Mapping[str, tuple[float, float, float]]
    segments: tuple[Segment, ...]
    takes: tuple[TakeStory, ...]
    left_out: tuple[str, ...]
    remarks: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write it as JSON. Raises D3keError where that cannot be."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "PersonStory":
        """A story that `save` wrote. Raises D3keError for anything else."""
        try:
            told = json.loads(read_text(path))
            takes = tuple(_take(take) for take in told.pop("takes"))
            segments = tuple(Segment(*segment) for segment in told.pop("segments"))
            scales = {body: tuple(factors) for body, factors in told.pop("scales").items()}
            told |= {name: tuple(told[name]) for name in ("left_out", "remarks")}
            told["scales"] = scales
            return PersonStory(**told, takes=takes, segments=segments)
        except (ValueError, KeyError, TypeError) as error:
            raise D3keError(f"{path}: not a story of recordings. Prepare anew.") from error


def _take(told: dict[str, Any]) -> TakeStory:
    curves = {name: Curve(*map(tuple, told.pop(name))) for name in ("residuals_mm", "worst_mm")}
    films = tuple(_film(film) for film in told.pop("films"))
    return TakeStory(**told | curves, films=films)


def _film(told: dict[str, Any]) -> FilmStory:
    match = Curve(*map(tuple, told.pop("match")))
    return FilmStory(**told | {"match": match, "pictures": tuple(told["pictures"])})


def by_names(text: str, paths: Sequence[Path]) -> str:
    """A text that calls files and folders by their names, wherever in a machine they lie."""
    whole = {str(path.absolute()): path.absolute().name for path in paths}
    known = {str(path): path.absolute().name for path in paths if str(path) != "."} | whole
    if not known:
        return text
    longest_first = sorted(map(re.escape, known), key=len, reverse=True)
    spelt = rf"(?<![\w.-])({'|'.join(longest_first)})(?![\w-])"
    return re.sub(spelt, lambda found: known[found[0]], text)


def as_text(jpeg: bytes) -> str:
    """A picture as a story holds it."""
    return base64.b64encode(jpeg).decode("ascii")
