"""The default skeleton: what it holds, that it is symmetric, and that its markers tell all."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.assets import build_fullbody
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.opensim_skeleton import load, random_coordinates

OSIM = default_model()
SKELETON = SkeletalModel(OSIM, torch.float64)
NAMES = OSIM.coordinate_names
RENAMED = {
    "L5_S1_Flex_Ext": "lumbar_extension",
    "L5_S1_Lat_Bending": "lumbar_bending",
    "L5_S1_axial_rotation": "lumbar_rotation",
}
# Coordinates that change sign when right and left are exchanged; paired ones change sides.
ODD = {
    "pelvis_list", "pelvis_rotation", "pelvis_tz", "lumbar_bending", "lumbar_rotation",
    "neck_bending", "neck_rotation",
}  # fmt: skip
Array = NDArray[np.float64]


def twin(name: str) -> str:
    """The same on the other side."""
    if name.endswith(("_r", "_l")):
        return name[:-1] + {"r": "l", "l": "r"}[name[-1]]
    if (
        name not in {"C7", "T10", "L3", "CLAV", "STRN", "SACR", "VTX", "NAS", "CHN"}
        and name.isupper()
    ):
        return {"R": "L", "L": "R"}[name[0]] + name[1:]
    return name


def test_it_has_22_bodies_40_coordinates_and_91_markers() -> None:
    assert (len(OSIM.bodies), len(OSIM.coordinates), len(OSIM.markers)) == (22, 40, 91)
    assert not OSIM.couplers
    assert not any(coordinate.locked for coordinate in OSIM.coordinates)


def test_the_committed_files_are_what_the_script_writes() -> None:
    figures = build_fullbody.read_figures()
    model = build_fullbody.MODEL.read_text(encoding="utf-8")
    assert model == build_fullbody.model_text(figures)
    table = build_fullbody.MARKERS.read_text(encoding="utf-8")
    assert table == build_fullbody.marker_table(figures)


def test_it_moves_as_the_model_that_its_figures_come_from(data_dir: Path) -> None:
    source = OsimModel.from_file(data_dir / "osim" / "pose2sim" / "Model_Pose2Sim_simple.osim")
    assert source.body_names == OSIM.body_names
    assert tuple(RENAMED.get(name, name) for name in source.coordinate_names) == NAMES
    rng = np.random.default_rng(1)
    q = torch.tensor(np.stack([random_coordinates(OSIM, rng) for _ in range(20)]))
    scales = torch.tensor(rng.uniform(0.7, 1.3, (20, 22, 3)))
    expected = SkeletalModel(source, torch.float64).bodies(q, scales)
    # 0.02 mm: the figures are rounded to micrometres and 1e-5 rad
    torch.testing.assert_close(SKELETON.bodies(q, scales), expected, atol=2e-5, rtol=0)
    assert [b.mass_kg for b in OSIM.bodies] == [b.mass_kg for b in source.bodies]


def test_a_mirrored_pose_is_the_mirror_image() -> None:
    rng = np.random.default_rng(2)
    q = np.stack([random_coordinates(OSIM, rng) for _ in range(20)])
    mirrored = np.empty_like(q)
    for index, name in enumerate(NAMES):
        mirrored[:, index] = q[:, NAMES.index(twin(name))] * (-1 if name in ODD else 1)
    pose, image = SKELETON(torch.tensor(q)), SKELETON(torch.tensor(mirrored))
    flip = torch.tensor([1.0, 1.0, -1.0, 1.0], dtype=torch.float64)
    bodies = [OSIM.body_names.index(twin(name)) for name in OSIM.body_names]
    markers = [OSIM.marker_names.index(twin(name)) for name in OSIM.marker_names]
    turned = flip[:, None] * pose.bodies[:, bodies] * flip
    torch.testing.assert_close(image.bodies, turned)
    torch.testing.assert_close(image.markers, pose.markers[:, markers] * flip[:3])


def test_both_sides_have_the_same_mass_and_ranges() -> None:
    bodies = {body.name: body for body in OSIM.bodies}
    for name, body in bodies.items():
        other = bodies[twin(name)]
        assert (body.mass_kg, body.inertia) == (other.mass_kg, other.inertia)
    coordinates = {c.name: c for c in OSIM.coordinates}
    for name, coordinate in coordinates.items():
        other_side = coordinates[twin(name)]
        assert (coordinate.range, coordinate.default) == (other_side.range, other_side.default)
    assert sum(body.mass_kg for body in OSIM.bodies) == pytest.approx(75.16, abs=0.01)


def test_ranges_hold_every_recorded_motion(data_dir: Path) -> None:
    beyond = set()
    for path in sorted((data_dir / "motions").rglob("*.mot")):
        header, _, table = path.read_text().partition("endheader\n")
        assert "inDegrees=yes" in header
        rows = np.array([line.split() for line in table.splitlines()[1:]], dtype=float)[:, 1:]
        for column, coordinate in zip(rows.T, OSIM.coordinates, strict=True):
            low, high = np.rad2deg(coordinate.range) if coordinate.rotational else coordinate.range
            if coordinate.name != "pelvis_rotation" and (column.min() < low or column.max() > high):
                beyond.add((coordinate.name, path.stem))
    # Turning on the spot has no end; a forward roll turns the pelvis more than once.
    assert beyond == {("pelvis_tilt", "dm_roll")}


def test_it_stands_upright_on_the_floor_and_faces_forward() -> None:
    default = torch.tensor([c.default for c in OSIM.coordinates], dtype=torch.float64)
    places = dict(zip(OSIM.marker_names, SKELETON(default).markers.numpy(), strict=True))
    x, y, z = 0, 1, 2
    assert places["VTX"][y] > places["CHN"][y] > places["C7"][y] > places["SACR"][y]
    assert places["RHLX"][x] > places["RHEE"][x] + 0.2
    assert places["NAS"][x] > places["VTX"][x]
    assert places["RASI"][z] > 0.1
    assert 0.0 < min(place[y] for place in places.values()) < 0.03  # soles 25 mm below calcn
    assert 1.65 < places["VTX"][y] < 1.75


# Where the bone of a body ends that does not end at the next joint.
FAR_ENDS = {"ulna": "hand", "calcn": "toes", "tibia": "talus", "femur": "tibia", "humerus": "ulna"}


@pytest.mark.parametrize("bone", FAR_ENDS)
def test_markers_lie_within_a_hand_of_their_bone(bone: str) -> None:
    default = torch.tensor([c.default for c in OSIM.coordinates], dtype=torch.float64)
    pose = SKELETON(default)
    centres = {j.child.body: c for j, c in zip(OSIM.joints, pose.joints.numpy(), strict=True)}
    for marker, place in zip(OSIM.markers, pose.markers.numpy(), strict=True):
        if marker.body == f"{bone}_r":
            start, end = centres[marker.body], centres[f"{FAR_ENDS[bone]}_r"]
            part = np.clip((place - start) @ (end - start) / np.sum((end - start) ** 2), 0.0, 1.0)
            assert np.linalg.norm(start + part * (end - start) - place) < 0.1, marker.name


def test_every_body_that_moves_has_markers_that_show_its_turn() -> None:
    for body in OSIM.body_names:
        if body in {"sacrum", "talus_r", "talus_l"}:  # welded, and between two hinges
            continue
        places = np.array([m.location for m in OSIM.markers if m.body == body])
        joint = next(joint for joint in OSIM.joints if joint.child.body == body)
        spread = places - joint.child.reach.sum(axis=1)
        assert len(places) >= 2
        assert np.linalg.matrix_rank(spread, tol=0.005) >= 2, body


@pytest.mark.slow
def test_opensims_inverse_kinematics_finds_every_coordinate_again(tmp_path: Path) -> None:
    osim = pytest.importorskip("opensim", reason="OpenSim is the oracle here")
    scales = np.random.default_rng(3).uniform(0.85, 1.2, (22, 3))
    q = smooth_motion(frames=60)
    markers = SKELETON(torch.tensor(q), torch.tensor(scales)).markers.numpy()
    OSIM.scaled(scales, 70.0).write(tmp_path / "scaled.osim")
    write_trc(tmp_path / "markers.trc", markers)
    model = load(tmp_path / "scaled.osim")  # the tool does not keep it alive
    tool = osim.InverseKinematicsTool()
    tool.setModel(model)
    tool.setMarkerDataFileName(str(tmp_path / "markers.trc"))
    tool.setOutputMotionFileName(str(tmp_path / "found.mot"))
    tool.setResultsDir(str(tmp_path))
    tool.setStartTime(0.0)
    tool.setEndTime((len(q) - 1) / 100)
    tool.set_report_errors(False)
    tool.set_accuracy(1e-9)  # the default, 1e-5, stops at 1.6 degrees
    assert tool.run()
    table = osim.TimeSeriesTable(str(tmp_path / "found.mot"))
    assert table.getColumnLabels() == NAMES
    found = table.getMatrix().to_numpy()
    error = found - np.where([c.rotational for c in OSIM.coordinates], np.rad2deg(q), q)
    # 0.01 degree and 0.01 m: the tool's accuracy, measured 0.0002; asked are 0.1 degrees
    assert np.abs(error).max() < 0.01


def smooth_motion(frames: int) -> Array:
    """From the default pose into wide swings of every coordinate, 20 degrees off gimbal lock."""
    rng = np.random.default_rng(4)
    default = np.array([c.default for c in OSIM.coordinates])
    low, high = np.array([c.range for c in OSIM.coordinates]).T
    middle_turns = [NAMES.index(n) for n in ("lumbar_bending", "arm_add_r", "arm_add_l")]
    low[middle_turns], high[middle_turns] = np.deg2rad(-70), np.deg2rad(70)
    low[:3], high[:3] = -1.0, 1.0
    time = np.linspace(0.0, 1.0, frames)[:, None]
    swing = np.sin(2 * np.pi * (rng.uniform(0.5, 1.5, 40) * time + rng.uniform(0, 1, 40)))
    away = (low + high) / 2 + 0.475 * (high - low) * swing - default
    return np.asarray(default + np.minimum(1.0, 4 * time) * away)


def write_trc(path: Path, markers: Array) -> None:
    """Markers (T, M, 3) in metres at 100 Hz, as plain text."""
    count = len(OSIM.markers)
    numbered = "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, count + 1))
    rows = [
        f"{t + 1}\t{t / 100:.2f}\t" + "\t".join(f"{value:.9f}" for value in frame.ravel())
        for t, frame in enumerate(markers)
    ]
    head = (
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}\nDataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits"
        f"\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n100\t100\t{len(markers)}\t{count}\tm"
        f"\t100\t1\t{len(markers)}\nFrame#\tTime\t" + "\t\t\t".join(OSIM.marker_names) + "\t\t\n"
    )
    path.write_text(head + f"\t\t{numbered}\n\n" + "\n".join(rows) + "\n")
