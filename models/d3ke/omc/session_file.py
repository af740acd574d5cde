"""SessionFile: the TOML that says what a session's folder does not, or names its files.

    name = "day_1"                     # else the folder's name
    static = "static.trc"              # the subject standing still
    osim = "model.osim"
    scaled = true                      # the .osim is the subject's own already
    mapping = "markers.toml"           # which recorded marker is which of the model
    scale_setup = "setup_scale.xml"    # of OpenSim's ScaleTool: scale the .osim as it says
    calibration = "rig.toml"           # of all cameras; or one for each:
    [calibration]
    cam1 = "camera_cam1.json"
    [board]                            # OpenCap's cameras: where its checkerboard hung
    mounting = "back wall"             # or "back wall, upside down", or "ground"
    height_m = 0.26                    # of its first inner corner over the floor
    [subject]
    id = "P01"
    sex = "f"
    height_m = 1.68
    mass_kg = 61.5
    [[trial]]                          # any of these: the folder's own trials are not looked for
    name = "walk_1"                    # else the markers' or the motion's
    markers = "walk_1.trc"
    motion = "walk_1.mot"
    videos = "walk_1.mp4"              # or, for several cameras, videos.cam1 = "walk_1_cam1.mp4"
    activity = "walking"
    offset_s = 1.25                    # marker time = (1 + drift) * video time + offset_s
    drift = 0.0

Paths are relative to the file. Every key may be left out.
"""

import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from d3ke.errors import D3keError
from d3ke.files import read_text
from d3ke.omc.subject import Subject, as_word, subject_of
from d3ke.omc.trials import ONE_CAMERA, Trial, activity_of
from d3ke.vision.rigs import BACK_WALL, BOARDS

KEYS = (
    "name", "static", "osim", "scaled", "mapping", "scale_setup", "calibration", "board", "subject",
    "trial",
)  # fmt: skip
BOARD_KEYS = ("mounting", "height_m")
TRIAL_KEYS = ("name", "markers", "motion", "videos", "activity", "offset_s", "drift")
SUBJECT_KEYS = ("id", "sex", "height_m", "mass_kg")


class Board(NamedTuple):
    """Where OpenCap's checkerboard hung: see vision.rigs."""

    mounting: str
    height_m: float


@dataclass(frozen=True)
class SessionFile:
    """What a session's TOML says; None where it says nothing.

    calibration: files by camera, or one of all cameras under "".
    """

    name: str | None
    subject: Subject | None
    trials: tuple[Trial, ...] | None
    static: Path | None
    osim: Path | None
    is_scaled: bool | None
    calibration: Mapping[str, Path] | None
    mapping: Path | None
    scale_setup: Path | None
    board: Board | None


def read_session_file(path: Path) -> SessionFile:
    """What a session's TOML says.

    Raises D3keError: not TOML, unknown keys, values of the wrong kind, files that are not there.
    """
    try:
        table = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise D3keError(f"{path}: not TOML ({error}). Mend that line.") from error
    _check_keys(table, KEYS, str(path))
    people = _value(table, "subject", dict, str(path))
    if people is not None:
        _check_keys(people, SUBJECT_KEYS, f"{path}, subject")
    several = _value(table, "trial", list, str(path))
    name = _value(table, "name", str, str(path))
    return SessionFile(
        name=as_word(name) if name else None,
        subject=subject_of(people, f"{path}, subject") if people is not None else None,
        trials=_trials(several, path) if several is not None else None,
        static=_file(table, "static", path, str(path)),
        osim=_file(table, "osim", path, str(path)),
        is_scaled=_value(table, "scaled", bool, str(path)),
        calibration=_files(table, "calibration", path, str(path), ""),
        mapping=_file(table, "mapping", path, str(path)),
        scale_setup=_file(table, "scale_setup", path, str(path)),
        board=_board(_value(table, "board", dict, str(path)), f"{path}, board"),
    )


def _board(table: Mapping[str, Any] | None, where: str) -> Board | None:
    if table is None:
        return None
    _check_keys(table, BOARD_KEYS, where)
    height_m = _number(table, "height_m", where)
    if height_m is None:
        raise D3keError(f"{where}: no height_m. Measure it from the floor, in m.")
    mounting = _value(table, "mounting", str, where) or BACK_WALL
    if mounting not in BOARDS:
        raise D3keError(f"{where}: mounting is {mounting!r}. There are: {', '.join(BOARDS)}.")
    return Board(mounting, height_m)


def _trials(tables: Sequence[Any], path: Path) -> tuple[Trial, ...]:
    trials: list[Trial] = []
    for number, table in enumerate(tables, start=1):
        where = f"{path}, trial {number}"
        if not isinstance(table, Mapping):
            raise D3keError(f"{where}: not a table. Begin it with [[trial]].")
        _check_keys(table, TRIAL_KEYS, where)
        trial = _trial(table, path, where)
        if trial.name in {other.name for other in trials}:
            raise D3keError(f"{where}: there is another {trial.name}. Give it another name.")
        trials.append(trial)
    return tuple(trials)


def _trial(table: Mapping[str, Any], path: Path, where: str) -> Trial:
    markers, motion = _file(table, "markers", path, where), _file(table, "motion", path, where)
    named = markers or motion
    if named is None:
        raise D3keError(f"{where}: neither markers nor a motion. Name a .trc, .c3d or .mot.")
    name = as_word(_value(table, "name", str, where) or named.stem)
    if not name:
        raise D3keError(f"{where}: its name has no letters. Give it a word.")
    return Trial(
        name=name,
        markers=markers,
        motion=motion,
        videos=_files(table, "videos", path, where, ONE_CAMERA) or {},
        activity=_value(table, "activity", str, where) or activity_of(name),
        offset_s=_number(table, "offset_s", where),
        drift=_number(table, "drift", where) or 0.0,
    )


def _check_keys(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    unknown = [key for key in table if key not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
        raise D3keError(f"{where}: no key is called {unknown[0]}. {hint}")


def _value(table: Mapping[str, Any], key: str, kind: type[Any], where: str) -> Any:
    """The value of a key, None where it is not there. Raises D3keError for another kind."""
    value = table.get(key)
    if value is not None and not isinstance(value, kind):
        words = {str: "a text in quotes", bool: "true or false", dict: "a table", list: "[[trial]]"}
        raise D3keError(f"{where}: {key} is {value!r}. Write {words[kind]}.")
    return value


def _number(table: Mapping[str, Any], key: str, where: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise D3keError(f"{where}: {key} is {value!r}. Write a number.")
    return float(value)


def _file(table: Mapping[str, Any], key: str, path: Path, where: str) -> Path | None:
    value = _value(table, key, str, where)
    return None if value is None else _existing(value, key, path, where)


def _files(
    table: Mapping[str, Any], key: str, path: Path, where: str, alone: str
) -> dict[str, Path] | None:
    """Files by camera, or one under the name `alone`."""
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        return {alone: _existing(value, key, path, where)}
    if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
        raise D3keError(f"{where}: {key} is {value!r}. Write a file, or one for each camera.")
    return {as_word(one): _existing(file, key, path, where) for one, file in value.items()}


def _existing(value: str, key: str, path: Path, where: str) -> Path:
    file = path.parent / value
    if file.exists():
        return file
    beside = sorted(one.name for one in file.parent.glob("*")) if file.parent.is_dir() else []
    near = difflib.get_close_matches(file.name, beside, n=1)
    hint = f"Did you mean {near[0]}?" if near else "Check the name."
    raise D3keError(f"{where}: {key} names {value}, which is not there. {hint}")
