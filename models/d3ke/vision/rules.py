"""Rules that say which of several people is meant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np

from d3ke.errors import D3keError
from d3ke.vision.blazepose import ROI_MARGIN, Image, Roi
from d3ke.vision.tracking import SAME_PLACE, Choice, Finder, Person, distance, tiles_for
from d3ke.vision.video import Video

RULES = ("largest", "centre", "moving")
PREVIEW_S = 3.0  # of the clip in which the most moving person is looked for
PREVIEW_RATE_HZ = 5.0

Rule = str | Sequence[float]  # one of RULES, or a box x, y, width, height in px


@dataclass
class _Walker:
    """Somebody seen in several preview frames."""

    last: Person
    first: Roi
    steps: list[float] = field(default_factory=list)  # region sides that the landmarks moved

    @property
    def movement(self) -> float:
        return sum(self.steps) / max(len(self.steps), 1)


def start_of(rule: Rule, video: Video, finder: Finder) -> tuple[Choice, Roi | None]:
    """How a Tracker chooses the person, and the place where they are, if the rule says it.

    Raises D3keError for a rule that is none, and a box outside the picture.
    """
    if isinstance(rule, str):
        if rule == "centre":
            return lambda people: _most_central(people, video.size), None
        if rule == "moving":
            return largest, _most_moving(video, finder)
        if rule == "largest":
            return largest, None
        raise D3keError(
            f"{rule}: no rule to choose a person. Say {', '.join(RULES)}, or a box as "
            f"x,y,width,height in px."
        )
    return largest, _box_region(rule, video)


def largest(people: Sequence[Person]) -> Person | None:
    """Whoever fills the most of the picture."""
    return max(people, key=lambda person: person.roi.size, default=None)


def _most_central(people: Sequence[Person], size: tuple[int, int]) -> Person | None:
    middle = (size[0] / 2, size[1] / 2)
    return min(
        people, key=lambda person: math.dist(middle, (person.roi.x, person.roi.y)), default=None
    )


def _most_moving(video: Video, finder: Finder) -> Roi | None:
    """Where the person first stands whose landmarks move most at the start of the clip."""
    walkers: list[_Walker] = []
    preview = video.frames(PREVIEW_RATE_HZ)
    for frame in takewhile(lambda frame: frame.time <= PREVIEW_S, preview):
        for person in _everyone(finder, frame.image, walkers):
            known = min(
                walkers, key=lambda walker: distance(walker.last.roi, person.roi), default=None
            )
            if known is None or distance(known.last.roi, person.roi) > SAME_PLACE:
                walkers.append(_Walker(person, person.roi))
                continue
            moved = person.landmarks.values[:, :2] - known.last.landmarks.values[:, :2]
            known.steps.append(float(np.linalg.norm(moved, axis=1).mean()) / person.roi.size)
            known.last = person
    most = max(walkers, key=lambda walker: walker.movement, default=None)
    return None if most is None else most.first


def _everyone(finder: Finder, image: Image, walkers: Sequence[_Walker]) -> list[Person]:
    if not walkers:
        return finder.search(image)
    smallest = min(walker.last.roi.size for walker in walkers)
    return finder.people(image, [None, *tiles_for(image, smallest)])


def _box_region(box: Sequence[float], video: Video) -> Roi:
    width, height = video.size
    if len(box) != 4 or not all(math.isfinite(value) for value in box) or min(box[2:]) <= 0:
        raise D3keError(f"{box}: not a box. Give x,y,width,height in px, width and height above 0.")
    x, y, w, h = box
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise D3keError(
            f"{video.path}: the box {x:g},{y:g},{w:g},{h:g} lies outside the picture of "
            f"{width} x {height} px. Give x,y,width,height in px of the upright picture."
        )
    return Roi(x + w / 2, y + h / 2, ROI_MARGIN * max(w, h), 0.0)
