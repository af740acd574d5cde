"""Feet: where a motion puts them, by forward kinematics."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.motion.motion import Motion
from d3ke.motion.names import common, to_family
from d3ke.posing import coordinates_of, in_parts
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

SIDES = ("r", "l")
HEELS, TOES = ("calcn_r", "calcn_l"), ("toes_r", "toes_l")  # toes: the joint behind them
PELVIS = "pelvis"
NEEDED = tuple(f"{name}_{side}" for name in ("hip_flexion", "knee_angle") for side in SIDES)
HEADING_S = 2.0  # over which a heading is a line: two strides, whose turns of the pelvis cancel


class Feet(NamedTuple):
    """Feet seen from the pelvis, right and left, m; NaN where the motion has a gap.

    time: (T,) s. heels, toes: (T, 2, 2) how far ahead of the pelvis, and how far to its right.
    """

    time: Array
    heels: Array
    toes: Array


def has_feet(osim: OsimModel) -> bool:
    """Whether the model has a pelvis and feet under the names that are looked for."""
    return {PELVIS, *HEELS, *TOES, "femur_r", "talus_r"} <= set(osim.body_names)


def moves_feet(motion: Motion) -> bool:
    """Whether the motion tells how hips and knees bend."""
    return set(NEEDED) <= set(common(motion).names)


def feet_of(motion: Motion, osim: OsimModel) -> Feet:
    """Heels (origins of calcn) and toe joints (origins of toes), as they move below the pelvis.

    Ahead is where the pelvis heads, its own turns within a stride left out: it needs no path of
    the pelvis, so it is the same on a treadmill.
    Raises D3keError for a model that cannot be posed (see SkeletalModel).
    """
    frames = _bodies(motion, osim)
    pelvis, ahead = frames[:, 0, :3, 3], frames[:, 0, :3, 0]  # x points forward
    heading = _heading(motion.time, np.arctan2(-ahead[:, 2], ahead[:, 0]))
    c, s = np.cos(heading), np.sin(heading)
    axes = np.stack([np.stack([c, -s], axis=1), np.stack([s, c], axis=1)], axis=1)  # (T, 2, 2)
    below = (frames[:, 1:, :3, 3] - pelvis[:, None])[..., [0, 2]]  # (T, 4, 2) on the floor
    places = np.einsum("tij,tpj->tpi", axes, below)
    return Feet(motion.time, places[:, :2], places[:, 2:])


def leg_length_m(osim: OsimModel) -> float:
    """From hip to ankle, the model standing upright, right leg."""
    bodies = osim.body_names
    q = torch.tensor([[c.default if not c.rotational else 0.0 for c in osim.coordinates]])
    frames = SkeletalModel(osim).bodies(q)[0].numpy()
    return math.dist(*(frames[bodies.index(name), :3, 3] for name in ("femur_r", "talus_r")))


def _bodies(motion: Motion, osim: OsimModel) -> Array:
    """Frames (T, 5, 4, 4) of the pelvis, heels and toes in ground."""
    skeleton = SkeletalModel(osim)
    chosen = [osim.body_names.index(name) for name in (PELVIS, *HEELS, *TOES)]
    q = coordinates_of(to_family(motion, osim), osim)
    frames = np.empty((len(q), len(chosen), 4, 4))
    with torch.inference_mode():
        for part in in_parts(len(q)):
            posed = skeleton.bodies(torch.as_tensor(q[part], dtype=torch.float32))
            frames[part] = posed[:, chosen].numpy()
    return frames


def _heading(time: Array, angle: Array) -> Array:
    """A heading (T,) rad without the pelvis' turns in a stride: local lines, gaps left as NaN."""
    from scipy.signal import savgol_filter

    smooth = np.full(len(angle), np.nan)
    known = np.flatnonzero(~np.isnan(angle))
    step = float(np.median(np.diff(time))) if len(time) > 1 else HEADING_S
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        window = min(round(HEADING_S / step), len(run)) // 2 * 2 - 1  # odd
        turned = np.unwrap(angle[run])
        smooth[run] = savgol_filter(turned, window, 1) if window > 2 else turned
    return smooth
