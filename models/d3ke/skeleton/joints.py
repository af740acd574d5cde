"""Joints and their coordinates: every type as six axes, as OpenSim's CustomJoint has them."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from d3ke.errors import D3keError
from d3ke.skeleton import document
from d3ke.skeleton.frames import Frames, Offset
from d3ke.skeleton.functions import Function, Line, constant, read_function

Vector3 = tuple[float, float, float]
X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)

# Axes that the coordinates of a joint turn about, and slide along, in their order.
# Source: the classes of OpenSim 4 (Ball, Free and Ellipsoid: body-fixed X-Y-Z angles).
TURNS: dict[str, tuple[Vector3, ...]] = {
    "WeldJoint": (),
    "PinJoint": (Z,),
    "SliderJoint": (),
    "UniversalJoint": (X, Y),
    "BallJoint": (X, Y, Z),
    "GimbalJoint": (X, Y, Z),
    "EllipsoidJoint": (X, Y, Z),
    "PlanarJoint": (Z,),
    "FreeJoint": (X, Y, Z),
}
SLIDES: dict[str, tuple[Vector3, ...]] = {
    "SliderJoint": (X,),
    "PlanarJoint": (X, Y),
    "FreeJoint": (X, Y, Z),
}
CUSTOM_AXES = (
    "rotation1",
    "rotation2",
    "rotation3",
    "translation1",
    "translation2",
    "translation3",
)


@dataclass(frozen=True)
class Coordinate:
    """A degree of freedom. range, default: rad where it turns, m where it slides."""

    name: str
    joint: str
    range: tuple[float, float]
    default: float
    clamped: bool
    locked: bool
    rotational: bool


@dataclass(frozen=True)
class Axis:
    """An axis that a joint turns about (rad) or slides along (m) by a function of coordinates.

    direction: of unit length. growth: the function grows with the parent body, by growth @ scale;
    None where it does not.
    """

    direction: Vector3
    coordinates: tuple[str, ...]
    function: Function
    growth: Vector3 | None = None

    @property
    def is_constant(self) -> bool:
        """Whether no coordinate moves it."""
        return not self.coordinates


@dataclass(frozen=True)
class Joint:
    """A joint between a frame of a parent body and one of a child body.

    The child frame is turned by the rotations, one after the other, and shifted along the
    translations, which are fixed in the parent frame. radii: m, of an EllipsoidJoint.
    """

    name: str
    kind: str
    parent: Offset
    child: Offset
    coordinates: tuple[Coordinate, ...]
    rotations: tuple[Axis, ...]
    translations: tuple[Axis, ...]
    radii: Vector3 | None = None

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The rotations, then the translations."""
        return self.rotations + self.translations

    @property
    def turns(self) -> tuple[Axis, ...]:
        """The rotations that a coordinate moves."""
        return tuple(axis for axis in self.rotations if not axis.is_constant)

    @property
    def slides(self) -> tuple[Axis, ...]:
        """The translations that are not always zero."""
        return tuple(axis for axis in self.translations if axis.function != constant(0.0))


def read_joint(element: Element, frames: Frames) -> Joint:
    """The joint that an element of the JointSet describes.

    Raises D3keError: a joint, frame or function that is not supported.
    """
    name, kind = document.name_of(element), element.tag
    try:
        coordinates = _read_coordinates(element)
        if kind == "CustomJoint":
            rotations, translations = _custom_axes(element)
        elif kind in TURNS:
            rotations, translations = _fixed_axes(kind, coordinates)
        else:
            raise D3keError(f"a {kind} is not supported. Use {', '.join(TURNS)} or CustomJoint.")
        owner = f"/jointset/{name}"
        return Joint(
            name=name,
            kind=kind,
            parent=frames.find(document.text_of(element, "socket_parent_frame"), owner),
            child=frames.find(document.text_of(element, "socket_child_frame"), owner),
            coordinates=coordinates,
            rotations=rotations,
            translations=translations,
            radii=_radii(element) if kind == "EllipsoidJoint" else None,
        )
    except D3keError as error:
        raise D3keError(f"joint {name}: {error}") from error


def _read_coordinates(joint: Element) -> tuple[Coordinate, ...]:
    found = joint.findall("coordinates/Coordinate")
    names = [document.name_of(element) for element in found]
    if joint.tag == "CustomJoint":
        angles = _custom_angles(joint)
    else:
        angles = set(names[: len(TURNS.get(joint.tag, ()))])
    coordinates = []
    for element, name in zip(found, names, strict=True):
        low, high = document.vector(element, "range", (-10.0, 10.0))  # OpenSim's own default
        coordinates.append(
            Coordinate(
                name=name,
                joint=document.name_of(joint),
                range=(low, high),
                default=document.number(element, "default_value", 0.0),
                clamped=document.flag(element, "clamped", False),
                locked=document.flag(element, "locked", False),
                rotational=name in angles,
            )
        )
    return tuple(coordinates)


def _custom_angles(joint: Element) -> set[str]:
    """The coordinates that are the very angle of an axis.

    OpenSim converts only these to degrees. A coordinate behind another function it calls coupled,
    and takes as it is.
    """
    angles = set()
    for axis in joint.findall("SpatialTransform/TransformAxis"):
        function = document.object_property(axis, "function")
        if function is None or function.tag != "LinearFunction":
            continue
        names = document.text_of(axis, "coordinates").split()
        slopes = document.numbers(function, "coefficients", (1.0, 0.0))[:-1]
        if axis.get("name", "").startswith("rotation") and slopes in {(1.0,), (-1.0,)}:
            angles.update(names)
    return angles


def _fixed_axes(
    kind: str, coordinates: tuple[Coordinate, ...]
) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    turns, slides = TURNS[kind], SLIDES.get(kind, ())
    if len(coordinates) != len(turns) + len(slides):
        raise D3keError(
            f"a {kind} has {len(coordinates)} coordinates instead of {len(turns) + len(slides)}. "
            "Repair the model in OpenSim."
        )
    identity = Line((1.0,), 0.0)
    axes = tuple(
        Axis(direction, (coordinate.name,), identity)
        for direction, coordinate in zip(turns + slides, coordinates, strict=True)
    )
    return axes[: len(turns)], axes[len(turns) :]


def _custom_axes(element: Element) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    found = {axis.get("name"): axis for axis in element.findall("SpatialTransform/TransformAxis")}
    axes = []
    for name in CUSTOM_AXES:
        if name not in found:
            raise D3keError(f"its SpatialTransform has no {name}. Repair the model in OpenSim.")
        axes.append(_read_axis(found[name], slides=name.startswith("translation")))
    return tuple(axes[:3]), tuple(axes[3:])


def _read_axis(element: Element, slides: bool) -> Axis:
    direction = np.array(document.vector(element, "axis", (0.0,) * 3))
    length = float(np.linalg.norm(direction))
    if length == 0.0:
        raise D3keError(f"{document.name_of(element)} has no axis. Repair the model in OpenSim.")
    x, y, z = (direction / length).tolist()
    names = tuple(document.text_of(element, "coordinates").split())
    inner = document.object_property(element, "function")
    if inner is not None:
        function = read_function(inner, len(names))
    else:
        function = Line((1.0,), 0.0) if len(names) == 1 else constant(0.0)
    # A plain coordinate is a degree of freedom in metres and does not grow with the body.
    plain = inner is None or (inner.tag == "LinearFunction" and function == Line((1.0,), 0.0))
    growth = slide_growth((x, y, z)) if slides and not plain else None
    return Axis((x, y, z), names, function, growth)


def slide_growth(direction: Vector3) -> Vector3:
    """How a length along an axis grows with its body: by growth @ scale.

    Model.scale multiplies by |axis| @ scale, which for an oblique axis is not 1 at scale 1. Here
    it is divided by its sum, so that unit scales change nothing.
    """
    x, y, z = (np.abs(direction) / np.abs(direction).sum()).tolist()
    return x, y, z


def _radii(element: Element) -> Vector3:
    x, y, z = document.vector(element, "radii_x_y_z", (1.0, 1.0, 1.0))
    return x, y, z
