"""MarkerNames: which recorded marker is which marker of a model."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.omc.added_markers import read_marker_places, with_markers
from d3ke.omc.marker_sets import (
    LOOSE_WEIGHT,
    MarkerSet,
    built_in_sets,
    paired,
    plain,
    read_marker_set,
)
from d3ke.omc.scale_setup import Measurement
from d3ke.skeleton.default import default_model
from d3ke.skeleton.osim import Marker, OsimModel

LEAST_MARKERS = 6  # recorded and on the model: three for each of two bodies
LEAST_SHARE = 0.25  # of the recorded markers, or of the model's
OWN = "the model's own names"
# What else a .c3d has among its points: markers that nobody named, angles and forces.
NO_MARKER = re.compile(r"^\*|^(U|uname)\d+$|(angles?|forces?|moments?|powers?|grf)$", re.IGNORECASE)
NEAR = 0.7  # of the letters of two names that are alike
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Matching:
    """Recorded markers and a model's.

    osim: the model, with the markers that were added. names: the model's marker by the recorded
    name. unknown: recorded names that it has no marker for. source: what told. weights: in inverse
    kinematics, and measurements: for scaling, by the model's names, of what was recorded. loose:
    markers of the model whose places are the subject's, not the model's: before a static trial has
    placed them they count for nothing. remarks: what to know, a line each.
    """

    osim: OsimModel
    names: Mapping[str, str]
    unknown: tuple[str, ...]
    source: str
    weights: Mapping[str, float]
    loose: frozenset[str]
    measurements: tuple[Measurement, ...]
    remarks: tuple[str, ...]

    def renamed(self, markers: MarkerData) -> MarkerData:
        """The markers that the model has, by its names, in the order recorded."""
        known = [name for name in markers.names if name in self.names]
        return replace(markers.select(known), names=tuple(self.names[name] for name in known))


class _Route(NamedTuple):
    """A way to match: the model's markers by recorded names, and the set that knows them.

    lacking: markers to add to the model.
    """

    source: str
    osim: OsimModel
    names: Mapping[str, str]
    known: MarkerSet
    lacking: tuple[Marker, ...] = ()


def check_mapping(path: Path) -> None:
    """See that a file is a mapping, as `match` takes it. Raises D3keError where it is none."""
    (read_marker_set if _is_toml(path) else read_marker_places)(path)


def match(osim: OsimModel, recorded: Iterable[str], mapping: Path | None = None) -> Matching:
    """Which recorded marker is which marker of the model.

    recorded: names in the recordings of a session. mapping: a TOML (see marker_sets), or a marker
    set of OpenSim's, of which the markers that the model lacks are added. Without a TOML, the
    model's own names are looked for, then those of the built-in sets, on the default skeleton or
    on a model whose markers are of such a set; what finds most is taken. Prefixes such as
    "Subject:", case, blanks, dots, dashes and underscores do not count. Markers of a set that the
    default skeleton lacks are added.
    Raises D3keError: fewer than six markers in common, a mapping that names what is not there.
    """
    names = [name for name in dict.fromkeys(recorded) if not NO_MARKER.search(name)]
    if mapping is not None and _is_toml(mapping):
        chosen = _by_mapping(osim, names, read_marker_set(mapping), mapping)
    else:
        if mapping is not None:
            places = read_marker_places(mapping)
            lacking = [one for one in places if one.name not in osim.marker_names]
            osim = _with_places(osim, lacking, mapping)
        chosen = max(_routes(osim, names), key=lambda route: len(route.names))
    unknown = tuple(name for name in names if name not in chosen.names)
    if not _are_enough(chosen, len(names)):
        raise D3keError(_too_few(chosen, len(names), unknown))
    return Matching(
        osim=with_markers(chosen.osim, chosen.lacking),
        names=chosen.names,
        unknown=unknown,
        source=chosen.source,
        weights={name: chosen.known.weights.get(name, 1.0) for name in chosen.names.values()},
        loose=chosen.known.loose.intersection(chosen.names.values()),
        measurements=tuple(_measured(chosen)),
        remarks=(_unknown_remark(chosen, unknown),) if unknown else (),
    )


def _is_toml(path: Path) -> bool:
    return path.suffix.lower() == ".toml"


def _routes(osim: OsimModel, names: Sequence[str]) -> Iterator[_Route]:
    """The model's own names first: of equals, the first counts."""
    landmarks, ours = _landmarks_of(osim)
    own = paired(names, osim.marker_names)
    yield _Route(OWN, osim, own, ours)
    for one in built_in_sets():
        found = one.markers_of(names)
        if _has_default_markers(osim):
            lacking = tuple(one.added[m] for m in found.values() if m not in osim.marker_names)
            yield _Route(one.name, osim, found, one, lacking)
        else:
            there = {name: landmarks[mark] for name, mark in found.items() if mark in landmarks}
            yield _Route(one.name, osim, there, ours)


def _by_mapping(osim: OsimModel, names: Sequence[str], said: MarkerSet, path: Path) -> _Route:
    """What a lab's mapping says; other recorded markers have the model's own names.

    Not those that it leaves out.
    """
    grown = _with_places(osim, list(said.added.values()), path)
    _require_markers(grown, said.names.values(), f"{path}, names")
    _require_markers(grown, said.weights, f"{path}, weights")
    _require_markers(grown, _ends(said.measurements), f"{path}, measurement")
    told = said.markers_of(names)
    others = {*told, *paired(names, said.left_out)}
    rest = [name for name in names if name not in others]
    free = [name for name in grown.marker_names if name not in told.values()]
    ours = _landmarks_of(osim)[1]
    known = replace(
        ours,
        weights={**ours.weights, **dict.fromkeys(said.loose, LOOSE_WEIGHT), **said.weights},
        loose=ours.loose | said.loose,
        measurements=said.measurements or ours.measurements,
    )
    return _Route(said.name, grown, {**told, **paired(rest, free)}, known)


def _are_enough(route: _Route, recorded: int) -> bool:
    """Whether these are the model's markers, and not some that are called alike by chance."""
    found = len(route.names)
    share = max(found / max(recorded, 1), found / max(len(route.osim.markers), 1))
    return found >= LEAST_MARKERS and share >= LEAST_SHARE


def _has_default_markers(osim: OsimModel) -> bool:
    return set(default_model().marker_names) <= set(osim.marker_names)


def _landmarks_of(osim: OsimModel) -> tuple[dict[str, str], MarkerSet]:
    """The model's marker at each landmark that a set knows, and that set in the model's names."""
    if _has_default_markers(osim):
        return {name: name for name in osim.marker_names}, built_in_sets()[0]
    told = [(one.markers_of(osim.marker_names), one) for one in built_in_sets()]
    found, known = max(told, key=lambda pair: len(pair[0]))
    names = {landmark: name for name, landmark in found.items()}
    ours = replace(
        known,
        weights={names[mark]: w for mark, w in known.weights.items() if mark in names},
        loose=frozenset(names[mark] for mark in known.loose if mark in names),
        measurements=tuple(_translated(one, names) for one in known.measurements),
    )
    return names, ours


def _translated(one: Measurement, names: Mapping[str, str]) -> Measurement:
    """A measurement by other names, of the pairs that have them."""
    pairs, spare = (
        tuple((names[a], names[b]) for a, b in several if a in names and b in names)
        for several in (one.pairs, one.spare)
    )
    return one._replace(pairs=pairs, spare=spare)


def _measured(route: _Route) -> Iterator[Measurement]:
    """The measurements whose markers were recorded, of bodies that the model has."""
    recorded = {name: name for name in route.names.values()}
    for one in route.known.measurements:
        found = _translated(one, recorded)
        bodies = tuple(pair for pair in one.bodies if pair[0] in route.osim.body_names)
        if bodies and (found.pairs or found.spare):
            yield found._replace(pairs=found.pairs or found.spare, bodies=bodies, spare=())


def _with_places(osim: OsimModel, markers: Sequence[Marker], path: Path) -> OsimModel:
    try:
        return with_markers(osim, markers)
    except D3keError as error:
        raise D3keError(f"{path}: {error}") from error


def _ends(measurements: Iterable[Measurement]) -> list[str]:
    return [name for one in measurements for pair in (*one.pairs, *one.spare) for name in pair]


def _require_markers(osim: OsimModel, names: Iterable[str], where: str) -> None:
    wrong = next((name for name in names if name not in osim.marker_names), None)
    if wrong is not None:
        raise D3keError(f"{where}: the model has no marker {wrong}.{_nearest(osim, wrong)}")


def _nearest(osim: OsimModel, name: str) -> str:
    """A word about the model's marker whose name is nearest."""
    known = {plain(own): own for own in osim.marker_names}
    near = difflib.get_close_matches(plain(name), known, n=1, cutoff=NEAR)
    return f" Did you mean {known[near[0]]}?" if near else ""


def _too_few(chosen: _Route, count: int, unknown: Sequence[str]) -> str:
    if not chosen.osim.marker_names:
        return (
            "the model has no markers. Give a marker set of OpenSim (.xml) or a mapping (.toml) "
            "that says where they are."
        )
    if not unknown:
        return (
            f"only {count} markers were recorded, at least {LEAST_MARKERS} are needed. Name "
            "another recording."
        )
    return (
        f"only {len(chosen.names)} of {count} recorded markers are on the model; "
        f"{_told(chosen, unknown)}"
    )


def _unknown_remark(chosen: _Route, unknown: Sequence[str]) -> str:
    return f"{len(unknown)} recorded markers are not on the model; {_told(chosen, unknown)}"


def _told(chosen: _Route, unknown: Sequence[str]) -> str:
    """Which markers are unknown, and how to say what they are."""
    shown = ", ".join(unknown[:SHOWN])
    more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
    free = [name for name in chosen.osim.marker_names if name not in set(chosen.names.values())]
    known = {plain(name): name for name in free}
    near = next(
        (
            (name, known[close[0]])
            for name in unknown
            if (close := difflib.get_close_matches(plain(name), known, n=1, cutoff=NEAR))
        ),
        (unknown[0], "..."),
    )
    return (
        f'not {shown}{more}. Say which they are in a mapping file, such as [names] "{near[0]}" = '
        f'"{near[1]}".'
    )
