"""Watching: the person in a camera's video of a solved take, and some of its pictures."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from typing import NamedTuple

import cv2
import numpy as np

from d3ke.errors import D3keError
from d3ke.omc.landmark_points import landmark_points
from d3ke.omc.moving_points import Moved, Seen
from d3ke.omc.person import Footage, Person, Take
from d3ke.omc.resection import HEIGHT_M
from d3ke.omc.solving import SolvedTake
from d3ke.omc.sync import Trial
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.vision.camera import camera_of
from d3ke.vision.container import Image
from d3ke.vision.person import PersonTrack, follow, open_finder
from d3ke.vision.rules import start_of
from d3ke.vision.sampled_video import Evenly
from d3ke.vision.tracking import Finder, Tracker
from d3ke.vision.video import Frame, Reel, Video

RATE_HZ = 30.0  # of the frames that become samples
MOST_KEPT = 8  # pictures in memory, of which those on a page are chosen
KEPT_PX = 480  # their longer side
REELS = 2  # that stay open: the takes of a session may be parts of one video for each camera


class Watched(NamedTuple):
    """A camera's video of a take, before its clocks and its camera are known.

    images: some of its frames, made small, by their rows of the track; size: width, height, px.
    """

    person: Person
    take: Take
    solved: SolvedTake
    footage: Footage
    track: PersonTrack
    trial: Trial
    images: dict[int, Image]
    size: tuple[int, int]


class Watcher:
    """Follows people through videos."""

    def __init__(self, skeleton: SkeletalModel) -> None:
        self.skeleton = skeleton
        self._reel = lru_cache(maxsize=REELS)(lambda path: Reel(Video(path)))
        self._last: tuple[SolvedTake, tuple[int, ...], Moved] | None = None

    def watch(self, person: Person, take: Take, solved: SolvedTake, footage: Footage) -> Watched:
        """What a camera's video shows of a take.

        Raises D3keError: a video that cannot be read or shows nobody.
        """
        reel, kept = self._reel(footage.video), Evenly[Image](MOST_KEPT)
        video = reel.video
        track = self._tracked(reel, footage, kept)
        numbers, moved = self._points(solved)
        seen = Seen.of(track.time, track.landmarks, video.size, numbers, _focal_px(video))
        trial = Trial(str(footage.video), seen, moved, person.height_m or HEIGHT_M)
        return Watched(person, take, solved, footage, track, trial, kept.kept, video.size)

    @cached_property
    def _finder(self) -> Finder:
        return open_finder()

    def _tracked(self, reel: Reel, footage: Footage, kept: Evenly[Image]) -> PersonTrack:
        """The person in the frames that count."""
        video, numbers = reel.video, footage.numbers
        tracker = Tracker(self._finder, *start_of("largest", video, self._finder))
        frames = video.frames(RATE_HZ) if numbers is None else reel.chosen(numbers.tolist())
        track = follow(_passing(frames, kept), video.size, tracker).track
        if not track.seen.any():
            raise D3keError(
                f"{video.path}: nobody is seen in {len(track.time)} frames. Is it the right video?"
            )
        if footage.rate_hz is None:
            return track
        return replace(track, time=track.frames / footage.rate_hz)

    def _points(self, solved: SolvedTake) -> tuple[tuple[int, ...], Moved]:
        """Which landmarks the skeleton has, and where they were; all cameras of a take share it."""
        if self._last is None or self._last[0] is not solved:
            points = landmark_points(self.skeleton, np.nan_to_num(solved.q), solved.scales)
            points.places[~np.isfinite(solved.q).all(axis=1)] = np.nan
            moved = Moved(solved.time, points.places, points.turns)
            self._last = solved, points.numbers, moved
        return self._last[1:]


def _passing(frames: Iterable[Frame], kept: Evenly[Image]) -> Iterator[Frame]:
    """The frames again, of which some are kept, made small."""
    for frame in frames:
        kept.offer(partial(_small, frame.image))
        yield frame


def _small(image: Image) -> Image:
    shrink = min(1.0, KEPT_PX / max(image.shape[:2]))
    size = (round(image.shape[1] * shrink), round(image.shape[0] * shrink))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _focal_px(video: Video) -> float | None:
    """What a video's metadata tell of its lens, where that can be."""
    usual = float(camera_of(video).K[0, 0])
    return usual if usual == video.focal_px else None
