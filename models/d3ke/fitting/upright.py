"""Who stands upright, and how far from balance they may be."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# From feet to pelvis: beyond, people lie or lean on their hands, and their feet are not flat.
# Cameras that are taken to be level lean up to 30 deg, and people who squat 20.
MOST_LEAN_DEG = 50.0
STRAIGHT = 0.45  # of the height, from soles to pelvis: who stands has 0.53, who sits 0.37
BALANCE_SD_M = 0.05  # of the centre of mass from over the middle of the feet
SMOOTH_S = 0.067  # standard deviation, before the centre of mass' acceleration is taken
GRAVITY_M_S2 = 9.80665  # standard gravity, 3rd CGPM, 1901


class Stance(NamedTuple):
    """Where a person's weight is, m. center: (T, 3) of mass. pelvis: (T, 3). soles: (T, P, 3)."""

    center: Array
    pelvis: Array
    soles: Array


def on_feet(stance: Stance, stands: Flags) -> Flags:
    """Which of the soles that stand carry a person who is above them, (T, P)."""
    legs = stance.pelvis - _middle(stance, stands)
    lean = legs[:, 1] / np.maximum(np.linalg.norm(legs, axis=1), 1e-6)
    above: Flags = stands & (lean > math.cos(math.radians(MOST_LEAN_DEG)))[:, None]
    return above


def sway(time: Array, stance: Stance, carries: Flags, height_m: float) -> Array:
    """How far the centre of mass may be from over the middle of the soles that carry, (T,) m.

    height_m: of the person. One who moves may be farther off: by the acceleration over gravity, of
    the height. One whose legs are bent as on a chair need not be in balance: inf.
    """
    smooth = gaussian_filter1d(stance.center, SMOOTH_S / float(np.median(np.diff(time))), axis=0)
    speed = np.gradient(smooth, time, axis=0)
    acceleration = np.linalg.norm(np.gradient(speed, time, axis=0), axis=1)
    middle = _middle(stance, carries)
    legs = np.linalg.norm(stance.pelvis - middle, axis=1)
    thrown = acceleration / GRAVITY_M_S2 * np.linalg.norm(stance.center - middle, axis=1)
    upright = carries.any(axis=1) & (legs > STRAIGHT * height_m)
    return np.where(upright, np.hypot(BALANCE_SD_M, thrown), np.inf)


def _middle(stance: Stance, stands: Flags) -> Array:
    """The middle of the soles that stand, (T, 3); where none does, of all."""
    chosen = stands | ~stands.any(axis=1, keepdims=True)
    middle: Array = np.einsum(
        "tp,tpi->ti", chosen / chosen.sum(axis=1, keepdims=True), stance.soles
    )
    return middle
