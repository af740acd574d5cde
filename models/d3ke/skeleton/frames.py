"""Frames fixed to bodies: where joints and markers attach."""

import posixpath
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.skeleton import document

GROUND = "ground"


@dataclass(frozen=True, eq=False)
class Offset:
    """A frame fixed to a body, or to ground.

    rotation: (3, 3) from the frame to its body. reach: (3, 3), m; the frame's origin in its body
    is `reach @ scale` for body scales (3,). That is how OpenSim scales frames, nested ones too.
    """

    body: str
    rotation: NDArray[np.float64]
    reach: NDArray[np.float64]

    def then(self, translation: NDArray[np.float64], rotation: NDArray[np.float64]) -> "Offset":
        """A frame placed in this one."""
        reach = self.reach + self.rotation @ np.diag(translation)
        return Offset(self.body, self.rotation @ rotation, reach)


def body_frame(body: str) -> Offset:
    """The frame of a body itself."""
    return Offset(body, np.eye(3), np.zeros((3, 3)))


def axis_rotation(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """The rotation about a unit axis by an angle in rad. (3,) -> (3, 3)."""
    along, across, quarter = axis_rotation_terms(axis)
    turned: NDArray[np.float64] = along + np.cos(angle) * across + np.sin(angle) * quarter
    return turned


def axis_rotation_terms(
    axis: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The constant, cosine and sine parts of a rotation about a unit axis, each (3, 3)."""
    x, y, z = axis
    along = np.outer(axis, axis)
    quarter = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return along, np.eye(3) - along, quarter


def xyz_to_matrix(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Body-fixed X-Y-Z angles in rad to a rotation. (3,) -> (3, 3)."""
    x, y, z = (axis_rotation(axis, angle) for axis, angle in zip(np.eye(3), angles, strict=True))
    return x @ y @ z


class Frames:
    """The frames of a model by OpenSim's component paths, such as /bodyset/pelvis.

    elements: those in the file, each once.
    """

    def __init__(self, model: Element) -> None:
        self._bodies = {document.name_of(body) for body in document.objects(model, "BodySet")}
        self.elements: dict[str, Element] = {}
        self._collect(model, "/")

    def find(self, path: str, owner: str = "/") -> Offset:
        """The frame at a path, which may be relative to the component `owner`.

        Raises D3keError: no such frame, or one of a type that is not supported.
        """
        return self._find(path, owner, depth=0)

    def _find(self, path: str, owner: str, depth: int) -> Offset:
        full = posixpath.normpath(posixpath.join(owner, path))
        name = posixpath.basename(full)
        element = self.elements.get(full)
        if element is None or element.tag == "Body":
            if name in self._bodies or name == GROUND:
                return body_frame(name)
            raise D3keError(f"no frame {path or '(empty)'} in the model. Repair it in OpenSim.")
        if element.tag != "PhysicalOffsetFrame":
            raise D3keError(
                f"frame {name} is a {element.tag}, which is not supported. "
                "Replace it by a PhysicalOffsetFrame."
            )
        if depth > len(self.elements):
            raise D3keError(f"frame {name} is placed in itself. Repair the model in OpenSim.")
        parent = self._find(document.text_of(element, "socket_parent"), full, depth + 1)
        translation = document.vector(element, "translation", (0.0,) * 3)
        angles = document.vector(element, "orientation", (0.0,) * 3)
        return parent.then(np.array(translation), xyz_to_matrix(np.array(angles)))

    def _collect(self, element: Element, path: str) -> None:
        for child in element:
            if child.tag == "defaults":  # OpenSim's patterns for new components, not the model's
                continue
            name = child.get("name") or (child.tag.lower() if child.tag.endswith("Set") else "")
            inner = posixpath.join(path, name)
            if child.tag.endswith("Frame") or child.tag == "Body":
                self.elements[inner] = child
            if len(child):
                self._collect(child, inner)
