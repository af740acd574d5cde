"""Augmentation: a person through another virtual camera, behind things, in other colours.

- Geometry is exact: the camera turns about its own centre and zooms, and the labels turn with it.
- What lies beyond the stored picture is its reflection, which is never the person.
Source: the geometry and appearance of Bittner et al. 2023, after Sarandi et al. 2020 (MeTRAbs).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Doubles = NDArray[np.float64]

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
GREY = 127.5  # contrast is about the middle
MOST_OBJECTS = 7
OBJECT_SIZE = (0.08, 0.32)  # of the picture's side, as pasted objects of photographs had
ERASED = 0.8 / 3  # most of the picture's area
ERASED_ASPECT = (0.3, 1 / 0.3)
OPACITY = 0.75  # of an object's softened edge
CORNERS = (3, 12)  # of an object's outline
MOST_CELLS = 16  # of an object's texture, along either side


@dataclass(frozen=True)
class Augmentation:
    """How much may change. The defaults are those of the published networks, which never flip.

    shift: of the middle, in sides of the box; zoom: factors; roll_deg: to either side; hidden:
    how often something hides a part; brightness: of the whole range; contrast, saturation:
    factors; hue_deg: to either side; flip: how often left and right change.
    """

    shift: float = 0.1
    zoom: tuple[float, float] = (0.75, 1.25)
    roll_deg: float = 20.0
    hidden: float = 0.7
    brightness: float = 0.125
    contrast: tuple[float, float] = (0.5, 1.5)
    hue_deg: float = 72.0
    saturation: tuple[float, float] = (0.5, 1.5)
    flip: float = 0.0


class Aim(NamedTuple):
    """Where a virtual camera looks.

    shift: right and down, in sides of the box; zoom: 1 shows the box alone; roll: rad, of what is
    seen, clockwise; flip: mirrored.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    roll: float = 0.0
    flip: bool = False


STRAIGHT = Aim()


class Aimed(NamedTuple):
    """A virtual camera. camera_matrix: (3, 3); turn: (3, 3), x_new = turn x_old; size: px."""

    camera_matrix: Doubles
    turn: Doubles
    size: int


def draw_aim(rng: Generator, amount: Augmentation) -> Aim:
    """A random aim: the middle uniform in a disc, zoom and roll uniform."""
    radius = amount.shift * math.sqrt(rng.random())
    angle = rng.uniform(0, 2 * math.pi)
    return Aim(
        shift=(radius * math.cos(angle), radius * math.sin(angle)),
        zoom=float(rng.uniform(*amount.zoom)),
        roll=math.radians(float(rng.uniform(-amount.roll_deg, amount.roll_deg))),
        flip=bool(rng.random() < amount.flip),
    )


def aimed(camera_matrix: Doubles, box_px: float, size: int, aim: Aim = STRAIGHT) -> Aimed:
    """The camera of an aim, turned from the one of a stored picture (its flip is not in it).

    camera_matrix: (3, 3) of the stored picture, its middle the box's; box_px: the box's side in
    it; size: of the new picture, px.
    """
    middle = camera_matrix[:2, 2] + box_px * np.array(aim.shift)
    ahead = np.linalg.solve(camera_matrix, np.append(middle, 1.0))
    ahead /= np.linalg.norm(ahead)
    right = np.cross([0.0, 1.0, 0.0], ahead)
    right /= np.linalg.norm(right)
    level = np.stack([right, np.cross(ahead, right), ahead])
    cos, sin = math.cos(aim.roll), math.sin(aim.roll)
    roll = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    factor = aim.zoom * size / box_px
    new = np.diag([camera_matrix[0, 0] * factor, camera_matrix[1, 1] * factor, 1.0])
    new[:2, 2] = (size - 1) / 2
    return Aimed(new, roll @ level, size)


def seen_through(image: Image, camera_matrix: Doubles, camera: Aimed) -> Image:
    """A stored picture (H, W, 3) as another camera at the same place sees it.

    Where it gets smaller it is averaged over areas first, so that nothing aliases.
    """
    shrink = camera.camera_matrix[0, 0] / camera_matrix[0, 0]
    if shrink < 1:
        side = (math.ceil(image.shape[1] * shrink), math.ceil(image.shape[0] * shrink))
        scale = np.array([side[0] / image.shape[1], side[1] / image.shape[0]])
        image = np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_AREA), np.uint8)
        camera_matrix = camera_matrix.copy()
        camera_matrix[:2] *= scale[:, None]
        camera_matrix[:2, 2] += 0.5 * (scale - 1)  # a pixel's centre has whole numbers
    homography = camera.camera_matrix @ camera.turn @ np.linalg.inv(camera_matrix)
    size = (camera.size, camera.size)
    seen = cv2.warpPerspective(
        image, homography, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(seen, np.uint8)


def changed(image: Image, rng: Generator, amount: Augmentation) -> Image:
    """A picture (S, S, 3) with things before the person, or parts erased, in other colours."""
    if rng.random() < 0.5:
        if rng.random() < amount.hidden:
            image = with_objects(image, rng)
        return recoloured(image, rng, amount)
    image = recoloured(image, rng, amount)
    return erased(image, rng) if rng.random() < amount.hidden else image


def recoloured(image: Image, rng: Generator, amount: Augmentation) -> Image:
    """Brightness, contrast, hue and saturation, in random order: all linear, so done at once."""
    steps = [
        (np.eye(3), np.full(3, 255 * rng.uniform(-amount.brightness, amount.brightness))),
        _contrast(float(rng.uniform(*amount.contrast))),
        (_hue(math.radians(rng.uniform(-amount.hue_deg, amount.hue_deg))), np.zeros(3)),
        (_saturation(float(rng.uniform(*amount.saturation))), np.zeros(3)),
    ]
    matrix, offset = np.eye(3), np.zeros(3)
    for index in rng.permutation(len(steps)):
        factor, shift = steps[index]
        matrix, offset = factor @ matrix, factor @ offset + shift
    return np.asarray(cv2.transform(image, np.column_stack([matrix, offset])), np.uint8)


def with_objects(image: Image, rng: Generator) -> Image:
    """A picture with one to seven things of random outline, colour and grain before it."""
    shown = image.copy()
    side = len(image)
    for _ in range(int(rng.integers(1, MOST_OBJECTS + 1))):
        radius = side * rng.uniform(*OBJECT_SIZE) / 2
        middle = rng.uniform(0, side, 2)
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(*CORNERS, endpoint=True))))
        reach = radius * rng.uniform(0.5, 1.3, len(angles))
        outline = middle + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        _paste(shown, outline, rng)
    return shown


def erased(image: Image, rng: Generator) -> Image:
    """A picture with a rectangle of noise in it."""
    side = len(image)
    area = rng.uniform(0, ERASED) * side * side
    aspect = rng.uniform(*ERASED_ASPECT)
    height = min(side, max(1, round(math.sqrt(area * aspect))))
    width = min(side, max(1, round(math.sqrt(area / aspect))))
    top, left = int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))
    shown = image.copy()
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    shown[top : top + height, left : left + width] = noise
    return shown


def _paste(image: Image, outline: Doubles, rng: Generator) -> None:
    """Fill an outline (P, 2) px with a texture; its edge is soft."""
    low = np.clip(np.floor(outline.min(axis=0)).astype(int) - 2, 0, len(image))
    high = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 3, 0, len(image))
    width, height = high - low
    if min(width, height) < 1:
        return
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [np.round(outline - low).astype(np.int32)], 255)
    core = cv2.erode(inside, np.ones((3, 3), np.uint8))
    opacity = (OPACITY * (inside / 255.0) + (1 - OPACITY) * (core / 255.0))[..., None]
    part = image[low[1] : high[1], low[0] : high[0]]
    part[:] = np.round(opacity * _grain(rng, width, height) + (1 - opacity) * part)


def _grain(rng: Generator, width: int, height: int) -> Image:
    """A texture (height, width, 3): two colours, mixed smoothly or in patches."""
    cells = rng.integers(2, MOST_CELLS, 2)
    coarse = rng.random(tuple(cells), np.float32)
    mix = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    if rng.random() < 0.5:
        mix = np.round(mix)
    first, second = rng.uniform(0, 255, (2, 3))
    return np.asarray(first + mix * (second - first), np.uint8)


def _contrast(factor: float) -> tuple[Doubles, Doubles]:
    return np.eye(3) * factor, np.full(3, GREY * (1 - factor))


def _hue(angle: float) -> Doubles:
    """A turn of colours about grey (Rodrigues' formula about (1, 1, 1))."""
    cos, sin = math.cos(angle), math.sin(angle)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn: Doubles = cos * np.eye(3) + sin * cross + (1 - cos) / 3
    return turn


def _saturation(factor: float) -> Doubles:
    mixed: Doubles = factor * np.eye(3) + (1 - factor) * LUMA[None, :]
    return mixed
