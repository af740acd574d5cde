"""Recordings: motions and markers from whatever file holds them."""

import os
from collections.abc import Callable
from pathlib import Path

from d3ke.errors import D3keError
from d3ke.motion.c3d import read_c3d
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import read_markers, read_motion
from d3ke.prediction import Prediction
from d3ke.skeleton.osim import OsimModel

Warn = Callable[[str], None]


def load_motion(
    source: Motion | str | os.PathLike[str], warn: Warn
) -> tuple[Motion, dict[str, bool]]:
    """A motion from a .mot, .sto or .npz of `d3ke predict`, and which coordinates were observed.

    A Motion is passed through; where a file does not say, nothing is told about what was observed.
    Raises D3keError for other files, and for those that cannot be read.
    """
    if isinstance(source, Motion):
        return source, {}
    path = Path(source)
    if path.suffix.lower() in {".mot", ".sto"}:
        return read_motion(path, warn=warn), {}
    if path.suffix.lower() == ".npz":
        found = Prediction.load(path)
        flags = zip(found.coordinate_names, found.observed, strict=True)
        return found.motion(), {name: bool(flag) for name, flag in flags}
    raise D3keError(f"{path}: holds no joint angles. Pass a .mot, .sto or .npz.")


def load_model(source: Motion | str | os.PathLike[str], warn: Warn) -> OsimModel | None:
    """The model of a motion: in the .npz of `d3ke predict`, or the .osim of the same name beside.

    None where there is neither, and, with a warning, where the .osim cannot be read.
    """
    if isinstance(source, Motion):
        return None
    path = Path(source)
    if path.suffix.lower() == ".npz":
        return Prediction.load(path).model()
    beside = path.with_suffix(".osim")
    try:
        return OsimModel.from_file(beside) if beside.is_file() else None
    except D3keError as error:
        warn(f"{error} It is not used to place feet.")
        return None


def load_markers(source: MarkerData | str | os.PathLike[str], warn: Warn) -> MarkerData:
    """Markers from a .trc, .c3d or .npz of `d3ke predict`; MarkerData is passed through.

    Raises D3keError for other files, and for those that cannot be read.
    """
    if isinstance(source, MarkerData):
        return source
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix == ".trc":
        return read_markers(path, warn=warn)
    if suffix == ".c3d":
        return read_c3d(path, warn=warn)
    if suffix == ".npz":
        return Prediction.load(path).marker_data()
    raise D3keError(f"{path}: holds no markers. Pass a .trc, .c3d or .npz.")
