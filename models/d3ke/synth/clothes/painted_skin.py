"""Skin and eyes painted onto the body's own texture coordinates, for where no photographs are.

Skin is nearly white and takes the tint of any tone; what is redder or darker than the rest of it
is painted by where on the template it lies.
"""

from functools import cache

import numpy as np
from numpy.random import Generator
from scipy.ndimage import distance_transform_edt, gaussian_filter

from d3ke.synth.bodies.body import parametric_body
from d3ke.synth.clothes.colours import EYES, Pixels, Tint, pixels_of
from d3ke.synth.clothes.regions import regions
from d3ke.synth.clothes.surfaces import Surface, itself
from d3ke.synth.stage import Floats

SIZE = 512
SAMPLES = 8  # a triangle of the body is sampled on a grid so fine, to find what its texels show
PALE = 0.93  # of white, so that blotches can be lighter than the rest
SKIN_LOOKS = 4  # for either sex
LIPS: Tint = (0.80, 0.56, 0.55)
FLUSH: Tint = (1.0, 0.72, 0.70)
BEARD: Tint = (0.55, 0.55, 0.58)
HAIRS: Tint = (0.22, 0.18, 0.16)
EYE_SIZE = 128
PUPIL, IRIS, LIMBUS = 0.09, 0.20, 0.225  # radii in an eye's texture; its equator is at 0.5


@cache
def painted_skin(woman: bool, look: int) -> Pixels:
    """One of SKIN_LOOKS paintings of a man's or a woman's skin, (H, W, 4)."""
    rng = np.random.default_rng([5, look, int(woman)])
    place = _shown()
    colour = np.ones((SIZE, SIZE, 3), np.float32)
    colour *= 1 + 0.02 * (_smooth(rng, 2) + _smooth(rng, 14))[..., None]
    lips = _lips(place)
    _blend(colour, 0.3 * _flush(place), FLUSH)
    _blend(colour, lips * (0.9 if woman else 0.6), LIPS)
    if not woman:
        _blend(colour, rng.uniform(0, 0.35) * _beard(place) * (1 - lips), BEARD)
    _blend(
        colour, 0.85 * _brows(place, (0.0024 if woman else 0.0034) * rng.uniform(0.8, 1.3)), HAIRS
    )
    _blend(colour, (0.7 if woman else 0.35) * _lids(place), HAIRS)
    return pixels_of(PALE * colour)


@cache
def painted_eye(colour: int) -> Pixels:
    """An eye seen from the front, of one of the colours EYES, (H, W, 4)."""
    v, u = (np.mgrid[:EYE_SIZE, :EYE_SIZE] + 0.5) / EYE_SIZE - 0.5
    radius, turn = np.hypot(u, v), np.arctan2(v, u)
    iris = np.array(EYES[colour][0]) / 255
    rays = 0.85 + 0.15 * np.sin(17 * turn + 3 * np.sin(5 * turn))
    pixels = np.empty((EYE_SIZE, EYE_SIZE, 3), np.float32)
    pixels[:] = (0.90, 0.88, 0.86)
    pixels[radius > 0.38] = (0.88, 0.76, 0.73)
    pixels[radius < LIMBUS] = 0.35 * iris
    inner = radius < IRIS
    pixels[inner] = iris * rays[inner, None]
    pixels[radius < PUPIL] = 0.02
    return pixels_of(pixels)


@cache
def eyes() -> Surface:
    """Both of the body's eyes; their texture is an eye seen from the front."""
    where = regions()
    faces = np.concatenate([where.base.body.faces[f"helper-{side}-eye"] for side in "lr"])
    ids = np.unique(faces)
    place = np.zeros(where.base.count, np.int32)
    place[ids] = np.arange(len(ids))
    uv = np.zeros((len(ids), 2), np.float32)
    points = where.position[ids]
    for mine in (points[:, 2] > 0, points[:, 2] <= 0):
        away = points[mine] - (points[mine].min(axis=0) + points[mine].max(axis=0)) / 2
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        angle = np.arccos(np.clip(away[:, 0], -1, 1)) / np.pi  # 0 in front, 1/2 at the equator
        across = away[:, [2, 1]] / np.maximum(np.linalg.norm(away[:, 1:], axis=1), 1e-6)[:, None]
        uv[mine] = 0.5 + angle[:, None] * across * (1, -1)
    corners = place[faces]
    covers = np.full(where.base.count, -1, np.float32)
    return where.base.surface("eyes", itself(ids), corners, np.clip(uv, 0, 1)[corners], covers)


@cache
def _shown() -> Floats:
    """Where on the template each texel of the skin lies, (SIZE, SIZE, 3)."""
    body = parametric_body()
    steps = np.arange(SAMPLES) + 1 / 3
    a, b = (axis.ravel() / SAMPLES for axis in np.meshgrid(steps, steps))
    a, b = a[a + b < 1], b[a + b < 1]
    shares = np.stack([1 - a - b, a, b], axis=1).astype(np.float32)
    uv = np.einsum("sk,fkd->fsd", shares, body.uv[body.uv_faces["body"]]).reshape(-1, 2)
    place = body.template.numpy()[body.faces["body"]]
    place = np.einsum("sk,fkd->fsd", shares, place).reshape(-1, 3)
    column = np.clip((uv[:, 0] * SIZE).astype(int), 0, SIZE - 1)
    row = np.clip(((1 - uv[:, 1]) * SIZE).astype(int), 0, SIZE - 1)
    texel = row * SIZE + column
    count = np.bincount(texel, minlength=SIZE**2)
    sums = [np.bincount(texel, axis, SIZE**2) for axis in place.T]
    shown = (np.stack(sums, axis=1) / np.maximum(count, 1)[:, None]).reshape(SIZE, SIZE, 3)
    empty = (count == 0).reshape(SIZE, SIZE)
    near = distance_transform_edt(empty, return_distances=False, return_indices=True)
    return np.asarray(shown[tuple(near)], np.float32)


def _flush(place: Floats) -> Floats:
    """Cheeks, nose and hands."""
    x, y, z = np.moveaxis(place, 2, 0)
    sideways, front = np.abs(z), np.clip((x - 0.07) / 0.05, 0, 1)
    cheeks = _spot(y - 0.690, 0.018) * _spot(sideways - 0.048, 0.018)
    nose = _spot(y - 0.690, 0.012) * _spot(sideways, 0.010)
    return np.asarray(front * (cheeks + nose) + 0.5 * np.clip((sideways - 0.44) / 0.05, 0, 1))


def _lips(place: Floats) -> Floats:
    x, y, z = np.moveaxis(place, 2, 0)
    oval = ((y - 0.6655) / 0.0115) ** 2 + (z / 0.029) ** 2
    return np.asarray((x > 0.135) * np.clip(4 * (1 - oval), 0, 1))


def _beard(place: Floats) -> Floats:
    x, y, _ = np.moveaxis(place, 2, 0)
    low, high = np.clip((y - 0.585) / 0.02, 0, 1), np.clip((0.690 - y) / 0.02, 0, 1)
    return np.asarray((x > 0.045) * low * high)


def _brows(place: Floats, thickness_m: float) -> Floats:
    x, y, z = np.moveaxis(place, 2, 0)
    along = (np.abs(z) - 0.012) / 0.042
    arch = 0.7485 + 0.009 * np.sin(np.pi * np.clip(0.15 + 0.75 * along, 0, 1))
    spot = _spot((y - arch) / (thickness_m * (1.25 - 0.6 * np.clip(along, 0, 1))), 1)
    return np.asarray((x > 0.09) * (along > 0) * (along < 1) * spot)


def _lids(place: Floats) -> Floats:
    """The rims of the eyes, where lashes grow."""
    x, y, z = np.moveaxis(place, 2, 0)
    _, height, sideways = regions().head("eye.R")
    rim = np.hypot((y - height) / 0.0095, (np.abs(z) - sideways) / 0.0165)
    return np.asarray((x > 0.09) * _spot(rim - 1, 0.12))


def _spot(distance: Floats, size: float) -> Floats:
    return np.asarray(np.exp(-((distance / size) ** 2)))


def _smooth(rng: Generator, sigma: float) -> Floats:
    """Smooth noise of variance 1."""
    noise = gaussian_filter(rng.standard_normal((SIZE, SIZE)), sigma)
    return np.asarray(noise / noise.std())


def _blend(colour: Floats, share: Floats, towards: Tint) -> None:
    """Colour (H, W, 3) a share (H, W) towards another, in place."""
    colour *= 1 + np.clip(share, 0, 1)[..., None] * (np.array(towards, np.float32) - 1)
