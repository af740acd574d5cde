"""Inverse kinematics by OpenSim's own tool: the reference of ours, and another way."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import read_motion, write_markers
from d3ke.omc.solved import NO_WEIGHTS, Question, Solved, asked, solved
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

ACCURACY = 1e-5  # the tool's own default


def opensim_inverse_kinematics(
    osim: OsimModel,
    markers: MarkerData,
    weights: Mapping[str, float],
    coordinate_weights: Mapping[str, float] = NO_WEIGHTS,
    accuracy: float = ACCURACY,
) -> Solved:
    """What OpenSim's InverseKinematicsTool answers to the same as `inverse_kinematics`.

    A coordinate that no marker tells stays where it was; only frames without any followed marker
    are unknown. accuracy: the tool's own. Raises D3keError: see `asked`; where OpenSim is not
    installed, or gives up.
    """
    question = asked(osim, markers, weights, coordinate_weights)
    followed = question.recorded.select(question.weights)
    seen = np.asarray((~np.isnan(followed.xyz[:, :, 0])).any(axis=1))
    q = np.full((len(seen), len(osim.coordinates)), np.nan)
    if seen.any():
        shown = replace(followed, time=followed.time[seen], xyz=followed.xyz[seen])
        with tempfile.TemporaryDirectory() as folder:
            asking = Question(shown, question.weights)
            motion = _run(osim, asking, coordinate_weights, accuracy, Path(folder))
        q[seen] = motion.select(osim.coordinate_names).q
    chosen = [osim.marker_names.index(name) for name in question.recorded.names]
    places = SkeletalModel(osim, torch.float64)(torch.from_numpy(q)).markers[:, chosen].numpy()
    return solved(osim, question.recorded, q, places, seen)


def _run(
    osim: OsimModel,
    question: Question,
    coordinate_weights: Mapping[str, float],
    accuracy: float,
    folder: Path,
) -> Motion:
    """The motion that the tool writes, one frame for each of the recorded ones."""
    try:
        import opensim
    except ImportError as error:
        raise D3keError("OpenSim is not installed. Run: pip install opensim") from error
    opensim.Logger.setLevelString("off")
    osim.write(folder / "model.osim")
    write_markers(folder / "markers.trc", question.recorded)
    model = opensim.Model(str(folder / "model.osim"))  # the tool does not keep it alive
    tool = opensim.InverseKinematicsTool()
    tool.setModel(model)
    tool.setMarkerDataFileName(str(folder / "markers.trc"))
    tool.setStartTime(float(question.recorded.time[0]))
    tool.setEndTime(float(question.recorded.time[-1]))
    tool.setOutputMotionFileName(str(folder / "motion.mot"))
    tool.setResultsDir(str(folder))
    tool.set_report_errors(False)
    tool.set_accuracy(accuracy)
    _add_tasks(tool.getIKTaskSet(), question.weights, coordinate_weights, opensim)
    try:
        tool.run()
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise D3keError(f"OpenSim's inverse kinematics gave up ({reason}).") from error
    turns = {coordinate.name: coordinate.rotational for coordinate in osim.coordinates}
    return read_motion(folder / "motion.mot", turns)


def _add_tasks(
    tasks: Any, weights: Mapping[str, float], coordinate_weights: Mapping[str, float], opensim: Any
) -> None:
    for name, weight in weights.items():
        task = opensim.IKMarkerTask()
        task.setName(name)
        task.setWeight(weight)
        tasks.cloneAndAppend(task)
    for name, weight in coordinate_weights.items():
        task = opensim.IKCoordinateTask()
        task.setName(name)
        task.setWeight(weight)
        task.setValueType(opensim.IKCoordinateTask.DefaultValue)
        tasks.cloneAndAppend(task)
