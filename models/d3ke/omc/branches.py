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
        plain = np.concatenate([start[None], values])[:, self.columns]
        if not (np.abs(np.diff(plain, axis=0)) > SMOOTH).any():
            return values
        values, before = values.copy(), start
        for row in values:
            row[self.columns] = self._turned(row, before, self.columns)
            for columns, middle in self.triples:
                other = row.copy()
                a, b, c = columns
                other[[a, b, c]] = row[a] + np.pi, middle - row[b], row[c] + np.pi
                chosen = list(columns)
                other[chosen] = self._turned(other, before, chosen)
                inside = (other >= self.low) & (other <= self.high)
                apart = np.abs(np.stack([row, other])[:, chosen] - before[chosen]).max(axis=1)
                if inside[chosen].all() and apart[1] < apart[0] - 1e-9:
                    row[chosen] = other[chosen]
            before = row
        return values

    def _turned(self, row: Array, before: Array, columns: list[int]) -> Array:
        """Angles by whole turns nearest to those before, or into their ranges."""
        near = np.where(self.clamped, self.middles, before)[columns]
        turned: Array = row[columns] - TURN * np.round((row[columns] - near) / TURN)
        return turned


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
