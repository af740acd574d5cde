"""Written files in the hands of OpenSim: its inverse kinematics finds the motion again."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import d3ke
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import read_markers, read_motion, write_markers, write_motion
from tests.opensim_oracle import opensim

osim = opensim()

MODEL = Path(d3ke.__file__).parent / "assets" / "fullbody.osim"
# Four places on every body, in its frame, as if on wands: the tool stops at a marker error, and
# long levers make that a small angle.
PLACES_M = ((0.5, 0.0, 0.0), (0.0, 0.6, 0.2), (0.0, -0.3, 0.7), (-0.4, 0.2, -0.3))
WITHIN_DEG = 0.1  # where the tool stops; the files' eight decimals are far below
Array = NDArray[np.float64]


class Scene(NamedTuple):
    """A model file with markers, a motion of it, and the markers' places by OpenSim."""

    model: Path
    motion: Motion
    markers: MarkerData


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    path = tmp_path_factory.mktemp("model") / "marked.osim"
    model = marked_model(path)
    rng = np.random.default_rng(3)
    time = np.arange(12) / 30
    coordinates = [c for c in model.getCoordinateSet() if not c.getDefaultLocked()]
    columns = [moved(c, time, rng) for c in coordinates]
    names = tuple(c.getName() for c in coordinates)
    turning = tuple(c.getMotionType() == 1 for c in coordinates)
    motion = Motion(time, np.stack(columns, axis=1), names, turning)
    return Scene(path, motion, opensim_markers(model, motion))


def marked_model(path: Path) -> Any:
    model = osim.Model(str(MODEL))
    model.updMarkerSet().clearAndDestroy()
    for body in model.getBodySet():
        for number, place in enumerate(PLACES_M):
            name = f"{body.getName()}_{number}"
            model.addMarker(osim.Marker(name, body, osim.Vec3(*place)))
    model.finalizeConnections()
    model.printToXML(str(path))
    return osim.Model(str(path))


def moved(coordinate: Any, time: Array, rng: np.random.Generator) -> Array:
    """A smooth course in the middle half of a coordinate's range; translations around 0.9 m.

    It stays away from 90 degrees, where the angles of ball joints are not unique.
    """
    low, high = max(coordinate.getRangeMin(), -1.2), min(coordinate.getRangeMax(), 1.2)
    if coordinate.getMotionType() != 1:
        low, high = 0.6, 1.2
    middle, reach = (low + high) / 2, min(high - low, 2.4) / 4
    return np.asarray(middle + reach * np.sin(4 * time + rng.uniform(0, 6)))


def opensim_markers(model: Any, motion: Motion) -> MarkerData:
    state = model.initSystem()
    frames = []
    for row in motion.q:
        for name, value in zip(motion.names, row, strict=True):
            model.getCoordinateSet().get(name).setValue(state, float(value), False)
        model.realizePosition(state)
        places = [marker.getLocationInGround(state) for marker in model.getMarkerSet()]
        frames.append([[place[axis] for axis in range(3)] for place in places])
    names = tuple(marker.getName() for marker in model.getMarkerSet())
    return MarkerData(motion.time, np.array(frames), names)


def inverse_kinematics(folder: Path, scene: Scene, markers: MarkerData) -> Motion:
    """What OpenSim finds for markers in a file of ours, read from its file."""
    write_markers(folder / "markers.trc", markers)
    model = osim.Model(str(scene.model))
    model.initSystem()
    tool = osim.InverseKinematicsTool()
    tool.setModel(model)
    tool.setMarkerDataFileName(str(folder / "markers.trc"))
    tool.setStartTime(float(markers.time[0]))
    tool.setEndTime(float(markers.time[-1]))
    tool.setOutputMotionFileName(str(folder / "ik.mot"))
    tool.setResultsDir(str(folder))
    for name in markers.names:
        task = osim.IKMarkerTask()
        task.setName(name)
        task.setApply(True)
        task.setWeight(1.0)
        tool.getIKTaskSet().cloneAndAppend(task)
    assert tool.run()
    return read_motion(folder / "ik.mot").select(scene.motion.names)


def worst_deg(found: Motion, true: Motion) -> float:
    """Largest difference, in degrees or centimetres."""
    factor = np.where(true.rotational, np.rad2deg(1), 100)
    return float(np.abs((found.q - true.q) * factor).max())


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # OpenSim's tools write marker errors where they stand


def test_inverse_kinematics_finds_the_motion_again(scene: Scene, tmp_path: Path) -> None:
    found = inverse_kinematics(tmp_path, scene, scene.markers)
    assert worst_deg(found, scene.motion) < WITHIN_DEG
    np.testing.assert_allclose(found.time, scene.motion.time, atol=1e-7)


def test_inverse_kinematics_takes_uneven_time_and_gaps(scene: Scene, tmp_path: Path) -> None:
    kept = [0, 1, 2, 5, 6, 9, 11]
    uneven = MarkerData(scene.motion.time[kept], scene.markers.xyz[kept], scene.markers.names)
    uneven.xyz[2, 7] = np.nan
    motion = scene.motion
    true = Motion(motion.time[kept], motion.q[kept], motion.names, motion.rotational)
    assert worst_deg(inverse_kinematics(tmp_path, scene, uneven), true) < WITHIN_DEG


@pytest.mark.parametrize(
    "axes",
    [np.diag([1, 1, -1]), np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])],
    ids=["left-handed", "Z up"],
)
def test_the_test_would_see_wrong_axes(scene: Scene, tmp_path: Path, axes: Array) -> None:
    wrong = MarkerData(scene.motion.time, scene.markers.xyz @ axes.T, scene.markers.names)
    assert worst_deg(inverse_kinematics(tmp_path, scene, wrong), scene.motion) > 20


def test_a_written_motion_poses_the_model_as_it_should(scene: Scene, tmp_path: Path) -> None:
    write_motion(tmp_path / "a.mot", scene.motion)
    model = osim.Model(str(scene.model))
    state = model.initSystem()
    storage = osim.Storage(str(tmp_path / "a.mot"))
    model.getSimbodyEngine().convertDegreesToRadians(storage)
    row = storage.getStateVector(7).getData()
    for coordinate in model.getCoordinateSet():
        index = storage.getStateIndex(coordinate.getName())
        if index >= 0:
            coordinate.setValue(state, row.get(index), False)
    model.realizePosition(state)
    places = [marker.getLocationInGround(state) for marker in model.getMarkerSet()]
    found = np.array([[place[axis] for axis in range(3)] for place in places])
    np.testing.assert_allclose(found, scene.markers.xyz[7], atol=1e-7)  # 8 decimals of degrees


def test_millimetres_are_metres_inside(scene: Scene, tmp_path: Path) -> None:
    write_markers(tmp_path / "m.trc", scene.markers)
    lines = (tmp_path / "m.trc").read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace("\tm\t", "\tmm\t")
    (tmp_path / "mm.trc").write_text("".join(lines))
    metres, millimetres = read_markers(tmp_path / "m.trc"), read_markers(tmp_path / "mm.trc")
    np.testing.assert_allclose(millimetres.xyz * 1000, metres.xyz, rtol=1e-12)
