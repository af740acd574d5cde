"""Legs that stand on the floor: hip, knee and ankle angles from where the feet are.

Feet stay flat where they stand, knees point where the toes do, more or less; so hips rotate and
adduct as a squat deepens the way they do in people.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIDES = ("r", "l")
SHANK_M, THIGH_M = 0.43, 0.41  # ankle to knee, knee to hip of the unscaled model
HIP_M = 0.0835  # hip centre to the middle of the pelvis


@dataclass(frozen=True)
class Stance:
    """Where the feet are and where the knees go, right and left. Angles in deg."""

    ankle_m: tuple[float, float]  # sideways from the middle
    toe_out: tuple[float, float]
    knee_out: tuple[float, float]  # beyond the toes, at 100 deg of flexion

    @staticmethod
    def draw(rng: Generator, width_m: float = 0.10) -> "Stance":
        """Feet about `width_m` to each side of the middle."""
        toe_out, knee_out = rng.normal(7, 6), rng.normal(-2, 9)
        return Stance(
            ankle_m=tuple(np.maximum(0.02, width_m + rng.normal(0, 0.025, 2))),
            toe_out=tuple(toe_out + rng.normal(0, 3.5, 2)),
            knee_out=tuple(knee_out + rng.normal(0, 3.5, 2)),
        )


def standing_legs(stance: Stance, tilt: Array, knee: Array, shank: Array) -> dict[str, Array]:
    """Coordinates of both legs, deg.

    tilt: (T,) of the pelvis; knee: (T,) flexion; shank: (T,) forward lean. All in deg.
    """
    curves: dict[str, Array] = {}
    for index, side in enumerate(SIDES):
        hip, knee_place, across = _leg(stance, index, knee, shank)
        up = _unit(hip - knee_place)
        femur = np.stack([np.cross(up, across), up, across], axis=-1)  # (T, 3, 3)
        flexion, adduction, rotation = _hip_angles(femur, tilt)
        outward = np.radians(stance.toe_out[index])
        along = knee_place[:, 0] * np.cos(outward) + knee_place[:, 2] * np.sin(outward)
        curves[f"hip_flexion_{side}"] = flexion
        curves[f"hip_adduction_{side}"] = adduction
        curves[f"hip_rotation_{side}"] = rotation
        curves[f"knee_angle_{side}"] = knee.copy()  # each side is changed by itself
        curves[f"ankle_angle_{side}"] = np.degrees(np.arctan2(along, knee_place[:, 1]))
    return curves


def _leg(stance: Stance, index: int, knee: Array, shank: Array) -> tuple[Array, Array, Array]:
    """Hip and knee (T, 3) from the ankle, and the knee's axis (T, 3).

    x forward, y up, z outward; the axis points outward.
    """
    bend = np.radians(knee)
    reach = np.sqrt(SHANK_M**2 + THIGH_M**2 + 2 * SHANK_M * THIGH_M * np.cos(bend))
    lean, thigh = np.radians(shank), np.radians(knee - shank)
    forward = SHANK_M * np.sin(lean) - THIGH_M * np.sin(thigh)
    outward = np.full_like(knee, HIP_M - stance.ankle_m[index])
    height = np.sqrt(np.maximum(reach**2 - forward**2 - outward**2, 0.01))
    hip = np.stack([forward, height, outward], axis=1)
    pointing = np.radians(stance.toe_out[index] + stance.knee_out[index] * knee / 100)
    ahead = np.stack([np.cos(pointing), np.zeros_like(knee), np.sin(pointing)], axis=1)
    line = _unit(hip)
    ahead = _unit(ahead - (ahead * line).sum(axis=1, keepdims=True) * line)
    length = np.linalg.norm(hip, axis=1)
    along = (SHANK_M**2 - THIGH_M**2 + length**2) / (2 * length)
    aside = np.sqrt(np.maximum(SHANK_M**2 - along**2, 0))
    place = line * along[:, None] + ahead * aside[:, None]
    return hip, place, np.cross(ahead, line)


def _hip_angles(femur: Array, tilt: Array) -> tuple[Array, Array, Array]:
    """Flexion, adduction and rotation of a femur (T, 3, 3) in ground, z outward; deg.

    The intrinsic Z-X-Y angles of the hip joint; the left leg is treated as a mirrored right one.
    """
    angle = np.radians(tilt)
    turn = np.zeros_like(femur)
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 1, 0], turn[:, 0, 1] = np.sin(angle), -np.sin(angle)
    turn[:, 2, 2] = 1.0
    relative = np.swapaxes(turn, 1, 2) @ femur
    flexion = np.arctan2(-relative[:, 0, 1], relative[:, 1, 1])
    adduction = np.arcsin(np.clip(relative[:, 2, 1], -1, 1))
    rotation = np.arctan2(-relative[:, 2, 0], relative[:, 2, 2])
    return np.degrees(flexion), np.degrees(adduction), np.degrees(rotation)


def _unit(vectors: Array) -> Array:
    """Vectors (T, 3) of length 1."""
    unit: Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
