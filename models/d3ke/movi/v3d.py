"""Visual3D files of BML-MoVi: a subject's markers, and the movements of the recording."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.files import read_bytes
from d3ke.motion.markers import MarkerData
from d3ke.movi.cameras import GROUND_FROM_MOVI, MOCAP_HZ
from d3ke.movi.motion_filter import MOCAP_PER_VIDEO

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

FARTHEST_MM = 1e5  # of a marker in a hall; what is not filled is 0, NaN or about -1e9
STATIC = re.compile(r"^(t|a)[_ -]?pose|^static", re.IGNORECASE)


class Movement(NamedTuple):
    """A movement: its number from 1, and where it is: from a frame up to before another.

    first, last: of the video at 30 Hz; mocap_first, mocap_last: of the markers at 120 Hz; from 0.
    """

    number: int
    name: str
    first: int
    last: int
    mocap_first: int
    mocap_last: int

    @property
    def is_static(self) -> bool:
        """Whether it is a pose for calibration."""
        return STATIC.match(self.name) is not None


@dataclass(frozen=True, eq=False)
class V3d:
    """A subject as its F_v3d file has it.

    sex: `male`, `female` or `neutral` where it isn't said; height_m, mass_kg: None likewise.
    markers: of the whole recording at 120 Hz, in OpenSim's ground, published names; with the joint
    centres that Visual3D added.
    """

    subject: int
    sex: str
    height_m: float | None
    mass_kg: float | None
    markers: MarkerData
    movements: tuple[Movement, ...]


def read_v3d(path: Path | str) -> V3d:
    """Read an F_v3d_Subject_N.mat.

    Raises D3keError: no such file, not MATLAB's format of versions 5 to 7, not such a file.
    Source: MoVi-Toolbox (github.com/saeed1262/MoVi-Toolbox) for Subject_N_F.{subject, move}, of
    move markerLocation (T, M, 3), motions_list, flags30 and flags120 (n, 2), which count from 1 and
    include the end; programs of users of the data for mm, z up, markerName (M), subject.{sex,
    height, mass}, 87 markers of which 20 are joint centres, and 0 where a marker is missing. The
    unit of the height is not told there: m, cm and mm are told apart by their size.
    """
    path = Path(path)
    subject, whole = _subject_struct(path, _loaded(path))
    try:
        person, move = whole.get("subject", {}), _only(whole["move"])
        names = [str(name) for name in np.atleast_1d(move["markerName"])]
        markers = _marker_data(np.asarray(move["markerLocation"], np.float64), names)
        movements = _movements(move)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise D3keError(
            f"{path}: not laid out as BML-MoVi's v3d files are ({error}). "
            f"Download it again, or take the files of round F."
        ) from error
    return V3d(
        subject=subject,
        sex=_sex(person),
        height_m=_metres(_number(person, "height")),
        mass_kg=_number(person, "mass"),
        markers=markers,
        movements=movements,
    )


def _loaded(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not read_bytes(path):
        raise D3keError(f"{path}: an empty file. Download it again.")
    try:
        return dict(loadmat(path, simplify_cells=True))
    except NotImplementedError as error:
        raise D3keError(
            f"{path}: MATLAB's format 7.3, which is not read. Save it with -v7 in MATLAB."
        ) from error
    except (MatReadError, OSError, ValueError, TypeError, LookupError, zlib.error) as error:
        raise D3keError(f"{path}: broken, or not a MATLAB file. Download it again.") from error


def _subject_struct(path: Path, loaded: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    for name, value in loaded.items():
        found = re.fullmatch(r"Subject_(\d+)_F", name)
        if found and isinstance(value, Mapping):
            return int(found[1]), value
    raise D3keError(f"{path}: holds no Subject_N_F. Take the F_v3d files of BML-MoVi's round F.")


def _only(move: Any) -> Mapping[str, Any]:
    """The recording: a struct, or the first of a cell array of them."""
    found = move if isinstance(move, Mapping) else np.atleast_1d(np.asarray(move, object))[0]
    if not isinstance(found, Mapping):
        raise ValueError("no struct `move`")
    return found


def _marker_data(places_mm: Array, names: list[str]) -> MarkerData:
    """Where a name comes twice, the first is the marker on the skin."""
    if places_mm.ndim != 3 or places_mm.shape[1:] != (len(names), 3):
        raise ValueError(f"{len(names)} names for markers of {places_mm.shape}")
    near, filled = np.abs(places_mm) < FARTHEST_MM, places_mm.any(axis=2, keepdims=True)
    xyz = (
        np.where(near.all(axis=2, keepdims=True) & filled, places_mm, np.nan)
        / 1000
        @ GROUND_FROM_MOVI.T
    )
    once = [index for index, name in enumerate(names) if names.index(name) == index]
    time = np.arange(len(xyz)) / MOCAP_HZ
    return MarkerData(time, xyz[:, once], tuple(names[index] for index in once))


def _movements(move: Mapping[str, Any]) -> tuple[Movement, ...]:
    names = [str(name).strip() for name in np.atleast_1d(move["motions_list"])]
    video = _ranges(move["flags30"], len(names))
    given = move.get("flags120")
    mocap = video * MOCAP_PER_VIDEO if given is None else _ranges(given, len(names))
    return tuple(
        Movement(number, name, *frames, *moments)
        for number, (name, frames, moments) in enumerate(
            zip(names, video.tolist(), mocap.tolist(), strict=True), start=1
        )
    )


def _ranges(flags: Any, count: int) -> Integers:
    """First frame and the one past the last, from 0, (n, 2); flags count from 1, with the end."""
    found = np.atleast_2d(np.asarray(flags, np.float64))
    if not np.isfinite(found).all():
        raise ValueError("a movement without beginning or end")
    whole = found.astype(np.int64)
    if whole.shape != (count, 2):
        whole = whole.T
    if whole.shape != (count, 2):
        raise ValueError(f"{count} movements, but flags of {found.shape[0]} x {found.shape[1]}")
    ranges: Integers = whole - np.array([1, 0])
    if (ranges[:, 0] < 0).any() or (ranges[:, 1] <= ranges[:, 0]).any():
        raise ValueError("a movement that ends before it begins")
    return ranges


def _sex(person: Any) -> str:
    told = str(person.get("sex", "")).strip().lower() if isinstance(person, Mapping) else ""
    return {"m": "male", "f": "female"}.get(told[:1], "neutral")


def _number(person: Any, name: str) -> float | None:
    try:
        value = float(person[name])
    except (KeyError, TypeError, ValueError):
        return None
    return value if np.isfinite(value) and value > 0 else None


def _metres(height: float | None) -> float | None:
    for unit in (1.0, 100.0, 1000.0):
        if height is not None and 0.5 <= height / unit <= 2.5:  # of a person
            return height / unit
    return None
