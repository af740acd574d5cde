"""What arms do while the legs are busy: hang, swing, cross, clasp, reach, rest on the hips.

Angles in degrees of arm_flex, arm_add, arm_rot, elbow_flex, as the default skeleton defines them
(flexion forward, adduction and internal rotation positive).
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.synth.motions.curves import sway, waypoints

Array = NDArray[np.float64]
Curves = dict[str, Array]
COORDINATES = ("arm_flex", "arm_add", "arm_rot", "elbow_flex", "pro_sup")

# name: (mean, standard deviation, correlation between sides, how often)
POSTURES: dict[str, tuple[tuple[float, ...], tuple[float, ...], float, float]] = {
    "hanging": ((2, -6, -5, 26, 85), (7, 5, 12, 10, 20), 0.7, 0.30),
    "crossed on the chest": ((38, 8, 50, 112, 90), (12, 9, 14, 12, 25), 0.6, 0.13),
    "hands on the hips": ((-12, -38, 38, 95, 60), (10, 10, 18, 15, 30), 0.8, 0.09),
    "clasped in front": ((22, 2, 42, 62, 80), (15, 8, 12, 25, 25), 0.9, 0.08),
    "forward": ((82, -2, 18, 35, 80), (14, 9, 16, 22, 30), 0.9, 0.10),
    "overhead": ((150, -15, 15, 32, 70), (22, 16, 22, 22, 30), 0.8, 0.05),
    "sideways": ((5, -80, 5, 20, 70), (20, 16, 30, 20, 30), 0.8, 0.06),
    "behind": ((-22, 2, 35, 45, 80), (12, 8, 18, 25, 30), 0.8, 0.03),
    "guard": ((32, -15, 25, 105, 70), (22, 14, 22, 22, 30), 0.6, 0.06),
    "anywhere": ((40, -25, 10, 55, 75), (45, 28, 35, 38, 35), 0.2, 0.10),
}


def arm_gestures(rng: Generator, time: Array, follow: Array | None = None) -> Curves:
    """Arms that hold a posture, change it now and then, or follow the legs. time: (T,), s.

    follow: (T,), 0 at rest and 1 where the arms have reached their second posture.
    """
    first, second = _posture(rng), _posture(rng)
    if follow is not None and rng.random() < 0.6:
        part = follow
    elif rng.random() < 0.5:
        begin = rng.uniform(0, time[-1])
        part = waypoints(time, [begin, begin + rng.uniform(0.4, 1.5)], [0, 1])
    else:
        part = np.zeros_like(time)
    return _curves(rng, time, first[:, :, None] * (1 - part) + second[:, :, None] * part)


def arm_hold(rng: Generator, time: Array, posture: str) -> Curves:
    """Arms that keep one of the POSTURES. time: (T,), s."""
    return _curves(rng, time, np.repeat(_posture(rng, posture)[:, :, None], len(time), axis=2))


def arm_swing(rng: Generator, time: Array, rate_hz: float, phase: float = 0.0) -> Curves:
    """Arms that swing against the legs at the stride rate. time: (T,), s."""
    size, elbow = rng.uniform(4, 30), rng.uniform(10, 45)
    if rng.random() < 0.15:
        elbow = rng.uniform(70, 110)
    base = _posture(rng, "hanging")
    base[:, 3] = elbow
    angles = np.repeat(base[:, :, None], len(time), axis=2)
    for side, shift in enumerate((0.5, 0.0)):
        wave = np.cos(2 * np.pi * (rate_hz * time + phase + shift))
        angles[side, 0] += size * wave * rng.uniform(0.8, 1.2)
        angles[side, 3] += size * 0.5 * wave
    return _curves(rng, time, angles)


def _posture(rng: Generator, name: str | None = None) -> Array:
    """Both arms' angles, (2, 5)."""
    if name is None:
        often = np.array([posture[3] for posture in POSTURES.values()])
        name = list(POSTURES)[rng.choice(len(often), p=often / often.sum())]
    mean, spread, together, _ = POSTURES[name]
    common = rng.normal(0, 1, (1, len(mean))) * np.sqrt(together)
    own = rng.normal(0, 1, (2, len(mean))) * np.sqrt(1 - together)
    angles: Array = np.array(mean) + np.array(spread) * (common + own)
    if rng.random() < 0.08:
        angles[rng.integers(2)] = _posture(rng, "hanging")[0]
    return angles


def _curves(rng: Generator, time: Array, angles: Array) -> Curves:
    """Named curves from (2, 5, T) angles, with a little unrest."""
    curves: Curves = {}
    for row, side in enumerate(("r", "l")):
        for column, coordinate in enumerate(COORDINATES):
            unrest = sway(rng, time, rng.uniform(0.5, 3.5))
            curves[f"{coordinate}_{side}"] = angles[row, column] + unrest
        curves[f"elbow_flex_{side}"] = np.maximum(curves[f"elbow_flex_{side}"], 0)
        for wrist in ("wrist_flex", "wrist_dev"):
            curves[f"{wrist}_{side}"] = rng.normal(0, 10) + sway(rng, time, 4)
    return curves
