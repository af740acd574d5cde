"""Scenes with a known truth: a person of the default skeleton before a camera that we placed."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.network.inference import Regression
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import landmark_places
from d3ke.vision.camera import Camera
from d3ke.vision.person import PersonTrack

Array = NDArray[np.float64]

RATE_HZ = 30.0
SIZE = (720, 1280)
FOCAL_PX = 1100.0
SKELETON = SkeletalModel(default_model())
NAMES = default_model().coordinate_names
FOOT = default_model().body_names.index("calcn_r")
SOLE_M = 0.03  # of the right heel below its body's origin, as d3ke.place has it


@dataclass(frozen=True)
class Scene:
    """A motion in ground and what a camera and a perfect network make of it.

    time: (T,). q: (T, K). pelvis: (T, 4, 4) in ground.
    """

    time: Array
    q: Array
    pelvis: Array
    camera: Camera
    track: PersonTrack
    regression: Regression


def camera_at(
    azimuth_deg: float = 30,
    pitch_deg: float = 0,
    height_m: float = 1.2,
    distance_m: float = 4.0,
    distortion: tuple[float, ...] = (0, 0, 0, 0, 0),
) -> Camera:
    """A camera that looks over the origin of ground, from +X turned towards -Z."""
    turn, pitch = np.radians(azimuth_deg), np.radians(pitch_deg)
    place = np.array([distance_m * np.cos(turn), height_m, -distance_m * np.sin(turn)])
    forward = np.array(
        [-np.cos(turn) * np.cos(pitch), -np.sin(pitch), np.sin(turn) * np.cos(pitch)]
    )
    right = np.cross(forward, [0, 1, 0])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    camera = Camera.from_focal(SIZE, FOCAL_PX, "a test")
    return replace(camera, R=R, t=-R @ place, distortion=np.array(distortion, float))


def squat(
    seconds: float = 4.0, heading_deg: float = 0.0, lift_m: float = 0.0
) -> tuple[Array, Array]:
    """A person who squats twice on feet that do not move, after half a second's standing.

    lift_m: height of a jump in the last second. Returns time (T,), q (T, K).
    """
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    depth = np.sin(np.clip((time - 0.5) * 2 * np.pi / 3, 0, None) / 2) ** 2 * (time < 3.5)
    q = np.zeros((len(time), len(NAMES)))
    for side in ("r", "l"):
        for name, degrees in (("hip_flexion", 75), ("knee_angle", 90), ("ankle_angle", 25)):
            q[:, NAMES.index(f"{name}_{side}")] = np.radians(degrees) * depth
        q[:, NAMES.index(f"elbow_flex_{side}")] = np.radians(30)
    q[:, NAMES.index("pelvis_tilt")] = -np.radians(10) * depth  # the feet stay flat
    q[:, NAMES.index("lumbar_extension")] = -np.radians(15) * depth
    pelvis = turn_about_y(heading_deg) @ bodies(q)[:, 0]
    q[:, :6] = SKELETON.root_coordinates(torch.as_tensor(pelvis, dtype=torch.float32)).numpy()
    heel = bodies(q)[:, FOOT, :3, 3]
    q[:, 3:6] = -heel
    q[:, 4] += SOLE_M
    q[:, 4] += lift_m * np.sin(np.clip((time - 3.5) / 0.6, 0, 1) * np.pi) ** 2
    return time, q


def turn_about_y(degrees: float) -> Array:
    """A turn to the left as a frame, (4, 4)."""
    turn = np.radians(degrees)
    frame = np.eye(4)
    frame[:3, :3] = [
        [np.cos(turn), 0, np.sin(turn)],
        [0, 1, 0],
        [-np.sin(turn), 0, np.cos(turn)],
    ]
    return frame


def bodies(q: Array, scales: Array | None = None) -> Array:
    """Body frames in ground, (T, N, 4, 4)."""
    size = None if scales is None else torch.as_tensor(scales, dtype=torch.float32)
    frames = SKELETON.bodies(torch.as_tensor(q, dtype=torch.float32), size)
    return frames.numpy().astype(np.float64)


def scene(
    motion: tuple[Array, Array],
    camera: Camera,
    scale: float = 1.0,
    noise: float = 0.0,
    seed: int = 0,
) -> Scene:
    """What is seen of a motion. scale: of the person. noise: 1 = BlazePose's as it was fitted."""
    time, q = motion
    q = q.copy()
    q[:, 3:6] *= scale
    scales = np.full((len(default_model().bodies), 3), scale)
    frames = bodies(q, scales)
    pixels = camera.project(_landmarks(frames, scales, noise, seed))
    pixels += _image_noise(pixels, noise, seed)
    landmarks = np.ones((len(time), 33, 7), np.float32)
    landmarks[..., :2] = pixels
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    track = PersonTrack(
        time=time,
        frames=np.arange(len(time)),
        landmarks=landmarks,
        presence=np.ones(len(time), np.float32),
        boxes=np.concatenate([low, high - low], axis=1).astype(np.float32),
        seen=np.ones(len(time), bool),
        size=SIZE,
    )
    inner = q.copy()
    inner[:, :6] = 0
    root = camera.R @ frames[:, 0, :3, :3]
    regression = Regression(inner, root, scales, np.ones(len(NAMES), bool))
    return Scene(time, q, frames[:, 0], camera, track, regression)


def _landmarks(frames: Array, scales: Array, noise: float, seed: int) -> Array:
    places = landmark_places()
    random = np.random.default_rng(seed)
    index = places.body_index(default_model().body_names)
    offsets = places.offsets_m + noise * places.clip_sd_m * random.normal(size=(33, 3))
    local = np.concatenate([offsets * scales[index], np.ones((33, 1))], axis=1)
    points: Array = np.einsum("tpij,pj->tpi", frames[:, index, :3], local)
    return points


def _image_noise(pixels: Array, noise: float, seed: int) -> Array:
    places = landmark_places()
    box = float(np.median(np.ptp(pixels[..., 1], axis=1)))
    random = np.random.default_rng(seed + 1)
    quick = random.normal(size=pixels.shape) * places.jitter_of_box[:, None]
    steps = random.normal(size=(len(pixels) // 30 + 2, *pixels.shape[1:]))  # a new one each second
    grid = np.arange(len(steps)) * 30.0
    slow = np.stack(
        [
            np.interp(np.arange(len(pixels)), grid, column)
            for column in steps.reshape(len(steps), -1).T
        ],
        axis=1,
    ).reshape(pixels.shape)
    return noise * box * (quick + slow * places.slow_error_of_box[:, None])
