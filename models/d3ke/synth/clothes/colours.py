"""Colours of cloth, hair, eyes and skin, as people really wear and have them."""

import colorsys

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.synth.stage import Floats

Pixels = NDArray[np.uint8]
Tint = tuple[float, float, float]
Palette = tuple[tuple[Tint, float], ...]  # sRGB 0..255, and how often it is seen

CLOTH: Palette = (
    ((24, 24, 27), 18), ((52, 54, 58), 10), ((110, 112, 116), 9), ((168, 170, 172), 6),
    ((236, 236, 232), 13), ((28, 38, 70), 12), ((44, 82, 150), 8), ((120, 160, 205), 5),
    ((150, 30, 36), 6), ((92, 26, 38), 4), ((36, 74, 50), 5), ((84, 88, 56), 4),
    ((196, 178, 148), 5), ((104, 74, 52), 4), ((205, 120, 140), 3), ((30, 112, 118), 3),
    ((214, 172, 60), 2), ((206, 96, 40), 2), ((92, 66, 122), 3), ((160, 205, 120), 1),
)  # fmt: skip
SOBER: Palette = (
    ((24, 24, 27), 26), ((52, 54, 58), 12), ((110, 112, 116), 9), ((168, 170, 172), 4),
    ((232, 231, 226), 3), ((28, 38, 70), 14), ((196, 178, 148), 6), ((84, 88, 56), 4),
    ((104, 74, 52), 4), ((44, 82, 150), 3), ((92, 26, 38), 2), ((36, 74, 50), 2),
)  # fmt: skip
WHITE: Palette = (((238, 238, 236), 3), ((205, 206, 208), 1))
DENIM: Palette = (((38, 50, 78), 4), ((66, 88, 124), 5), ((112, 138, 172), 3), ((44, 46, 52), 3))
HAIR: Palette = (
    ((18, 15, 14), 0.30), ((38, 27, 21), 0.28), ((66, 45, 31), 0.18), ((104, 73, 46), 0.10),
    ((158, 122, 78), 0.07), ((112, 56, 30), 0.03), ((196, 170, 120), 0.04),
)  # fmt: skip
GREY_HAIR: Palette = (
    ((120, 118, 116), 1),
    ((168, 166, 163), 1),
    ((214, 212, 208), 1),
    ((78, 75, 72), 1),
)
EYES: Palette = (
    ((70, 42, 24), 6), ((104, 70, 38), 3), ((86, 128, 158), 2), ((98, 118, 88), 1),
    ((120, 130, 134), 1),
)  # fmt: skip
# Tone 0..1 and the sRGB of its skin: about Fitzpatrick's types I to VI
SKIN_TONES = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
SKIN_SRGB = np.array([
    (229, 193, 173), (217, 174, 150), (198, 148, 117), (164, 112, 82), (112, 74, 54), (64, 43, 35),
])  # fmt: skip


def linear(srgb: NDArray[np.generic]) -> Floats:
    """Linear light, 0..1, of sRGB 0..255."""
    value = np.asarray(srgb, np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def skin_albedo(tone: float) -> Floats:
    """Linear RGB (3,) of skin, from very light (0) to very dark (1)."""
    srgb = [np.interp(tone, SKIN_TONES, channel) for channel in SKIN_SRGB.T]
    return linear(np.array(srgb))


def draw_tint(palette: Palette, rng: Generator, spread: float) -> Tint:
    """A colour near one of a palette's, linear RGB. spread: of hue (turns), and twice of value."""
    weights = np.array([weight for _, weight in palette], float)
    srgb = palette[rng.choice(len(palette), p=weights / weights.sum())][0]
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in srgb))
    hue = (hue + rng.normal(0, spread)) % 1
    saturation = float(np.clip(saturation * rng.uniform(0.75, 1.2), 0, 1))
    value = float(np.clip(value * (1 + rng.normal(0, 2 * spread)), 0.05, 0.96))
    return as_tint(linear(np.array(colorsys.hsv_to_rgb(hue, saturation, value)) * 255))


def draw_hair(tone: float, age_years: float, rng: Generator) -> Tint:
    """A colour of hair: dark people's is dark, old people's often grey."""
    if rng.random() < np.clip((age_years - 40) / 35, 0, 0.85):
        return draw_tint(GREY_HAIR, rng, 0.01)
    light = max(1 - 1.6 * tone, 0.0)
    palette = tuple(
        (srgb, weight * (light if index > 1 else 1)) for index, (srgb, weight) in enumerate(HAIR)
    )
    return draw_tint(palette, rng, 0.01)


def draw_eyes(tone: float, rng: Generator) -> int:
    """Which of EYES; dark people's are brown."""
    weights = np.array([weight for _, weight in EYES], float)
    weights[2:] *= max(1 - 1.8 * tone, 0.0)
    return int(rng.choice(len(EYES), p=weights / weights.sum()))


def as_tint(rgb: NDArray[np.floating]) -> Tint:
    """Three plain numbers."""
    return float(rgb[0]), float(rgb[1]), float(rgb[2])


def pixels_of(rgb: Floats) -> Pixels:
    """(H, W, 4) of colours 0..1, (H, W, 3); opaque."""
    pixels = np.full((*rgb.shape[:2], 4), 255, np.uint8)
    pixels[..., :3] = np.round(255 * np.clip(rgb, 0, 1))
    return pixels
