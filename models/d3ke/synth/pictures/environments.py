"""Panoramas: what is far away in every direction, and the light that comes from there."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError

Floats = NDArray[np.float32]

FOLDER = Path(__file__).parents[2] / "assets" / "backgrounds" / "hdri"
BRIGHTEST = 60.0  # what a panorama is clipped to: a single sun pixel would speckle the light
BALANCED = 0.65  # how far phones take away the tint of the light
SUN_RADIUS = np.radians(14.0)  # what counts as the sun or lamp around the brightest place
INDOORS = (
    "apartment", "bridge", "esplanade", "hall", "lab", "lobby", "studio", "warehouse", "workshop",
)  # fmt: skip
SUNNY = ("forest", "park", "sky", "sunrise", "sunset")  # the disc itself is clipped in the files
OVERCAST = ("city", "dawn", "night", "venice")
NAMES = tuple(sorted((*INDOORS, *SUNNY, *OVERCAST)))
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # ITU-R BT.709


@dataclass(frozen=True, eq=False)
class Environment:
    """A panorama and its light, in ground: x (the panorama's middle) forward, y up, z right.

    pixels: (H, W, 3) linear RGB, first row up, azimuth to the right; ambient: (3, 4, 4) of R, G and
    B: radiance that a white matt surface sends out, (n, 1) A (n, 1), without the sun or lamp;
    sun: (3,) towards it; sun_colour: (3,) what it adds to a white surface that faces it;
    ground: (3,) mean radiance below the horizon; level: mean luminance of upright white surfaces.
    """

    name: str
    pixels: Floats
    ambient: Floats
    sun: Floats
    sun_colour: Floats
    ground: Floats
    level: float

    @property
    def indoors(self) -> bool:
        """Whether the panorama shows a room."""
        return self.name in INDOORS

    def turned_ambient(self, turn: float) -> Floats:
        """The ambient light where the panorama's middle is at azimuth `turn`, rad."""
        around: Floats = np.eye(4, dtype=np.float32)
        around[:3, :3] = about_y(turn)
        return np.asarray(around @ self.ambient @ around.T, np.float32)


def about_y(turn: float) -> Floats:
    """The rotation (3, 3) that takes azimuth 0 (x) to azimuth `turn` (towards z), rad."""
    c, s = np.cos(turn), np.sin(turn)
    return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]], np.float32)


@lru_cache(maxsize=32)
def environment(name: str) -> Environment:
    """One of NAMES. Raises D3keError for another name."""
    path = FOLDER / f"{name}.exr"
    if name not in NAMES or not path.is_file():
        raise D3keError(f"{name}: no such panorama. Choose from {', '.join(NAMES)}.")
    return light_of(name, balanced(read_panorama(path)))


def balanced(pixels: Floats) -> Floats:
    """A panorama (H, W, 3) as a phone's white balance has it: most of its tint is gone."""
    _, areas = directions_of(pixels.shape[0], pixels.shape[1])
    mean = np.average(pixels.reshape(-1, 3), axis=0, weights=areas.ravel())
    gain = (float(mean @ LUMINANCE) / mean) ** BALANCED
    return np.asarray(pixels * gain, np.float32)


def read_panorama(path: Path) -> Floats:
    """Linear RGB (H, W, 3) of an OpenEXR file of half or single floats, within 0..BRIGHTEST."""
    with av.open(path) as container:
        frame = next(container.decode(video=0))
    if frame.format.name not in ("gbrpf16le", "gbrpf32le"):
        raise D3keError(f"{path}: a {frame.format.name} picture. Give an RGB OpenEXR file.")
    number = np.float16 if "f16" in frame.format.name else np.float32
    green, blue, red = (
        np.frombuffer(bytes(plane), number).reshape(frame.height, -1)[:, : frame.width]
        for plane in frame.planes
    )
    pixels = np.stack([red, green, blue], axis=-1).astype(np.float32)
    return np.clip(np.nan_to_num(pixels, nan=0.0, posinf=BRIGHTEST), 0, BRIGHTEST)


def light_of(name: str, pixels: Floats) -> Environment:
    """The light of a panorama (H, W, 3)."""
    directions, areas = directions_of(pixels.shape[0], pixels.shape[1])
    sun, sun_colour, rest = _without_sun(pixels, directions, areas)
    ambient = _ambient(rest, directions, areas)
    upright = about_y(0.0)[[0, 2]]
    around = np.concatenate([upright, -upright])
    level = float(np.mean([radiance(ambient, n) @ LUMINANCE for n in around]))
    below = directions[..., 1] < 0
    ground = np.average(pixels[below], axis=0, weights=areas[below])
    return Environment(
        name=name,
        pixels=np.minimum(_smooth(pixels), BRIGHTEST),
        ambient=ambient,
        sun=sun,
        sun_colour=sun_colour,
        ground=ground.astype(np.float32),
        level=level,
    )


def radiance(ambient: Floats, normal: Floats) -> Floats:
    """Linear RGB (3,) that a white matt surface of a normal (3,) sends out."""
    n = np.append(normal, 1).astype(np.float32)
    found: Floats = np.einsum("i,cij,j->c", n, ambient, n)
    return np.maximum(found, 0)


def directions_of(height: int, width: int) -> tuple[Floats, Floats]:
    """Where the pixels of a panorama look, (H, W, 3), and their solid angles (H, W), sr."""
    polar = (np.arange(height) + 0.5) / height * np.pi
    azimuth = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    across = np.sin(polar)[:, None]
    x, z = across * np.cos(azimuth), across * np.sin(azimuth)
    y = np.broadcast_to(np.cos(polar)[:, None], x.shape)
    areas = np.broadcast_to(across * (np.pi / height) * (2 * np.pi / width), x.shape)
    return np.stack([x, y, z], axis=-1).astype(np.float32), areas.astype(np.float32)


def _smooth(pixels: Floats) -> Floats:
    """Twice as many pixels along each side, without overshoots beside lamps."""
    near = np.ones((3, 3), np.uint8)
    low, high = (
        cv2.resize(bound(pixels, near), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        for bound in (cv2.erode, cv2.dilate)
    )
    larger = cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return np.clip(larger, low, high)


def _without_sun(
    pixels: Floats, directions: Floats, areas: Floats
) -> tuple[Floats, Floats, Floats]:
    """Direction and light of the brightest place above the horizon, and the panorama without it."""
    luminance = cv2.GaussianBlur(pixels @ LUMINANCE, (0, 0), 3)
    luminance = np.where(directions[..., 1] > 0.05, luminance, 0)
    peak = directions.reshape(-1, 3)[int(np.argmax(luminance))]
    near = directions @ peak > np.cos(SUN_RADIUS)
    cap = 3 * np.average(pixels @ LUMINANCE, weights=areas)
    over = pixels * (1 - np.minimum(1, cap / np.maximum(pixels @ LUMINANCE, 1e-6)))[..., None]
    excess = np.where(near[..., None], over, 0) * areas[..., None]
    weight = excess @ LUMINANCE
    towards = (directions * weight[..., None]).sum(axis=(0, 1)) + 1e-6 * peak
    sun = towards / np.linalg.norm(towards)
    colour = excess.sum(axis=(0, 1)) / np.pi
    rest = pixels - np.where(near[..., None], over, 0)
    return sun.astype(np.float32), colour.astype(np.float32), rest


def _ambient(pixels: Floats, directions: Floats, areas: Floats) -> Floats:
    """Light on matt surfaces as quadratic forms (3, 4, 4).

    Source: Ramamoorthi and Hanrahan 2001, "An efficient representation for irradiance
    environment maps", equation 12; divided by pi: radiance of a white surface.
    """
    x, y, z = (directions[..., axis] for axis in range(3))
    basis = [
        np.full_like(x, 0.282095), 0.488603 * y, 0.488603 * z, 0.488603 * x,
        1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1),
        1.092548 * x * z, 0.546274 * (x * x - y * y),
    ]  # fmt: skip
    c1, c2, c3, c4, c5 = 0.429043, 0.511664, 0.743125, 0.886227, 0.247708
    forms = np.empty((3, 4, 4))
    for channel in range(3):
        light = pixels[..., channel] * areas
        L00, L1m, L10, L11, L2m2, L2m1, L20, L21, L22 = (float((light * b).sum()) for b in basis)
        forms[channel] = [
            [c1 * L22, c1 * L2m2, c1 * L21, c2 * L11],
            [c1 * L2m2, -c1 * L22, c1 * L2m1, c2 * L1m],
            [c1 * L21, c1 * L2m1, c3 * L20, c2 * L10],
            [c2 * L11, c2 * L1m, c2 * L10, c4 * L00 - c5 * L20],
        ]
    return (forms / np.pi).astype(np.float32)
