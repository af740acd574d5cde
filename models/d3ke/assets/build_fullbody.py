"""Writes the default skeleton, fullbody.osim and fullbody_markers.md, from fullbody.toml.

Run: python models/d3ke/assets/build_fullbody.py
"""

import math
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, SubElement

from d3ke.skeleton import document

FOLDER = Path(__file__).parent
FIGURES = FOLDER / "fullbody.toml"
MODEL = FOLDER / "fullbody.osim"
MARKERS = FOLDER / "fullbody_markers.md"

CREDITS = (
    "Written by d3ke's build_fullbody.py. Joint centres, axes, knee curves, mass and inertia: "
    "Model_Pose2Sim_simple.osim of Pose2Sim, (c) David Pagnon, BSD-3-Clause, which adapts the "
    "full-body model of Rajagopal et al. Marker places and ranges: d3ke."
)
PUBLICATIONS = (
    "Rajagopal et al. 2016, IEEE Trans. Biomed. Eng. 63(10), 2068-2079. "
    "Pagnon, Domalain, Reveret 2021, Sensors 21(19), 6530."
)
GRAVITY_M_S2 = 9.80665  # standard gravity, 3rd CGPM, 1901
# The file's order: that of the model whose motions and landmark places must hold as they are.
PARTS = (("pelvis", ""), ("leg", "r"), ("leg", "l"), ("torso", ""), ("arm", "r"), ("arm", "l"))


class Segment(NamedTuple):
    """A body with the joint that carries it, on one side ("r", "l") or in the middle ("")."""

    figures: dict[str, Any]
    side: str

    def named(self, name: str) -> str:
        """A name with this side's ending."""
        return f"{name}_{self.side}" if self.side else name

    def point(self, values: Sequence[float]) -> tuple[float, ...]:
        """A point of the right side, on this side."""
        x, y, z = values
        return (x, y, -z if self.side == "l" else z)

    def turn_axis(self, values: Sequence[float]) -> tuple[float, ...]:
        """An axis of the right side, on this side: a mirrored turn goes the other way round."""
        x, y, z = values
        return (-x, -y, z) if self.side == "l" else (x, y, z)

    def orientation(self, values: Sequence[float]) -> tuple[float, ...]:
        """Body-fixed X-Y-Z angles of a frame of the right side, on this side."""
        x, y, z = self.turn_axis(values)
        # A UniversalJoint turns about X and Y of its frame, which both must point the other way.
        flipped = self.side == "l" and self.figures["joint"]["type"] == "UniversalJoint"
        return (x, y, z + math.copysign(math.pi, -z)) if flipped else (x, y, z)


def main() -> None:
    """Write both files."""
    figures = read_figures()
    MODEL.write_text(model_text(figures), encoding="utf-8", newline="\n")
    MARKERS.write_text(marker_table(figures), encoding="utf-8", newline="\n")


def read_figures() -> dict[str, Any]:
    """What fullbody.toml says."""
    return tomllib.loads(FIGURES.read_text(encoding="utf-8"))


def model_text(figures: dict[str, Any]) -> str:
    """The .osim."""
    root = Element("OpenSimDocument", Version="40000")
    model = SubElement(root, "Model", name=figures["name"])
    SubElement(model, "Ground", name="ground")
    _put(model, "gravity", f"0 {-GRAVITY_M_S2} 0")
    _put(model, "credits", CREDITS)
    _put(model, "publications", PUBLICATIONS)
    _put(model, "length_units", "meters")
    _put(model, "force_units", "N")
    bodies, joints = _set(model, "BodySet"), _set(model, "JointSet")
    for segment in segments(figures):
        _add_body(bodies, segment)
        _add_joint(joints, segment, figures["curve"])
    for tag in ("ControllerSet", "ConstraintSet", "ForceSet"):
        _set(model, tag)
    markers = _set(model, "MarkerSet")
    for name, body, place, _ in marker_rows(figures):
        marker = SubElement(markers, "Marker", name=name)
        _put(marker, "socket_parent_frame", f"/bodyset/{body}")
        _put(marker, "location", _words(place))
        _put(marker, "fixed", "true")
    return document.text(root)


def marker_table(figures: dict[str, Any]) -> str:
    """The documented marker set, in Markdown."""
    lines = [
        "# Markers of fullbody.osim",
        "",
        " ".join(figures["marker_note"].split()),
        "",
        "| marker | body | place in the body, mm (x forward, y up, z right) | landmark |",
        "| --- | --- | --- | --- |",
    ]
    for name, body, place, landmark in marker_rows(figures):
        shown = ", ".join(f"{1000 * value:.0f}" for value in place)
        lines.append(f"| {name} | {body} | {shown} | {landmark} |")
    return "\n".join([*lines, ""])


def segments(figures: dict[str, Any]) -> Iterator[Segment]:
    """All 22 segments in the file's order."""
    for part, side in PARTS:
        for segment in figures["segment"]:
            if segment["part"] == part:
                yield Segment(segment, side)


def marker_rows(figures: dict[str, Any]) -> Iterator[tuple[str, str, tuple[float, ...], str]]:
    """Name, body, place (m) and landmark of every marker, body by body."""
    for segment in segments(figures):
        body = segment.figures["body"]
        middle = figures["midline_marker"].get(body, {})
        paired = figures["marker"].get(body, {})
        sides = [segment.side] if segment.side else ["r", "l"]
        for side in sides:
            for name, row in paired.items():
                place = Segment(segment.figures, side).point(row["at"])
                where = f"{row['landmark']}, {'right' if side == 'r' else 'left'}"
                yield side.upper() + name, segment.named(body), place, where
        for name, row in middle.items():
            yield name, body, tuple(row["at"]), row["landmark"]


def _add_body(bodies: Element, segment: Segment) -> None:
    figures = segment.figures
    body = SubElement(bodies, "Body", name=segment.named(figures["body"]))
    geometry = SubElement(body, "attached_geometry")
    files = figures["geometry"]
    if segment.side == "l":
        files = figures.get("geometry_left", files)
    for number, file in enumerate(files, start=1):
        mesh = SubElement(geometry, "Mesh", name=f"{body.get('name')}_geom_{number}")
        _put(mesh, "socket_frame", "..")
        _put(mesh, "scale_factors", _words([figures.get("geometry_scale", 1.0)] * 3))
        _put(mesh, "mesh_file", file.format(side=segment.side))
    _put(body, "mass", _words([figures["mass"]]))
    _put(body, "mass_center", _words(segment.point(figures["mass_center"])))
    _put(body, "inertia", _words([*figures["inertia"], 0.0, 0.0, 0.0]))


def _add_joint(joints: Element, segment: Segment, curves: dict[str, list[float]]) -> None:
    figures = segment.figures["joint"]
    joint = SubElement(joints, figures["type"], name=segment.named(figures["name"]))
    child = segment.named(segment.figures["body"])
    parent = figures["parent"]
    paired = parent not in {"ground", "pelvis", "torso"}
    parent = segment.named(parent) if paired else parent
    _put(joint, "socket_parent_frame", f"{parent}_offset")
    _put(joint, "socket_child_frame", f"{child}_offset")
    turns, slides = segment.figures.get("turns", []), segment.figures.get("slides", [])
    ranged = [(axis, True) for axis in turns] + [(axis, False) for axis in slides]
    ranged = [(axis, turn) for axis, turn in ranged if "range" in axis]
    if ranged:
        coordinates = SubElement(joint, "coordinates")
        for axis, turn in ranged:
            _add_coordinate(coordinates, segment.named(axis["coordinate"]), axis, turn)
    frames = SubElement(joint, "frames")
    orientation = segment.orientation(figures.get("orientation", [0.0] * 3))
    for body, key in ((parent, "place"), (child, "child_place")):
        frame = SubElement(frames, "PhysicalOffsetFrame", name=f"{body}_offset")
        _put(frame, "socket_parent", "/ground" if body == "ground" else f"/bodyset/{body}")
        _put(frame, "translation", _words(segment.point(figures.get(key, [0.0] * 3))))
        _put(frame, "orientation", _words(orientation))
    if figures["type"] == "CustomJoint":
        _add_transform(joint, segment, turns, slides, curves)


def _add_coordinate(coordinates: Element, name: str, axis: dict[str, Any], turn: bool) -> None:
    unit = math.radians if turn else float
    coordinate = SubElement(coordinates, "Coordinate", name=name)
    _put(coordinate, "default_value", _words([unit(axis.get("default", 0.0))]))
    _put(coordinate, "range", _words(unit(bound) for bound in axis["range"]))
    _put(coordinate, "clamped", "false")
    _put(coordinate, "locked", "false")


def _add_transform(
    joint: Element,
    segment: Segment,
    turns: list[dict[str, Any]],
    slides: list[dict[str, Any]],
    curves: dict[str, list[float]],
) -> None:
    transform = SubElement(joint, "SpatialTransform")
    slides = slides or [{"axis": axis} for axis in ([1, 0, 0], [0, 1, 0], [0, 0, 1])]
    for kind, axes, mirrored in (
        ("rotation", turns, segment.turn_axis),
        ("translation", slides, segment.point),
    ):
        for number, axis in enumerate(axes, start=1):
            element = SubElement(transform, "TransformAxis", name=f"{kind}{number}")
            name = axis.get("coordinate")
            _put(element, "coordinates", segment.named(name) if name else "")
            _put(element, "axis", _words(mirrored(axis["axis"])))
            _add_function(element, axis, curves)


def _add_function(element: Element, axis: dict[str, Any], curves: dict[str, list[float]]) -> None:
    if "curve" in axis:
        spline = SubElement(element, "SimmSpline", name="function")
        _put(spline, "x", _words(curves["flexion"]))
        _put(spline, "y", _words(curves[axis["curve"]]))
    elif "coordinate" in axis:
        line = SubElement(element, "LinearFunction", name="function")
        _put(line, "coefficients", "1 0")
    else:
        constant = SubElement(element, "Constant", name="function")
        _put(constant, "value", "0")


def _set(model: Element, tag: str) -> Element:
    members = SubElement(model, tag, name=tag.lower())
    return SubElement(members, "objects")


def _put(element: Element, tag: str, text: str) -> None:
    SubElement(element, tag).text = text


def _words(values: Iterable[float]) -> str:
    return " ".join(format(value + 0.0, ".10g") for value in values)  # + 0.0: no minus zero


if __name__ == "__main__":
    main()
