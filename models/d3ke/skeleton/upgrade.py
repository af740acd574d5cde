"""Documents of OpenSim 1 to 3, brought to OpenSim 4's format by OpenSim itself."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from d3ke.errors import D3keError
from d3ke.skeleton import document
from d3ke.skeleton.joints import CUSTOM_AXES

FIRST_NATIVE_VERSION = 40000  # OpenSim 4.0; in older documents joints are nested in bodies


def document_version(root: Element) -> int:
    """The version of an OpenSim document, such as 40000.

    Raises D3keError for XML of another kind.
    """
    version = root.get("Version", "")
    if root.tag != "OpenSimDocument" or not version.isdecimal():
        raise D3keError("not an OpenSim document. Give a model's .osim.")
    return int(version)


def upgraded(text: str) -> str:
    """The same model in the current format.

    Raises D3keError where OpenSim is not installed, or cannot read the model.
    """
    try:
        import opensim
    except ImportError as error:
        raise D3keError(
            "the file is in a format older than OpenSim 4, which only OpenSim can upgrade. "
            "Install opensim (pip install opensim), or save the model again in OpenSim 4."
        ) from error
    opensim.Logger.setLevelString("off")
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder, "old.osim"), Path(folder, "new.osim")
        old.write_text(text, encoding="utf-8")
        try:
            model = opensim.Model(str(old))
            model.printToXML(str(new))
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise D3keError(f"OpenSim cannot upgrade the model ({reason}). Repair it.") from error
        root = document.parse(new.read_text(encoding="utf-8"))
    for element, function in _functions(root, model, opensim):
        _restore_digits(element, function, opensim)
    return document.text(root)


def _functions(root: Element, model: Any, opensim: Any) -> Iterator[tuple[Element, Any]]:
    """The functions that move joints and couple coordinates: as printed, and as in memory."""
    for element in root.findall("Model/JointSet/objects/CustomJoint"):
        joint = opensim.CustomJoint.safeDownCast(model.getJointSet().get(element.get("name")))
        for axis in element.findall("SpatialTransform/TransformAxis"):
            place = CUSTOM_AXES.index(axis.get("name", ""))
            printed = document.object_property(axis, "function")
            if printed is not None:
                yield printed, joint.getSpatialTransform().getTransformAxis(place).getFunction()
    for element in root.findall("Model/ConstraintSet/objects/CoordinateCouplerConstraint"):
        constraint = model.getConstraintSet().get(element.get("name"))
        coupler = opensim.CoordinateCouplerConstraint.safeDownCast(constraint)
        printed = document.object_property(element, "coupled_coordinates_function")
        if printed is not None:
            yield printed, coupler.getFunction()


def _restore_digits(element: Element, function: Any, opensim: Any) -> None:
    """Write a function's numbers in full: OpenSim prints lists of them with six digits."""
    if element.tag == "MultiplierFunction":
        inner = document.object_property(element, "function")
        assert inner is not None
        wrapped = opensim.MultiplierFunction.safeDownCast(function).getFunction()
        _restore_digits(inner, wrapped, opensim)
        return
    for name in ("x", "y", "coefficients"):
        printed = element.find(name)
        if printed is None:
            continue
        if element.tag == "PolynomialFunction":
            vector = opensim.PolynomialFunction.safeDownCast(function).getCoefficients()
            values = [vector.get(i) for i in range(vector.size())]
        else:
            stored = function.getPropertyByName(name)
            values = [
                opensim.PropertyHelper.getValueDouble(stored, i) for i in range(stored.size())
            ]
        printed.text = " ".join(map(repr, values))
