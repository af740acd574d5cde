"""The person in a video: landmarks frame by frame, and who that person is."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.progress import Progress, Silent
from d3ke.vision.ahead import ahead
from d3ke.vision.blazepose import (
    LANDMARK_COUNT,
    LANDMARK_FILE,
    ROI_MARGIN,
    LandmarkNetwork,
    Landmarks,
    PoseDetector,
)
from d3ke.vision.rules import RULES, Rule, start_of
from d3ke.vision.tracking import Finder, Tracker
from d3ke.vision.video import Frame, Video

SAMPLING_HZ = 30.0  # rate of the landmarks: what the temporal network was trained on
MOST_THREADS = 4  # the networks gain little from more
# On shrunk clips the metric landmarks of a person move by 2-4 cm at 100 px of height, by 10-20 cm
# at 33 px, and are guesses below.
SMALL_PX, TOO_SMALL_PX = 100.0, 32.0
MOSTLY_SEEN = 0.95  # part of the frames below which a person is told


@dataclass(frozen=True)
class PersonTrack:
    """One person's landmarks over a clip.

    time (T,) s; frames (T,) numbers in the video; landmarks (T, 33, 7) image x, y, z px,
    visibility 0..1, world x, y, z m (hip-centred, x right, y down, z away from the camera), NaN
    where not seen; presence (T,) 0..1; boxes (T, 4) x, y, w, h px around the landmarks, NaN where
    not seen; seen (T,); size (width, height) px of the video.
    """

    time: NDArray[np.float64]
    frames: NDArray[np.int64]
    landmarks: NDArray[np.float32]
    presence: NDArray[np.float32]
    boxes: NDArray[np.float32]
    seen: NDArray[np.bool_]
    size: tuple[int, int]


class Followed(NamedTuple):
    """A track; sides of the regions in which the person was seen, px; whether others were seen."""

    track: PersonTrack
    regions: list[float]
    others: bool


def track_person(
    video: Video,
    rule: Rule = "largest",
    rate_hz: float = SAMPLING_HZ,
    landmark_model: Path | None = None,
    progress: Progress | None = None,
    finder: Finder | None = None,
) -> PersonTrack:
    """Follow one person through a clip, at most `rate_hz` frames a second.

    rule: "largest", "centre", "moving", or a box x, y, width, height in px of the first frame;
    landmark_model: another BlazePose landmark network than the full one of the package; finder:
    of many clips: both networks, open already (see open_finder).
    Raises D3keError: nobody, or somebody too small, in the clip; fewer than two frames; a rule or
    a network that is none.
    """
    progress = progress or Silent()
    finder = finder or open_finder(landmark_model, landmark_threads())
    tracker = Tracker(finder, *start_of(rule, video, finder))
    progress.start("landmarks", video.frame_count)
    followed = follow(ahead(video.frames(rate_hz)), video.size, tracker, progress)
    progress.finish()
    _check_length(video, len(followed.track.time), rate_hz)
    _check_person(video, followed, rule, progress)
    return followed.track


def open_finder(landmark_model: Path | None = None, threads: int = 1) -> Finder:
    """The two networks of BlazePose, with so many threads each."""
    network = LandmarkNetwork(landmark_model or LANDMARK_FILE, threads)
    return Finder(PoseDetector(threads=threads), network)


def follow(
    stream: Iterable[Frame],
    size: tuple[int, int],
    tracker: Tracker,
    progress: Progress | None = None,
) -> Followed:
    """Follow one person through frames of any origin. size: (width, height) px."""
    progress = progress or Silent()
    times: list[float] = []
    frames: list[int] = []
    found: list[Landmarks | None] = []
    for frame in stream:
        progress.advance(frame.index + 1 - (frames[-1] + 1 if frames else 0))
        found.append(tracker.step(frame.image, frame.time))
        times.append(frame.time)
        frames.append(frame.index)
    regions = [one.following.size for one in found if one is not None]
    return Followed(_track(times, frames, found, size), regions, tracker.others)


def landmark_threads() -> int:
    """How many threads the networks get: the cores that this process may use, up to four."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(MOST_THREADS, cores or 1)


def _track(
    times: list[float], frames: list[int], found: list[Landmarks | None], size: tuple[int, int]
) -> PersonTrack:
    nothing = np.full((LANDMARK_COUNT, 7), np.nan, np.float32)
    several = [one.values if one else nothing for one in found]
    values = np.array(several, np.float32).reshape(-1, *nothing.shape)  # (T, 33, 7)
    low, high = values[..., :2].min(axis=1), values[..., :2].max(axis=1)
    return PersonTrack(
        time=np.array(times, np.float64),
        frames=np.array(frames, np.int64),
        landmarks=values,
        presence=np.array([one.presence if one else 0.0 for one in found], np.float32),
        boxes=np.concatenate([low, high - low], axis=1),
        seen=np.array([one is not None for one in found]),
        size=size,
    )


def _check_length(video: Video, count: int, rate_hz: float) -> None:
    if count < 2:
        raise D3keError(
            f"{video.path}: too short: {count} frame at {rate_hz:g} frames/s. Give a longer clip."
        )


def _check_person(video: Video, followed: Followed, rule: Rule, progress: Progress) -> None:
    """Refuse a clip without a usable person; warn of what makes the result less sure."""
    regions, count = followed.regions, len(followed.track.time)
    if not regions:
        where = f"no person found in {count} frames"
        if not isinstance(rule, str):
            where = f"no person found in the box in {count} frames"
        raise D3keError(
            f"{video.path}: {where}. Show the whole body, or give its box in the first frame."
        )
    height_px = float(np.median(regions)) / ROI_MARGIN
    if height_px < TOO_SMALL_PX:
        raise D3keError(
            f"{video.path}: the person is only {height_px:.0f} px tall, too small to measure. "
            f"Film from nearer or with more pixels."
        )
    if height_px < SMALL_PX:
        progress.warn(
            f"{video.path}: the person is only {height_px:.0f} px tall: landmarks are coarse"
        )
    if len(regions) < MOSTLY_SEEN * count:
        progress.warn(f"{video.path}: the person is seen in {len(regions)} of {count} frames")
    if followed.others and isinstance(rule, str):
        ways = ", ".join(name for name in RULES if name != rule)
        progress.warn(
            f"{video.path}: more than one person is in the picture; the {rule} one at the start "
            f"is followed ({ways} or a box choose otherwise)"
        )
