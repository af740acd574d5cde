"""MarkerCheck: what is wrong with recorded markers, before anything is solved with them."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.motion.body_sense import sense_by_names
from d3ke.motion.markers import MarkerData
from d3ke.motion.trc import size_remark
from d3ke.omc.marker_sets import plain

Array = NDArray[np.float64]

LEAST_MARKERS = 6  # in a frame: with fewer no two bodies are known
MISSING = 0.5  # of the frames: a marker, or a frame's markers, that is mostly not there
STILL_M = 0.02  # half of a static trial's markers stay nearer than this to their mean places
SWAPPED = -0.3  # cosine between a pair of markers and the body's right
CLEAR_UP = 0.8  # cosine of 37 degrees: a body that leans more tells no axis
CLEARLY_M = 0.04  # nearer to the other side: hands may touch
LEAST_JUMP_M = 0.1  # of two markers together between two frames, to have changed places
SHOWN = 5  # names in a message
# From a recording's axes to a ground whose Y is up, by the axis that is up and its sign.
TURNS = {
    (0, 1): ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    (0, -1): ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    (1, 1): ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    (1, -1): ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    (2, 1): ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    (2, -1): ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}


class Finding(NamedTuple):
    """Something about markers, in words without a file's name. wrong: labels would be false."""

    text: str
    wrong: bool


def marker_findings(markers: MarkerData) -> Iterator[Finding]:
    """What is wrong with a recording whose markers have a model's names.

    Units, gaps, left and right exchanged as a whole or in single pairs.
    """
    size = size_remark(markers)
    if size:
        yield Finding(f"{size.text} Correct the unit in the file", wrong=True)
    yield from _gaps(markers)
    sense = sense_by_names(markers)
    if sense is not None and sense.handed < 0:
        yield Finding(
            "left and right are exchanged, or the axes are left-handed: a person turns inside out. "
            "Mend the names or the export",
            wrong=True,
        )
        return
    pairs = exchanged_pairs(markers)
    if pairs:
        text = ", ".join(f"{right} and {left}" for right, left in pairs[:SHOWN])
        yield Finding(f"exchanged, left for right: {text}. Mend the names", wrong=True)
    for right, left in _pairs(markers):
        times = exchange_times(markers, right, left)
        if len(times):
            more = f" and {len(times) - 1} times more" if len(times) > 1 else ""
            text = f"{right} and {left} change places at {times[0]:.2f} s{more}. Mend the names"
            yield Finding(text, wrong=False)


def static_findings(markers: MarkerData) -> Iterator[Finding]:
    """What is wrong with a static trial beside: a subject who moves."""
    with _gaps_may_be_whole():
        strays = np.linalg.norm(markers.xyz - np.nanmean(markers.xyz, axis=0), axis=2)
        moved = float(np.nanmedian(np.nanmedian(strays, axis=0)))
    if moved > STILL_M:
        yield Finding(
            f"the subject moves in the static trial: markers stray {moved * 1000:.0f} mm from "
            "their mean places. Name a trial in which nobody moves, or cut this one",
            wrong=False,
        )


def ground_turn(recordings: Iterable[MarkerData]) -> Array | None:
    """The turn to a ground whose Y is up, x_ground = turn @ x_recording, (3, 3).

    It is one for all recordings of a session, told by how the body stands in them on the whole;
    None where markers of known names are too few, or where the body mostly lies.
    """
    senses = [sense_by_names(markers) for markers in recordings]
    ups = [sense.up for sense in senses if sense is not None]
    if not ups:
        return None
    up = np.mean(ups, axis=0)
    axis = int(np.abs(up).argmax())
    if abs(up[axis]) < CLEAR_UP:
        return None
    return np.array(TURNS[axis, int(np.sign(up[axis]))], dtype=np.float64)


def turned(markers: MarkerData, turn: Array) -> MarkerData:
    """The markers in other axes. turn: (3, 3)."""
    return replace(markers, xyz=markers.xyz @ turn.T)


def exchanged_pairs(markers: MarkerData) -> list[tuple[str, str]]:
    """Markers of right and left that have each other's names in most frames.

    They lie the wrong way round, right being where most pairs say that it is, and each is clearly
    nearer to a marker of the other side than to any of its own: arms may cross.
    """
    pairs = _pairs(markers)
    if len(pairs) < 3:
        return []
    index = markers.names.index
    rights, lefts = (markers.xyz[:, [index(pair[side]) for pair in pairs]] for side in (0, 1))
    across = rights - lefts  # (T, P, 3)
    lengths = np.linalg.norm(across, axis=2, keepdims=True)
    units = across / np.where(lengths > 0, lengths, np.nan)
    with _gaps_may_be_whole():
        right = np.nanmedian(units, axis=1, keepdims=True)
        cosines = np.nanmedian((units * right).sum(axis=2), axis=0)
    return [
        pair
        for number, (pair, cosine) in enumerate(zip(pairs, cosines, strict=True))
        if cosine < SWAPPED
        and _nearest(rights, number, lefts) < _nearest(rights, number, rights) - CLEARLY_M
        and _nearest(lefts, number, rights) < _nearest(lefts, number, lefts) - CLEARLY_M
    ]


def _nearest(side: Array, number: int, others: Array) -> float:
    """How far the nearest marker among others (T, P, 3) is, but for the one of the same pair."""
    distances = np.linalg.norm(np.delete(others, number, axis=1) - side[:, [number]], axis=2)
    with _gaps_may_be_whole():
        return float(np.nanmedian(distances, axis=0).min())


def exchange_times(markers: MarkerData, right: str, left: str) -> Array:
    """When two markers take each other's places from one frame to the next, s."""
    a, b = (markers.xyz[:, markers.names.index(name)] for name in (right, left))
    stay = np.linalg.norm(a[1:] - a[:-1], axis=1) + np.linalg.norm(b[1:] - b[:-1], axis=1)
    cross = np.linalg.norm(a[1:] - b[:-1], axis=1) + np.linalg.norm(b[1:] - a[:-1], axis=1)
    times: Array = markers.time[1:][(stay > LEAST_JUMP_M) & (cross < stay / 2)]
    return times


def _pairs(markers: MarkerData) -> list[tuple[str, str]]:
    """Names of right and left that differ by that alone, in this order."""
    named = {plain(name): name for name in markers.names}
    return [
        (name, named[f"l{own[1:]}"])
        for own, name in named.items()
        if own[:1] == "r" and f"l{own[1:]}" in named
    ]


def _gaps(markers: MarkerData) -> Iterator[Finding]:
    seen = np.isfinite(markers.xyz[..., 0])
    few = float((seen.sum(axis=1) < LEAST_MARKERS).mean())
    if few > MISSING:
        yield Finding(
            f"{few:.0%} of the frames have fewer than {LEAST_MARKERS} of {len(markers.names)} "
            "markers. Fill the gaps, or name another recording",
            wrong=True,
        )
        return
    missing = [
        name
        for name, part in zip(markers.names, seen.mean(axis=0), strict=True)
        if part < 1 - MISSING
    ]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        shown = ", ".join(missing[:SHOWN])
        yield Finding(f"mostly missing: {shown}{more}", wrong=False)


@contextmanager
def _gaps_may_be_whole() -> Iterator[None]:
    """Numpy warns of medians over nothing but gaps, which are gaps again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
