"""Subject: whom a session is about, from what the files beside a recording say."""

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d3ke.errors import D3keError
from d3ke.files import read_text

# What the files that may lie beside a recording call the facts. Names in: our own clip.json and
# session.toml, OpenCap's sessionMetadata.yaml, Pose2Sim's Config.toml.
ID = ("id", "subject_id", "subjectID", "subject_name")
SEX = ("sex", "gender", "gender_mf")
HEIGHT = ("height_m", "height", "participant_height")
MASS = ("mass_kg", "mass", "participant_mass")
SEXES = {"f": "f", "female": "f", "w": "f", "woman": "f", "m": "m", "male": "m", "man": "m"}
HEIGHTS_M = (0.4, 2.6)
MASSES_KG = (2.0, 400.0)


@dataclass(frozen=True)
class Subject:
    """A person. id: a word; sex: "f", "m" or None, as height_m and mass_kg where nothing says."""

    id: str
    sex: str | None = None
    height_m: float | None = None
    mass_kg: float | None = None


@dataclass(frozen=True)
class Facts:
    """What a file says beside its recording. shared: files elsewhere that belong to it."""

    path: Path
    subject: Subject | None
    activity: str | None
    shared: tuple[Path, ...] = ()


def as_word(text: str) -> str:
    """A name without blanks, dashes and dots: "Trial 01-a" becomes Trial_01_a."""
    return re.sub(r"\W+", "_", text).strip("_")


def subject_of(table: Mapping[str, Any], where: str) -> Subject:
    """The subject in a table of facts; values such as "auto" and an empty id count as not said.

    Raises D3keError: a height or mass no person has, a sex that is no word for one.
    """
    sex = _first(table, SEX)
    known = None if sex in {None, ""} else SEXES.get(str(sex).strip().casefold())
    if known is None and sex not in {None, ""}:
        raise D3keError(f"{where}: sex is {sex!r}. Write f or m, or leave it out.")
    return Subject(
        id=as_word(str(_first(table, ID) or "")),
        sex=known,
        height_m=_number(table, HEIGHT, HEIGHTS_M, "m", where),
        mass_kg=_number(table, MASS, MASSES_KG, "kg", where),
    )


def together(subjects: list[Subject], name: str, where: Path) -> Subject:
    """One subject of several accounts; the first that says a thing is believed.

    name: for one without. Raises D3keError where they are of different people.
    """
    ids = list(dict.fromkeys(subject.id for subject in subjects if subject.id))
    if len(ids) > 1:
        raise D3keError(
            f"{where}: its files are of {ids[0]} and of {ids[1]}. A session is one subject: name "
            "their folders one by one."
        )
    return Subject(
        id=ids[0] if ids else name,
        sex=next((one.sex for one in subjects if one.sex), None),
        height_m=next((one.height_m for one in subjects if one.height_m), None),
        mass_kg=next((one.mass_kg for one in subjects if one.mass_kg), None),
    )


def read_facts(path: Path) -> Facts:
    """What a clip.json, trial.json, sessionMetadata.yaml or Pose2Sim's Config.toml says.

    Raises D3keError: a file that is not what its name says, and impossible facts.
    """
    try:
        table = FACT_FILES[path.name](read_text(path))
    except (ValueError, RecursionError) as error:
        raise D3keError(f"{path}: cannot be read ({error}). Write it again.") from error
    if not isinstance(table, dict):
        raise D3keError(f"{path}: holds no names and values. Write it again.")
    named = table if path.suffix == ".yaml" else table.get("subject", table.get("project", {}))
    named = named if isinstance(named, Mapping) else {}
    told = any(key in named for key in ID + SEX + HEIGHT + MASS)
    shared = table.get("shared_files")
    shared = shared if isinstance(shared, Mapping) else {}
    return Facts(
        path,
        subject_of(named, str(path)) if told else None,
        str(table["activity"]) if "activity" in table else None,
        tuple(Path(os.path.normpath(path.parent / str(file))) for file in shared.values()),
    )


def _flat_yaml(text: str) -> dict[str, str]:
    """The values that stand beside names without indentation, as OpenCap's facts do."""
    pairs = re.findall(r"^(\w+)[ \t]*:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
    return {key: value.strip("'\"") for key, value in pairs}


# tomllib's and json's complaints are ValueErrors
FACT_FILES: dict[str, Callable[[str], Any]] = {
    "clip.json": json.loads,
    "trial.json": json.loads,
    "sessionMetadata.yaml": _flat_yaml,
    "Config.toml": tomllib.loads,
}


def _first(table: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((table[name] for name in names if name in table), None)


def _number(
    table: Mapping[str, Any],
    names: tuple[str, ...],
    bounds: tuple[float, float],
    unit: str,
    where: str,
) -> float | None:
    name = next((name for name in names if name in table), None)
    if name is None:
        return None
    try:
        value = float(table[name])
    except (TypeError, ValueError):
        return None  # "auto", as Pose2Sim writes it
    if not bounds[0] <= value <= bounds[1]:
        raise D3keError(f"{where}: {name} is {value:g}. Give {unit}.")
    return value
