"""Views: a frame of a take through the phone's camera or a part of its picture."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d3ke.synth.pictures.phones import PhoneCamera
from d3ke.synth.stage import View
from d3ke.synth.takes import Take

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

EDGE_POINTS = 9  # of each side of the phone's picture: its lens bends them


def person_box(take: Take, index: int) -> Floats:
    """The person's box x, y, width, height in the phone's picture, px; what is outside is cut."""
    phone = take.phone
    pixels = phone.at(index).project(take.acted.outline[index])
    low = np.clip(np.nanmin(pixels, axis=0), 0, np.array(phone.size) - 2)
    high = np.clip(np.nanmax(pixels, axis=0), low + 1, np.array(phone.size) - 1)
    return np.concatenate([low, high - low]).astype(np.float32)


def whole_box(take: Take) -> Floats:
    """The box of a person over a whole take."""
    boxes = np.stack([person_box(take, index) for index in range(len(take.acted.q))])
    low = boxes[:, :2].min(axis=0)
    high = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    return np.concatenate([low, high - low]).astype(np.float32)


def view_of(take: Take, index: int, K: Doubles, size: tuple[int, int], turn: Doubles) -> View:
    """A frame of a take through a camera turned from the phone's; its time is mid-exposure."""
    phone, people = take.phone, (take.acted.bones, *take.others)
    bones = tuple(person[index] for person in people)
    R, t = phone.R[index], phone.t[index]
    if not take.exposure_s:
        return View(K, size, turn @ R, turn @ t, bones)
    earlier, half = max(index - 1, 0), take.exposure_s * take.acted.motion.rate_hz / 2
    moves = [np.float32(half) * (p[index] - p[earlier]) for p in people]
    spin = half * Rotation.from_matrix(phone.R[earlier].T @ R).as_rotvec()
    drift = half * (t - phone.t[earlier])
    ends = [
        (turn @ R @ Rotation.from_rotvec(sign * spin).as_matrix(), turn @ (t + sign * drift))
        for sign in (1, -1)
    ]
    return View(
        K,
        size,
        *ends[0],
        bones=tuple(bone + move for bone, move in zip(bones, moves, strict=True)),
        before=tuple(bone - move for bone, move in zip(bones, moves, strict=True)),
        camera_before=ends[1] if phone.held else None,
    )


def filmed(
    phone: PhoneCamera, K: Doubles, size: tuple[int, int], turn: Doubles
) -> NDArray[np.bool_]:
    """Which pixels (H, W) of a camera turned from the phone's lie in the phone's picture."""
    width, height = phone.size
    along = np.linspace(0, 1, EDGE_POINTS)[:-1]
    sides = [(along, 0 * along), (0 * along + 1, along), (1 - along, 0 * along + 1)]
    sides.append((0 * along, 1 - along))
    edge = np.concatenate([np.stack(side, axis=1) for side in sides])
    straight = phone.at(0).undistort(edge * (width, height) - 0.5)
    rays = (
        np.append(straight, np.ones((len(edge), 1)), axis=1) @ np.linalg.inv(phone.camera_matrix).T
    )
    seen = rays @ turn.T @ K.T
    inside = np.zeros(size[::-1], np.uint8)
    corners = np.round(seen[:, :2] / np.maximum(seen[:, 2:], 1e-6)).clip(-1e5, 1e5)
    cv2.fillPoly(inside, [corners.astype(np.int32)], 1)
    return inside.astype(bool)


def padded(picture: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) that is black where the phone filmed nothing."""
    return np.where(inside[..., None], picture, np.uint8(0))


def resized(K: Doubles, scale: float) -> Doubles:
    """K of the same camera with other pixels; a pixel's centre has whole numbers."""
    scaled = K.copy()
    scaled[:2] *= scale
    scaled[:2, 2] += 0.5 * (scale - 1)
    return scaled
