"""Branches: the other angles of a joint that put its body in the same place."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.skeleton.functions import Line
from d3ke.skeleton.joints import Axis, Joint
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

TURN = 2 * np.pi
SMOOTH = np.pi / 2  # rad between frames: below, no other branch is nearer by whole and half turns
SQUARE = 1e-6  # how far from orthogonal axes may be: rounding of a file's numbers


class Triple(NamedTuple):
    """Columns of a joint's three angles. middle: what the second one and its other value add to."""

    columns: tuple[int, int, int]
    middle: float


class Branches:
    """What angles of a model may be exchanged for, without moving anything.

    A plain angle has whole turns. Of three about orthogonal axes, the outer two may turn by a half
    if the middle one is mirrored. names: of the columns. ranges: (F, 2), infinite where free.
    kept: coordinates whose very value matters.
    """

    def __init__(
        self, osim: OsimModel, names: Sequence[str], ranges: Array, kept: Collection[str] = ()
    ) -> None:
        plain = _plain_angles(osim).difference(kept)
        self.columns = [place for place, name in enumerate(names) if name in plain]
        self.low, self.high = ranges.T
        self.clamped = np.asarray(np.isfinite(ranges).all(axis=1))
        self.middles = np.asarray(np.where(self.clamped[:, None], ranges, 0.0).mean(axis=1))
        self.triples = [
            Triple((names.index(a), names.index(b), names.index(c)), middle)
            for joint in osim.joints
            if (middle := _mirror(joint)) is not None
            for a, b, c in [[axis.coordinates[0] for axis in joint.turns]]
            if {a, b, c} <= plain.intersection(names)
        ]

    def followed(self, values: Array, start: Array) -> Array:
        """The same postures (T, F) in the angles nearest to those before; the first to start."""
        values, before, place = values.copy(), start, 0
        while place < len(values):
            rest = values[place:]  # what changes at its first row changes on to the end
            self._turn(rest, before)
            for triple in self.triples:
                self._mirror(rest, before, triple)
            plain = np.abs(np.diff(rest[:, self.columns], axis=0))
            jumps = np.flatnonzero((plain > SMOOTH).any(axis=1))
            place += 1 + (int(jumps[0]) if len(jumps) else len(rest))
            before = values[place - 1] if len(jumps) else before
        return values

    def _turn(self, rest: Array, before: Array) -> None:
        """Take whole turns out of free angles."""
        free = [column for column in self.columns if not self.clamped[column]]
        rest[:, free] -= TURN * np.round((rest[0, free] - before[free]) / TURN)

    def _mirror(self, rest: Array, before: Array, triple: Triple) -> None:
        """Take the other three angles of a joint where they are nearer, as far as they may be."""
        chosen = list(triple.columns)
        other = rest[:, chosen] * [1, -1, 1] + [np.pi, triple.middle, np.pi]
        near = np.where(self.clamped, self.middles, before)[chosen]
        first = np.where(self.clamped[chosen], other, other[:1])
        other -= TURN * np.round((first - near) / TURN)
        inside = ((other >= self.low[chosen]) & (other <= self.high[chosen])).all(axis=1)
        stop = len(other) if inside.all() else int(np.argmin(inside))
        now, then = (np.abs(row[0] - before[chosen]).max() for row in (rest[:, chosen], other))
        if stop and then < now - 1e-9:
            rest[:stop, chosen] = other[:stop]


def _plain_angles(osim: OsimModel) -> set[str]:
    """Coordinates that are angles about axes and nothing else."""
    plain = {coordinate.name for coordinate in osim.coordinates if coordinate.rotational}
    for joint in osim.joints:
        for axis in joint.axes:
            if axis in joint.translations or not _is_plain(axis):
                plain -= set(axis.coordinates)
    return plain - {coupler.independent for coupler in osim.couplers}


def _is_plain(axis: Axis) -> bool:
    return axis.function in (Line((1.0,), 0.0), Line((-1.0,), 0.0))


def _mirror(joint: Joint) -> float | None:
    """What the middle one of three orthogonal turns and its mirror image add to, or None."""
    if len(joint.turns) != 3 or not all(map(_is_plain, joint.turns)):
        return None
    if len({axis.coordinates[0] for axis in joint.turns}) != 3:
        return None
    first, middle, last = (np.array(axis.direction) for axis in joint.turns)
    if max(abs(first @ middle), abs(middle @ last)) > SQUARE:
        return None
    if abs(first @ last) < SQUARE:
        return np.pi
    return 0.0 if abs(abs(first @ last) - 1) < SQUARE else None
