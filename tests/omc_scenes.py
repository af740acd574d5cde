"""Filmed recordings with a known truth: a body, a camera and two clocks that we made up."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.omc.moving_points import LIMBS, Moved, Seen
from d3ke.omc.sync import Trial
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import landmark_places
from d3ke.vision.camera import Camera
from tests.scenes import camera_at

Array = NDArray[np.float64]
Movement = Callable[[Array], Array]  # times (T,) of the laboratory, s -> q (T, K)

OSIM = default_model()
SKELETON = SkeletalModel(OSIM, torch.float64)
NAMES = OSIM.coordinate_names
MOVING = [
    f"{name}_{side}"
    for name in ("hip_flexion", "knee_angle", "arm_flex", "arm_add", "elbow_flex")
    for side in "rl"
]
VIDEO_HZ, OMC_HZ = 30.0, 100.0
CAMERA = camera_at(azimuth_deg=35, pitch_deg=4, height_m=1.3, distance_m=4.5)


def doing(seed: int, travel_m: float = 1.5) -> Movement:
    """Limbs that never repeat themselves, and a body that goes to and fro."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.15, 1.3, (len(MOVING), 4))
    phases = rng.uniform(0, 2 * np.pi, rates.shape)
    path, begun = rng.uniform(0.04, 0.12, (2, 2)), rng.uniform(0, 2 * np.pi, (2, 2))

    def at(time: Array) -> Array:
        q = np.zeros((len(time), len(NAMES)))
        for name, rate, phase in zip(MOVING, rates, phases, strict=True):
            waves = np.sin(2 * np.pi * rate * time[:, None] + phase).sum(axis=1)
            q[:, NAMES.index(name)] = 0.5 + 0.2 * waves
        for name, rate, phase in zip(("pelvis_tx", "pelvis_tz"), path, begun, strict=True):
            waves = np.sin(2 * np.pi * rate * time[:, None] + phase).sum(axis=1)
            q[:, NAMES.index(name)] = travel_m * waves / 2
        q[:, NAMES.index("pelvis_ty")] = 0.95
        q[:, NAMES.index("pelvis_rotation")] = 0.4 * np.sin(0.5 * time)
        return q

    return at


def marching(time: Array) -> Array:
    """The same step again and again, in one place."""
    q = np.zeros((len(time), len(NAMES)))
    for side, sign in (("r", 1), ("l", -1)):
        wave = sign * np.sin(2 * np.pi * time)
        q[:, NAMES.index(f"hip_flexion_{side}")] = 0.4 + 0.4 * wave
        q[:, NAMES.index(f"knee_angle_{side}")] = 0.5 + 0.4 * wave
        q[:, NAMES.index(f"arm_flex_{side}")] = -0.3 * wave
    q[:, NAMES.index("pelvis_ty")] = 0.95
    return q


def still(time: Array) -> Array:
    """Nobody moves."""
    q = np.zeros((len(time), len(NAMES)))
    q[:, NAMES.index("pelvis_ty")] = 0.95
    return q


def trial(
    movement: Movement,
    camera: Camera = CAMERA,
    *,
    offset_s: float = 12.34,
    drift: float = 0.0,
    recorded: tuple[float, float] = (20.0, 32.0),
    filmed: tuple[float, float] = (21.0, 31.0),
    seed: int = 0,
    noise: float = 1.0,
    turns: bool = True,
) -> Trial:
    """A movement as both saw it. recorded, filmed: from when to when, s of the laboratory."""
    omc = np.arange(recorded[0], recorded[1], 1 / OMC_HZ)
    first, last = ((moment - offset_s) / (1 + drift) for moment in filmed)
    video = np.arange(first, last, 1 / VIDEO_HZ)
    places, frames = points(movement(omc))
    true, own = points(movement((1 + drift) * video + offset_s))
    landmarks = watched(camera, true, own, seed, noise)
    seen = Seen.of(video, landmarks, camera.size)
    return Trial(f"trial {seed}", seen, Moved(omc, places, frames if turns else None), 1.7)


def points(q: Array) -> tuple[Array, Array]:
    """Landmarks' places (T, P, 3) m in ground, and how their bodies are turned."""
    places = landmark_places()
    index = [places.body_index(OSIM.body_names)[number] for number in LIMBS]
    bodies = SKELETON.bodies(torch.from_numpy(q))[:, index].numpy()
    turns = bodies[:, :, :3, :3]
    offsets = places.offsets_m[list(LIMBS)]
    return np.einsum("tpij,pj->tpi", turns, offsets) + bodies[:, :, :3, 3], turns


def watched(camera: Camera, true: Array, turns: Array, seed: int, noise: float) -> Array:
    """Landmarks (T, 33, 7) with errors of BlazePose's size: constant, slow and quick."""
    rng, usual = np.random.default_rng(seed), landmark_places()
    chosen = list(LIMBS)
    stray = noise * usual.clip_sd_m[chosen] * rng.normal(size=(len(chosen), 3))
    pixels = camera.project(true + np.einsum("tpij,pj->tpi", turns, stray))
    depth = (true @ camera.R.T + camera.t)[..., 2].mean()
    tall = noise * camera.K[0, 0] * 1.7 / depth
    quick = usual.jitter_of_box[chosen, None] * rng.normal(size=pixels.shape)
    knots = np.arange(0, len(true) + 20, 9)
    slow = [
        np.interp(np.arange(len(true)), knots, rng.normal(size=len(knots)))
        for _ in range(2 * len(chosen))
    ]
    wander = np.stack(slow, axis=1).reshape(pixels.shape)
    landmarks = np.full((len(true), 33, 7), np.nan)
    landmarks[:, chosen, :2] = pixels + tall * (
        quick + usual.slow_error_of_box[chosen, None] * wander
    )
    landmarks[:, chosen, 3] = 0.95
    return landmarks


def turned_deg(first: Camera, second: Camera) -> float:
    """The angle between two cameras."""
    cosine = (np.trace(first.R.T @ second.R) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def with_focal(camera: Camera, factor: float) -> Camera:
    """A camera that looks the same way through another lens."""
    K = camera.K.copy()
    K[:2, :2] *= factor
    return replace(camera, K=K)
