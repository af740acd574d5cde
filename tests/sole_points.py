"""Soles of a shoe on the default skeleton, for tests that need feet and no mesh."""

import numpy as np
from numpy.typing import NDArray

from d3ke.skeleton.osim import OsimModel

UNDER_M = -0.022  # of the calcaneus' origin
HIND_M, FORE_M = (-0.035, 0.0, 0.05, 0.12, 0.165), (0.0, 0.04, 0.075)
HALF_WIDTH_M = 0.037


def shoe_soles(osim: OsimModel) -> tuple[tuple[int, ...], NDArray[np.float32]]:
    """Body index and place in its frame of each point: (S,), (S, 3) m."""
    bodies, points = [], []
    for side in "rl":
        for body, ahead in (("calcn", HIND_M), ("toes", FORE_M)):
            for x in ahead:
                for z in (-HALF_WIDTH_M, HALF_WIDTH_M):
                    bodies.append(osim.body_names.index(f"{body}_{side}"))
                    points.append((x, UNDER_M + (0.002 if body == "toes" else 0.0), z))
    return tuple(bodies), np.array(points, dtype=np.float32)
