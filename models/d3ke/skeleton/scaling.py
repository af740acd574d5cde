"""A model's document for a body of another size: what Model.scale does, without OpenSim."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.skeleton import document
from d3ke.skeleton.frames import GROUND, Frames
from d3ke.skeleton.joints import Joint

if TYPE_CHECKING:
    from d3ke.skeleton.osim import OsimModel

# Forces that act on coordinates or bodies alone. All others lie on paths and surfaces, whose
# rest lengths and stiffnesses do not follow from the bodies' sizes.
KEPT_FORCES = {
    "ActivationCoordinateActuator",
    "CoordinateActuator",
    "CoordinateLimitForce",
    "ExpressionBasedCoordinateForce",
    "SpringGeneralizedForce",
}
# What acts through forces, or lies around the muscles that are left out.
DROPPED_SETS = ("ControllerSet", "ProbeSet", "ContactGeometrySet")


def scaled_document(osim: "OsimModel", scales: NDArray[np.float64], mass_kg: float | None) -> str:
    """The .osim of the model with its bodies scaled.

    scales: (N, 3). mass_kg: the body's mass; without it each mass grows with its volume.
    Joints, markers, mass centres, inertia and geometry scale as by OpenSim's Model.scale. Muscles
    and other forces that depend on geometry, contacts, wrapping surfaces, controllers and probes
    are left out: scale these with OpenSim's own tool.
    Raises D3keError: scales or a mass that are not positive, or too few.
    """
    scales = np.asarray(scales, dtype=float)
    if scales.shape != (len(osim.bodies), 3) or not (np.isfinite(scales) & (scales > 0)).all():
        raise D3keError(f"body scales must be {len(osim.bodies)} x 3 positive numbers.")
    if mass_kg is not None and not 0.0 < mass_kg < math.inf:
        raise D3keError(f"a mass of {mass_kg} kg. Give a positive number.")
    root = document.parse(osim.xml)
    model = root.find("Model")
    assert model is not None
    scale_of = dict(zip(osim.body_names, scales, strict=True)) | {GROUND: np.ones(3)}
    _scale_frames(model, scale_of)
    _scale_bodies(model, scales, mass_kg)
    for element, joint in zip(document.objects(model, "JointSet"), osim.joints, strict=True):
        _scale_joint(element, joint, scale_of[joint.parent.body])
    for element, marker in zip(document.objects(model, "MarkerSet"), osim.markers, strict=True):
        _multiply(element, "location", scale_of[marker.body])
    _scale_couplers(model, osim, scale_of)
    _drop_what_cannot_scale(model)
    return document.text(root)


def scaled_inertia(
    inertia: Sequence[float], mass_kg: float, scale: NDArray[np.float64]
) -> tuple[float, ...]:
    """The inertia (xx yy zz xy xz yz, kg m2) of a body whose mass grows with its volume.

    Unequal scales: as of a solid cylinder along the axis of the least inertia.
    Source: OpenSim 4.6, Body::scaleInertialProperties (its numbers, by the tests).
    """
    if mass_kg <= np.finfo(float).eps:
        return (0.0,) * 6
    volume = float(scale.prod())
    diagonal, products = np.array(inertia[:3]), np.array(inertia[3:])
    if np.ptp(scale) <= 1e-13 * scale.max():
        return tuple(np.array(inertia) * volume * scale[0] ** 2)
    axis = int(np.argmin(diagonal))
    other, third = [i for i in range(3) if i != axis]
    radius_squared = max(0.0, 2.0 * diagonal[axis] / mass_kg)
    length_squared = max(0.0, 12.0 * (diagonal[other] / mass_kg - radius_squared / 4.0))
    length_squared *= scale[axis] ** 2
    radius_squared *= scale[other] * scale[third]
    mass_kg *= volume
    diagonal[:] = mass_kg * (length_squared / 12.0 + radius_squared / 4.0)
    diagonal[axis] = mass_kg * radius_squared / 2.0
    products *= volume * np.array([scale[0] * scale[1], scale[0] * scale[2], scale[1] * scale[2]])
    return (*map(float, diagonal), *map(float, products))


def _scale_bodies(model: Element, scales: NDArray[np.float64], mass_kg: float | None) -> None:
    bodies = list(document.objects(model, "BodySet"))
    masses = [document.number(body, "mass", 0.0) for body in bodies]
    total = sum(mass * scale.prod() for mass, scale in zip(masses, scales, strict=True))
    density = 1.0 if mass_kg is None or total == 0.0 else mass_kg / total
    for body, mass, scale in zip(bodies, masses, scales, strict=True):
        inertia = document.vector(body, "inertia", (0.0,) * 6)
        grown = [value * density for value in scaled_inertia(inertia, mass, scale)]
        document.set_numbers(body, "mass", [mass * scale.prod() * density])
        document.set_numbers(body, "inertia", grown)
        _multiply(body, "mass_center", scale)
        for wraps in body.iter("WrapObjectSet"):
            _empty(wraps)


def _scale_frames(model: Element, scale_of: dict[str, NDArray[np.float64]]) -> None:
    frames = Frames(model)
    for path, element in frames.elements.items():
        if element.tag == "PhysicalOffsetFrame":
            scale = scale_of[frames.find(path).body]
            _multiply(element, "translation", scale)
        elif element.tag == "Body":
            scale = scale_of[document.name_of(element)]
        else:
            continue
        for geometry in element.find("attached_geometry") or ():
            if geometry.find("scale_factors") is not None:
                _multiply(geometry, "scale_factors", scale)


def _scale_joint(element: Element, joint: Joint, scale: NDArray[np.float64]) -> None:
    if joint.kind == "EllipsoidJoint":
        _multiply(element, "radii_x_y_z", scale)
    if joint.kind != "CustomJoint":
        return
    found = {axis.get("name"): axis for axis in element.findall("SpatialTransform/TransformAxis")}
    for number, axis in enumerate(joint.translations, start=1):
        if axis in joint.slides and axis.growth is not None:
            factor = float(np.dot(axis.growth, scale))
            _multiply_function(found[f"translation{number}"], factor)


def _multiply_function(axis: Element, factor: float) -> None:
    """Put an axis' function into a MultiplierFunction, or add to the one that it is in."""
    function = document.object_property(axis, "function")
    assert function is not None
    if function.tag == "MultiplierFunction":
        before = document.number(function, "scale", 1.0)
        document.set_numbers(function, "scale", [before * factor])
        return
    wrapper = axis.find("function")
    holder = axis if wrapper is None else wrapper
    holder.remove(function)
    multiplier = SubElement(holder, "MultiplierFunction", name="function")
    SubElement(multiplier, "function").append(function)
    document.set_numbers(multiplier, "scale", [factor])


def _scale_couplers(
    model: Element, osim: "OsimModel", scale_of: dict[str, NDArray[np.float64]]
) -> None:
    couplers = {coupler.dependent: coupler for coupler in osim.couplers}
    for element in document.objects(model, "ConstraintSet"):
        coupler = couplers.get(document.text_of(element, "dependent_coordinate_name"))
        if coupler is not None and coupler.growth is not None:
            factor = float(np.dot(coupler.growth, scale_of[coupler.body]))
            before = document.number(element, "scale_factor", 1.0)
            document.set_numbers(element, "scale_factor", [before * factor])


def _drop_what_cannot_scale(model: Element) -> None:
    for tag in DROPPED_SETS:
        found = model.find(tag)
        if found is not None:
            _empty(found)
    forces = model.find("ForceSet/objects")
    for force in list(forces) if forces is not None else []:
        if forces is not None and force.tag not in KEPT_FORCES:
            forces.remove(force)
    groups = model.find("ForceSet/groups")
    if groups is not None:
        groups.clear()


def _empty(component_set: Element) -> None:
    for part in component_set:
        if part.tag in {"objects", "groups"}:
            part.clear()


def _multiply(element: Element, tag: str, factors: NDArray[np.float64]) -> None:
    values = document.vector(element, tag, (1.0,) * 3 if tag == "scale_factors" else (0.0,) * 3)
    document.set_numbers(element, tag, (np.array(values) * factors).tolist())
