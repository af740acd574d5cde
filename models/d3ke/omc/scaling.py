"""Scaling: a generic model becomes a person's own, as OpenSim's ScaleTool does it."""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.omc.scale_factors import body_factors
from d3ke.omc.scale_setup import ScaleSetup
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

LEAST_MARKERS = 6  # of a pose
MOVING_FRAMES, WHOLE_PART = 8, 0.5  # of a moving trial that are looked at, from its fuller half
NEAR_DEG = 30.0  # between where a person and the model look: OpenSim's solver finds the way
# Of OpenSim's solver. With its own 1e-4, ScaleTool stops up to 10 deg and 4 mm from exact markers.
ACCURACY = 1e-8


class Scaled(NamedTuple):
    """A person's model.

    osim: scaled, with the person's own marker places; scales: (N, 3) of the unscaled model's
    bodies; marker_errors: (M,) m, how far each marker lay from the measured one in the static pose,
    before it was moved there, NaN where it was not; remarks: what to know.
    """

    osim: OsimModel
    scales: Array
    marker_errors: Array
    remarks: tuple[str, ...]


def scale_model(
    osim: OsimModel,
    markers: MarkerData,
    setup: ScaleSetup,
    mass_kg: float | None = None,
    height_m: float | None = None,
    still: bool = True,
) -> Scaled:
    """The model of the person whose markers these are.

    markers: of a static trial, by the model's names, Y up; or, where `still` is false, of a moving
    one: then distances are medians, and markers stay where the unscaled model has them. mass_kg:
    spread over the bodies as in the unscaled model; without it each mass grows with its volume.
    height_m: for measurements without markers. Which markers of a static trial stay fixed, the
    model says; where it fixes all, none does.
    Raises D3keError: nothing to measure by, a static pose of too few markers, a mass that is none,
    OpenSim missing or at a loss.
    Source: OpenSim's ScaleTool; bodies are scaled and markers placed by OpenSim itself.
    """
    if mass_kg is not None and not 0 < mass_kg < math.inf:
        raise D3keError(f"a mass of {mass_kg} kg. Give a positive number.")
    markers = _during(markers, setup.time_s)
    factors = body_factors(osim, markers, setup, height_m, still)
    remarks = list(factors.remarks)
    if not still:
        markers = _some_frames(markers)
        remarks.append("no static trial: distances are medians over a moving one")
    poses = _poses(osim, markers, still)
    for _ in range(setup.postures):
        postures = _postures(_grown(osim, factors.scales, mass_kg), poses, setup)
        factors = body_factors(osim, markers, setup, height_m, still, postures)
    grown = _grown(osim, factors.scales, mass_kg)
    placed = _placed(grown, poses, setup) if still else grown
    before, after = (np.array([m.location for m in one.markers]) for one in (grown, placed))
    errors = np.linalg.norm((after - before).reshape(-1, 3), axis=1)
    errors[errors == 0] = np.nan
    return Scaled(placed, factors.scales, errors, tuple(remarks))


def _during(markers: MarkerData, time_s: tuple[float, float]) -> MarkerData:
    """The frames of a part of a trial."""
    chosen = (markers.time >= time_s[0]) & (markers.time <= time_s[1])
    if not chosen.any():
        raise D3keError(
            f"the static trial has no frame between {time_s[0]:g} and {time_s[1]:g} s. "
            "Mend the time range."
        )
    return MarkerData(markers.time[chosen], markers.xyz[chosen], markers.names)


def _some_frames(markers: MarkerData) -> MarkerData:
    """A few frames of a moving trial, spread over those with the most markers."""
    seen = np.isfinite(markers.xyz).all(axis=2).sum(axis=1)
    whole = np.flatnonzero(seen >= np.quantile(seen, 1 - WHOLE_PART))
    chosen = whole[np.unique(np.linspace(0, len(whole) - 1, MOVING_FRAMES).astype(int))]
    return MarkerData(markers.time[chosen], markers.xyz[chosen], markers.names)


def _poses(osim: OsimModel, markers: MarkerData, still: bool) -> MarkerData:
    """The model's markers where they were measured, turned to look where the model looks.

    The mean of a still trial, each frame of a moving one. Places on a body don't depend on where
    the person stood, and a solver that begins half a turn away may not find the way.
    """
    known = markers.select([name for name in markers.names if name in osim.marker_names])
    xyz = np.nanmean(known.xyz, axis=0, keepdims=True) if still else known.xyz
    counts = np.isfinite(xyz).all(axis=2).sum(axis=1)
    if counts.min() < LEAST_MARKERS:
        raise D3keError(
            f"the trial to scale by has {counts.min()} of the model's markers; a pose needs "
            f"{LEAST_MARKERS}. Map the markers' names to the model's."
        )
    default = torch.tensor([c.default for c in osim.coordinates], dtype=torch.float64)
    model = SkeletalModel(osim, torch.float64)(default).markers.numpy()
    model = model[[osim.marker_names.index(name) for name in known.names]]
    turned = [_facing(frame, model) for frame in xyz]
    return MarkerData(known.time[: len(turned)], np.stack(turned), known.names)


def _facing(points: Array, model: Array) -> Array:
    """Points (M, 3) turned about Y onto a model's, by least squares, unless they are near."""
    seen = np.isfinite(points).all(axis=1)
    middle = model[seen].mean(axis=0)
    offset, target = points - points[seen].mean(axis=0), model - middle
    along = (offset[:, [0, 2]] * target[:, [0, 2]])[seen].sum()
    across = (offset[:, 2] * target[:, 0] - offset[:, 0] * target[:, 2])[seen].sum()
    angle = math.atan2(across, along)
    if abs(angle) < math.radians(NEAR_DEG):
        return points
    turn = np.array(
        [
            [math.cos(angle), 0, math.sin(angle)],
            [0, 1, 0],
            [-math.sin(angle), 0, math.cos(angle)],
        ]
    )
    turned: Array = offset @ turn.T + middle
    return turned


def _grown(osim: OsimModel, scales: Array, mass_kg: float | None) -> OsimModel:
    """The model scaled, muscles and all."""
    with _in_opensim(osim) as (opensim, model):
        factors = opensim.ScaleSet()
        for body, values in zip(osim.body_names, scales.tolist(), strict=True):
            one = opensim.Scale()
            one.setSegmentName(body)
            one.setScaleFactors(opensim.Vec3(*values))
            one.setApply(True)
            factors.cloneAndAppend(one)
        spread = mass_kg is not None
        model.scale(model.initSystem(), factors, spread, mass_kg if spread else -1.0)
        return _as_osim(model)


def _postures(osim: OsimModel, poses: MarkerData, setup: ScaleSetup) -> Array:
    """The coordinates (F, K) with which a scaled model comes closest to poses."""
    with _in_opensim(osim) as (opensim, model):
        coordinates = [model.getCoordinateSet().get(name) for name in osim.coordinate_names]
        _clamp(coordinates, [setup.clamped and one.clamped for one in osim.coordinates])
        found = []
        for row in range(len(poses.time)):
            state = _posed(opensim, model, poses, row, setup)  # the model's own: used at once
            found.append([coordinate.getValue(state) for coordinate in coordinates])
        return np.array(found)


def _placed(osim: OsimModel, poses: MarkerData, setup: ScaleSetup) -> OsimModel:
    """A scaled model with its markers on those of a pose, but for those that it fixes.

    A model that fixes all of them has not been thought of so.
    """
    with _in_opensim(osim) as (opensim, model):
        coordinates = [model.getCoordinateSet().get(name) for name in osim.coordinate_names]
        _clamp(coordinates, [setup.clamped and one.clamped for one in osim.coordinates])
        state = _posed(opensim, model, poses, 0, setup)
        own = model.getMarkerSet()
        free = {marker.getName() for marker in own if not marker.get_fixed()} or set(poses.names)
        for name, place in zip(poses.names, poses.xyz[0].tolist(), strict=True):
            if name in free and np.isfinite(place).all():
                frame, ground = own.get(name).getParentFrame(), opensim.Vec3(*place)
                moved = model.getGround().findStationLocationInAnotherFrame(state, ground, frame)
                own.get(name).set_location(moved)
        _clamp(coordinates, [one.clamped for one in osim.coordinates])
        return _as_osim(model)


def _clamp(coordinates: Sequence[Any], clamped: Sequence[bool]) -> None:
    for coordinate, flag in zip(coordinates, clamped, strict=True):
        coordinate.setDefaultClamped(flag)


@contextmanager
def _in_opensim(osim: OsimModel) -> Iterator[tuple[Any, Any]]:
    """The opensim module and its model of an OsimModel; its errors in one line."""
    try:
        import opensim
    except ImportError as error:
        raise D3keError(
            "a model is scaled by OpenSim, which is not installed. Install opensim "
            "(pip install opensim), or give the subject's scaled model."
        ) from error
    opensim.Logger.setLevelString("off")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.osim")
        file.write_text(osim.xml, encoding="utf-8")
        try:
            yield opensim, opensim.Model(str(file))
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise D3keError(f"OpenSim cannot scale the model ({reason}). Repair it.") from error


def _as_osim(model: Any) -> OsimModel:
    """What OpenSim has in memory, as facts."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.osim")
        model.printToXML(str(file))
        return OsimModel.from_file(file)


def _posed(opensim: Any, model: Any, poses: MarkerData, row: int, setup: ScaleSetup) -> Any:
    """The state in which a model's markers lie on those of a pose as well as they can."""
    state = model.initSystem()
    measured = _measured(opensim, poses, row, setup)
    solver = opensim.InverseKinematicsSolver(model, measured, _held(opensim, model, setup))
    solver.setAccuracy(ACCURACY)
    state.setTime(float(poses.time[row]))
    solver.assemble(state)
    model.realizePosition(state)
    return state


def _measured(opensim: Any, poses: MarkerData, row: int, setup: ScaleSetup) -> Any:
    weights = opensim.SetMarkerWeights()
    for name in poses.names:
        weights.cloneAndAppend(
            opensim.MarkerWeight(name, setup.weights.get(name, setup.rest_weight))
        )
    table = opensim.TimeSeriesTableVec3()
    table.setColumnLabels(poses.names)
    places = [opensim.Vec3(*place) for place in poses.xyz[row].tolist()]
    table.appendRow(float(poses.time[row]), opensim.RowVectorVec3(places))
    table.addTableMetaDataString("Units", "m")
    return opensim.MarkersReference(table, weights)


def _held(opensim: Any, model: Any, setup: ScaleSetup) -> Any:
    references = opensim.SimTKArrayCoordinateReference()
    coordinates = model.getCoordinateSet()
    for name, held in setup.held.items():
        if coordinates.contains(name):
            default = coordinates.get(name).getDefaultValue()
            value = opensim.Constant(default if held.value is None else held.value)
            reference = opensim.CoordinateReference(name, value)
            reference.setWeight(held.weight)
            references.push_back(reference)
    return references
