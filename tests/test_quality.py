"""Clip quality: each way to spoil a clip is told by its own judgement."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.quality import SCALES, Judgement, facing_deg, height_px, judge, judge_clip, poor_ones
from d3ke.vision.person import PersonTrack
from d3ke.vision.picture_quality import blur, camera_shift
from d3ke.vision.sampled_video import MOST_SAMPLES, SampledVideo
from d3ke.vision.video import Video
from tests.command import Command
from tests.made_clips import pictures, write_clip

WALK = Path(__file__).parents[1] / "examples" / "walk_3s.mp4"

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return [frame.image for frame in Video(WALK)][:24]


def verdicts(found: Sequence[Judgement]) -> dict[str, str]:
    return {one.name: one.verdict for one in found}


def standing(turn_deg: float = 0.0, px_per_m: float = 200.0) -> PersonTrack:
    """A still person of BlazePose's metres, 1.5 m tall, turned from the camera, seen whole."""
    random = np.random.default_rng(0)
    world = np.zeros((33, 3))
    world[:, 1] = np.linspace(-0.75, 0.75, 33)
    world[:, :2] += random.normal(0, 0.05, (33, 2))
    for left, right, half in ((11, 12, 0.18), (23, 24, 0.12)):
        turn = np.radians(turn_deg)
        across = half * np.array([np.cos(turn), 0, np.sin(turn)])
        world[left], world[right] = across, -across
    values = np.ones((10, 33, 7), np.float32)
    values[..., 4:] = world
    values[..., :2] = 500 + px_per_m * world[:, :2]
    low, high = values[..., :2].min(axis=1), values[..., :2].max(axis=1)
    return PersonTrack(
        time=np.arange(10) / 30,
        frames=np.arange(10),
        landmarks=values,
        presence=np.ones(10, np.float32),
        boxes=np.concatenate([low, high - low], axis=1),
        seen=np.ones(10, bool),
        size=(1000, 1000),
    )


def test_a_scale_knows_which_way_is_better() -> None:
    assert [SCALES["height"].verdict(v) for v in (300, 100, 20)] == ["good", "fair", "poor"]
    assert [SCALES["blur"].verdict(v) for v in (0.3, 0.55, 0.9)] == ["good", "fair", "poor"]


@pytest.mark.parametrize("px_per_m", [100.0, 300.0])
def test_height_follows_from_pixels_a_metre(px_per_m: float) -> None:
    track = standing(px_per_m=px_per_m)
    assert height_px(track) == pytest.approx(1.5 * px_per_m, rel=1e-3)


@pytest.mark.parametrize("turn_deg", [0.0, 45.0, 90.0, 150.0, -120.0])
def test_the_view_is_the_persons_turn(turn_deg: float) -> None:
    assert facing_deg(standing(turn_deg)) == pytest.approx(abs(turn_deg), abs=1e-3)


def test_hidden_limbs_gaps_and_the_pictures_edge_are_told(tmp_path: Path) -> None:
    video = Video(write_clip(tmp_path / "clip.mp4", pictures(10)))
    good = standing()
    assert set(verdicts(judge(video, good)).values()) == {"good"}
    hidden = good.landmarks.copy()
    hidden[:, [14, 16, 26, 28], 3] = 0.1
    assert verdicts(judge(video, replace(good, landmarks=hidden)))["visible"] == "poor"
    outside = good.landmarks.copy()
    outside[:5, 27:33, 1] = 1200
    assert verdicts(judge(video, replace(good, landmarks=outside)))["cut off"] == "poor"
    seen = np.arange(10) > 3
    assert verdicts(judge(video, replace(good, seen=seen)))["seen"] == "poor"


def test_what_the_tracker_warns_of_is_not_said_twice() -> None:
    found = [Judgement(name, 1.0, "", "poor", "do") for name in ("height", "seen", "blur")]
    assert poor_ones(found) == ["blur: 1, poor: do"]


def test_blur_grows_with_blurring_whatever_the_size(images: Sequence[Image]) -> None:
    grey = np.asarray(cv2.cvtColor(images[12], cv2.COLOR_RGB2GRAY), np.uint8)
    box = np.array([280, 40, 200, 220], np.float64)
    values = []
    for sigma in (0.0, 1.0, 2.0, 4.0):
        spoilt = grey if not sigma else np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma), np.uint8)
        large = np.asarray(cv2.resize(spoilt, None, fx=3, fy=3), np.uint8)
        values.append(blur(spoilt, box))
        assert blur(large, 3 * box) == pytest.approx(values[-1], abs=0.1)
    assert values == sorted(values)
    assert values[0] < SCALES["blur"].good < SCALES["blur"].poor < values[-1]
    assert np.isnan(blur(grey, np.array([10, 10, 5, 5])))
    for left in (-900, -899):  # nothing of the person is in the picture, or a column of pixels
        assert np.isnan(blur(grey, np.array([left, 0, 900, 3000])))


def test_the_background_tells_how_far_the_camera_moved() -> None:
    random = np.random.default_rng(3)
    noise = random.integers(0, 255, (60, 90), np.uint8)
    scene = np.asarray(cv2.resize(noise, (900, 600), interpolation=cv2.INTER_CUBIC), np.uint8)
    person = np.array([200, 100, 100, 200], np.float64)

    def seen(shifts: Sequence[int]) -> list[NDArray[np.uint8]]:
        views = [scene[50:450, 100 + shift : 700 + shift].copy() for shift in shifts]
        for number, view in enumerate(views):  # the person moves, whatever the camera does
            view[100:300, 200 + 4 * number : 280 + 4 * number] = 0
        return views

    still, panned = seen([0] * 5), seen([0, 10, 20, 30, 40])
    assert camera_shift(still, [person] * 5) < 1
    assert camera_shift(panned, [person] * 5) == pytest.approx(40, abs=2)
    assert np.isnan(camera_shift([np.full((200, 300), 9, np.uint8)] * 3, [person] * 3))


def test_few_frames_are_kept_of_a_clip_of_any_length(tmp_path: Path) -> None:
    clip = SampledVideo(write_clip(tmp_path / "clip.mp4", pictures(100)))
    seen = [frame.index for frame in clip.frames(30)]
    kept = [sample.frame for sample in clip.samples]
    assert len(seen) == 100
    assert MOST_SAMPLES / 2 < len(kept) <= MOST_SAMPLES
    assert len({late - early for early, late in pairwise(kept)}) == 1
    assert kept[-1] > 80


Spoil = Callable[[Image], Image]


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("blur", lambda image: cv2.GaussianBlur(image, (0, 0), 3)),
        ("cut off", lambda image: np.ascontiguousarray(image[:180])),
    ],
)
def test_a_spoilt_clip_is_told_as_what_it_is(
    images: Sequence[Image], tmp_path: Path, name: str, spoil: Spoil
) -> None:
    spoilt = write_clip(tmp_path / "spoilt.mp4", [spoil(image) for image in images])
    assert verdicts(judge_clip(spoilt))[name] == "poor"


def test_a_clip_is_checked_without_predicting_it(d3ke: Command, tmp_path: Path) -> None:
    done = d3ke("check", WALK)
    assert done.status == 0
    assert f"{WALK}: view: 8" in done.out  # she walks across the picture
    told = d3ke("check", WALK, "--json").json
    assert told["ok"] is True
    assert verdicts([Judgement(**one) for one in told["quality"]])["height"] == "good"
    assert json.dumps(told["warnings"]) == "[]"
    (tmp_path / "broken.mp4").write_text("no video")
    refused = d3ke("check", tmp_path / "broken.mp4")
    assert refused.status == 1
    assert refused.out.startswith(f"{tmp_path / 'broken.mp4'}: problem: ")
