"""Scaling: a generic model becomes a person's own, as OpenSim's ScaleTool does it."""

import math
import tempfile
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

LEAST_MARKERS = 6  # of a static pose
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


class Placed(NamedTuple):
    """grown: the scaled model; placed: with its markers moved; posture: (K,) rad or m, when so."""

    grown: OsimModel
    placed: OsimModel
    posture: Array | None


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
        remarks.append(
            "no static trial: distances are medians over a moving one, and markers stay at their "
            "places on the unscaled model"
        )
    pose = _static_pose(osim, markers) if still else None
    found = _by_opensim(osim, factors.scales, mass_kg, setup, pose)
    for _ in range(setup.postures if still else 0):
        factors = body_factors(osim, markers, setup, height_m, still, found.posture)
        found = _by_opensim(osim, factors.scales, mass_kg, setup, pose)
    grown, placed = found.grown, found.placed
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


def _static_pose(osim: OsimModel, markers: MarkerData) -> MarkerData:
    """The markers' mean places, turned to look where the model looks.

    Places on a body don't depend on where the person stood, and a solver that begins half a turn
    away may not find the way.
    """
    seen = np.flatnonzero(np.isfinite(markers.xyz).all(axis=2).any(axis=0))
    names = [markers.names[place] for place in seen if markers.names[place] in osim.marker_names]
    if len(names) < LEAST_MARKERS:
        raise D3keError(
            f"the static trial has {len(names)} of the model's markers; a pose needs "
            f"{LEAST_MARKERS}. Map the markers' names to the model's."
        )
    measured = np.nanmean(markers.select(names).xyz, axis=0)
    default = torch.tensor([c.default for c in osim.coordinates], dtype=torch.float64)
    model = SkeletalModel(osim, torch.float64)(default).markers.numpy()
    model = model[[osim.marker_names.index(name) for name in names]]
    return MarkerData(np.zeros(1), _facing(measured, model)[None], tuple(names))


def _facing(points: Array, model: Array) -> Array:
    """Points (M, 3) turned about Y onto a model's, by least squares, unless they are near."""
    offset, target = points - points.mean(axis=0), model - model.mean(axis=0)
    along = (offset[:, [0, 2]] * target[:, [0, 2]]).sum()
    across = (offset[:, 2] * target[:, 0] - offset[:, 0] * target[:, 2]).sum()
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
    turned: Array = offset @ turn.T + model.mean(axis=0)
    return turned


def _by_opensim(
    osim: OsimModel,
    scales: Array,
    mass_kg: float | None,
    setup: ScaleSetup,
    pose: MarkerData | None,
) -> Placed:
    """The model scaled, and with its markers on those of a pose."""
    try:
        import opensim
    except ImportError as error:
        raise D3keError(
            "a model is scaled by OpenSim, which is not installed. Install opensim "
            "(pip install opensim), or give the subject's scaled model."
        ) from error
    opensim.Logger.setLevelString("off")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "generic.osim").write_text(osim.xml, encoding="utf-8")
        try:
            model = opensim.Model(str(folder / "generic.osim"))
            _scale(opensim, model, osim.body_names, scales, mass_kg)
            grown = _as_osim(model, folder)
            if pose is None:
                return Placed(grown, grown, None)
            posture = _place_markers(opensim, model, pose, setup)
            return Placed(grown, _as_osim(model, folder), posture)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise D3keError(f"OpenSim cannot scale the model ({reason}). Repair it.") from error


def _scale(
    opensim: Any, model: Any, bodies: tuple[str, ...], scales: Array, mass_kg: float | None
) -> None:
    """Scale a model in place, muscles and all."""
    factors = opensim.ScaleSet()
    for body, values in zip(bodies, scales.tolist(), strict=True):
        one = opensim.Scale()
        one.setSegmentName(body)
        one.setScaleFactors(opensim.Vec3(*values))
        one.setApply(True)
        factors.cloneAndAppend(one)
    spread = mass_kg is not None
    model.scale(model.initSystem(), factors, spread, mass_kg if spread else -1.0)
    model.initSystem()


def _place_markers(opensim: Any, model: Any, pose: MarkerData, setup: ScaleSetup) -> Array:
    """Move a model's markers onto those of a pose, which it takes as well as it can: (K,)."""
    state = model.initSystem()
    measured, held = _references(opensim, model, pose, setup)
    solver = opensim.InverseKinematicsSolver(model, measured, held)
    solver.setAccuracy(ACCURACY)
    state.setTime(float(pose.time[0]))
    solver.assemble(state)
    model.realizePosition(state)
    own = model.getMarkerSet()
    free = {marker.getName() for marker in own if not marker.get_fixed()}
    free = free or set(pose.names)
    for name, place in zip(pose.names, pose.xyz[0].tolist(), strict=True):
        if name in free:
            frame, ground = own.get(name).getParentFrame(), opensim.Vec3(*place)
            moved = model.getGround().findStationLocationInAnotherFrame(state, ground, frame)
            own.get(name).set_location(moved)
    return np.array([one.getValue(state) for one in model.getCoordinateSet()])


def _references(opensim: Any, model: Any, pose: MarkerData, setup: ScaleSetup) -> tuple[Any, Any]:
    """What the static pose is to meet: markers, and coordinates that are held."""
    weights = opensim.SetMarkerWeights()
    for name in pose.names:
        weight = setup.weights.get(name, 0.0 if setup.weights else 1.0)
        weights.cloneAndAppend(opensim.MarkerWeight(name, weight))
    table = opensim.TimeSeriesTableVec3()
    table.setColumnLabels(pose.names)
    for time, places in zip(pose.time.tolist(), pose.xyz.tolist(), strict=True):
        row = opensim.RowVectorVec3([opensim.Vec3(*place) for place in places])
        table.appendRow(time, row)
    table.addTableMetaDataString("Units", "m")
    held = opensim.SimTKArrayCoordinateReference()
    coordinates = model.getCoordinateSet()
    for name, one in setup.held.items():
        if coordinates.contains(name):
            value = coordinates.get(name).getDefaultValue() if one.value is None else one.value
            reference = opensim.CoordinateReference(name, opensim.Constant(value))
            reference.setWeight(one.weight)
            held.push_back(reference)
    return opensim.MarkersReference(table, weights), held


def _as_osim(model: Any, folder: Path) -> OsimModel:
    """What OpenSim has in memory, as facts."""
    file = folder / "model.osim"
    model.printToXML(str(file))
    return OsimModel.from_file(file)
