"""AddedMarkers: points put onto a model, and OpenSim's files that say where such points are."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from d3ke.errors import D3keError
from d3ke.files import read_text
from d3ke.skeleton import document
from d3ke.skeleton.osim import Marker, OsimModel


def with_markers(osim: OsimModel, markers: Sequence[Marker]) -> OsimModel:
    """The model with these markers too; one of a name that it has takes that one's place.

    Raises D3keError: a marker on a body that the model lacks.
    """
    if not markers:
        return osim
    for marker in markers:
        if marker.body not in osim.body_names:
            near = difflib.get_close_matches(marker.body, osim.body_names, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(osim.body_names)}."
            raise D3keError(f"marker {marker.name}: the model has no body {marker.body}. {hint}")
    root = document.parse(osim.xml)
    model = root.find("Model")
    assert model is not None
    objects = _objects(model)
    names = {marker.name for marker in markers}
    for element in [one for one in objects if one.get("name") in names]:
        objects.remove(element)
    for marker in markers:
        element = SubElement(objects, "Marker", name=marker.name)
        SubElement(element, "socket_parent_frame").text = f"/bodyset/{marker.body}"
        document.set_numbers(element, "location", marker.location)
        SubElement(element, "fixed").text = "false"
    return OsimModel.from_xml(document.text(root))


def read_marker_places(path: Path) -> tuple[Marker, ...]:
    """The markers in a marker set of OpenSim's, a .xml of any version.

    Raises D3keError: no such file, no marker set in it, a marker without body or place.
    """
    try:
        root = document.parse(read_text(path))
        markers = tuple(_markers(root))
    except D3keError as error:
        known = str(error).startswith(str(path))
        raise error if known else D3keError(f"{path}: {error}") from error
    if not markers:
        raise D3keError(f"{path}: holds no marker set. Give a marker set of OpenSim, or a .toml.")
    return markers


def _markers(root: Element) -> Iterator[Marker]:
    for element in document.objects(root, "MarkerSet"):
        name = document.name_of(element)
        # format 4 names a frame, format 3 and those before it a body
        frame = document.text_of(element, "socket_parent_frame") or document.text_of(
            element, "body"
        )
        if not frame:
            raise D3keError(f"marker {name} is on no body. Name one in <socket_parent_frame>.")
        x, y, z = document.vector(element, "location", (0.0,) * 3)
        yield Marker(name, frame.rsplit("/", 1)[-1], (x, y, z))


def _objects(model: Element) -> Element:
    """The list of a model's markers, made where there is none."""
    markers = model.find("MarkerSet")
    if markers is None:
        markers = SubElement(model, "MarkerSet", name="markerset")
    objects = markers.find("objects")
    return SubElement(markers, "objects") if objects is None else objects
