"""Phone cameras: where people put them or how they hold them, and what they show."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.network.crops import crops_of
from d3ke.network.landmarks import aim
from d3ke.vision.camera import Camera, rotvec_to_matrix

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

# Ranges chosen by the project for phones in hands, on tripods and on shelves; not measured.
SIZES = ((1280, 720), (1920, 1080), (3840, 2160), (1920, 1440), (640, 360), (640, 480))
SIZE_SHARES = (0.2, 0.4, 0.15, 0.05, 0.1, 0.1)
FOV_DEG = (45.0, 80.0)  # over the longer side
DISTANCE_M, FARTHEST_M = (1.5, 7.0), 14.0  # a long walk is filmed from farther away
HEIGHT_M, HIGH_M, HIGH_SHARE = (0.3, 2.2), (2.2, 3.0), 0.1
UPRIGHT_SD_DEG, TILTED_DEG, TILTED_SHARE = 1.5, 30.0, 0.2
FILL = (0.3, 0.95)  # of the picture's height, the person's
CUT_SHARE, CUT_FILL, CLOSEST_M = 0.05, (1.1, 1.7), 0.8  # cameras that cut people off
HELD_SHARE, FOLLOW_SHARE = 0.3, 0.6  # held in hands; of those, turned after the person
SHAKE_DEG, SHAKE_M = (0.15, 1.2), (0.003, 0.025)  # standard deviations
FOLLOW_LAG_S = 0.4
MOST_FRAMES = 16  # that a camera's place is chosen on
INSIDE = 0.98  # of the picture, what people keep inside
DISTORTION_SD = np.array([0.02, 0.01, 3e-4, 3e-4, 0.0])  # k1 k2 p1 p2 k3 of phones' main cameras


@dataclass(frozen=True, eq=False)
class PhoneCamera:
    """A phone over the T frames of a clip, OpenCV's convention.

    camera_matrix: (3, 3) px; distortion: (5,) k1 k2 p1 p2 k3; size: width, height, px;
    R: (T, 3, 3), t: (T, 3), x_cam = R x_ground + t, m; held: in hands.
    """

    camera_matrix: Array
    distortion: Array
    size: tuple[int, int]
    R: Array
    t: Array
    held: bool = False

    @property
    def eyes(self) -> Array:
        """Where it is in ground, (T, 3)."""
        places: Array = -np.einsum("tji,tj->ti", self.R, self.t)
        return places

    def at(self, frame: int) -> Camera:
        """The camera of a frame."""
        return Camera(
            self.camera_matrix,
            self.size,
            "synthetic",
            self.distortion,
            self.R[frame],
            self.t[frame],
        )


def draw_phone(rng: Generator, points: Floats, rate_hz: float) -> PhoneCamera:
    """A phone that keeps a person in its picture. points: (T, P, 3) of the person in ground, m.

    One in twenty stands too close and cuts the person off.
    """
    size = _size(rng)
    K = _camera_matrix(rng, size)
    frames = len(points)
    chosen = np.unique(np.linspace(0, frames - 1, min(frames, MOST_FRAMES)).round().astype(int))
    held = rng.random() < HELD_SHARE
    roam = np.ptp(points.mean(axis=1)[:, [0, 2]], axis=0).max()
    follows = held and roam > 0.5 and rng.random() < FOLLOW_SHARE
    turns = _follow_targets(points, rate_hz) if follows else None
    R, eye = _stand(rng, K, size, points[chosen].astype(np.float64), turns, chosen)
    R_all = np.broadcast_to(R, (frames, 3, 3))
    if turns is not None:
        R_all = _followed(R, eye, turns, frames)
        if _nearest(points, R_all, eye) < CLOSEST_M:  # they would run the camera down
            R, eye = _stand(rng, K, size, points[chosen].astype(np.float64), None, chosen)
            R_all = np.broadcast_to(R, (frames, 3, 3))
    step_back = max(0.0, CLOSEST_M - _nearest(points, R_all, eye))
    eyes = eye - step_back * R_all[:, 2]
    if held:
        R_all, eyes = _shaken(rng, R_all, eyes, rate_hz)
    distortion = rng.normal(0, DISTORTION_SD) * (rng.random() < 0.7)
    t = -np.einsum("tij,tj->ti", R_all, eyes)
    return PhoneCamera(K, distortion, size, np.ascontiguousarray(R_all), t, held)


def crop_camera(
    phone: PhoneCamera, frame: int, box: Floats, size: int, margin: float = 1.5
) -> tuple[Array, Array]:
    """A virtual camera at the phone's place that is aimed at the middle of a box.

    box: x, y, width, height in the phone's picture, px; size: of the square picture, px; it shows
    `margin` times the box's longer side, without distortion and without roll of its own.
    Returns camera_matrix (3, 3) and crop_R (3, 3), x_crop = crop_R x_cam.
    """
    crops = crops_of(phone.at(frame), np.asarray(box, np.float64)[None], size, margin)
    return crops.camera_matrix(0), crops.turns[0]


def look_at(eye: Array, target: Array, roll: float = 0.0) -> Array:
    """The rotation (3, 3) of a camera that looks from one place to another, x_cam = R (x - eye).

    roll: rad, clockwise turn of the camera about its axis.
    """
    forward: Array = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    level = np.stack([right, np.cross(forward, right), forward])
    rolled: Array = rotvec_to_matrix(np.array([0.0, 0.0, -roll])) @ level
    return rolled


def _size(rng: Generator) -> tuple[int, int]:
    longer, shorter = SIZES[rng.choice(len(SIZES), p=SIZE_SHARES)]
    return (longer, shorter) if rng.random() < 0.5 else (shorter, longer)


def _camera_matrix(rng: Generator, size: tuple[int, int]) -> Array:
    K = Camera.from_fov(size, float(rng.uniform(*FOV_DEG))).K
    K[:2, 2] += rng.normal(0, 0.004, 2) * max(size)
    return K


def _stand(
    rng: Generator,
    K: Array,
    size: tuple[int, int],
    points: Array,
    turns: Array | None,
    chosen: NDArray[np.intp],
) -> tuple[Array, Array]:
    """Rotation and place of a phone that shows points (T, P, 3)."""
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    if turns is not None:  # only the person about the middle has to fit
        points = points - turns[chosen][:, None] * (1, 0, 1) + (low + high) / 2 * (1, 0, 1)
        low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    middle = (low + high) / 2
    azimuth = rng.uniform(-np.pi, np.pi)
    away = np.array([np.cos(azimuth), 0.0, np.sin(azimuth)])
    height = float(rng.uniform(*(HIGH_M if rng.random() < HIGH_SHARE else HEIGHT_M)))
    tilted = rng.random() < TILTED_SHARE
    roll_deg = rng.uniform(-TILTED_DEG, TILTED_DEG) if tilted else rng.normal(0, UPRIGHT_SD_DEG)
    roll = float(np.radians(roll_deg))
    small_m = float(high[1] - low[1]) * K[1, 1] / size[1]  # distance / share of the picture
    least = min(float(np.exp(rng.uniform(*np.log(DISTANCE_M)))), 0.9 * small_m / FILL[0])
    fill = float(rng.uniform(*FILL))

    def placed(distance: float) -> tuple[Array, Array]:
        eye = middle * (1, 0, 1) + away * distance + np.array([0, height, 0])
        return _centred(K, size, points, eye, look_at(eye, middle, roll)), eye

    if rng.random() < CUT_SHARE:
        nearer = float(((points - middle) @ away).max())
        return placed(nearer + max(CLOSEST_M, small_m / rng.uniform(*CUT_FILL)))
    distance = least
    while distance < FARTHEST_M and not _fits(K, size, points, *placed(distance), fill):
        distance *= 1.12
    R, eye = placed(distance)
    return _off_centre(rng, K, size, points, R, eye), eye


def _nearest(points: Floats, R: Array, eye: Array) -> float:
    """The least depth of points (T, P, 3) before cameras R (T, 3, 3) at a place, m."""
    return float(np.einsum("tpj,tj->tp", points - eye, R[:, 2]).min())


def _pixels(K: Array, points: Array, R: Array, eye: Array) -> Array:
    """Pixels (T, P, 2); far outside where a point is behind the camera."""
    seen = (points - eye) @ R.T @ K.T
    depth = np.maximum(seen[..., 2:], 0.05)
    pixels: Array = seen[..., :2] / depth
    return pixels


def _bounds(K: Array, points: Array, R: Array, eye: Array) -> tuple[Array, Array]:
    pixels = _pixels(K, points, R, eye)
    return pixels.min(axis=(0, 1)), pixels.max(axis=(0, 1))


def _centred(K: Array, size: tuple[int, int], points: Array, eye: Array, R: Array) -> Array:
    """R turned until the points' bounds lie about the picture's middle."""
    for _ in range(2):
        low, high = _bounds(K, points, R, eye)
        limit = 2.0 * np.array(size)
        middle = np.clip((low + high) / 2, -limit, 2 * limit)
        R = aim(torch.from_numpy((middle - K[:2, 2]) / K[0, 0])).numpy() @ R
    return R


def _fits(
    K: Array, size: tuple[int, int], points: Array, R: Array, eye: Array, fill: float
) -> bool:
    """Whether everything is inside the picture and nobody is taller in it than `fill`."""
    pixels = _pixels(K, points, R, eye)
    spans = np.ptp(pixels.reshape(-1, 2), axis=0)
    tall = np.ptp(pixels[..., 1], axis=1).max()
    return bool((spans <= INSIDE * np.array(size)).all() and tall <= fill * size[1])


def _off_centre(
    rng: Generator, K: Array, size: tuple[int, int], points: Array, R: Array, eye: Array
) -> Array:
    """R turned a little aside, so far that everything stays inside the picture."""
    wish = rng.uniform(-1, 1, 2) * rng.beta(1, 2)
    for share in (0.45, 0.3, 0.15, 0.05):
        offset = wish * share * np.array(size) / K[0, 0]
        turned: Array = aim(torch.from_numpy(offset)).numpy() @ R
        low, high = _bounds(K, points, turned, eye)
        if (low >= 0).all() and (high <= np.array(size) - 1).all():
            return turned
    return R


def _follow_targets(points: Floats, rate_hz: float) -> Array:
    """The person's middle (T, 3) as a hand follows it: late and smoothly."""
    middles = (points.min(axis=1) + points.max(axis=1)).astype(np.float64) / 2
    share = 1 - np.exp(-1 / (FOLLOW_LAG_S * rate_hz))
    followed: Array = np.empty_like(middles)
    followed[0] = middles[0]
    for frame in range(1, len(middles)):
        followed[frame] = followed[frame - 1] + share * (middles[frame] - followed[frame - 1])
    return followed


def _followed(R: Array, eye: Array, turns: Array, frames: int) -> Array:
    """R turned about the vertical after targets (T, 3), (T, 3, 3)."""
    middle = turns.mean(axis=0)
    usual = np.arctan2(middle[2] - eye[2], middle[0] - eye[0])
    angles = np.arctan2(turns[:, 2] - eye[2], turns[:, 0] - eye[0]) - usual
    angles = (angles + np.pi) % (2 * np.pi) - np.pi
    found: Array = np.stack([R @ rotvec_to_matrix(np.array([0.0, a, 0.0])) for a in angles])
    return found


def _shaken(rng: Generator, R: Array, eyes: Array, rate_hz: float) -> tuple[Array, Array]:
    """The unsteadiness of hands."""
    frames = len(R)
    degrees = rng.uniform(*SHAKE_DEG)
    turns = np.radians(degrees) * np.stack([_pink(rng, frames, rate_hz) for _ in range(3)], axis=1)
    moves = rng.uniform(*SHAKE_M) * np.stack(
        [_pink(rng, frames, rate_hz) for _ in range(3)], axis=1
    )
    shaken = np.stack([rotvec_to_matrix(turn) @ r for turn, r in zip(turns, R, strict=True)])
    return shaken, eyes + moves


def _pink(rng: Generator, frames: int, rate_hz: float) -> Array:
    """Smooth 1/f wandering (T,) with standard deviation about 1 over some seconds."""
    rates = np.geomspace(0.12, 6.0, 10)
    phases = rng.uniform(0, 2 * np.pi, len(rates))
    sizes = rng.rayleigh(1.0, len(rates)) / rates**0.8
    sizes /= np.sqrt((sizes**2).sum() / 2)
    time = np.arange(frames) / rate_hz
    wandering: Array = (sizes * np.sin(2 * np.pi * rates * time[:, None] + phases)).sum(axis=1)
    return wandering
