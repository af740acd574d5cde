"""Joint limits: an elbow does not bend backwards, however well its markers would be met so.

An arm whose elbow is bent and one that is turned about by a half with its elbow bent the other way
have nearly the same markers, and a search that begins at rest finds either. So hinges, and joints
of two axes, are held in their ranges, given some way: recordings leave them, since a model's
ranges are rounded and its zero is not everybody's.
"""

import math
from xml.etree.ElementTree import SubElement

from d3ke.skeleton import document
from d3ke.skeleton.osim import OsimModel

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
