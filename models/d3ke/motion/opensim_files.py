"""OpenSim's files: motions as .mot and .sto, markers as .trc, read and written as OpenSim 4.6 does.

- Inside are radians and metres; a .mot has degrees. Coupled coordinates (knee_angle_r_beta) stay
  in radians in both: OpenSim converts them neither way.
- Eight decimals, as OpenSim writes them: 1e-8 degree, 10 nm, 10 ns. A .mot of OpenSim's own
  inverse kinematics that is read and written again has the same bytes.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

import numpy as np

from d3ke.errors import D3keError
from d3ke.files import read_text, replacing
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.names import is_rotational
from d3ke.motion.storage import Table, parse_storage
from d3ke.motion.trc import parse_trc, trc_text

Target = str | os.PathLike[str] | TextIO
Warn = Callable[[str], None]

# As OpenSim's InverseKinematicsTool writes it, under the title that OpenSim shows.
COORDINATES = "Coordinates"
MOT_HEADER = """{title}
version=1
nRows={rows}
nColumns={columns}
inDegrees=yes

Units are S.I. units (second, meters, Newtons, ...)
If the header above contains a line with 'inDegrees', this indicates whether rotational values are \
in degrees (yes) or radians (no).

endheader
"""
STD_TITLE = "Standard deviations"  # so begins an OUT_std.sto, which holds no motion
STO_HEADER = "inDegrees=no\nDataType=double\nversion=3\nendheader\n"


def no_warning(message: str) -> None:
    """Where warnings go that nobody asked for."""


def read_motion(
    path: str | os.PathLike[str],
    rotational: Mapping[str, bool] | None = None,
    warn: Warn = no_warning,
) -> Motion:
    """The motion in a .mot or .sto.

    rotational: which coordinates are rotations, where a model says so; else told by the names
    (names.is_rotational). Of a file of states (/jointset/hip_r/hip_flexion_r/value) the values are
    kept, under the coordinates' names. warn: gets one line for what is odd but can be read.
    Raises D3keError for what cannot (see parse_storage), and for standard deviations of a motion.
    """
    path = Path(path)
    text = read_text(path)
    if text.startswith(STD_TITLE):
        raise D3keError(f"{path}: holds standard deviations, no motion. Pass the .mot beside it.")
    table = parse_storage(text, path)
    for remark in table.remarks:
        warn(f"{path}: {remark.text}.")
    return motion_in(table, path, rotational)


def motion_in(table: Table, path: Path, rotational: Mapping[str, bool] | None = None) -> Motion:
    """The motion in a table that was read: the second half of `read_motion`."""
    keep, names = _coordinate_columns(table.names, path)
    known = rotational or {}
    flags = tuple(known.get(name, is_rotational(name)) for name in names)
    values = table.values[:, keep]
    q = np.where(flags, np.deg2rad(values), values) if table.in_degrees else values
    return Motion(table.time, q, names, flags)


def write_motion(target: Target, motion: Motion, warn: Warn = no_warning) -> None:
    """Write a .mot in degrees, to a path or an open text file.

    Frames with a gap (NaN) in any coordinate are left out, with a warning: OpenSim stops reading
    at the first nan, and goes straight across a hole in time.
    Raises D3keError where the file cannot be written, or nothing but gaps is left.
    """
    whole = ~np.isnan(motion.q).any(axis=1)
    if not whole.any():
        raise D3keError(f"{_shown(target)}: no frame has all coordinates. Fill the gaps first.")
    if not whole.all():
        warn(f"{_shown(target)}: {int((~whole).sum())} frames with gaps are left out.")
    kept = Motion(motion.time[whole], motion.q[whole], motion.names, motion.rotational)
    _write(target, _mot_lines(kept))


def motion_text(motion: Motion, title: str = COORDINATES) -> str:
    """The text of a .mot in degrees, as `write_motion` writes it."""
    return "".join(_mot_lines(motion, title))


def write_sto(target: Target, motion: Motion) -> None:
    """Write a .sto in radians with all digits: what is read back is equal, gaps included.

    Raises D3keError where the file cannot be written.
    """
    _write(target, _sto_lines(motion))


def read_markers(path: str | os.PathLike[str], warn: Warn = no_warning) -> MarkerData:
    """The markers in a .trc, in metres by the file's own Units.

    warn: gets one line for what is odd but can be read. Raises D3keError (see parse_trc).
    """
    path = Path(path)
    table = parse_trc(read_text(path), path)
    for remark in table.remarks:
        warn(f"{path}: {remark.text}.")
    return table.markers


def write_markers(target: Target, markers: MarkerData, units: str = "m") -> None:
    """Write a .trc, nan where a marker is missing, to a path or an open text file.

    units: m, or another that OpenSim knows (trc.METRES).
    Raises D3keError where the file cannot be written.
    """
    _write(target, trc_text(markers, Path(_shown(target)).name, units))


def _coordinate_columns(labels: tuple[str, ...], path: Path) -> tuple[list[int], tuple[str, ...]]:
    """Which columns are coordinates, and their names: all, or the values among states."""
    states = [i for i, label in enumerate(labels) if label.endswith("/value")]
    if not states:
        return list(range(len(labels))), labels
    names = tuple(labels[i].split("/")[-2] for i in states)
    if len(set(names)) < len(names):
        raise D3keError(f"{path}: states of two models. Write the coordinates of one.")
    return states, names


def _mot_lines(motion: Motion, title: str = COORDINATES) -> Iterator[str]:
    yield MOT_HEADER.format(title=title, rows=len(motion.time), columns=len(motion.names) + 1)
    yield "\t".join(("time", *motion.names)) + "\n"
    form = "\t".join(["%16.8f"] * (len(motion.names) + 1)) + "\n"
    for time, row in zip(motion.time.tolist(), motion.degrees().tolist(), strict=True):
        yield form % (time, *row)


def _sto_lines(motion: Motion) -> Iterator[str]:
    yield STO_HEADER
    yield "\t".join(("time", *motion.names)) + "\n"
    for time, row in zip(motion.time.tolist(), motion.q.tolist(), strict=True):
        yield "\t".join(map(repr, (time, *row))) + "\n"


def _write(target: Target, lines: Iterable[str]) -> None:
    if not isinstance(target, str | os.PathLike):
        target.writelines(lines)
        return
    with (
        replacing(target) as temporary,
        temporary.open("w", encoding="utf-8", errors="replace", newline="\n") as file,
    ):
        file.writelines(lines)


def _shown(target: Target) -> str:
    if isinstance(target, str | os.PathLike):
        return os.fspath(target)
    return str(getattr(target, "name", "markers.trc"))
