"""C3D: marker recordings in the binary format of motion laboratories, through ezc3d."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from d3ke.errors import D3keError
from d3ke.files import read_bytes, replacing
from d3ke.motion.markers import MarkerData
from d3ke.motion.trc import METRES, size_remark

KEY = 0x50  # second byte of every C3D file. Source: The C3D File Format User Guide, Motion Lab
INTEL = 84  # processor type: little-endian words
BLOCK_BYTES = 512
TRIAL = "import sys, ezc3d; ezc3d.c3d(sys.argv[1])"
TRIAL_S = 60.0  # a recording of an hour takes ten
MAX_LABEL = 127  # characters; a label's length is one signed byte


def read_c3d(path: str | os.PathLike[str], warn: Callable[[str], None] | None = None) -> MarkerData:
    """The markers in a .c3d, in metres, in the axes of the recording.

    Time is that of the recording: the first frame's number over the rate. Points that are marked
    as missing, by their residual or by nan, are gaps. warn: gets one line for what is odd.
    Raises D3keError: not a C3D file, cut short, no markers, unknown units, duplicate names.
    """
    path = Path(path)
    _check_start(path)
    ezc3d = _ezc3d()
    _check_survives(path)
    try:
        file = ezc3d.c3d(str(path))
        points, frames = file["parameters"]["POINT"], file["data"]["points"]
        missing = np.asarray(file["data"]["meta_points"]["residuals"])[0] < 0  # (M, T)
        first = int(file["header"]["points"]["first_frame"])
    except (OSError, ValueError, KeyError, IndexError, RuntimeError, MemoryError) as error:
        raise D3keError(f"{path}: cannot be read as .c3d ({error}). Export it again.") from error
    names = _labels(points, frames.shape[1], path)
    unit = str(_value(points, "UNITS", "m")).strip()
    rate = float(_value(points, "RATE", 0.0))
    if unit not in METRES:
        raise D3keError(f"{path}: unknown POINT:UNITS {unit!r}. Export it in m or mm.")
    if not names or not frames.shape[2] or rate <= 0:
        raise D3keError(f"{path}: holds no markers. Export the marker trajectories too.")
    xyz = frames[:3].astype(np.float64) * METRES[unit]
    xyz[:, missing] = np.nan
    xyz[:, np.isnan(xyz).any(axis=0)] = np.nan
    time = (first + np.arange(frames.shape[2])) / rate
    markers = MarkerData(time, xyz.transpose(2, 1, 0), names)
    for text in _oddities(markers, points):
        (warn or (lambda _: None))(f"{path}: {text}.")
    return markers


def write_c3d(path: str | os.PathLike[str], markers: MarkerData) -> None:
    """Write a .c3d in metres, Y up, at the rate of the markers; gaps are marked as missing.

    A C3D file has no time stamps, only a rate: give it uniform time.
    Raises D3keError where time is uneven, or the file cannot be written.
    """
    steps = np.diff(markers.time)
    if len(steps) and np.ptp(steps) > 0.01 * np.median(steps):
        raise D3keError(f"{os.fspath(path)}: a .c3d needs a uniform rate. Pass --rate.")
    rate = markers.rate_hz or 1.0
    file = _ezc3d().c3d()
    file["parameters"]["POINT"]["UNITS"]["value"] = ["m"]
    file["parameters"]["POINT"]["RATE"]["value"] = [rate]
    file["parameters"]["POINT"]["LABELS"]["value"] = [name[:MAX_LABEL] for name in markers.names]
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    xyz = markers.xyz.transpose(2, 1, 0)  # (3, M, T)
    gaps = np.isnan(xyz).any(axis=0)
    file["data"]["points"] = np.concatenate([xyz, np.ones_like(xyz[:1])])
    file["data"]["meta_points"]["residuals"] = np.where(gaps, -1.0, 0.0)[None]
    file["header"]["points"]["first_frame"] = round(float(markers.time[0]) * rate)
    with replacing(path) as temporary:
        file.write(str(temporary))


def _ezc3d() -> Any:
    try:
        import ezc3d
    except ImportError as error:
        raise D3keError(
            "the package ezc3d is not installed: it has no wheel for this system. Use .trc instead."
        ) from error
    return ezc3d


def _check_start(path: Path) -> None:
    """Refuse what is no C3D file, or was cut short, before a parser of pointers sees it.

    Source: The C3D File Format User Guide, Motion Lab Systems: the header's 16-bit words.
    """
    data = read_bytes(path)
    if len(data) < 2 * BLOCK_BYTES or data[1] != KEY or not 1 < data[0] <= len(data) // BLOCK_BYTES:
        raise D3keError(f"{path}: not a .c3d file, or cut short. Export it again.")
    if data[(data[0] - 1) * BLOCK_BYTES + 3] != INTEL:
        return  # the header's words are in another order; ezc3d knows them
    _, points, analog, first, last, _ = struct.unpack_from("<6H", data)
    scale, start = struct.unpack_from("<fH", data, 12)
    bytes_each = 4 if scale < 0 else 2
    frame_bytes = (4 * points + analog) * bytes_each
    if len(data) < (start - 1) * BLOCK_BYTES + (last - first + 1) * frame_bytes:
        raise D3keError(f"{path}: cut short. Export it again.")


def _check_survives(path: Path) -> None:
    """Let another process read it first: damaged parameters make ezc3d crash, not complain."""
    command = [sys.executable, "-P", "-c", TRIAL, os.fspath(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TRIAL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise D3keError(f"{path}: damaged (no end to its parameters). Export it again.") from error
    if done.returncode < 0 or done.returncode > 1:
        raise D3keError(f"{path}: damaged (its parameters lead nowhere). Export it again.")


def _oddities(markers: MarkerData, points: Any) -> Iterator[str]:
    gaps = int(np.isnan(markers.xyz[..., 0]).sum())
    if gaps:
        yield f"{gaps} missing marker places are gaps"
    if str(_value(points, "Y_SCREEN", "")).strip().upper() == "+Z":
        yield "Z points up: turn the axes before OpenSim, where Y is up, sees it"
    size = size_remark(markers)
    if size:
        yield size.text


def _value(group: Any, name: str, default: Any) -> Any:
    values = group[name]["value"] if name in group else []
    return values[0] if len(values) else default


def _labels(points: Any, count: int, path: Path) -> tuple[str, ...]:
    """The names of the points; LABELS2, LABELS3... go on where one list is full."""
    lists = [name for name in ("LABELS", *(f"LABELS{n}" for n in range(2, 100))) if name in points]
    names = tuple(label.strip() for key in lists for label in points[key]["value"])[:count]
    if len(names) < count or "" in names:
        raise D3keError(f"{path}: {count} markers but {len(names)} names. Name all of them.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise D3keError(f"{path}: two markers are called {twice[0]!r}. Rename or remove one.")
    return names
