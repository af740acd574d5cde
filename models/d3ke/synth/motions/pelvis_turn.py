"""Turning a pelvis about the vertical: its three angles in OpenSim's order, and as people plan."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float32]

ANGLES = ("pelvis_tilt", "pelvis_list", "pelvis_rotation")
ORDER = "ZXY"  # OpenSim's: tilt and list are about axes that do not turn with the heading


def heading_last(q: Array, names: Sequence[str]) -> Array:
    """Coordinates whose pelvis angles were meant as seen by the person, in OpenSim's order.

    q: (T, K) rad, where someone who turned round and leans forward still has a negative tilt.
    """
    columns = [names.index(name) for name in ANGLES]
    angles = q[:, columns].astype(float)
    turns = Rotation.from_euler("YZX", angles[:, [2, 0, 1]])
    return _with(q, columns, turns)


def turned(q: Array, names: Sequence[str], angle: float) -> Array:
    """Coordinates (T, K) of someone turned about the vertical by an angle, rad."""
    columns = [names.index(name) for name in ANGLES]
    turns = Rotation.from_euler(ORDER, q[:, columns].astype(float))
    return _with(q, columns, Rotation.from_euler("Y", angle) * turns)


def heading(q: Array, names: Sequence[str]) -> NDArray[np.float64]:
    """Where the pelvis' forward axis points, about the vertical, (T,) rad without jumps."""
    columns = [names.index(name) for name in ANGLES]
    forward = Rotation.from_euler(ORDER, q[:, columns].astype(float)).as_matrix()[:, :, 0]
    return np.unwrap(np.arctan2(-forward[:, 2], forward[:, 0]))


def _with(q: Array, columns: Sequence[int], turns: Rotation) -> Array:
    q = q.copy()
    q[:, columns] = np.unwrap(turns.as_euler(ORDER), axis=0)
    return q
