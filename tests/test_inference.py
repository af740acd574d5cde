"""From a track to the network's windows and back: at the right times, and from what was seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.network.config import D3KEConfig, default_bounds, default_priors
from d3ke.network.d3ke import Answer
from d3ke.network.inference import regress
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.landmarks import LandmarkWindow
from d3ke.skeleton import default_model
from d3ke.vision.camera import Camera
from d3ke.vision.person import PersonTrack

Array = NDArray[np.float64]
SIZE = (720, 1280)
CAMERA = Camera.from_focal(SIZE, 1000.0, "a test")
KNEE = default_model().coordinate_names.index("knee_angle_r")


class Reader(LandmarkD3KE):
    """A network without opinion: it reads the knee's angle, rad, off the nose's place, x / f."""

    def __init__(self) -> None:
        osim = default_model()
        bounds, priors = default_bounds(osim), default_priors(osim)
        config = D3KEConfig(osim.sha256, width=8, blocks=1, heads=1, bounds=bounds, priors=priors)
        super().__init__(config, osim)

    def both_ways(self, window: LandmarkWindow) -> Answer:
        count, frames = window.valid.shape
        q = torch.zeros(count, frames, len(self.osim.coordinate_names))
        q[..., KNEE] = window.landmarks[..., 0, 0]
        root = torch.eye(3).expand(count, frames, 3, 3)
        return Answer(q, root, torch.ones(count, len(self.osim.bodies), 3))


def knee(time: Array) -> Array:
    """A step a second, rad."""
    angle: Array = 0.1 * np.sin(2 * np.pi * time)
    return angle


def track_at(time: Array) -> PersonTrack:
    landmarks = np.zeros((len(time), 33, 7), np.float32)
    landmarks[..., :2] = CAMERA.K[:2, 2]
    landmarks[:, 0, 0] += 1000.0 * knee(time)
    return PersonTrack(
        time=time,
        frames=np.arange(len(time)),
        landmarks=landmarks,
        presence=np.ones(len(time), np.float32),
        boxes=np.zeros((len(time), 4), np.float32),
        seen=np.ones(len(time), bool),
        size=SIZE,
    )


@pytest.fixture(scope="module")
def model() -> Reader:
    return Reader()


def jittered() -> Array:
    steps = np.random.default_rng(0).choice([0.0167, 0.0333, 0.05], 400)
    time: Array = np.cumsum(steps) - steps[0]
    return time


@pytest.mark.parametrize(
    "time",
    [np.arange(300) / 30, np.arange(200) / 25, np.arange(200) / 29.97, 5.0 + jittered()],
    ids=["30 Hz", "25 Hz", "29.97 Hz", "uneven, from 5 s on"],
)
def test_the_answer_comes_at_the_frames_own_times(model: Reader, time: Array) -> None:
    found = regress(model, track_at(time), CAMERA).q[:, KNEE]
    # The last frame may lie half a step behind the grid. Two lines between samples 0.05 s apart
    # are 0.1 (2 pi 0.05)^2 / 8 off each.
    np.testing.assert_allclose(found[:-1], knee(time)[:-1], atol=2.5e-3)
    lag_s = np.linspace(-0.05, 0.05, 101)
    cost = [np.abs(found[5:-5] - knee(time - lag)[5:-5]).mean() for lag in lag_s]
    assert lag_s[int(np.argmin(cost))] == pytest.approx(0, abs=1.5e-3)


@pytest.mark.parametrize("count", [2, 3, 63, 64, 65, 81])
def test_any_number_of_frames_is_answered_whole(model: Reader, count: int) -> None:
    time = np.arange(count) / 30
    found = regress(model, track_at(time), CAMERA)
    np.testing.assert_allclose(found.q[:, KNEE], knee(time), atol=1e-4)  # rad, float32
    np.testing.assert_allclose(found.root, np.eye(3)[None].repeat(count, 0), atol=1e-5)
    np.testing.assert_allclose(found.scales, 1.0, atol=1e-6)


@pytest.mark.parametrize("unseen", [range(40), range(50, 90), [0, 1, 7, 99], range(1, 100)])
def test_what_is_not_seen_changes_nothing_where_it_is(
    model: Reader, unseen: range | list[int]
) -> None:
    time = np.arange(100) / 30
    whole = track_at(time)
    seen = np.ones(100, bool)
    seen[list(unseen)] = False
    landmarks = np.where(seen[:, None, None], whole.landmarks, np.nan).astype(np.float32)
    found = regress(model, replace(whole, seen=seen, landmarks=landmarks), CAMERA)
    assert np.isfinite(found.q).all()
    np.testing.assert_allclose(found.q[seen, KNEE], knee(time)[seen], atol=1e-4)


def test_a_lens_is_straightened_before_the_network_sees_it(model: Reader) -> None:
    bent = replace(CAMERA, distortion=np.array([-0.3, 0.1, 0, 0, 0]))
    time = np.arange(60) / 30
    track = track_at(time)
    places = np.concatenate([track.landmarks[..., :2], np.ones((60, 33, 1))], axis=2)
    pixels = bent.project(places @ np.linalg.inv(CAMERA.K).T)
    landmarks = track.landmarks.copy()
    landmarks[..., :2] = pixels
    found = regress(model, replace(track, landmarks=landmarks), bent).q[:, KNEE]
    np.testing.assert_allclose(found, knee(time), atol=1e-4)


def test_only_what_the_network_predicts_is_observed(model: Reader) -> None:
    observed = regress(model, track_at(np.arange(10) / 30), CAMERA).observed
    names = {name for name, seen in zip(model.osim.coordinate_names, observed, strict=True) if seen}
    assert names == set(default_bounds(model.osim))


class Guesser(Reader):
    """A network that makes up body scales of 3 where it sees nobody."""

    def both_ways(self, window: LandmarkWindow) -> Answer:
        seen = window.valid.any(dim=1)[:, None, None]
        answer = super().both_ways(window)
        return answer._replace(scales=torch.where(seen, 1.1, 3.0) * answer.scales)


def test_frames_without_the_person_do_not_dilute_the_body_scales() -> None:
    seen = np.arange(900) < 150
    track = replace(track_at(np.arange(900) / 30), seen=seen)
    scales = regress(Guesser(), track, CAMERA).scales
    np.testing.assert_allclose(scales, 1.1, atol=0.02)  # 24 empty windows count a thousandth each
