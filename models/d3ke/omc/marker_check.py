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

Array = NDArray[np.float64]

LEAST_MARKERS = 6  # in a frame: with fewer no two bodies are known
MISSING = 0.5  # of the frames: a marker, or a frame's markers, that is mostly not there
STILL_M = 0.02  # half of a static trial's markers stay nearer than this to their mean places
SWAPPED = -0.3  # cosine between a pair of markers and the body's right
CLEAR_UP = 0.8  # cosine of 37 degrees: a body that leans more tells no axis
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
        yield Finding(size.text, wrong=True)
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
    """Markers of right and left that lie the wrong way round in most frames.

    Right is where most pairs say that it is; a pair is two names that differ by R and L alone.
    """
    pairs = [(name, f"L{name[1:]}") for name in markers.names if name[:1] == "R"]
    pairs = [pair for pair in pairs if pair[1] in markers.names]
    if len(pairs) < 3:
        return []
    index = markers.names.index
    across = np.stack([markers.xyz[:, index(a)] - markers.xyz[:, index(b)] for a, b in pairs], 1)
    lengths = np.linalg.norm(across, axis=2, keepdims=True)
    units = across / np.where(lengths > 0, lengths, np.nan)  # (T, P, 3)
    with _gaps_may_be_whole():
        right = np.nanmedian(units, axis=1, keepdims=True)
        cosines = np.nanmedian((units * right).sum(axis=2), axis=0)
    return [pair for pair, cosine in zip(pairs, cosines, strict=True) if cosine < SWAPPED]


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
