"""Views of takes: what the phone filmed, and when a blurred picture is of."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from d3ke.synth.pictures.phones import PhoneCamera, crop_camera, look_at
from d3ke.synth.views import filmed, padded, resized, view_of
from d3ke.vision.camera import Camera

SIZE = 128


def phone(distortion: tuple[float, ...] = (0, 0, 0, 0, 0), held: bool = False) -> PhoneCamera:
    K = Camera.from_fov((640, 480), 60).K
    eyes = np.array([[3.0, 1.0, 0.02 * i] for i in range(3)])
    R = np.array([look_at(eye, np.array([0.0, 1.0, 0.01 * i])) for i, eye in enumerate(eyes)])
    t = -np.einsum("tij,tj->ti", R, eyes)
    return PhoneCamera(K, np.array(distortion, float), (640, 480), R, t, held)


def test_a_crop_in_the_middle_is_filmed_all_over() -> None:
    camera = phone()
    K, turn = crop_camera(camera, 0, np.array([270, 190, 100, 100], np.float32), SIZE)
    assert filmed(camera, K, (SIZE, SIZE), turn).all()


@pytest.mark.parametrize("distortion", [(0, 0, 0, 0, 0), (0.06, -0.02, 1e-3, -5e-4, 0)])
def test_a_pixel_is_filmed_where_its_ray_meets_the_phones_picture(
    distortion: tuple[float, ...],
) -> None:
    camera = phone(distortion)
    K, turn = crop_camera(camera, 0, np.array([0, 0, 200, 300], np.float32), SIZE)
    inside = filmed(camera, K, (SIZE, SIZE), turn)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    rays = pixels @ np.linalg.inv(K).T @ turn
    whole = Camera(camera.camera_matrix, camera.size, "", camera.distortion)
    there = whole.project(rays)
    expected = ((there >= -0.5) & (there <= np.array(camera.size) - 0.5)).all(axis=-1)
    assert 0.2 < expected.mean() < 0.95
    assert (inside != expected).mean() < 0.015  # the rim is a pixel wide, the sides are 9 points


def test_what_was_not_filmed_is_black() -> None:
    inside = np.array([[True, False]])
    assert padded(np.full((1, 2, 3), 9, np.uint8), inside).tolist() == [[[9] * 3, [0] * 3]]


def test_the_same_ray_meets_the_same_place_of_a_resized_picture() -> None:
    K = Camera.from_fov((640, 480), 60).K
    point = np.array([0.2, -0.1, 1.0])
    before, after = K @ point, resized(K, 0.5) @ point
    assert np.allclose((before[:2] + 0.5) * 0.5, after[:2] + 0.5)


def take(exposure_s: float, camera: PhoneCamera) -> Any:
    bones = np.zeros((3, 4, 3, 4), np.float32)
    bones[:, :, :, :3] = np.eye(3)
    bones[:, :, 0, 3] = np.arange(3)[:, None]  # a metre a frame along x
    acted = SimpleNamespace(bones=bones, motion=SimpleNamespace(rate_hz=30.0))
    return SimpleNamespace(phone=camera, acted=acted, others=(), exposure_s=exposure_s)


def test_a_blurred_picture_is_of_the_middle_of_its_exposure() -> None:
    camera = phone(held=True)
    sharp = view_of(take(0, camera), 1, np.eye(3), (8, 8), np.eye(3))
    blurred = view_of(take(1 / 60, camera), 1, np.eye(3), (8, 8), np.eye(3))
    assert sharp.before is None
    assert blurred.before is not None
    assert blurred.camera_before is not None
    middle = (blurred.bones[0] + blurred.before[0]) / 2
    assert np.allclose(middle, sharp.bones[0])
    assert np.allclose(blurred.bones[0][0, 0, 3] - blurred.before[0][0, 0, 3], 0.5)
    assert np.allclose((blurred.R + blurred.camera_before[0]) / 2, sharp.R, atol=1e-5)
    assert np.allclose((blurred.t + blurred.camera_before[1]) / 2, sharp.t, atol=1e-5)


def test_a_phone_on_a_tripod_does_not_blur() -> None:
    assert view_of(take(1 / 60, phone()), 1, np.eye(3), (8, 8), np.eye(3)).camera_before is None
