"""What a phone does to light: colour, noise, sharpening, vignetting, compression."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Chosen by the project; not measured.
FILM_SHARE, FILM_QUALITY = 0.35, (18, 60)  # clips whose frames show a film's blocks
JPEG_QUALITY = (82, 96)
COARSE_SHARE = 0.2  # clips that were filmed with fewer pixels than they are shown with
NOISE_STEP = 512  # px; noise is cut out of a tile, as drawing it anew costs 4 ms a frame
GREY = np.array([0.299, 0.587, 0.114])  # luma, ITU-R BT.601


@dataclass(frozen=True, eq=False)
class Look:
    """A phone's rendering, the same over a clip.

    colour: (3, 4) of sRGB bytes; curve: (256,) u1; vignette: how much darker corners are, 0..1;
    noise: standard deviation, grey levels; blotches: share of it that is blurred; blur: sigma, px;
    sharpening: gain; coarse: part of the pixels that the phone had; film_quality: JPEG's, of the
    film, 0 for none; jpeg_quality: of the picture that is kept.
    """

    colour: Floats
    curve: Bytes
    vignette: float
    noise: float
    blotches: float
    blur: float
    sharpening: float
    coarse: float
    film_quality: int
    jpeg_quality: int


def draw_look(rng: Generator) -> Look:
    """A phone's rendering."""
    film = rng.random() < FILM_SHARE
    soft = rng.random() < 0.35
    coarse = rng.uniform(0.45, 0.9) if rng.random() < COARSE_SHARE else 1.0
    return Look(
        colour=_colour(rng),
        curve=_curve(float(rng.normal(0, 0.12)), float(rng.normal(0, 6))),
        vignette=float(rng.uniform(0, 0.35)) * float(rng.random() < 0.5),
        noise=float(np.clip(rng.lognormal(0.7, 0.7), 0.3, 12)),
        blotches=float(rng.uniform(0, 0.8)),
        blur=float(rng.uniform(0.4, 1.1)) if soft else 0.0,
        sharpening=float(rng.uniform(0, 0.9)) if rng.random() < 0.6 else 0.0,
        coarse=float(coarse),
        film_quality=int(rng.integers(*FILM_QUALITY)) if film else 0,
        jpeg_quality=int(rng.integers(*JPEG_QUALITY)),
    )


def expose(rgb: Bytes, look: Look, rng: Generator) -> Bytes:
    """A rendered picture (H, W, 3) as a phone would have filmed it."""
    height, width = rgb.shape[:2]
    picture: Any = cv2.transform(rgb, look.colour)
    if look.coarse < 1:
        small = round(width * look.coarse), round(height * look.coarse)
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    if look.vignette:
        picture = cv2.multiply(
            picture, _falloff(*picture.shape[:2], look.vignette), dtype=cv2.CV_8U
        )
    picture = cv2.LUT(_noisy(picture, look, rng), look.curve)
    if look.blur:
        picture = cv2.GaussianBlur(picture, (0, 0), look.blur)
    if look.sharpening:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
        picture = cv2.addWeighted(picture, 1 + look.sharpening, soft, -look.sharpening, 0)
    if look.film_quality:
        picture = cv2.imdecode(_jpeg(picture, look.film_quality), cv2.IMREAD_COLOR)
    if look.coarse < 1:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(picture, np.uint8)


def encode_jpeg(rgb: Bytes, quality: int) -> bytes:
    """The picture (H, W, 3) as it is kept. quality: of a JPEG, 1 to 100."""
    bgr = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8)
    return _jpeg(bgr, quality).tobytes()


def _jpeg(picture: Bytes, quality: int) -> Bytes:
    """A JPEG with halved colour, whatever the order of the channels means."""
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(coded, np.uint8)


def _colour(rng: Generator) -> Floats:
    """White balance and saturation, (3, 4)."""
    warmth, green = rng.normal(0, 0.05), rng.normal(0, 0.02)
    balance = np.diag([1 + warmth, 1 + green, 1 - warmth])
    saturation = float(np.clip(rng.normal(1.0, 0.18), 0.3, 1.5))
    if rng.random() < 0.03:
        saturation = 0.0
    grey = np.tile(GREY, (3, 1))
    mixed = (grey + saturation * (np.eye(3) - grey)) @ balance
    return np.asarray(np.append(mixed, np.zeros((3, 1)), axis=1), np.float32)


def _curve(contrast: float, lift: float) -> Bytes:
    """Output of each grey level: an S about the middle, and brighter or darker."""
    level = np.linspace(-1, 1, 256)
    bent = level + contrast * np.sin(np.pi * level) / 2
    return np.clip(127.5 * (1 + bent) + lift * (1 - level**2), 0, 255).round().astype(np.uint8)


@lru_cache(maxsize=2)
def _falloff(height: int, width: int, vignette: float) -> Floats:
    """What is left of the light, (H, W, 3): 1 in the middle, less in the corners."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    left = 1 - vignette * ((x**2 + y**2) / 2) ** 1.3
    return np.asarray(np.repeat(left[..., None], 3, axis=2), np.float32)


def _noisy(picture: Bytes, look: Look, rng: Generator) -> Bytes:
    """A picture with a sensor's noise, fine and blurred."""
    height, width = picture.shape[:2]
    noisy: Any = picture
    side = NOISE_STEP * (1 + (max(height, width) + NOISE_STEP // 4) // NOISE_STEP)
    shares = 1 - look.blotches, look.blotches
    for tile, share in zip(_noise_tiles(side), shares, strict=True):
        y, x = rng.integers(side - height), rng.integers(side - width)
        cut = tile[y : y + height, x : x + width]
        noisy = cv2.scaleAdd(cut, look.noise * share / 16, noisy.astype(np.int16))
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


@lru_cache(maxsize=2)
def _noise_tiles(side: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """White and blurred noise (side, side, 3), standard deviation 16, the same everywhere."""
    rng = np.random.default_rng(0)
    white = rng.standard_normal((side, side, 3)).astype(np.float32)
    blurred = np.asarray(cv2.GaussianBlur(white, (0, 0), 1.4), np.float32)
    blurred /= blurred.std()
    return (16 * white).astype(np.int16), (16 * blurred).astype(np.int16)
