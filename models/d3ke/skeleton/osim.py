"""OsimModel: what an OpenSim model file says, as immutable facts."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.files import read_text, replacing
from d3ke.skeleton import document
from d3ke.skeleton.frames import GROUND, Frames
from d3ke.skeleton.functions import Function, read_function
from d3ke.skeleton.joints import Coordinate, Joint, Vector3, read_joint, slide_growth
from d3ke.skeleton.scaling import scaled_document
from d3ke.skeleton.upgrade import FIRST_NATIVE_VERSION, document_version, upgraded


@dataclass(frozen=True)
class Body:
    """A rigid body. mass_center: m, in the body's frame. inertia: kg m2, xx yy zz xy xz yz."""

    name: str
    mass_kg: float
    mass_center: Vector3
    inertia: tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Marker:
    """A point fixed to a body. location: m, in the body's frame."""

    name: str
    body: str
    location: Vector3


@dataclass(frozen=True)
class Coupler:
    """A coordinate that is a function of another one (CoordinateCouplerConstraint).

    growth: of a dependent coordinate that slides, which grows with `body` by growth @ scale.
    """

    name: str
    dependent: str
    independent: str
    function: Function
    body: str = GROUND
    growth: Vector3 | None = None


@dataclass(frozen=True)
class OsimModel:
    """The bodies, joints, coordinates, markers and couplers of an .osim, in the file's order."""

    name: str
    bodies: tuple[Body, ...]
    joints: tuple[Joint, ...]
    markers: tuple[Marker, ...]
    couplers: tuple[Coupler, ...]
    xml: str

    @staticmethod
    def from_file(path: str | os.PathLike[str]) -> "OsimModel":
        """The model in a file.

        Raises D3keError: a file that cannot be read, is no .osim, or holds what is not supported.
        """
        text = read_text(path)
        try:
            return OsimModel.from_xml(text)
        except D3keError as error:
            raise D3keError(f"{os.fspath(path)}: {error}") from error

    @staticmethod
    def from_xml(text: str) -> "OsimModel":
        """The model in the text of an .osim. Raises D3keError as `from_file` does."""
        root = document.parse(text)
        if document_version(root) < FIRST_NATIVE_VERSION:
            text = upgraded(text)
            root = document.parse(text)
        return _read_model(root, text)

    @cached_property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """The coordinates of all joints."""
        return tuple(coordinate for joint in self.joints for coordinate in joint.coordinates)

    def scaled(self, scales: NDArray[np.float64], mass_kg: float | None = None) -> "OsimModel":
        """The model of a body of another size, without muscles, contacts and controllers.

        scales: (N, 3) of the bodies. mass_kg: of the whole body; without it, each body's mass
        grows with its volume. Raises D3keError: scales or a mass that are not positive.
        """
        return OsimModel.from_xml(scaled_document(self, scales, mass_kg))

    def marked(self, places: NDArray[np.float64]) -> "OsimModel":
        """The model with its markers elsewhere on their bodies. places: (M, 3) m."""
        root = document.parse(self.xml)
        model = root.find("Model")
        assert model is not None
        elements = document.objects(model, "MarkerSet")
        for element, place in zip(elements, places, strict=True):
            document.set_numbers(element, "location", place.tolist())
        return OsimModel.from_xml(document.text(root))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the .osim, whole or not at all. Raises D3keError where that cannot be."""
        with replacing(path) as temporary:
            temporary.write_text(self.xml, encoding="utf-8", newline="\n")

    @property
    def body_names(self) -> tuple[str, ...]:
        """Names of the bodies, in the order of `scales`."""
        return tuple(body.name for body in self.bodies)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the joints."""
        return tuple(joint.name for joint in self.joints)

    @property
    def coordinate_names(self) -> tuple[str, ...]:
        """Names of the coordinates, in the order of `q`."""
        return tuple(coordinate.name for coordinate in self.coordinates)

    @property
    def marker_names(self) -> tuple[str, ...]:
        """Names of the markers."""
        return tuple(marker.name for marker in self.markers)

    @cached_property
    def sha256(self) -> str:
        """The hash of the model's text, by which trained weights know their skeleton.

        The same where a checkout has turned the line ends into Windows' own.
        """
        return hashlib.sha256(self.xml.replace("\r\n", "\n").encode()).hexdigest()


def _read_model(root: Element, text: str) -> OsimModel:
    model = root.find("Model")
    if model is None:
        raise D3keError("not an OpenSim model: it has no <Model>. Give a model's .osim.")
    frames = Frames(model)
    joints = tuple(read_joint(e, frames) for e in document.objects(model, "JointSet"))
    osim = OsimModel(
        name=model.get("name", ""),
        bodies=tuple(_read_body(element) for element in document.objects(model, "BodySet")),
        joints=joints,
        markers=tuple(_read_marker(e, frames) for e in document.objects(model, "MarkerSet")),
        couplers=_read_couplers(model, joints),
        xml=text,
    )
    _check_names(osim)
    _check_tree(osim)
    _check_couplers(osim.couplers)
    return osim


def _read_body(element: Element) -> Body:
    x, y, z = document.vector(element, "mass_center", (0.0,) * 3)
    xx, yy, zz, xy, xz, yz = document.vector(element, "inertia", (0.0,) * 6)
    name = document.name_of(element)
    return Body(name, document.number(element, "mass", 0.0), (x, y, z), (xx, yy, zz, xy, xz, yz))


def _read_marker(element: Element, frames: Frames) -> Marker:
    x, y, z = document.vector(element, "location", (0.0,) * 3)
    name = document.name_of(element)
    owner = f"/markerset/{name}"
    offset = frames.find(document.text_of(element, "socket_parent_frame"), owner)
    if offset.reach.any() or (offset.rotation != np.eye(3)).any():
        raise D3keError(f"marker {name} is fixed to a frame in a body. Fix it to the body itself.")
    return Marker(name, offset.body, (x, y, z))


def _read_couplers(model: Element, joints: Sequence[Joint]) -> tuple[Coupler, ...]:
    """The couplers that are enforced. Raises D3keError: constraints that close a loop."""
    slides = {
        axis.coordinates[0]: (joint.parent.body, slide_growth(axis.direction))
        for joint in joints
        for axis in joint.slides
        if len(axis.coordinates) == 1 and axis.growth is None
    }
    couplers = []
    for element in document.objects(model, "ConstraintSet"):
        name = element.get("name", element.tag)
        if not document.flag(element, "isEnforced", True):
            continue
        if element.tag != "CoordinateCouplerConstraint":
            raise D3keError(
                f"constraint {name} is a {element.tag}: closed loops are not supported. "
                "Remove it, or switch its isEnforced off."
            )
        independent = document.text_of(element, "independent_coordinate_names").split()
        inner = document.object_property(element, "coupled_coordinates_function")
        if inner is None or len(independent) != 1:
            raise D3keError(
                f"coupler {name} needs one function of one coordinate. Repair it in OpenSim."
            )
        function = read_function(inner, 1).times(document.number(element, "scale_factor", 1.0))
        dependent = document.text_of(element, "dependent_coordinate_name")
        body, growth = slides.get(dependent, (GROUND, None))
        couplers.append(Coupler(name, dependent, independent[0], function, body, growth))
    return tuple(couplers)


def _check_names(osim: OsimModel) -> None:
    for what, names in (
        ("body", osim.body_names),
        ("joint", osim.joint_names),
        ("coordinate", osim.coordinate_names),
        ("marker", osim.marker_names),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise D3keError(f"the {what} name {twice[0]} is there twice. Rename one in OpenSim.")
    used = {name for joint in osim.joints for axis in joint.axes for name in axis.coordinates}
    used |= {name for c in osim.couplers for name in (c.dependent, c.independent)}
    unknown = sorted(used - set(osim.coordinate_names))
    if unknown:
        raise D3keError(f"there is no coordinate {unknown[0]}. Repair the model in OpenSim.")


def _check_couplers(couplers: Sequence[Coupler]) -> None:
    """Every dependent coordinate follows, in the end, one that is free."""
    follows = {coupler.dependent: coupler.independent for coupler in couplers}
    for coupler in couplers:
        at, steps = coupler.dependent, 0
        while at in follows and steps <= len(couplers):
            at, steps = follows[at], steps + 1
        if at in follows or len(follows) < len(couplers):
            raise D3keError(
                f"coupler {coupler.name}: its coordinates depend on each other, or one of them "
                "on two couplers. Repair it in OpenSim."
            )


def _check_tree(osim: OsimModel) -> None:
    """Every body hangs on ground by exactly one chain of joints."""
    if not osim.bodies:
        raise D3keError("the model has no bodies. Give a model with some.")
    joint_of = {joint.child.body: joint for joint in osim.joints}
    for joint in osim.joints:
        if joint_of[joint.child.body] is not joint:
            other = joint_of[joint.child.body].name
            raise D3keError(
                f"joints {joint.name} and {other} both carry body {joint.child.body}: closed "
                "loops are not supported. Remove one of them."
            )
    for body in osim.body_names:
        at, steps = body, 0
        while at != GROUND and steps <= len(osim.joints):
            if at not in joint_of:
                raise D3keError(
                    f"body {at} hangs on no joint. Connect it to its parent in OpenSim "
                    "(as the child of the joint, not as its parent)."
                )
            at, steps = joint_of[at].parent.body, steps + 1
        if at != GROUND:
            raise D3keError(f"body {body} hangs on itself. Repair the joints in OpenSim.")
