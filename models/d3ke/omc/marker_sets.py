"""MarkerSets: how laboratories and programs call the points of a body that they record.

A marker set is a TOML. Those that ship are in assets/marker_sets and speak of the default
skeleton; a mapping file of a lab is one too, and speaks of the lab's own model:

    name = "ours"                      # else the file's name
    loose = ["?TH1"]                   # strapped anywhere: of use once a static trial placed them
    left_out = ["?TOE"]                # recorded, and none of the model's, whatever their names say
    [names]                            # recorded = the model's marker
    "Hip front ?" = "?ASI"             # ? stands for R and L, and for r and l in a body's name
    T8 = "T10"
    [added."?GT"]                      # a marker that the model lacks
    body = "femur_?"
    location = [-0.01, -0.005, 0.085]  # m, on the right, in the body of the unscaled model
    [weights]                          # in inverse kinematics; 1 where nothing is said
    "?ASI" = 2.0
    [[measurement]]                    # what the ScaleTool measures: distances, bodies, axes
    name = "thigh ?"
    pairs = [["?GT", "?KNE"]]
    bodies = ["femur_?"]
    axes = "XYZ"
"""

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from d3ke.errors import D3keError
from d3ke.files import read_text
from d3ke.omc.scale_setup import Measurement
from d3ke.skeleton.osim import Marker

ASSETS = Path(__file__).parents[1] / "assets" / "marker_sets"
COMMON = "fullbody.toml"  # what the built-in sets share
KEYS = ("name", "loose", "left_out", "names", "added", "weights", "measurement")
SIDES = ("R", "L")
AXES = "XYZ"
# Skin slides over muscle two to three times as far as over bony landmarks, and weights are one over
# the square. Source: Leardini et al. 2005, soft tissue artefacts.
LOOSE_WEIGHT = 0.2


@dataclass(frozen=True)
class MarkerSet:
    """What a set says. names: a model's marker by the recorded name; added: markers by name.

    loose: markers whose places differ from person to person, until a static trial tells them.
    left_out: recorded names of what is no marker of the model.
    """

    name: str
    names: Mapping[str, str]
    added: Mapping[str, Marker]
    weights: Mapping[str, float]
    loose: frozenset[str]
    measurements: tuple[Measurement, ...]
    left_out: frozenset[str] = frozenset()

    def markers_of(self, recorded: Sequence[str]) -> dict[str, str]:
        """Which of its markers recorded names are, as far as it knows them, each once."""
        found: dict[str, str] = {}
        for ours, theirs in paired(recorded, self.names).items():
            if self.names[theirs] not in found.values():
                found[ours] = self.names[theirs]
        return found


def plain(name: str) -> str:
    """A name without the subject's prefix, case, blanks, dots, dashes and underscores."""
    return re.sub(r"[\W_]", "", name.rsplit(":", 1)[-1]).casefold()


def paired(recorded: Sequence[str], known: Iterable[str]) -> dict[str, str]:
    """Which known name a recorded one is: the same spelling first, then a forgiven one.

    No known name is given twice.
    """
    names = list(known)
    pairs = {name: name for name in recorded if name in set(names)}
    free: dict[str, str] = {}
    for name in names:
        if name not in pairs:
            free.setdefault(plain(name), name)
    for name in recorded:
        if name not in pairs and plain(name) in free:
            pairs[name] = free.pop(plain(name))
    return pairs


@cache
def built_in_sets() -> tuple[MarkerSet, ...]:
    """The marker sets that ship, on the default skeleton."""
    common = read_marker_set(ASSETS / COMMON)
    found = []
    for path in sorted(ASSETS.glob("*.toml")):
        if path.name != COMMON:
            one = read_marker_set(path)
            added = {**common.added, **one.added}
            loose = common.loose | one.loose
            weights = {**dict.fromkeys(loose, LOOSE_WEIGHT), **common.weights, **one.weights}
            measurements = (*one.measurements, *common.measurements)
            found.append(MarkerSet(one.name, one.names, added, weights, loose, measurements))
    return tuple(found)


def read_marker_set(path: Path) -> MarkerSet:
    """The marker set in a TOML.

    Raises D3keError: not TOML, unknown keys, values of the wrong kind, two names for one marker.
    """
    try:
        table = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise D3keError(f"{path}: not TOML ({error}). Mend that line.") from error
    unknown = next((key for key in table if key not in KEYS), None)
    if unknown is not None:
        near = difflib.get_close_matches(unknown, KEYS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(KEYS)}."
        raise D3keError(f"{path}: no key is called {unknown}. {hint}")
    try:
        return MarkerSet(
            name=str(table.get("name", path.stem)),
            names=dict(_names(_table(table, "names"))),
            added=dict(_added(_table(table, "added"))),
            weights=dict(_weights(_table(table, "weights"))),
            loose=frozenset(_listed(table, "loose")),
            measurements=tuple(_measurements(table.get("measurement", []))),
            left_out=frozenset(_listed(table, "left_out")),
        )
    except D3keError as error:
        raise D3keError(f"{path}: {error}") from error


def _names(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for recorded, marker in table.items():
        if not isinstance(marker, str):
            raise D3keError(f"names: {recorded} is {marker!r}. Write a marker's name in quotes.")
        yield from zip(_sides(recorded, marker), _sides(marker, recorded), strict=True)


def _added(table: Mapping[str, Any]) -> Iterator[tuple[str, Marker]]:
    for name, entry in table.items():
        place, body = (entry.get("location"), entry.get("body")) if _is_table(entry) else ((), "")
        if not isinstance(body, str) or not _is_place(place):
            raise D3keError(f"added: {name} needs a body and a location, three numbers in m.")
        x, y, z = (float(one) for one in place)
        for one, its_body, mirror in zip(_sides(name), _sides(body, name), (1, -1), strict=False):
            yield one, Marker(one, its_body, (x, y, z * mirror))


def _weights(table: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, weight in table.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight >= 0:
            raise D3keError(f"weights: {name} is {weight!r}. Write a number, 0 or more.")
        for one in _sides(name):
            yield one, float(weight)


def _listed(table: Mapping[str, Any], key: str) -> Iterator[str]:
    names = table.get(key, [])
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise D3keError(f"{key} is {names!r}. Write a list of markers.")
    for name in names:
        yield from _sides(name)


def _measurements(tables: Any) -> Iterator[Measurement]:
    if not isinstance(tables, list) or not all(isinstance(one, Mapping) for one in tables):
        raise D3keError("measurement is no list of tables. Begin each with [[measurement]].")
    for table in tables:
        name, axes = str(table.get("name", "measurement")), str(table.get("axes", AXES)).upper()
        pairs, spare = table.get("pairs", []), table.get("spare", [])
        bodies = table.get("bodies", [])
        words = [
            pair for pair in (*pairs, *spare) if not (isinstance(pair, list) and len(pair) == 2)
        ]
        if words or not pairs or not bodies or set(axes) - set(AXES):
            raise D3keError(
                f"measurement {name}: needs pairs of two markers, bodies, and axes of X, Y, Z."
            )
        for number in range(len(_sides(name))):
            yield Measurement(
                _sides(name)[number],
                tuple((_side(a, number), _side(b, number)) for a, b in pairs),
                tuple((_side(body, number), axes) for body in bodies),
                tuple((_side(a, number), _side(b, number)) for a, b in spare),
            )


def _sides(name: str, like: str = "") -> list[str]:
    """R and L in the place of ?; a name without one once, or for each side of another name."""
    count = 2 if "?" in name + like else 1
    return [_side(name, number) for number in range(count)]


def _side(name: str, number: int) -> str:
    """The name for R (0) or L (1); small letters behind an underscore, as in femur_r."""
    side = SIDES[number]
    return name.replace("_?", f"_{side.lower()}").replace("?", side)


def _is_table(entry: object) -> bool:
    return isinstance(entry, Mapping)


def _is_place(place: object) -> bool:
    return (
        isinstance(place, list)
        and len(place) == 3
        and all(isinstance(one, int | float) and math.isfinite(one) for one in place)
    )


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = table.get(key, {})
    if not isinstance(found, Mapping):
        raise D3keError(f"{key} is {found!r}. Write [{key}] and a line for each.")
    return found
