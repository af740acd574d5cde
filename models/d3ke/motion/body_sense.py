"""BodySense: which way is up, and whether axes are right-handed, told by the markers of a body.

Left and right, front and back, head and feet of a body are known by their markers' names. Right,
up and forward of a person obey right x forward = up; seen in left-handed axes they obey the
opposite. Such a recording looks plausible (knees 10 degrees and markers 7 cm off), and is wrong.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.motion.markers import MarkerData

Array = NDArray[np.float64]

MOST_FRAMES = 200  # looked at, spread over the recording
LEAST_MARKERS = 6  # to fit a model
CLEAR = 0.2  # of the unit volume that right, forward and up span; and 12 degrees from any plane
CLEAR_DEPTH = 0.005  # of the fit's singular values: so much less deep than long is a body, squared

# Names as laboratories write them, without side, case, dots, blanks and "study": Plug-in Gait,
# Cleveland, Rajagopal, OpenCap, Pose2Sim, and OpenSim's examples.
FRONT = {"asi", "asis"}
BACK = {"psi", "psis"}
HIPS = {"hip", "hjc"}
SHOULDERS = {"sho", "sh", "shoulder", "acr", "ac", "acromion", "acromium", "sjc"}
KNEES = {"kne", "knee", "kneelat", "kneemed", "kjc", "lfc", "mfc", "lepi"}
ANKLES = {"ank", "ankle", "anklelat", "anklemed", "ajc", "lmal", "mmal"}
HEELS = {"hee", "heel", "cal", "calc"}
TOES = {"toe", "toetip", "bigtoe", "mt1", "mt5", "mt2", "1meta", "5meta", "p1mt", "hlx", "smalltoe"}
SACRUM = {"sacr", "sacrum", "sacral", "vsacral", "s2"}
UPPER = {"c7", "t7", "t10", "clav", "strn", "sternum", "neck", "head", "nose", "tophead"}


class BodySense(NamedTuple):
    """handed: 1 right-handed axes, -1 left-handed, 0 not clear. up: (3,) the body's mean upward."""

    handed: int
    up: Array


def sense_by_names(markers: MarkerData) -> BodySense | None:
    """What the markers with known names tell; None where there are too few of them."""
    xyz, sides = _some_frames(markers), [_side_and_stem(name) for name in markers.names]

    def middle(stems: set[str], side: str | None = None) -> Array:
        """Mean place of the markers with these names, on one side or on any: (F, 3)."""
        chosen = [
            i for i, (s, stem) in enumerate(sides) if stem in stems and (side is None or s == side)
        ]
        return _mean(xyz[:, chosen])

    girdles = FRONT | HIPS | BACK
    right = _first(
        middle(stems, "r") - middle(stems, "l") for stems in (FRONT, HIPS, BACK, SHOULDERS)
    )
    forward = _first(
        (
            middle(FRONT) - _first((middle(BACK), middle(SACRUM))),
            middle(TOES) - middle(HEELS),
        )
    )
    pelvis = middle(girdles | SACRUM)
    up = _first(
        (
            middle(UPPER | SHOULDERS) - pelvis,
            pelvis - _first((middle(ANKLES), middle(HEELS), middle(KNEES))),
        )
    )
    volumes = (_units(np.cross(_units(right), _units(forward))) * _units(up)).sum(axis=1)
    seen = ~np.isnan(volumes)
    if not seen.any():
        return None
    volume = float(np.median(volumes[seen]))
    handed = int(np.sign(volume)) if abs(volume) > CLEAR else 0
    return BodySense(handed, _units(up[seen]).mean(axis=0))


def sense_by_model(markers: MarkerData, places: dict[str, Array]) -> BodySense | None:
    """What a model's markers tell; None where too few have the same names.

    places: of each marker, (3,) m in right-handed axes with Y up, the model standing.
    """
    names = [name for name in markers.names if name in places]
    if len(names) < LEAST_MARKERS:
        return None
    standing = np.stack([places[name] for name in names])
    depths, ups = [], []
    for frame in _some_frames(markers.select(names)):
        seen = ~np.isnan(frame[:, 0])
        if seen.sum() >= LEAST_MARKERS:
            depth, up = _fit(standing[seen], frame[seen])
            depths.append(depth)
            ups.append(up)
    if not depths:
        return None
    depth = float(np.median(depths))
    handed = int(np.sign(depth)) if abs(depth) > CLEAR_DEPTH else 0
    return BodySense(handed, np.mean(ups, axis=0))


def _fit(points: Array, targets: Array) -> tuple[float, Array]:
    """How much better a turn fits than a turn and a mirror, and where it brings Y.

    Source: Umeyama 1991: the sign of the least singular value decides.
    """
    p, t = points - points.mean(axis=0), targets - targets.mean(axis=0)
    u, singular, vt = np.linalg.svd(t.T @ p)
    mirrored = np.sign(np.linalg.det(u @ vt))
    return float(mirrored * singular[2] / singular[0]), np.asarray((u @ vt)[:, 1])


def _side_and_stem(name: str) -> tuple[str, str]:
    """("r", "asis") of r.ASIS_study; no side where the whole name is known without one."""
    plain = re.sub(r"[\W_]|study", "", name.split(":")[-1].casefold())
    if plain in UPPER | SACRUM:
        return "", plain
    match = re.fullmatch(r"(r|l)(?:ight|eft)?(.*)", plain)
    return (match[1], match[2]) if match else ("", plain)


def _some_frames(markers: MarkerData) -> Array:
    step = -(-len(markers.time) // MOST_FRAMES)
    return markers.xyz[::step]


def _mean(places: Array) -> Array:
    """Mean over the markers that are seen: (F, M, 3) -> (F, 3), NaN where none is."""
    seen = ~np.isnan(places)
    counts = seen.sum(axis=1)
    total = np.where(seen, places, 0).sum(axis=1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def _first(candidates: Iterable[Array]) -> Array:
    """The first of several that is known, frame by frame."""
    found, *others = candidates
    for other in others:
        found = np.where(np.isnan(found), other, found)
    return np.asarray(found)


def _units(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, np.nan))
