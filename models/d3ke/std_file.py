"""The uncertainty of a motion as OpenSim reads it: OUT_std.sto, beside OUT.mot, at its times.

- a standard deviation of each coordinate that was predicted; its .mot value +- 1.645 of it is to
  hold the truth 90 % of the time
- between frames it goes straight; the .mot's low-pass leaves it alone, for it was measured after it
- in a gap, where the .mot goes straight across, it is as wide as the coordinate's whole range:
  OpenSim stops reading at a nan
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3ke.files import replacing
from d3ke.motion.motion import Motion
from d3ke.motion.names import family_of_model, to_names
from d3ke.motion.opensim_files import STD_TITLE, motion_text
from d3ke.network.uncertainty import NORMAL_90
from d3ke.prediction import Prediction
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

TITLE = f"{STD_TITLE}: 1.645 of them to either side hold 90 %"


def std_of(prediction: Prediction, motion: Motion) -> Motion | None:
    """Standard deviations at the times of a motion with gaps that was made of the prediction.

    None where the weights told no uncertainty. Only the coordinates that it is known of.
    """
    if prediction.q_std is None:
        return None
    rows = np.isfinite(prediction.q_std).any(axis=1)
    known = np.flatnonzero(np.isfinite(prediction.q_std[rows]).all(axis=0))
    time, values = prediction.time[rows], prediction.q_std[rows][:, known]
    std = np.stack([np.interp(motion.time, time, column) for column in values.T], axis=1)
    ranges = np.array([c.range for c in prediction.model().coordinates])[known]
    gap = np.isnan(motion.q[:, known])
    std[gap] = np.broadcast_to(np.ptp(ranges, axis=1) / NORMAL_90, std.shape)[gap]
    names = tuple(prediction.coordinate_names[index] for index in known)
    flags = dict(zip(motion.names, motion.rotational, strict=True))
    return Motion(motion.time, std, names, tuple(flags[name] for name in names))


def in_names_of(std: Motion, osim: OsimModel) -> Motion:
    """The same of another model's coordinates; those that it does not have are left out."""
    renamed = to_names(std, osim.coordinate_names, family_of_model(osim))
    there = np.flatnonzero(np.isfinite(renamed.q).all(axis=0))
    known = renamed.select(renamed.names[index] for index in there)
    return replace(known, q=np.abs(known.q))


def write_std(path: Path, std: Motion) -> None:
    """Write the .sto, rotations in degrees. Raises D3keError where it cannot be written."""
    with replacing(path) as temporary:
        temporary.write_text(motion_text(std, TITLE), encoding="utf-8", newline="\n")
