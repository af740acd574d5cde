"""Tracking: people found in a frame, and one of them followed from frame to frame."""

import math
from collections.abc import Callable, Iterator, Sequence
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
COUNT_EVERY = 30  # frames between two looks for other people
PATIENCE = 30  # frames in which the last place is looked at again
SAME_PLACE = 0.5  # region sides that a person moves between two frames at most
SPEED = 1.0  # region sides that a lost person moves in a second at most
GROWTH = 2.5  # greatest change of a region's side between two looks
DISTINCT = 0.25  # region sides below which two detections are one person
SETTLED = 0.05  # region sides by which a settled region still changes
SETTLE_LOOKS = 8
LEAST_ROI_PX = 16.0


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


class Finder:
    """Finds people in one frame: the detector proposes, the landmark network confirms."""

    def __init__(self, detector: PoseDetector, network: LandmarkNetwork) -> None:
        """Take the two networks."""
        self._detector = detector
        self._network = network

    def people(self, image: Image, deep: bool) -> list[Person]:
        """Everyone in the image; `deep`: if there is nobody, in ever smaller parts of it too."""
        found = self._confirmed(image, [None])
        if deep:
            height, width = image.shape[:2]
            for part in TILE_SIDES:
                side = part * min(width, height)
                if found or side < LEAST_TILE_PX:
                    break
                found = self._confirmed(image, list(_tiles(width, height, side)))
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

    def _confirmed(self, image: Image, regions: Sequence[Roi | None]) -> list[Person]:
        """The people in regions of the image, each once: as the surest detection has them."""
        detections = [one for region in regions for one in self._detector(image, region)]
        found: list[Person] = []
        for detection in sorted(detections, key=lambda one: -one.score):
            if any(distance(detection.roi, person.roi) < DISTINCT for person in found):
                continue
            landmarks = self.settle(image, detection.roi)
            if landmarks is not None and all(
                distance(landmarks.following, person.roi) >= DISTINCT for person in found
            ):
                found.append(Person(landmarks, detection.score))
        return found


def _tiles(width: int, height: int, side: float) -> Iterator[Roi]:
    """Upright squares that cover an image, half over each other."""
    columns, rows = (math.ceil(2 * length / side) - 1 for length in (width, height))
    for y in np.linspace(side / 2, height - side / 2, rows):
        for x in np.linspace(side / 2, width - side / 2, columns):
            yield Roi(float(x), float(y), side, 0.0)


class Tracker:
    """Follows one person: landmarks in a region that moves along, the finder where they fail."""

    def __init__(self, finder: Finder, choose: Choice) -> None:
        """`choose` picks the person among those seen at the start."""
        self.most_people = 0  # seen in one frame
        self._finder = finder
        self._choose = choose
        self._roi: Roi | None = None  # where the person is expected
        self._frames = 0
        self._lost_frames = 0
        self._seen_s = 0.0

    def step(self, image: Image, time: float) -> Landmarks | None:
        """The person's landmarks in the next frame, None where they are not to be seen."""
        landmarks = None
        if self._roi is not None and self._lost_frames < PATIENCE:
            landmarks = self._finder.look(image, self._roi)
        if landmarks is None:
            landmarks = self._search(image, time)
        elif self._frames % COUNT_EVERY == 0:
            self.most_people = max(self.most_people, len(self._finder.people(image, deep=False)))
        self._frames += 1
        if landmarks is None:
            self._lost_frames += 1
            return None
        self._roi = landmarks.following
        self._lost_frames, self._seen_s = 0, time
        return landmarks

    def _search(self, image: Image, time: float) -> Landmarks | None:
        people = self._finder.people(image, deep=self._lost_frames % DEEP_SEARCH_EVERY == 0)
        self.most_people = max(self.most_people, len(people))
        if self._roi is None:
            chosen = self._choose(people)
            return None if chosen is None else chosen.landmarks
        place, reach = self._roi, SAME_PLACE + SPEED * (time - self._seen_s)
        near = [person for person in people if distance(person.roi, place) <= reach]
        nearest = min(near, key=lambda person: distance(person.roi, place), default=None)
        return None if nearest is None else nearest.landmarks
