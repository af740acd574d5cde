"""Tracking: people found in a frame, and one of them followed from frame to frame."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from d3ke.vision.blazepose import (
    PRESENCE_THRESHOLD,
    Image,
    LandmarkNetwork,
    Landmarks,
    PoseDetector,
    Roi,
)

# Tried on the clips of the data pack, and on them shrunk into larger pictures.
TILE_SIDES = (1.0, 0.5, 0.25)  # of the picture's short side, for people too small at first sight
LEAST_TILE_PX = 112.0  # half the detector's input: a smaller part shows nothing more
DEEP_SEARCH_EVERY = 30  # frames without a person between searches in tiles
SURROUNDINGS = 2.5  # region sides in which the detector sees a person of that size best
CENSUS_EVERY = 4  # frames between two looks for other people, each into another tile
CENSUS_LEAST_PART = 0.5  # of the picture's short side: smaller tiles would be too many
PATIENCE = 30  # frames in which the last place is looked at again
SAME_PLACE = 0.5  # region sides that a person moves between two frames at most
# A lost person is looked for this near, in region sides (2 m), and farther by so much a second:
# a walker's 1.5 m/s. More would take the neighbour for them.
REACH, REACH_PER_S = 0.25, 0.7
GROWTH = 2.5  # greatest change of a region's side between two looks
DISTINCT = 0.25  # region sides below which two detections are one person
SETTLED = 0.05  # region sides by which a settled region still changes
SETTLE_LOOKS = 8
LEAST_ROI_PX = 16.0
# A still person's region moves by a tenth of what the landmarks say: that halves their jitter
# (world landmarks 4.0 -> 2.9 mm between frames). A moving person's follows at once.
STEADY_SHARE = 0.1
STEADY_GAIN = 10.0  # more of the share for each region side (or rad) of change


class Person(NamedTuple):
    """Somebody found in a frame: their landmarks and the detector's score."""

    landmarks: Landmarks
    score: float

    @property
    def roi(self) -> Roi:
        """The region around the person."""
        return self.landmarks.following


Choice = Callable[[Sequence[Person]], Person | None]


def distance(first: Roi, second: Roi) -> float:
    """Between two regions' centres, in sides of the larger one."""
    return math.hypot(first.x - second.x, first.y - second.y) / max(first.size, second.size)


def steadied(previous: Roi, following: Roi) -> Roi:
    """The region between the last one and the one that the landmarks give: small steps damped."""
    turn = math.remainder(following.rotation - previous.rotation, math.tau)
    growth = following.size / previous.size - 1
    change = max(distance(following, previous), abs(growth), abs(turn))
    share = min(1.0, STEADY_SHARE + STEADY_GAIN * change)
    return Roi(
        previous.x + share * (following.x - previous.x),
        previous.y + share * (following.y - previous.y),
        previous.size * (1 + share * growth),
        previous.rotation + share * turn,
    )


class Finder:
    """Finds people in one frame: the detector proposes, the landmark network confirms."""

    def __init__(self, detector: PoseDetector, network: LandmarkNetwork) -> None:
        """Take the two networks."""
        self._detector = detector
        self._network = network

    def search(self, image: Image) -> list[Person]:
        """Everyone in the image, or if there is nobody, in ever smaller parts of it."""
        found = self.people(image, [None])
        for part in TILE_SIDES:
            side = part * min(image.shape[:2])
            if found or side < LEAST_TILE_PX:
                break
            found = self.people(image, tiles(image, side))
        return found

    def people(self, image: Image, regions: Sequence[Roi | None]) -> list[Person]:
        """The people in regions of the image (None: all of it), each as surest detected."""
        detections = [one for region in regions for one in self._detector(image, region)]
        found: list[Person] = []
        for detection in sorted(detections, key=lambda one: -one.score):
            known = any(distance(detection.roi, person.roi) < DISTINCT for person in found)
            if known or detection.roi.size < LEAST_ROI_PX:
                continue
            landmarks = self.settle(image, detection.roi)
            if landmarks is not None and all(
                distance(landmarks.following, person.roi) >= DISTINCT for person in found
            ):
                found.append(Person(landmarks, detection.score))
        return found

    def settle(self, image: Image, roi: Roi) -> Landmarks | None:
        """The landmarks near a region, looked at until the region they give no longer moves."""
        landmarks = self.look(image, roi)
        for _ in range(SETTLE_LOOKS):
            if landmarks is None:
                return None
            following = landmarks.following
            change = max(distance(following, roi), abs(following.size / roi.size - 1))
            if change < SETTLED:
                return landmarks
            roi = following
            landmarks = self.look(image, roi)
        return landmarks

    def look(self, image: Image, roi: Roi) -> Landmarks | None:
        """The landmarks in a region, None if no person is there."""
        landmarks = self._network(image, roi)
        following = landmarks.following
        plausible = (
            landmarks.presence >= PRESENCE_THRESHOLD
            and following.size >= LEAST_ROI_PX
            and 1 / GROWTH <= following.size / roi.size <= GROWTH
            and distance(following, roi) <= SAME_PLACE
        )
        return landmarks if plausible else None


def tiles(image: Image, side: float) -> list[Roi]:
    """Upright squares that cover an image, half over each other."""
    height, width = image.shape[:2]
    columns, rows = (max(1, math.ceil(2 * length / side) - 1) for length in (width, height))
    return [
        Roi(float(x), float(y), side, 0.0)
        for y in np.linspace(side / 2, height - side / 2, rows)
        for x in np.linspace(side / 2, width - side / 2, columns)
    ]


def tiles_for(image: Image, size: float) -> list[Roi]:
    """Tiles in which the detector sees people whose regions have about this side, px."""
    short = float(min(image.shape[:2]))
    return tiles(image, min(short, max(CENSUS_LEAST_PART * short, SURROUNDINGS * size)))


class Tracker:
    """Follows one person: landmarks in a region that moves along, the finder where they fail."""

    def __init__(self, finder: Finder, choose: Choice, place: Roi | None = None) -> None:
        """Start with the person at `place`, or with the one `choose` picks among those seen."""
        self.others = False  # were other people seen too?
        self._finder = finder
        self._choose = choose
        self._place = place
        self._roi: Roi | None = None  # where the person is expected, None before they were seen
        self._frames = 0
        self._lost_frames = 0
        self._seen_s = 0.0

    def step(self, image: Image, time: float) -> Landmarks | None:
        """The person's landmarks in the next frame, None where they are not to be seen."""
        landmarks = self._follow(image)
        if landmarks is None:
            landmarks = self._search(image, time)
            following = landmarks and landmarks.following
        else:
            following = steadied(self._roi or landmarks.following, landmarks.following)
            if not self.others and self._frames % CENSUS_EVERY == 0:
                self.others = self._see_others(image, following)
        self._frames += 1
        if following is None:
            self._lost_frames += 1
            return None
        self._roi = following
        self._lost_frames, self._seen_s = 0, time
        return landmarks

    def _follow(self, image: Image) -> Landmarks | None:
        """The landmarks where the person was or is said to be."""
        if self._lost_frames >= PATIENCE:
            return None
        if self._roi is not None:
            return self._finder.look(image, self._roi)
        return self._place and self._finder.settle(image, self._place)

    def _search(self, image: Image, time: float) -> Landmarks | None:
        """The landmarks of the person wherever the finder sees them."""
        place = self._roi or self._place
        if self._lost_frames % DEEP_SEARCH_EVERY == 0:
            people = self._finder.search(image)
        else:
            around = place and place._replace(size=SURROUNDINGS * place.size, rotation=0.0)
            people = self._finder.people(image, [None, around] if around else [None])
        self.others = self.others or len(people) > 1
        if place is None:
            chosen = self._choose(people)
        else:
            lost_s = time - self._seen_s
            reach = SAME_PLACE if self._roi is None else REACH + REACH_PER_S * lost_s
            chosen = nearest(people, place, reach)
        return chosen and chosen.landmarks

    def _see_others(self, image: Image, roi: Roi) -> bool:
        """Whether somebody else is in one of the tiles, another one at each call."""
        squares = tiles_for(image, roi.size)
        tile = squares[self._frames // CENSUS_EVERY % len(squares)]
        people = self._finder.people(image, [tile])
        return any(distance(person.roi, roi) >= SAME_PLACE for person in people)


def nearest(people: Sequence[Person], place: Roi, reach: float) -> Person | None:
    """The person nearest to a place and at most `reach` region sides away from it."""
    near = [person for person in people if distance(person.roi, place) <= reach]
    return min(near, key=lambda person: distance(person.roi, place), default=None)
