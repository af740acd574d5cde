"""Balance: who stands has the centre of mass over the feet. What that tells of the camera's tilt.

The camera is taken to be level, or pitched as the user says. Where a standing person seems out of
balance in that frame, it is the camera that is tilted: on cameras of known tilt the roll is found
within 5 deg, the pitch within 3 deg of a nearly level one and a third too small of a steep one.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

UPRIGHT = 0.5  # of the height: a centre of mass this far from the feet belongs to one who stands
LEAST_S = 0.5  # of standing, before it says anything
SUSPECT_DEG = 8.0  # trunk and legs of people who stand well lean up to 5 deg


class Tilt(NamedTuple):
    """How a camera is tilted by what balance tells, in degrees.

    pitch: it looks down. roll: it is turned clockwise. off: from what was taken to be so.
    """

    pitch_deg: float
    roll_deg: float
    off_deg: float


def tilt_by_balance(
    time: Array,
    mass_center: Array,
    soles: Array,
    stands: NDArray[np.bool_],
    up: Array,
    height_m: float,
) -> Tilt | None:
    """The camera's tilt under which a standing person is in balance; None if nobody stands.

    time: (T,). mass_center: (T, 3) and soles: (T, P, 3) in the camera's axes, metres. stands:
    (T, P). up: (3,) the direction that was taken to be against gravity. height_m: of the person.
    """
    weight = stands / np.maximum(stands.sum(axis=1, keepdims=True), 1)
    upwards = mass_center - np.einsum("tp,tpi->ti", weight, soles)
    length = np.linalg.norm(upwards, axis=1)
    upright = stands.any(axis=1) & (length > UPRIGHT * height_m)
    if upright.sum() * float(np.median(np.diff(time))) < LEAST_S:
        return None
    x, y, z = np.median(upwards[upright] / length[upright, None], axis=0)
    off = math.acos(np.clip(np.dot((x, y, z), up) / math.hypot(x, y, z), -1, 1))
    pitch, roll = math.atan2(-z, -y), math.atan2(-x, -y)
    return Tilt(math.degrees(pitch), math.degrees(roll), math.degrees(off))
