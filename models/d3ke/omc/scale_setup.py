"""ScaleSetup: which markers measure which bodies, as a set-up of OpenSim's ScaleTool says."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from d3ke.errors import D3keError
from d3ke.files import read_text
from d3ke.skeleton import document
from d3ke.skeleton.joints import Vector3

AXES = "XYZ"
DEFAULT_STATURE_M = 1.69  # of the default skeleton, with its skin


class Measurement(NamedTuple):
    """Distances between markers, and the bodies that grow with them.

    pairs: of markers' names; bodies: each with the axes that are scaled: ("femur_r", "XYZ"); spare:
    pairs that count where none of `pairs` was recorded.
    """

    name: str
    pairs: tuple[tuple[str, str], ...]
    bodies: tuple[tuple[str, str], ...]
    spare: tuple[tuple[str, str], ...] = ()


class Held(NamedTuple):
    """A coordinate that the static pose keeps near a value, rad or m; None: the model's default."""

    weight: float
    value: float | None = None


@dataclass(frozen=True)
class ScaleSetup:
    """How a model is scaled to a person.

    weights: of markers in a pose; rest_weight: of those that it leaves out. held: coordinates that
    markers hardly tell. manual: factors that are given, not measured. time_s: the part of the trial
    that counts. symmetric: both sides get the mean of their factors. rounds: how often the model is
    measured and scaled, since a distance across a joint grows with both bodies; ScaleTool does it
    once. postures: how often that is done again in the person's posture; ScaleTool stays with the
    model's default one. clamped: whether coordinates keep within their ranges, as with ScaleTool,
    whose solver then stops some millimetres from the markers that it could reach. stature_m: of
    the unscaled model, where it is known.
    """

    measurements: tuple[Measurement, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    rest_weight: float = 1.0
    held: Mapping[str, Held] = field(default_factory=dict)
    manual: Mapping[str, Vector3] = field(default_factory=dict)
    time_s: tuple[float, float] = (-math.inf, math.inf)
    symmetric: bool = True
    rounds: int = 10  # each leaves a tenth to a third of what was missing: below 1e-5 in the end
    postures: int = 3  # leave 4e-7 of a factor, arms 20 deg or 85 deg off the trunk
    clamped: bool = False
    stature_m: float | None = None


def read_scale_setup(path: Path) -> ScaleSetup:
    """The set-up in a file of OpenSim's ScaleTool, or in a measurement set alone.

    Its model, markers, mass and output files are not looked at. It is done as ScaleTool does it.
    Raises D3keError: no such file, no measurements and no factors in it, a name or number missing.
    """
    root = _parsed(path)
    tool, scaler = root.find("ScaleTool"), root.find("ScaleTool/ModelScaler")
    try:
        measured = _set(path, root if scaler is None else scaler, "MeasurementSet")
        tasks = None if tool is None else tool.find("MarkerPlacer")
        tasks = None if tasks is None else _set(path, tasks, "IKTaskSet")
        order = "measurements" if scaler is None else document.text_of(scaler, "scaling_order")
        setup = ScaleSetup(
            tuple(_measurements(measured)) if "measurements" in order else (),
            weights=dict(_weights(tasks)),
            rest_weight=1.0 if tasks is None else 0.0,
            held=dict(_held(tasks)),
            manual=dict(_manual(path, scaler)) if "manualScale" in order else {},
            time_s=(-math.inf, math.inf) if scaler is None else _time(scaler),
            symmetric=False,
            rounds=1,
            postures=0,
            clamped=True,
        )
    except D3keError as error:
        raise D3keError(f"{path}: {error}") from error
    if not setup.measurements and not setup.manual:
        raise D3keError(f"{path}: no measurements. Give a set-up of OpenSim's ScaleTool.")
    return setup


def _parsed(path: Path) -> Element:
    try:
        root = document.parse(read_text(path))
    except D3keError as error:
        known = str(error).startswith(str(path))
        raise error if known else D3keError(f"{path}: {error}") from error
    return root


def _set(path: Path, parent: Element, tag: str) -> Element | None:
    """A set in a document, or in the file that it names."""
    found = parent.find(tag)
    if found is None or "file" not in found.attrib:
        return found
    return _parsed(path.parent / found.attrib["file"].strip()).find(tag)


def _members(parent: Element | None, tag: str) -> Iterator[Element]:
    """The members of a set that are to be applied."""
    for element in () if parent is None else parent.iterfind(f"objects/{tag}"):
        if document.flag(element, "apply", True):
            yield element


def _measurements(measured: Element | None) -> Iterator[Measurement]:
    for element in _members(measured, "Measurement"):
        name = document.name_of(element)
        pairs = [
            document.text_of(pair, "markers").split()
            for pair in element.iterfind("MarkerPairSet/objects/MarkerPair")
        ]
        wrong = next((pair for pair in pairs if len(pair) != 2), None)
        if wrong is not None:
            raise D3keError(f"{name}: <markers> holds {len(wrong)} names. Give a pair of markers.")
        bodies = [
            (document.name_of(body), document.text_of(body, "axes", AXES).replace(" ", "").upper())
            for body in element.iterfind("BodyScaleSet/objects/BodyScale")
        ]
        odd = next((axes for _, axes in bodies if set(axes) - set(AXES)), None)
        if odd is not None:
            raise D3keError(f"{name}: <axes> holds {odd}. Give some of X Y Z.")
        yield Measurement(name, tuple((a, b) for a, b in pairs), tuple(bodies))


def _weights(tasks: Element | None) -> Iterable[tuple[str, float]]:
    for element in _members(tasks, "IKMarkerTask"):
        yield document.name_of(element), document.number(element, "weight", 1.0)


def _held(tasks: Element | None) -> Iterable[tuple[str, Held]]:
    for element in _members(tasks, "IKCoordinateTask"):
        name = document.name_of(element)
        kind = document.text_of(element, "value_type", "default_value")
        if kind == "from_file":
            raise D3keError(f"{name}: held at a file's values. Give default_value or manual_value.")
        value = document.number(element, "value", 0.0) if kind == "manual_value" else None
        yield name, Held(document.number(element, "weight", 1.0), value)


def _manual(path: Path, scaler: Element | None) -> Iterator[tuple[str, Vector3]]:
    found = None if scaler is None else _set(path, scaler, "ScaleSet")
    for element in _members(found, "Scale"):
        x, y, z = document.vector(element, "scales", (1.0,) * 3)
        yield document.text_of(element, "segment"), (x, y, z)


def _time(scaler: Element) -> tuple[float, float]:
    """The part of the trial that counts; -1 stands for its begin or end."""
    first, last = document.vector(scaler, "time_range", (-1.0, -1.0))
    return -math.inf if first == -1 else first, math.inf if last == -1 else last
