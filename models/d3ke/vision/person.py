"""The person in a video: landmarks frame by frame, and who that person is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.progress import Progress, Silent
from d3ke.vision.blazepose import (
    LANDMARK_COUNT,
    LANDMARK_FILE,
    LandmarkNetwork,
    PoseDetector,
)
from d3ke.vision.tracking import Finder, Person, Tracker
from d3ke.vision.video import Video


@dataclass(frozen=True)
class PersonTrack:
    """One person's landmarks over a clip.

    time (T,) s; frames (T,) numbers in the video; landmarks (T, 33, 7) image x, y, z px,
    visibility 0..1, world x, y, z m (hip-centred, x right, y down, z away from the camera), NaN
    where not seen; presence (T,) 0..1; boxes (T, 4) x, y, w, h px around the landmarks;
    seen (T,); size: (width, height) px of the video.
    """

    time: NDArray[np.float64]
    frames: NDArray[np.int64]
    landmarks: NDArray[np.float32]
    presence: NDArray[np.float32]
    boxes: NDArray[np.float32]
    seen: NDArray[np.bool_]
    size: tuple[int, int]


def track_person(
    video: Video,
    rule: str | Sequence[float] = "largest",
    rate_hz: float = 30.0,
    landmark_model: Path | None = None,
    progress: Progress | None = None,
) -> PersonTrack:
    progress = progress or Silent()
    tracker = Tracker(Finder(PoseDetector(), LandmarkNetwork(landmark_model or LANDMARK_FILE)), _largest)
    times, numbers, landmarks, presence = [], [], [], []
    nothing = np.full((LANDMARK_COUNT, 7), np.nan, np.float32)
    for frame in video.frames(rate_hz):
        found = tracker.step(frame.image, frame.time)
        times.append(frame.time)
        numbers.append(frame.index)
        landmarks.append(nothing if found is None else found.values)
        presence.append(0.0 if found is None else found.presence)
    values = np.stack(landmarks)
    low, high = values[..., :2].min(axis=1), values[..., :2].max(axis=1)
    return PersonTrack(
        time=np.array(times),
        frames=np.array(numbers),
        landmarks=values,
        presence=np.array(presence, np.float32),
        boxes=np.concatenate([low, high - low], axis=1),
        seen=np.isfinite(values[:, 0, 0]),
        size=video.size,
    )


def _largest(people: Sequence[Person]) -> Person | None:
    return max(people, key=lambda person: person.roi.size, default=None)
