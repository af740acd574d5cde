"""Cameras found from points of a body and where they were seen."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.omc.resection import ACCEPTED, Resection, accepted, resect
from d3ke.vision.camera import Camera
from tests.omc_scenes import CAMERA, doing, points, turned_deg, watched
from tests.scenes import camera_at

Array = NDArray[np.float64]

TIME = np.arange(0, 20, 1 / 15)
PLACES, TURNS = points(doing(1)(TIME))
WEIGHTS = np.ones(PLACES.shape[:2])


def seen(camera: Camera = CAMERA, noise: float = 1.0, seed: int = 1) -> Array:
    landmarks = watched(camera, PLACES, TURNS, seed, noise)
    known = np.isfinite(landmarks[0, :, 0])
    return landmarks[:, known, :2]


def found(pixels: Array, accept_above: float = ACCEPTED, **words: object) -> Resection:
    options = {"rate_hz": 15.0, "turns": TURNS} | words
    one = resect(PLACES, pixels, WEIGHTS, CAMERA.size, **options)  # type: ignore[arg-type]
    return accepted(one, accept_above, "cam 3")


def eye(camera: Camera) -> Array:
    return -camera.R.T @ camera.t


def test_exact_pixels_give_the_exact_camera() -> None:
    camera = found(seen(noise=0), turns=None).camera
    assert turned_deg(camera, CAMERA) < 0.01
    focal = CAMERA.K[0, 0]
    assert camera.K[0, 0] == pytest.approx(focal, rel=1e-3)  # what is usual draws a little
    assert eye(camera) == pytest.approx(eye(CAMERA), abs=0.005)


def test_landmarks_as_bad_as_blazepose_give_half_a_degree_and_two_per_cent() -> None:
    one = found(seen())
    assert turned_deg(one.camera, CAMERA) < 0.5
    assert one.camera.K[0, 0] == pytest.approx(CAMERA.K[0, 0], rel=0.02)
    assert one.reprojection < 0.02
    assert abs(one.camera.K[0, 0] / CAMERA.K[0, 0] - 1) < one.focal_sd < 0.05
    assert one.warnings == ()


def test_a_known_lens_is_kept() -> None:
    camera = found(seen(seed=2), lens=Camera(CAMERA.K, CAMERA.size, "calibrated")).camera
    assert (camera.K == CAMERA.K).all()
    assert turned_deg(camera, CAMERA) < 0.4
    assert eye(camera) == pytest.approx(eye(CAMERA), abs=0.05)


def test_the_lens_bends_as_it_does() -> None:
    bent = replace(CAMERA, distortion=np.array([-0.06, 0, 0, 0, 0]))
    k1 = found(seen(bent, noise=0), turns=None).camera.distortion[0]
    assert k1 == pytest.approx(-0.06, abs=0.01)  # drawn to 0, as most lenses bend little


def test_one_in_five_landmarks_may_be_anywhere() -> None:
    pixels, rng = seen(seed=3), np.random.default_rng(3)
    wrong = rng.random(pixels.shape[:2]) < 0.2
    pixels[wrong] = rng.uniform(0, CAMERA.size, (int(wrong.sum()), 2))
    one = found(pixels)
    assert turned_deg(one.camera, CAMERA) < 0.7
    assert 0.7 < one.inliers < 0.85


def test_who_stays_in_one_place_leaves_the_lens_unknown() -> None:
    places, turns = points(doing(4, 0.0)(TIME))
    landmarks = watched(CAMERA, places, turns, 4, 1.0)
    pixels = landmarks[:, np.isfinite(landmarks[0, :, 0]), :2]
    one = resect(places, pixels, WEIGHTS, CAMERA.size, rate_hz=15, turns=turns)
    one = accepted(one, ACCEPTED, "the video")
    assert any("focal length is known to" in warning for warning in one.warnings)
    assert "walks about" in one.warnings[-1]
    off = abs(one.camera.K[0, 0] / CAMERA.K[0, 0] - 1)
    assert off < 2 * one.focal_sd


def test_pixels_of_something_else_are_refused() -> None:
    later = np.roll(seen(), 97, axis=0)
    with pytest.raises(D3keError, match=r"cam 3: no camera fits: .*% of the body's height off"):
        found(later)
    assert found(later, accept_above=1.0).reprojection > 0.04


def test_a_video_on_its_head_is_refused() -> None:
    with pytest.raises(D3keError, match="upside down"):
        found(np.array(CAMERA.size) - 1 - seen())


def test_too_few_landmarks_are_refused() -> None:
    weights = np.zeros_like(WEIGHTS)
    weights[:3, :4] = 1
    with pytest.raises(D3keError, match="the video: 12 landmarks are seen"):
        resect(PLACES, seen(), weights, CAMERA.size, rate_hz=15)


@pytest.mark.parametrize("fov_deg", [45.0, 80.0])
def test_any_usual_lens_is_found(fov_deg: float) -> None:
    turned = camera_at(azimuth_deg=200, height_m=2.4, pitch_deg=12, distance_m=5)
    lens = Camera.from_fov(CAMERA.size, fov_deg)
    camera = replace(turned, K=lens.K)
    one = found(seen(camera, seed=6)).camera
    assert one.fov_deg == pytest.approx(fov_deg, rel=0.03)
    assert turned_deg(one, camera) < 0.6
