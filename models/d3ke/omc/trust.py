"""Trust: which coordinates and markers of a solved recording are labels to learn from.

- a body whose measured markers lie more than 20 mm off those of the skeleton: not the coordinates
  of the joint that carries it
- a marker more than 20 mm off is not trusted itself; one that was not measured, as its body is
- a coordinate that the measured markers hardly tell: not in any frame
Source of the 20 mm: Bittner et al. 2023 (D3KE).
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LARGEST_ERROR_M = 0.02
NOISE_M = 0.005  # of a marker, with what skin moves over bone
UNCERTAIN_DEG, UNCERTAIN_M = 10.0, 0.1  # from NOISE_M: beyond, a coordinate is a guess
MOMENTS = 12  # of a recording, at which it is asked what markers tell


def trusted(
    osim: OsimModel, names: Sequence[str], errors: Array, told: Flags
) -> tuple[Flags, Flags]:
    """Which coordinates (S, K) and markers of the skeleton (S, M) are trusted.

    names: of the measured markers; errors: (S, M') m, NaN where one is missing; told: (K,) what
    they tell, see `determined`.
    """
    bodies = osim.body_names
    of_body = np.array([bodies.index(marker.body) for marker in osim.markers])
    measured = [osim.marker_names.index(name) for name in names]
    off = np.zeros((len(errors), len(bodies)), np.bool_)
    for body in set(of_body[measured]):
        own = errors[:, of_body[measured] == body]
        count = np.isfinite(own).sum(axis=1)
        square = np.nansum(own**2, axis=1) / np.maximum(count, 1)
        off[:, body] = square > LARGEST_ERROR_M**2
    q_mask = np.broadcast_to(told, (len(errors), len(told))).copy()
    for joint in osim.joints:
        places = [i for i, one in enumerate(osim.coordinates) if one.joint == joint.name]
        q_mask[:, places] &= ~off[:, [bodies.index(joint.child.body)]]
    markers_mask = ~off[:, of_body]
    markers_mask[:, measured] &= np.isnan(errors) | (errors <= LARGEST_ERROR_M)
    return q_mask, markers_mask


def determined(skeleton: SkeletalModel, q: Array, scales: Array, names: Sequence[str]) -> Flags:
    """Which coordinates the measured markers tell to within 10 deg or 10 cm, (K,).

    q: (S, K) rad or m, NaN where unknown; scales: (N, 3); names: of the markers. It is what markers
    of 5 mm noise leave uncertain, all coordinates being sought together, in the middle one of a
    dozen moments. Fixed and dependent coordinates, which nobody seeks, are told.
    """
    osim = skeleton.osim
    dependent = {coupler.dependent for coupler in osim.couplers}
    free = [
        place
        for place, coordinate in enumerate(osim.coordinates)
        if not coordinate.locked and coordinate.name not in dependent
    ]
    measured = [osim.marker_names.index(name) for name in names]
    known = q[np.isfinite(q).all(axis=1)]
    moments = known[np.linspace(0, len(known) - 1, min(MOMENTS, len(known))).astype(int)]
    spread = np.median(
        [_uncertainty(skeleton, moment, scales, free, measured) for moment in moments], axis=0
    )
    told = np.ones(len(osim.coordinates), np.bool_)
    turns = np.array([osim.coordinates[place].rotational for place in free])
    told[free] = spread <= np.where(turns, np.radians(UNCERTAIN_DEG), UNCERTAIN_M)
    return told


def _uncertainty(
    skeleton: SkeletalModel, q: Array, scales: Array, free: Sequence[int], measured: Sequence[int]
) -> Array:
    """The standard deviation of each free coordinate, rad or m; huge where nothing tells it."""
    base, size = torch.from_numpy(q), torch.from_numpy(scales)

    def places(values: Tensor) -> Tensor:
        whole = base.index_copy(0, torch.tensor(free), values)
        points: Tensor = skeleton(whole, size).markers[measured]
        return points.flatten()

    slopes = torch.func.jacfwd(places)(base[list(free)]).numpy() / NOISE_M
    _, sizes, rows = np.linalg.svd(slopes, full_matrices=True)
    sizes = np.append(sizes, np.zeros(len(rows) - len(sizes)))
    variance: Array = (rows.T**2 / np.maximum(sizes, 1e-9) ** 2).sum(axis=1)
    return np.sqrt(variance)
