"""Quality: what a clip is like to measure from, before any angle, and what to film again.

Limits of height, blur, hidden and cut-off limbs come from `python -m tests.benchmarks.quality`,
which spoils good clips step by step: up to the first limit angles stay as they are (within 0.1 deg
over the lower limb), past the second they are clearly worse. Angles themselves bear six frames a
second, gaps and a swaying camera: those limits are of what is lost besides.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.export import FILTER_HZ
from d3ke.progress import Progress, Silent
from d3ke.vision.person import MOSTLY_SEEN, PersonTrack, track_person
from d3ke.vision.picture_quality import blur, camera_shift
from d3ke.vision.sampled_video import Sample, SampledVideo
from d3ke.vision.video import Video

Verdict = Literal["good", "fair", "poor"]
Array = NDArray[np.floating]

HEIGHT_OF_WORLD_M = 1.5  # a person of 1.7 m in BlazePose's metres, 0.89 of life on average
SHOULDERS, HIPS = (11, 12), (23, 24)  # landmarks: left, right
LIMBS = (13, 14, 15, 16, 23, 24, 25, 26, 27, 28)  # elbows, wrists, hips, knees, ankles
ENDS = (0, 15, 16, 27, 28, 29, 30, 31, 32)  # nose, wrists, ankles, heels, toes
VISIBLE = 0.5  # BlazePose's visibility of a landmark: below, it is hidden rather than seen
FRONT_DEG, SIDE_DEG = 30.0, 65.0  # between a person's facing and the way to the camera
TOLD_BY_TRACKING = {"height", "seen"}  # poor ones: whoever follows the person warns of them


@dataclass(frozen=True)
class Judgement:
    """One quality of a clip. advice: what to film otherwise; for a view, what it shows."""

    name: str
    value: float
    unit: str
    verdict: Verdict
    advice: str

    def __str__(self) -> str:
        number = f"{self.value:.2g}" if self.value < 1 else f"{self.value:.0f}"
        said = f"{self.name}: {number} {self.unit}".rstrip()
        return f"{said}, {self.verdict}" + (f": {self.advice}" if self.advice else "")


class Scale(NamedTuple):
    """How a value is judged: good up to (or from) the first limit, poor past the second."""

    unit: str
    good: float
    poor: float
    advice: str

    def verdict(self, value: float) -> Verdict:
        """The verdict on a value; which way is better follows from the limits."""
        sign = 1 if self.good > self.poor else -1
        if sign * value >= sign * self.good:
            return "good"
        return "fair" if sign * value >= sign * self.poor else "poor"


SCALES = {
    "height": Scale("px", 120, 75, "film from nearer or with more pixels"),
    # past the second, movements as quick as the filter lets through are lost
    "frame rate": Scale("Hz", 24, 2 * FILTER_HZ, "film with 30 frames a second or more"),
    "blur": Scale("", 0.5, 0.62, "film in focus, with more light or a shorter exposure"),
    "seen": Scale("%", 100 * MOSTLY_SEEN, 80, "keep the whole person in the picture all the time"),
    "visible": Scale("%", 90, 75, "show both arms and legs: nothing in front, from 30 deg aside"),
    "cut off": Scale("%", 2, 20, "leave room around the person: hands, head and feet are outside"),
    # the background by 2 % of the height: 3 cm in the path of the pelvis
    "camera motion": Scale(
        "%", 2, 10, "put the camera on a stand: its motion is taken for the person's"
    ),
}


def judge(video: Video, track: PersonTrack, samples: Sequence[Sample] = ()) -> list[Judgement]:
    """What a clip is like to measure from. What cannot be told is left out.

    samples: some of its frames, without which blur and the camera's motion are not told.
    """
    measures: dict[str, Callable[[], float]] = {
        "height": lambda: height_px(track),
        "frame rate": lambda: video.rate_hz,
        "blur": lambda: _blur(track, samples),
        "seen": lambda: 100 * float(track.seen.mean()),
        "visible": lambda: _visible(track),
        "cut off": lambda: _cut_off(track),
        "camera motion": lambda: _camera_motion(track, samples),
    }
    return [*_judged(measures), *_view(track)]


def judge_clip(clip: Path, progress: Progress | None = None) -> list[Judgement]:
    """What a clip is like to measure from, without predicting its angles; warns of what is poor.

    Raises D3keError for what d3ke predict would refuse.
    """
    progress = progress or Silent()
    video = SampledVideo(clip)
    track = track_person(video, progress=progress)
    found = judge(video, track, video.samples)
    for warning in [*video.warnings, *poor_ones(found)]:
        progress.warn(warning)
    return found


def poor_ones(judgements: Sequence[Judgement]) -> list[str]:
    """What to warn of, one line each; not of what following the person has warned of."""
    return [
        str(one) for one in judgements if one.verdict == "poor" and one.name not in TOLD_BY_TRACKING
    ]


def height_px(track: PersonTrack) -> float:
    """How tall the person stands in the picture, whatever the posture, px: the median."""
    image, world = track.landmarks[track.seen, :, :2], track.landmarks[track.seen, :, 4:6]
    spread = [
        np.linalg.norm(points - points.mean(axis=1, keepdims=True), axis=(1, 2))
        for points in (image, world)
    ]
    known = spread[1] > 0
    return _median(HEIGHT_OF_WORLD_M * spread[0][known] / spread[1][known])


def facing_deg(track: PersonTrack) -> float:
    """How far the person is turned from the camera: 0 faces it, 90 is a side view, 180 the back."""
    world = track.landmarks[track.seen, :, 4:]
    shoulders, hips = (world[:, left] - world[:, right] for left, right in (SHOULDERS, HIPS))
    across = shoulders + hips
    known = np.linalg.norm(across[:, ::2], axis=1) > 0
    turns = np.arctan2(np.abs(across[known, 2]), across[known, 0])
    return float(np.degrees(_median(turns)))


def _judged(measures: dict[str, Callable[[], float]]) -> Iterator[Judgement]:
    for name, measure in measures.items():
        value, scale = measure(), SCALES[name]
        if np.isfinite(value):
            verdict = scale.verdict(value)
            advice = "" if verdict == "good" else scale.advice
            yield Judgement(name, round(value, 3), scale.unit, verdict, advice)


def _view(track: PersonTrack) -> Iterator[Judgement]:
    """From where the person is seen. Source of verdicts: results/blazepose_views.csv."""
    turn = facing_deg(track)
    if not np.isfinite(turn):
        return
    verdict: Verdict
    if turn <= FRONT_DEG:
        verdict, says = "good", "from the front: adduction and bending to a side show best"
    elif turn < SIDE_DEG:
        verdict, says = "good", "oblique: both sides show, in all planes"
    elif turn <= 180 - SIDE_DEG:
        verdict, says = "fair", "from the side: flexion shows, the far arm and leg are hidden"
    else:
        verdict, says = "fair", "from behind: right and left are mistaken more often"
    aside = "" if verdict == "good" else "; film from 30 to 60 deg beside the front"
    yield Judgement("view", round(turn, 3), "deg", verdict, says + aside)


def _blur(track: PersonTrack, samples: Sequence[Sample]) -> float:
    boxes = _boxes(track)
    values = [blur(one.grey, boxes[one.frame]) for one in samples if one.frame in boxes]
    return _median(np.array(values, np.float64))


def _camera_motion(track: PersonTrack, samples: Sequence[Sample]) -> float:
    """How far the background moves, % of the person's height."""
    boxes = _boxes(track)
    there = [one for one in samples if one.frame in boxes]
    shift = camera_shift([one.grey for one in there], [boxes[one.frame] for one in there])
    return 100 * shift / height_px(track)


def _boxes(track: PersonTrack) -> dict[int, Array]:
    """The person's box by the number of the frame, where they are seen."""
    numbers = track.frames[track.seen].tolist()
    return dict(zip(numbers, track.boxes[track.seen], strict=True))


def _visible(track: PersonTrack) -> float:
    """How many of the limbs' landmarks are not hidden, %."""
    return 100 * float((track.landmarks[track.seen][:, LIMBS, 3] >= VISIBLE).mean())


def _cut_off(track: PersonTrack) -> float:
    """In how many frames a hand, a foot or the head is outside the picture, %."""
    ends = track.landmarks[track.seen][:, ENDS, :2]
    outside = (ends < 0) | (ends > np.array(track.size) - 1)
    return 100 * float(outside.any(axis=(1, 2)).mean())


def _median(values: Array) -> float:
    """The median of what is known, NaN of nothing."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
