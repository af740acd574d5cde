"""Inverse kinematics by OpenSim's own tool: the reference for ours, and an option."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import read_motion, write_markers
from d3ke.omc.solved import Solved, asked, solved
from d3ke.skeleton.osim import OsimModel

ACCURACY = 1e-5  # the tool's own default
NOTHING: Mapping[str, float] = MappingProxyType({})


def opensim_inverse_kinematics(
    osim: OsimModel,
    markers: MarkerData,
    weights: Mapping[str, float],
    coordinate_weights: Mapping[str, float] = NOTHING,
) -> Solved:
    """What OpenSim's InverseKinematicsTool answers; see `inverse_kinematics`.

    It fills no gaps with NaN: where markers are missing, coordinates stay where they were.
    Raises D3keError as that does, and where OpenSim is not installed or gives up.
    """
    question = asked(osim, markers, weights, coordinate_weights)
    followed = question.recorded.select(question.weights)
    with tempfile.TemporaryDirectory() as folder:
        motion = _run(osim, followed, question.weights, coordinate_weights, Path(folder))
    ...
