"""Phones that film synthetic people: conventions, what they keep in sight, crops, looks."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.synth.pictures.exposure import draw_look, encode_jpeg, expose
from d3ke.synth.pictures.phones import (
    FARTHEST_M,
    FILL,
    FOV_DEG,
    PhoneCamera,
    crop_camera,
    draw_phone,
    look_at,
)
from d3ke.vision.camera import Camera

RATE_HZ = 30.0
CLIPS = 120


def person(frames: int, walk_m: float = 0.0) -> NDArray[np.float32]:
    """Points (T, P, 3) of somebody 1.8 m tall who stands or walks along x."""
    rng = np.random.default_rng(1)
    body = rng.uniform((-0.25, 0, -0.4), (0.25, 1.8, 0.4), (60, 3))
    body[:2] = (0, 0, 0), (0, 1.8, 0)
    path = np.zeros((frames, 1, 3))
    path[:, 0, 0] = np.linspace(-walk_m / 2, walk_m / 2, frames)
    return (body + path).astype(np.float32)


def phones(points: NDArray[np.float32]) -> list[PhoneCamera]:
    return [draw_phone(np.random.default_rng(seed), points, RATE_HZ) for seed in range(CLIPS)]


def test_a_persons_right_is_on_the_left_of_a_picture_from_the_front() -> None:
    """Ground has z to the right of who looks along x; OpenCV's x grows to the picture's right."""
    R = look_at(np.array([3.0, 1.0, 0.0]), np.zeros(3))
    assert np.linalg.det(R) == pytest.approx(1)
    camera = Camera(np.diag([500.0, 500.0, 1.0]), (640, 480), "", R=R, t=-R @ [3.0, 1.0, 0.0])
    middle = camera.project([0.0, 0.0, 0.0])
    assert camera.project([0.0, 0.0, 0.3])[0] < middle[0] - 10  # px
    assert camera.project([0.0, 0.3, 0.0])[1] < middle[1] - 10  # up is up


def test_roll_turns_the_camera_clockwise() -> None:
    """Then what is shown turns the other way: the right end of a level line rises."""
    eye = np.array([3.0, 1.0, 0.0])
    R = look_at(eye, np.array([0.0, 1.0, 0.0]), roll=0.2)
    right = R @ np.array([0.0, 0.0, -1.0])
    assert np.arctan2(right[1], right[0]) == pytest.approx(-0.2)


def test_cameras_are_rotations_and_phones() -> None:
    for phone in phones(person(12)):
        assert phone.R @ phone.R.transpose(0, 2, 1) == pytest.approx(
            np.tile(np.eye(3), (12, 1, 1)), abs=1e-9
        )
        assert np.linalg.det(phone.R) == pytest.approx(np.ones(12))
        camera = phone.at(0)
        assert FOV_DEG[0] - 0.1 <= camera.fov_deg <= FOV_DEG[1] + 0.1
        assert phone.eyes[0] == pytest.approx(-phone.R[0].T @ phone.t[0])
        assert 0.2 < phone.eyes[0, 1] < 3.1


def test_the_person_stays_in_the_picture() -> None:
    """One in twenty may be cut off; shaking hands may add a few."""
    for walk_m in (0.0, 3.0):
        points = person(40, walk_m)
        whole, fills = 0, []
        for phone in phones(points):
            size = np.array(phone.size)
            frames = [phone.at(frame).project(points[frame]) for frame in range(0, 40, 6)]
            inside = [((p > -0.03 * size) & (p < 1.03 * size)).all() for p in frames]
            whole += all(inside)
            fills.append(max(np.ptp(p[:, 1]) for p in frames) / size[1])
        assert whole >= 0.88 * CLIPS
        assert np.quantile(fills, 0.93) <= FILL[1] + 0.1
        assert np.quantile(fills, 0.1) > 0.15


def test_cameras_are_all_around_the_person_and_near() -> None:
    eyes = np.stack([phone.eyes[0] for phone in phones(person(2))])
    azimuth = np.arctan2(eyes[:, 2], eyes[:, 0])
    assert (np.histogram(azimuth, 6, (-np.pi, np.pi))[0] > 0.05 * CLIPS).all()
    assert np.hypot(eyes[:, 0], eyes[:, 2]).max() < FARTHEST_M * 1.1


def test_a_tripod_stands_still_and_a_hand_does_not() -> None:
    held = 0
    for phone in phones(person(30)):
        moved = np.ptp(phone.eyes, axis=0).max()
        assert (moved > 1e-4) == phone.held  # m
        held += phone.held
        if phone.held:
            steps = np.linalg.norm(np.diff(phone.eyes, axis=0), axis=1)
            assert steps.max() < 0.02  # m a frame: a hand, not a jump
    assert 0.15 * CLIPS < held < 0.45 * CLIPS


def test_the_same_seed_gives_the_same_camera() -> None:
    points = person(20, 2.0)
    first, again = (draw_phone(np.random.default_rng(7), points, RATE_HZ) for _ in range(2))
    assert (first.R == again.R).all()
    assert (first.t == again.t).all()


def test_a_crop_is_aimed_at_the_middle_of_its_box_and_shows_its_margin() -> None:
    points = person(4)
    for phone in phones(points):
        box = np.array([200.0, 100.0, 60.0, 150.0], np.float32)
        K, turn = crop_camera(phone, 0, box, 256)
        assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-9)
        camera, view = phone.at(0), Camera(K, (256, 256), "")
        corners = [(230.0, 175.0), (230.0, 100.0), (230.0, 250.0)]
        straight = np.append(camera.undistort(corners), np.ones((3, 1)), axis=1)
        seen = view.project(straight @ np.linalg.inv(camera.K).T @ turn.T)
        assert seen[0] == pytest.approx((127.5, 127.5), abs=1e-6)  # px
        assert np.linalg.norm(seen[2] - seen[1]) == pytest.approx(256 / 1.5, rel=1e-6)


def test_a_crop_has_no_roll_of_its_own() -> None:
    """A small step up in the phone's picture is a step up in the crop's, on the middle lines."""
    phone = PhoneCamera(
        Camera.from_fov((1280, 720), 65).K,
        np.zeros(5),
        (1280, 720),
        np.eye(3)[None],
        np.zeros((1, 3)),
    )
    for x, y in ((639.5, 100.0), (100.0, 359.5), (639.5, 359.5)):
        K, turn = crop_camera(phone, 0, np.array([x - 30, y - 50, 60, 100], np.float32), 256)
        rays = np.array([(x, y, 1.0), (x, y - 1.0, 1.0)]) @ np.linalg.inv(phone.camera_matrix).T
        low, high = Camera(K, (256, 256), "").project(rays @ turn.T)
        assert high[0] == pytest.approx(low[0], abs=1e-3)  # px
        assert high[1] < low[1]


def test_a_look_is_the_seeds_and_keeps_the_picture_recognisable() -> None:
    y, x = np.mgrid[:96, :96]
    rgb = np.stack([x * 2, y * 2, (x + y)], axis=-1).astype(np.uint8)
    for seed in range(40):
        first, again = (
            expose(rgb, draw_look(rng), rng)
            for rng in (np.random.default_rng(seed), np.random.default_rng(seed))
        )
        assert (first == again).all()
        assert first.shape == rgb.shape
        grey, was = first.mean(axis=2).ravel(), rgb.mean(axis=2).ravel()
        assert np.corrcoef(grey, was)[0, 1] > 0.9


def test_frames_of_a_clip_differ_only_by_noise() -> None:
    rng = np.random.default_rng(5)
    look = draw_look(rng)
    rgb = np.full((64, 64, 3), 120, np.uint8)
    one, two = (expose(rgb, look, rng).astype(float) for _ in range(2))
    assert (one != two).any()
    assert one.mean() == pytest.approx(two.mean(), abs=1.0)  # grey levels


def test_a_kept_jpeg_has_the_pictures_colours() -> None:
    look = draw_look(np.random.default_rng(0))
    rgb = np.zeros((32, 32, 3), np.uint8)
    rgb[..., 0] = 200
    coded = np.frombuffer(encode_jpeg(rgb, look.jpeg_quality), np.uint8)
    read = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    assert read[16, 16] == pytest.approx((200, 0, 0), abs=6)  # grey levels: JPEG's rounding


def test_nobody_runs_a_camera_down() -> None:
    """A runner of 20 m stays in front of cameras that follow, too."""
    points = person(60, walk_m=20.0)
    for phone in phones(points):
        depth = np.einsum("tpj,tj->tp", points, phone.R[:, 2]) + phone.t[:, 2:]
        assert depth.min() > 0.6  # m: 0.8, less what hands shake
