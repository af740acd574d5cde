"""Textures of cloth for clothes grown from the body: weave, folds, stripes, checks, badges.

One layout (sewing.PANELS) fits them all. Plain ones are grey and take any tint; those of two
colours come in a few variants, so that a renderer may keep every texture that it has once seen.
"""

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from d3ke.synth.clothes.colours import CLOTH, Pixels, draw_tint, pixels_of
from d3ke.synth.clothes.sewing import ABOVE_M, PANELS, TURNS
from d3ke.synth.clothes.surfaces import Ids
from d3ke.synth.stage import Floats

Plain = Literal["plain", "melange", "denim"]
TwoColour = Literal["stripes", "pinstripes", "checks", "blocks", "side", "badge", "dots"]
PLAIN: tuple[Plain, ...] = ("plain", "melange", "denim")
TWO_COLOUR: tuple[TwoColour, ...] = (
    "stripes", "pinstripes", "checks", "blocks", "side", "badge", "dots",
)  # fmt: skip
VARIANTS = 6  # of each pattern of two colours
SIZE = 512
GIRTHS_M = np.array([0.95, 0.32, 0.32, 0.48, 0.48])  # about each part, to give stripes a width


class Canvas(NamedTuple):
    """What each texel shows, (SIZE, SIZE): part, along it and around it, m (0 in front)."""

    part: Ids
    along: Floats
    around: Floats


@cache
def canvas() -> Canvas:
    """The layout of all textures of grown clothes."""
    v, u = (np.mgrid[:SIZE, :SIZE] + 0.5) / SIZE
    part = np.zeros((SIZE, SIZE), np.int32)
    along, around = np.zeros((2, SIZE, SIZE), np.float32)
    for index, (left, top, width, height, length) in enumerate(PANELS):
        here = (u >= left) & (u < left + width) & (v >= top) & (v < top + height)
        part[here] = index
        along[here] = (v[here] - top) / height * length - (ABOVE_M if index else 0)
        turn = (u[here] - left) / width * TURNS - 0.5
        around[here] = (turn - np.round(turn)) * GIRTHS_M[index]
    return Canvas(part, along, around)


@cache
def plain(kind: Plain) -> Pixels:
    """Grey cloth, (SIZE, SIZE, 4), that a tint colours."""
    rng = np.random.default_rng(PLAIN.index(kind))
    if kind == "plain":
        shade = np.ones((SIZE, SIZE), np.float32)
    elif kind == "melange":
        shade = 0.86 + 0.10 * _noise(rng, 0.6)
    else:
        where = canvas()
        worn = np.exp(-((where.around / 0.06) ** 2)) * np.exp(-(((where.along - 0.25) / 0.2) ** 2))
        shade = 0.78 + 0.16 * worn * (where.part > 2) + 0.05 * _noise(rng, 0.7)
        shade *= 1 - 0.25 * (np.abs(np.abs(where.around) - GIRTHS_M[where.part] / 4) < 0.003)
    return pixels_of(np.repeat((shade * _folds(rng))[..., None], 3, axis=2))


@cache
def two_colour(kind: TwoColour, variant: int) -> Pixels:
    """Cloth of two colours, (SIZE, SIZE, 4)."""
    rng = np.random.default_rng([TWO_COLOUR.index(kind), variant])
    first, second = (_srgb(draw_tint(CLOTH, rng, 0.02)) for _ in range(2))
    if np.abs(first - second).max() < 0.2:
        second = np.where(first.mean() > 0.45, first * 0.4, 0.35 + first * 0.65)
    share = _share(kind, canvas(), rng)[..., None]
    return pixels_of((first + share * (second - first)) * _folds(rng)[..., None])


def _share(kind: TwoColour, where: Canvas, rng: Generator) -> Floats:
    """How much of the second colour each texel has, (SIZE, SIZE)."""
    part, along, around = where
    width = rng.uniform(0.02, 0.07)
    if kind == "stripes":
        return _square(along / width, rng.uniform(0.25, 0.5))
    if kind == "pinstripes":
        return _square(around / rng.uniform(0.015, 0.03), 0.2)
    if kind == "checks":
        return np.asarray((_square(along / width, 0.5) + _square(around / width, 0.5)) / 2)
    if kind == "dots":
        step = rng.uniform(0.02, 0.05)
        a, b = ((value / step + 0.5) % 1 - 0.5 for value in (along, around))
        return np.asarray(a**2 + b**2 < rng.uniform(0.03, 0.08), np.float32)
    if kind == "blocks":
        return np.asarray((part != 0) | (along < rng.uniform(0.27, 0.4)), np.float32)
    if kind == "side":
        quarter = np.abs(np.abs(around) - GIRTHS_M[part] / 4)
        return np.asarray(quarter < rng.uniform(0.012, 0.03), np.float32)
    return _badge(where, rng)


def _badge(where: Canvas, rng: Generator) -> Floats:
    """Something printed on the chest: bars of random length in a box, and often on the back."""
    height, width = rng.uniform(0.06, 0.18), rng.uniform(0.10, 0.26)
    rows, columns = rng.integers(2, 6), rng.integers(3, 9)
    cells = rng.random((rows, columns)) < 0.65
    top = rng.uniform(0.13, 0.22)
    share = np.zeros_like(where.along)
    faces = [where.around]
    if rng.random() < 0.4:
        faces.append(GIRTHS_M[0] / 2 - np.abs(where.around))
    for across in faces:
        row = (where.along - top) / height
        column = across / width + 0.5
        on = (where.part == 0) & (row >= 0) & (row < 1) & (column >= 0) & (column < 1)
        share[on] = cells[(row[on] * rows).astype(int), (column[on] * columns).astype(int)]
    return share


def _square(phase: Floats, duty: float) -> Floats:
    """A wave of period 1 that is 1 for `duty` of it."""
    return np.asarray(phase % 1 < duty, np.float32)


def _folds(rng: Generator) -> Floats:
    """Soft creases and a fine weave, about 1, (SIZE, SIZE)."""
    creases = _noise(rng, (5, 14)) + 0.7 * _noise(rng, (3, 4))
    return np.clip(0.93 + 0.035 * creases + 0.012 * _noise(rng, 0.5), 0.75, 1).astype(np.float32)


def _noise(rng: Generator, sigma: float | tuple[float, float]) -> Floats:
    """Smooth noise that tiles, of variance 1, (SIZE, SIZE)."""
    noise = gaussian_filter(rng.standard_normal((SIZE, SIZE)), sigma, mode="wrap")
    return np.asarray(noise / noise.std(), np.float32)


def _srgb(tint: tuple[float, float, float]) -> Floats:
    """sRGB, 0..1, of linear light."""
    return np.asarray(np.array(tint) ** (1 / 2.2), np.float32)
