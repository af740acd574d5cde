"""Joint limits: an elbow does not bend backwards, however well its markers would be met so.

An arm whose elbow is bent and one that is turned about by a half with its elbow bent the other way
have nearly the same markers, and a search that begins at rest finds either. So hinges, and joints
of two axes, are held in their ranges, given some way: recordings leave them, since a model's
ranges are rounded and its zero is not everybody's.
"""

import math
import warnings
from dataclasses import replace
from xml.etree.ElementTree import SubElement

import numpy as np
from numpy.typing import NDArray

from d3ke.motion.motion import Motion
from d3ke.omc.branches import TURN, Branches
from d3ke.skeleton import document
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

MARGIN = math.radians(30)
BALL = 3  # turns of a joint, whose angles reach the same posture in several ways


def with_limits(osim: OsimModel) -> OsimModel:
    """The model with the angles of its hinges clamped, 30 degrees beyond their ranges."""
    hinges = {
        coordinate.name: coordinate.range
        for joint in osim.joints[1:]
        if sum(one.rotational for one in joint.coordinates) < BALL
        for coordinate in joint.coordinates
        if coordinate.rotational and not coordinate.clamped
    }
    root = document.parse(osim.xml)
    for element in root.iter("Coordinate"):
        limits = hinges.get(document.name_of(element))
        if limits is None:
            continue
        document.set_numbers(element, "range", (limits[0] - MARGIN, limits[1] + MARGIN))
        clamped = element.find("clamped")
        clamped = SubElement(element, "clamped") if clamped is None else clamped
        clamped.text = "true"
    return OsimModel.from_xml(document.text(root))


def in_usual_angles(motion: Motion, osim: OsimModel) -> Motion:
    """The same postures in the angles that are nearest to the model's ranges.

    motion: of all of its coordinates, unwrapped. A whole trial is told by whole turns, and the
    three angles of a ball by their other values, where that is nearer.
    """
    free = np.tile([-np.inf, np.inf], (len(osim.coordinates), 1))
    low, high = np.array([coordinate.range for coordinate in osim.coordinates]).T
    q = _by_whole_turns(motion.q, motion.rotational, (low + high) / 2)
    for (a, b, c), middle in Branches(osim, osim.coordinate_names, free).triples:
        other = q.copy()
        other[:, a], other[:, b], other[:, c] = q[:, a] + np.pi, middle - q[:, b], q[:, c] + np.pi
        other = _by_whole_turns(other, motion.rotational, (low + high) / 2)
        columns = [a, b, c]
        beyond = [
            np.nansum(np.maximum(0, np.maximum(low - one, one - high))[:, columns])
            for one in (q, other)
        ]
        q = other if beyond[1] < beyond[0] else q
    return replace(motion, q=q)


def _by_whole_turns(q: Array, rotational: tuple[bool, ...], middles: Array) -> Array:
    """Angles (T, K) moved by whole turns of a whole trial, their medians nearest to `middles`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a coordinate that nothing tells
        turns = np.round((np.nanmedian(q, axis=0) - middles) / TURN)
    moved: Array = q - TURN * np.where(np.isfinite(turns) & rotational, turns, 0.0)
    return moved
