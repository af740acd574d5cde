"""The oracle of the skeleton: OpenSim's own forward kinematics and scaling."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]


def load(path: Path) -> Any:
    """OpenSim's model of a file, silent."""
    import opensim

    opensim.Logger.setLevelString("off")
    model = opensim.Model(str(path))
    model.initSystem()
    return model


def scale(model: Any, names: Sequence[str], scales: Array, mass_kg: float = -1.0) -> None:
    """Scale a model in place by OpenSim's Model.scale; without a mass it grows with the volume."""
    import opensim

    factors = opensim.ScaleSet()
    for name, values in zip(names, scales, strict=True):
        one = opensim.Scale()
        one.setSegmentName(name)
        one.setScaleFactors(opensim.Vec3(*map(float, values)))
        one.setApply(True)
        factors.cloneAndAppend(one)
    model.scale(model.initSystem(), factors, False, mass_kg)
    model.initSystem()


def random_coordinates(osim: OsimModel, rng: np.random.Generator) -> Array:
    """Coordinates anywhere in their ranges. Returns (K,)."""
    low, high = np.array([c.range for c in osim.coordinates]).T
    return np.asarray(rng.uniform(low, high))


def couple(model: Any, q: Array) -> Array:
    """Coordinates with the dependent ones set by OpenSim's own functions."""
    import opensim

    q = q.copy()
    index = {c.getName(): i for i, c in enumerate(model.getCoordinateSet())}
    constraints = model.getConstraintSet()
    couplers = [
        opensim.CoordinateCouplerConstraint.safeDownCast(constraints.get(i))
        for i in range(constraints.getSize())
    ]
    for _ in couplers:  # as often as a chain of couplers may be long
        for coupler in couplers:
            names = coupler.getIndependentCoordinateNames()
            values = opensim.Vector(1, float(q[index[names.get(0)]]))
            factor = opensim.PropertyHelper.getValueDouble(
                coupler.getPropertyByName("scale_factor")
            )
            value = factor * coupler.getFunction().calcValue(values)
            q[index[coupler.getDependentCoordinateName()]] = value
    return q


def body_frames(model: Any, q: Array) -> Array:
    """Body frames in ground, (N, 4, 4), of coordinates (K,) that obey the couplers."""
    state = model.initSystem()
    for coordinate, value in zip(model.getCoordinateSet(), q, strict=True):
        coordinate.setLocked(state, False)
        coordinate.setValue(state, float(value), False)
    model.realizePosition(state)
    frames = []
    for body in model.getBodySet():
        placed = body.getTransformInGround(state)
        frame = np.eye(4)
        for row in range(3):
            frame[row, 3] = placed.p().get(row)
            for column in range(3):
                frame[row, column] = placed.R().get(row, column)
        frames.append(frame)
    return np.array(frames)


def frame_errors(found: Array, expected: Array) -> tuple[float, float]:
    """The largest distance (mm) and angle (rad) between two sets of frames (..., 4, 4)."""
    distance = np.linalg.norm(found[..., :3, 3] - expected[..., :3, 3], axis=-1).max()
    # For small angles, |A - B| is sqrt(2) times the angle between rotations A and B.
    turned = np.linalg.norm(found[..., :3, :3] - expected[..., :3, :3], axis=(-2, -1)).max()
    return 1e3 * float(distance), float(turned) / 2**0.5
