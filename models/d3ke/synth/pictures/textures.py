"""Textures of floors, walls and things, made once a process and tinted for each clip."""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.errors import D3keError

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

PHOTOS = Path(__file__).parents[2] / "assets" / "backgrounds" / "photos"
SIDE = 512  # px of a floor's texture
WALL_SIZE = (512, 1024)  # rows, columns
CEILING_M = 2.4  # that a ceiling's texture covers
WALL_M = (2.7, 6.0)  # height and length that a wall's texture is drawn for
BRICKS = np.array([(0.6, 0.36, 0.28), (0.85, 0.83, 0.8), (0.55, 0.53, 0.5)], np.float32)  # sRGB
FINEST_CLOUDS = 64  # cells along a side: finer ones cost more than they show
LONGEST_PHOTO = 1024  # px
FLOOR_MEAN = 0.75  # sRGB, of every floor's texture: its colour comes from its tint
PHOTO_FLOORS = {
    "grass": ("skimage_grass.jpg", 1.6), "gravel": ("skimage_gravel.jpg", 1.2),
    "brick": ("skimage_brick.jpg", 1.5),
}  # fmt: skip
PICTURES = (
    "lomiri_Picture_0B_by_freespace", "lomiri_Picture_1A_by_freespace",
    "lomiri_seeding_by_Clements_Engelhardt", "lomiri_sunset_by_Aitzol_Berasategi",
    "lomiri_life_by_Aitzol_Berasategi", "skimage_chelsea", "skimage_coffee", "sklearn_flower",
    "sklearn_china", "skimage_rocket",
)  # fmt: skip


def floor_texture(kind: str, variant: int) -> tuple[Bytes, float]:
    """A floor (SIDE, SIDE, 4) and how many metres of it the texture covers."""
    return _floor_texture(kind, variant)


@lru_cache(maxsize=64)
def _floor_texture(kind: str, variant: int) -> tuple[Bytes, float]:
    if kind in PHOTO_FLOORS:
        name, metres = PHOTO_FLOORS[kind]
        photo = np.asarray(cv2.resize(read_photo(PHOTOS / name), (SIDE, SIDE)), np.float32)
        return _floor_pixels(photo / np.float32(255)), metres
    rng = np.random.default_rng([variant, *kind.encode()])
    pattern, metres = FLOORS[kind](rng)
    return _floor_pixels(pattern), metres


@lru_cache(maxsize=32)
def wall_texture(variant: int) -> Bytes:
    """A wall (512, 1024, 4), WALL_M: plain or papered, with doors, windows (holes) and pictures."""
    rng = np.random.default_rng([variant, 7])
    rows, columns = WALL_SIZE
    wall = np.ones((rows, columns, 3), np.float32) * _paint(rng)
    wall *= 1 + rng.uniform(0.004, 0.02) * _clouds(rng, rows, columns, 2)[..., None]
    _paper(rng, wall)
    opacity = np.full((rows, columns), 255, np.uint8)
    places = iter(rng.permutation(4))  # what hangs or stands takes one of four places
    for draw in (_door, _window, _picture, _picture, _cupboard):
        if rng.random() < 0.5:
            place = next(places, None)
            if place is not None:
                draw(rng, wall, opacity, int((place + rng.uniform(0.1, 0.3)) * columns / 4))
    skirting = _pixels_of(rng.uniform(0.04, 0.12))
    wall[rows - skirting :] = wall[rows - skirting :].mean(axis=1, keepdims=True) * rng.uniform(
        0.4, 1.2
    )
    wall[rows - skirting - 2 : rows - skirting] *= 0.7
    pixels = (255 * np.clip(wall, 0, 1)).astype(np.uint8)
    return np.dstack([pixels, opacity])


@lru_cache(maxsize=8)
def ceiling_texture(variant: int) -> Bytes:
    """A ceiling (SIDE, SIDE, 4), CEILING_M: plain, or panels with lamps."""
    rng = np.random.default_rng([variant, 13])
    pattern = np.full((SIDE, SIDE, 3), 0.86, np.float32)
    if variant % 2:
        _joints(pattern, SIDE // 4, 3, 0.7)
        lamp = SIDE // 4
        pattern[lamp + 8 : 2 * lamp - 5, lamp + 8 : 3 * lamp - 5] = 1.0
        pattern[lamp + 8 : 2 * lamp - 5 : 12, lamp + 8 : 3 * lamp - 5] = 0.8
    pattern *= 1 + 0.01 * _clouds(rng, SIDE, SIDE, 8)[..., None]
    return _opaque(pattern)


@lru_cache(maxsize=32)
def thing_texture(variant: int) -> Bytes:
    """A surface of furniture (256, 256, 4), 1 m: painted, wooden, worn."""
    rng = np.random.default_rng([variant, 11])
    if variant % 3 == 0:
        pattern = _grain(rng, 256) * 0.8
    else:
        pattern = 0.8 + 0.012 * _clouds(rng, 256, 256, 4)
        pattern = np.repeat(pattern[..., None], 3, axis=2)
    if variant % 3 == 1:
        pattern += 0.02 * rng.standard_normal((256, 256, 1))
    return _opaque(pattern)


@lru_cache(maxsize=64)
def read_photo(path: Path) -> Bytes:
    """A photograph (H, W, 3), sRGB, its longer side at most LONGEST_PHOTO px.

    Raises D3keError for a file that is no picture.
    """
    found = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if found is None:
        raise D3keError(f"{path}: not a picture. Give JPEG or PNG files as backgrounds.")
    scale = LONGEST_PHOTO / max(found.shape[:2])
    if scale < 1:
        found = cv2.resize(found, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)


def _opaque(pattern: Floats) -> Bytes:
    pixels = (255 * np.clip(pattern, 0, 1)).astype(np.uint8)
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def _floor_pixels(pattern: Floats) -> Bytes:
    """A pattern with the mean that floors have."""
    if pattern.ndim == 2:
        pattern = np.repeat(pattern[..., None], 3, axis=2)
    return _opaque(pattern * (FLOOR_MEAN / max(float(pattern.mean()), 1e-3)))


def _clouds(rng: Generator, rows: int, columns: int, coarsest: int) -> Floats:
    """Smooth noise (rows, columns) that repeats, about 0, standard deviation 1."""
    total = np.zeros((rows, columns), np.float32)
    cells = coarsest
    while cells <= FINEST_CLOUDS:
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        padded = np.pad(grid, 2, mode="wrap")
        scale_y, scale_x = rows / cells, columns / cells
        large = cv2.resize(padded, None, fx=scale_x, fy=scale_y, interpolation=cv2.INTER_CUBIC)
        y, x = round(2 * scale_y), round(2 * scale_x)
        total += large[y : y + rows, x : x + columns] / np.float32(np.sqrt(cells))
        cells *= 2
    return np.asarray(total / total.std(), np.float32)


def _grain(rng: Generator, side: int) -> Floats:
    """Wood (side, side, 3) whose fibres run along the rows."""
    fibres = _clouds(rng, side, side, 16)
    fibres = np.asarray(cv2.blur(np.tile(fibres, 3), (side // 4, 1)), np.float32)
    fibres = fibres[:, side : 2 * side]
    fibres /= fibres.std()
    warm = np.array([1.0, 0.97, 0.93], np.float32)
    wood = 0.85 * warm * (1 + 0.045 * fibres[..., None] * np.array([1, 1.2, 1.5], np.float32))
    return np.asarray(wood, np.float32)


def _fine(rng: Generator, sigma: float) -> Floats:
    """Fine noise (SIDE, SIDE) about 0, standard deviation 1."""
    white = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(white, (0, 0), sigma), np.float32)
    return np.asarray(noise / noise.std(), np.float32)


def _joints(pattern: Floats, step: int, width: int, shade: float) -> None:
    """Darken or lighten lines between tiles."""
    for start in range(0, SIDE, step):
        pattern[start : start + width] = shade
        pattern[:, start : start + width] = shade


def _tiles(rng: Generator) -> tuple[Floats, float]:
    count = int(rng.choice([2, 4]))
    step = SIDE // count
    tones = 1 + rng.uniform(0.01, 0.06) * rng.standard_normal((count, count))
    if rng.random() < 0.25:
        tones *= np.where(np.indices((count, count)).sum(axis=0) % 2, 1.0, rng.uniform(0.4, 0.8))
    pattern: Floats = np.kron(tones, np.ones((step, step))).astype(np.float32)
    pattern *= 1 + 0.04 * _clouds(rng, SIDE, SIDE, 8)
    _joints(pattern, step, int(rng.integers(2, 6)), float(rng.choice([0.55, 0.7, 1.2])))
    return pattern, count * float(rng.uniform(0.3, 0.6))


def _planks(rng: Generator) -> tuple[Floats, float]:
    count = int(rng.choice([6, 8, 10]))
    pattern = _grain(rng, SIDE)
    edges = np.linspace(0, SIDE, count + 1).round().astype(int)
    for top, bottom in pairwise(edges):
        row = np.roll(pattern[top:bottom], int(rng.integers(SIDE)), axis=1)
        ends = np.sort(rng.integers(0, SIDE, 2))
        row *= 1 + 0.1 * float(rng.standard_normal())
        row[:, ends[0] : ends[1]] *= 1 + 0.08 * float(rng.standard_normal())
        row[:, ends] *= 0.6
        row[-1:] *= 0.55
        pattern[top:bottom] = row
    return pattern, count * float(rng.uniform(0.09, 0.2))


def _speckled(rng: Generator) -> tuple[Floats, float]:
    """Vinyl, rubber, terrazzo."""
    pattern = 1 + 0.03 * _clouds(rng, SIDE, SIDE, 4)
    spots = _fine(rng, float(rng.uniform(1, 3)))
    pattern += float(rng.uniform(0.1, 0.35)) * (spots > 1.7) * float(rng.choice([-1, 1]))
    return pattern.astype(np.float32), float(rng.uniform(1.0, 2.0))


def _carpet(rng: Generator) -> tuple[Floats, float]:
    pattern = 1 + 0.05 * _fine(rng, 0.8) + 0.04 * _clouds(rng, SIDE, SIDE, 8)
    if rng.random() < 0.4:
        stripes = np.sin(2 * np.pi * rng.integers(4, 16) * np.arange(SIDE) / SIDE) > 0.3
        pattern *= np.where(stripes, 1.0, rng.uniform(0.7, 0.95))[:, None]
    return pattern.astype(np.float32), float(rng.uniform(1.0, 2.0))


def _concrete(rng: Generator) -> tuple[Floats, float]:
    """Concrete, screed, worn paint."""
    pattern = 1 + 0.05 * _clouds(rng, SIDE, SIDE, 4) + 0.02 * _fine(rng, 1.0)
    return pattern.astype(np.float32), float(rng.uniform(2.0, 3.5))


def _asphalt(rng: Generator) -> tuple[Floats, float]:
    pattern = 1 + 0.18 * _fine(rng, 1.2) + 0.06 * _clouds(rng, SIDE, SIDE, 4)
    return pattern.astype(np.float32), float(rng.uniform(1.5, 2.5))


FLOORS: dict[str, Callable[[Generator], tuple[Floats, float]]] = {
    "tiles": _tiles, "planks": _planks, "speckled": _speckled, "carpet": _carpet,
    "concrete": _concrete, "asphalt": _asphalt,
}  # fmt: skip


def _pixels_of(metres: float) -> int:
    return round(metres / WALL_M[0] * WALL_SIZE[0])


def _columns_of(metres: float) -> int:
    return round(metres / WALL_M[1] * WALL_SIZE[1])


def _paint(rng: Generator) -> Floats:
    """A wall's colour, sRGB: mostly pale."""
    hue, saturation = rng.random(), rng.beta(1.0, 9)
    value = rng.uniform(0.78, 0.98) if rng.random() < 0.9 else rng.uniform(0.3, 0.75)
    hsv = np.array([[[360 * hue, saturation, value]]], np.float32)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0], np.float32)


def _paper(rng: Generator, wall: Floats) -> None:
    """Bricks, panels, stripes or a dado on some walls."""
    rows, columns = WALL_SIZE
    kind = rng.random()
    if kind < 0.12:
        brick = cv2.resize(read_photo(PHOTOS / "skimage_brick.jpg"), (256, 256)).astype(np.float32)
        brick = np.rot90(brick).mean(axis=2)
        wall *= BRICKS[rng.integers(len(BRICKS))] / wall.mean(axis=(0, 1))
        wall *= np.tile(brick / brick.mean(), (rows // 256, columns // 256))[..., None]
    elif kind < 0.24:
        step = int(rng.choice([64, 128, 171]))
        wall[:, ::step] *= 0.75
        wall[:, 1::step] *= 0.9
    elif kind < 0.34:
        width = int(rng.choice([16, 32]))
        wall[:, (np.arange(columns) // width) % 2 == 0] *= rng.uniform(0.8, 0.95)
    elif kind < 0.5:
        height = _pixels_of(rng.uniform(0.8, 1.3))
        wall[rows - height :] = _paint(rng) * wall[rows - height :].mean(axis=2, keepdims=True)


def _door(rng: Generator, wall: Floats, opacity: Bytes, left: int) -> None:
    rows, _ = WALL_SIZE
    top, width = rows - _pixels_of(2.05), _columns_of(0.9)
    wall[top - 6 :, left - 4 : left + width + 4] = _paint(rng)
    colour = _paint(rng) * rng.uniform(0.5, 1.0)
    door = wall[top:, left : left + width]
    door[:] = colour * (1 + 0.03 * _clouds(rng, door.shape[0], door.shape[1], 4)[..., None])
    door[20:-20:, 12:15] *= 0.85
    door[20:-20:, -15:-12] *= 0.85
    handle = top + _pixels_of(1.0)
    wall[handle : handle + 5, left + 8 : left + 24] = 0.25


def _window(rng: Generator, wall: Floats, opacity: Bytes, left: int) -> None:
    rows, columns = WALL_SIZE
    width = min(_columns_of(rng.uniform(0.9, 1.3)), columns - left - 12)
    top, bottom = rows - _pixels_of(2.2), rows - _pixels_of(rng.uniform(0.8, 1.1))
    wall[top - 8 : bottom + 8, left - 6 : left + width + 6] = rng.uniform(0.5, 1.0)
    opacity[top:bottom, left : left + width] = 0
    bar = left + width // 2
    opacity[top:bottom, bar - 3 : bar + 3] = 255


def _picture(rng: Generator, wall: Floats, opacity: Bytes, left: int) -> None:
    rows, _ = WALL_SIZE
    photo = read_photo(PHOTOS / f"{PICTURES[rng.integers(len(PICTURES))]}.jpg")
    width = min(_columns_of(rng.uniform(0.4, 1.2)), WALL_SIZE[1] - left)
    height = min(round(width * photo.shape[0] / photo.shape[1]), _pixels_of(1.3))
    top = rows - _pixels_of(1.6) - height // 2
    frame = int(rng.integers(1, 6))
    wall[top - frame : top + height + frame, left - frame : left + width + frame] = rng.uniform(
        0, 0.9
    )
    small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    wall[top : top + height, left : left + width] = small.astype(np.float32) / 255


def _cupboard(rng: Generator, wall: Floats, opacity: Bytes, left: int) -> None:
    rows, _ = WALL_SIZE
    width, top = _columns_of(rng.uniform(0.8, 1.2)), rows - _pixels_of(rng.uniform(0.8, 2.0))
    colour = _paint(rng) * rng.uniform(0.4, 1.0)
    cupboard = wall[top:, left : left + width]
    cupboard[:] = colour * (
        1 + 0.03 * _clouds(rng, cupboard.shape[0], cupboard.shape[1], 4)[..., None]
    )
    for line in np.linspace(0, cupboard.shape[0], int(rng.integers(2, 6))).astype(int)[1:-1]:
        cupboard[line : line + 2] *= 0.6
    cupboard[:, width // 2 : width // 2 + 2] *= 0.6
    cupboard[:3] *= 1.15
