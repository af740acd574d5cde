"""Solved: what inverse kinematics is asked and answers, whoever computes it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})


class Solved(NamedTuple):
    """The motion of a model that follows markers best.

    motion: all coordinates of the model, NaN where the markers that would tell one are missing,
    and in the whole of a frame where they don't tell the root's place. markers: the model's, of
    those in the recording that it has, NaN in such a frame. errors: (T, M) m, how far each is from
    the recorded one, NaN where either is missing. converged: (T,) which frames were solved to the
    end.
    """

    motion: Motion
    markers: MarkerData
    errors: Array
    converged: Flags


class Question(NamedTuple):
    """Recorded markers that the model has, and the weights of those that it shall follow."""

    recorded: MarkerData
    weights: Mapping[str, float]


def asked(
    osim: OsimModel,
    markers: MarkerData,
    weights: Mapping[str, float],
    coordinate_weights: Mapping[str, float],
) -> Question:
    """The question, checked.

    Raises D3keError: a weight of what the model does not have, or that is negative; no marker with
    a weight that both the recording and the model have.
    """
    for what, names, given in (
        ("marker", osim.marker_names, weights),
        ("coordinate", osim.coordinate_names, coordinate_weights),
    ):
        for name, weight in given.items():
            if name not in names:
                raise D3keError(f"weights: the model has no {what} {name}. Use the model's names.")
            if not 0 <= weight < np.inf:
                raise D3keError(f"weights: {what} {name} has {weight}. Give 0 or more.")
    recorded = markers.select(name for name in markers.names if name in osim.marker_names)
    followed = {name: weights[name] for name in recorded.names if weights.get(name, 0.0) > 0}
    if not followed:
        raise D3keError(
            "no marker with a weight is both in the recording and in the model. "
            f"Rename the recording's to the model's: {', '.join(osim.marker_names)}."
        )
    return Question(recorded, followed)


def solved(
    osim: OsimModel, recorded: MarkerData, q: Array, places: Array, converged: Flags
) -> Solved:
    """The answer in coordinates q (T, K) and the model's markers (T, M, 3), NaN = unknown."""
    turns = [coordinate.rotational for coordinate in osim.coordinates]
    motion = Motion(recorded.time, q, osim.coordinate_names, tuple(turns))
    errors = np.linalg.norm(places - recorded.xyz, axis=2)
    return Solved(motion, MarkerData(recorded.time, places, recorded.names), errors, converged)
