"""Tracking: one person followed from frame to frame, found again when lost."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from d3ke.vision.blazepose import (
    PRESENCE_THRESHOLD,
    Detection,
    Image,
    LandmarkNetwork,
    Landmarks,
    PoseDetector,
    Roi,
)

# Chosen on the clips of the data pack.
DEEP_SEARCH_EVERY = 15  # frames without a person between searches at every scale
PATIENCE = 30  # frames in which the last place is looked at again
SAME_PLACE = 0.5  # regions' sides that a person moves between two frames at most
SPEED = 1.0  # regions' sides that a lost person moves in a second at most
GROWTH = 2.5  # greatest change of a region's side between two frames
DISTINCT = 0.25  # regions' sides below which two detections are one person
TILE_OVERLAP = 0.5
LEAST_ROI_PX = 16.0

Choice = Callable[[Sequence[Detection]], Detection | None]


def distance(first: Roi, second: Roi) -> float:
    """Between two regions' centres, in sides of the larger one."""
    return math.hypot(first.x - second.x, first.y - second.y) / max(first.size, second.size)


def find_people(detector: PoseDetector, image: Image, deep: bool) -> list[Detection]:
    """Everyone the detector sees in the whole image and, if `deep`, in overlapping parts of it."""
    found = detector(image)
    if deep:
        height, width = image.shape[:2]
        for side in (min(width, height), min(width, height) / 2):
            for tile in _tiles(width, height, side):
                found += detector(image, tile)
    distinct: list[Detection] = []
    for candidate in sorted(found, key=lambda detection: -detection.score):
        if candidate.roi.size >= LEAST_ROI_PX and all(
            distance(candidate.roi, other.roi) > DISTINCT for other in distinct
        ):
            distinct.append(candidate)
    return distinct


def _tiles(width: int, height: int, side: float) -> list[Roi]:
    columns, rows = (
        1 + math.ceil((length - side) / (side * (1 - TILE_OVERLAP))) for length in (width, height)
    )
    return [
        Roi(float(x), float(y), side, 0.0)
        for y in np.linspace(side / 2, height - side / 2, rows)
        for x in np.linspace(side / 2, width - side / 2, columns)
    ]


class Tracker:
    """Follows one person: the landmark network in a moving region, the detector where it fails."""

    def __init__(self, detector: PoseDetector, network: LandmarkNetwork, choose: Choice) -> None:
        """`choose` picks the person among those seen at the start."""
        self._detector = detector
        self._network = network
        self._choose = choose
        self._roi: Roi | None = None  # where the person is expected
        self._lost_frames = 0
        self._lost_s = 0.0
        self._time = 0.0

    def start(self, roi: Roi) -> None:
        """Look for the person in this region first."""
        self._roi = roi

    def step(self, image: Image, time: float) -> Landmarks | None:
        """The person's landmarks in the next frame, None where they are not to be seen."""
        self._lost_s += time - self._time
        self._time = time
        landmarks = None
        if self._roi is not None and self._lost_frames < PATIENCE:
            landmarks = self._look(image, self._roi)
        if landmarks is None:
            landmarks = self._search(image)
        if landmarks is None:
            self._lost_frames += 1
            return None
        self._roi = landmarks.following
        self._lost_frames, self._lost_s = 0, 0.0
        return landmarks

    def _search(self, image: Image) -> Landmarks | None:
        deep = self._lost_frames % DEEP_SEARCH_EVERY == 0
        people = find_people(self._detector, image, deep)
        chosen = self._choose(people) if self._roi is None else self._nearest(people, self._roi)
        if chosen is None:
            return None
        first = self._look(image, chosen.roi)
        # Once more in the region that the landmarks themselves give: it fits better.
        return first and (self._look(image, first.following) or first)

    def _nearest(self, people: Sequence[Detection], place: Roi) -> Detection | None:
        reach = SAME_PLACE + SPEED * self._lost_s
        near = [person for person in people if distance(person.roi, place) <= reach]
        return min(near, key=lambda person: distance(person.roi, place), default=None)

    def _look(self, image: Image, roi: Roi) -> Landmarks | None:
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
