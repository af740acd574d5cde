"""Rigs: files of laboratories, written from a known camera, give that camera back."""

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d3ke.errors import D3keError
from d3ke.vision.camera import Camera
from d3ke.vision.rigs import camera_named, on_wall_board, read_rig
from tests.test_camera import SIZE, in_view, lens

Array = NDArray[np.float64]
Written = Callable[[Path, Mapping[str, Camera]], Path]

PIXELS = 1e-6  # px: float64 through text of 17 digits
NAMES = ("cam_01", "cam_02")
LOOKING_ALONG_MINUS_Z = np.diag([1.0, -1.0, -1.0])
# The first camera of Pose2Sim's example (BSD-3-Clause, (c) perfanalytics), which Qualisys wrote.
BALANCING = """<calibration type="regular"><cameras>
<camera active="1" serial="cam01" viewrotation="0">
<fov_video bottom="1919" left="0" right="1087" top="0"/>
<transform r11="0.5536380477336265" r12="0.8046719867383512" r13="0.2144479094331626"
 r21="-0.4345300743838753" r22="0.05946489349975602" r23="0.8986921279821063"
 r31="0.7104002579937896" r32="-0.5907342212870501" r33="0.3825762057979294"
 x="1460.2323709212087" y="-1909.1590482454608" z="1896.5058524092062"/>
<intrinsic centerPointU="34110.316406" centerPointV="60680.792969" focalLengthU="107599.671875"
 focalLengthV="107588.828125" focallength="9.314" radialDistortion1="-0.046183"
 radialDistortion2="0.139983" radialDistortion3="0.000000" sensorMaxU="69568" sensorMaxV="122816"
 sensorMinU="0.000000" sensorMinV="0.000000" skew="0.000000" tangentalDistortion1="0.000608"
 tangentalDistortion2="0.00069"/></camera></cameras></calibration>"""


def two_cameras() -> dict[str, Camera]:
    """A lens seen from two places."""
    first = lens()
    aside = np.asarray(cv2.Rodrigues(np.array([0.1, 0.9, -0.2]))[0], np.float64)
    second = replace(first, R=aside, t=np.array([-0.4, 0.9, 4.0]))
    return dict(zip(NAMES, (first, second), strict=True))


def straight(cameras: Mapping[str, Camera]) -> dict[str, Camera]:
    return {name: replace(one, distortion=np.zeros(5)) for name, one in cameras.items()}


def attributes(values: Mapping[str, object]) -> str:
    return " ".join(f'{key}="{value}"' for key, value in values.items())


def qualisys(
    folder: Path, cameras: Mapping[str, Camera], file: str = "lab.qca.txt", left: int = 0
) -> Path:
    """As QTM exports it: subpixels, millimetres, cameras that look along -z; and an unused one."""
    text = '<camera active="0" serial="77"/>'
    for name, one in cameras.items():
        turn, place = LOOKING_ALONG_MINUS_Z @ one.R, -one.R.T @ one.t * 1000
        k1, k2, p1, p2, k3 = one.distortion
        pose = {f"r{i + 1}{j + 1}": turn[i, j] for i in range(3) for j in range(3)}
        pose |= dict(zip("xyz", place, strict=True))
        figures = {
            "sensorMinU": 0, "sensorMaxU": (left + one.size[0]) * 64 - 1, "sensorMinV": 0,
            "sensorMaxV": one.size[1] * 64 - 1, "focalLengthU": one.K[0, 0] * 64,
            "focalLengthV": one.K[1, 1] * 64, "centerPointU": (one.K[0, 2] + left) * 64,
            "centerPointV": one.K[1, 2] * 64, "skew": 0, "radialDistortion1": k1,
            "radialDistortion2": k2, "radialDistortion3": k3, "tangentalDistortion1": p1,
            "tangentalDistortion2": p2,
        }  # fmt: skip
        field = {"left": left, "top": 0, "right": left + one.size[0] - 1, "bottom": one.size[1] - 1}
        text += (
            f'<camera active="1" serial="{name}"><fov_video {attributes(field)}/>'
            f"<transform {attributes(pose)}/><intrinsic {attributes(figures)}/></camera>"
        )
    path = folder / file
    path.write_text(f"<calibration><cameras>{text}</cameras></calibration>")
    return path


def theia(folder: Path, cameras: Mapping[str, Camera]) -> Path:
    """As Theia's documentation describes it: pixels, and p_cam = R p_global + t."""
    text = ""
    for name, one in cameras.items():
        k1, k2, p1, p2, k3 = one.distortion
        pose = {f"r{i + 1}{j + 1}": one.R[i, j] for i in range(3) for j in range(3)}
        pose |= dict(zip("xyz", one.t * 1000, strict=True))
        figures = {
            "sensorMaxU": one.size[0], "sensorMaxV": one.size[1], "focalLengthU": one.K[0, 0],
            "focalLengthV": one.K[1, 1], "centerPointU": one.K[0, 2], "centerPointV": one.K[1, 2],
            "skew": 0, "radialDistortion1": k1, "radialDistortion2": k2, "radialDistortion3": k3,
            "tangentalDistortion1": p1, "tangentalDistortion2": p2,
        }  # fmt: skip
        text += (
            f'<camera active="1" serial="{name}"><transform {attributes(pose)}/>'
            f"<intrinsic {attributes(figures)}/></camera>"
        )
    path = folder / "theia.xml"
    path.write_text(f"<calibration><cameras>{text}</cameras></calibration>")
    return path


def vicon(folder: Path, cameras: Mapping[str, Camera], radial: str = "0 0 0") -> Path:
    """As Nexus writes it: square pixels, millimetres, a quaternion whose last number is real."""
    text = '<Camera DEVICEID="9" SENSOR_SIZE="10 10"><KeyFrames/></Camera>'
    for name, one in cameras.items():
        values = {
            "FOCAL_LENGTH": one.K[0, 0],
            "PRINCIPAL_POINT": f"{one.K[0, 2]} {one.K[1, 2]}",
            "ORIENTATION": " ".join(map(repr, map(float, Rotation.from_matrix(one.R).as_quat()))),
            "POSITION": " ".join(map(repr, map(float, -one.R.T @ one.t * 1000))),
            "VICON_RADIAL2": f"Vicon3Parameter {one.K[0, 2] + 3} {one.K[1, 2] - 2} {radial}",
        }
        aspect = float(one.K[0, 0] / one.K[1, 1])
        text += (
            f'<Camera DEVICEID="{name}" PIXEL_ASPECT_RATIO="{aspect!r}" '
            f'SENSOR_SIZE="{one.size[0]} {one.size[1]}"><KeyFrames>'
            f"<KeyFrame {attributes(values)}/></KeyFrames></Camera>"
        )
    path = folder / "trial.xcp"
    path.write_text(f'<?xml version="1.0"?><Cameras>{text}</Cameras>')
    return path


def pose2sim(folder: Path, cameras: Mapping[str, Camera]) -> Path:
    """As Pose2Sim, Anipose and Caliscope write it: rotation vectors."""
    lines = []
    for name, one in cameras.items():
        rotvec = Rotation.from_matrix(one.R).as_rotvec()
        lines += [
            f"[{name}]", f'name = "{name}"', f"size = {[float(side) for side in one.size]}",
            f"matrix = {one.K.tolist()}", f"distortions = {one.distortion.tolist()}",
            f"rotation = {rotvec.tolist()}", f"translation = {one.t.tolist()}", "fisheye = false",
        ]  # fmt: skip
    path = folder / "Calib.toml"
    path.write_text("\n".join([*lines, "[metadata]", "adjusted = false", "error = 0.1"]))
    return path


def our_json(folder: Path, cameras: Mapping[str, Camera]) -> Path:
    """A file for each camera, and one that is none."""
    for name, one in cameras.items():
        table = {
            "K": one.K.tolist(), "distortion": one.distortion.tolist(), "R": one.R.tolist(),
            "t": one.t.tolist(), "image_size": list(one.size),
        }  # fmt: skip
        (folder / f"camera_{name}.json").write_text(json.dumps(table))
    (folder / "clip.json").write_text('{"name": "clip", "cameras": {"a": {"fps": 60}}}')
    (folder / "sessionMetadata.yaml").write_text("mass_kg: 70\n")
    return folder


def opencap(folder: Path, cameras: Mapping[str, Camera], protocol: int = 4) -> Path:
    """A folder for each camera; sizes are rows, then columns."""
    for name, one in cameras.items():
        (folder / name).mkdir()
        table = {
            "intrinsicMat": one.K,
            "distortion": one.distortion[None],
            "imageSize": np.array([[one.size[1]], [one.size[0]]], np.float64),
            "rotation": one.R,
            "translation": one.t[:, None] * 1000,
            "rotation_EulerAngles": Rotation.from_matrix(one.R).as_rotvec()[:, None],
        }
        file = folder / name / "cameraIntrinsicsExtrinsics.pickle"
        file.write_bytes(pickle.dumps(table, protocol=protocol))
    return folder


@pytest.mark.parametrize("written", [qualisys, theia, pose2sim, our_json, opencap])
def test_every_format_gives_the_cameras_back(tmp_path: Path, written: Written) -> None:
    cameras = two_cameras()
    rig = read_rig(written(tmp_path, cameras))
    for name, camera in cameras.items():
        points = in_view(camera)
        found = camera_named(rig, name, SIZE)
        np.testing.assert_allclose(found.project(points), camera.project(points), atol=PIXELS)


def test_vicons_cameras_come_back(tmp_path: Path) -> None:
    cameras = straight(two_cameras())
    rig = read_rig(vicon(tmp_path, cameras))
    assert set(rig.cameras) == set(NAMES)  # not the one that was not calibrated
    for name, camera in cameras.items():
        points = in_view(camera)
        found = camera_named(rig, name, SIZE)
        np.testing.assert_allclose(found.project(points), camera.project(points), atol=PIXELS)


def test_vicons_lens_straightens_pixels_as_vicon_does(tmp_path: Path) -> None:
    k = np.array([4e-8, -6e-15, 0.0])  # 5 % at the corners of 720 x 1280 px: stronger than Vue's
    cameras = straight(two_cameras())
    rig = read_rig(vicon(tmp_path, cameras, " ".join(map(str, k))))
    camera = cameras["cam_01"]
    seen = np.random.default_rng(2).uniform(0, 1, (200, 2)) * SIZE
    centre = camera.K[:2, 2] + (3, -2)
    r2 = ((seen - centre) ** 2).sum(axis=1, keepdims=True)
    expected = centre + (seen - centre) * (1 + k[0] * r2 + k[1] * r2**2)
    assert np.linalg.norm(expected - seen, axis=1).max() > 10  # px
    found = camera_named(rig, "cam_01", SIZE).undistort(seen)
    np.testing.assert_allclose(found, expected, atol=0.1)  # px that OpenCV's terms miss


def test_a_lens_that_opencv_cannot_describe_is_refused(tmp_path: Path) -> None:
    path = vicon(tmp_path, straight(two_cameras()), "4e-6 -6e-11 0")
    with pytest.raises(D3keError, match=r"camera cam_01: its lens bends pictures .* px\."):
        read_rig(path)


def test_a_picture_from_the_middle_of_a_sensor_has_its_own_centre(tmp_path: Path) -> None:
    cameras = two_cameras()
    rig = read_rig(qualisys(tmp_path, cameras, left=100))
    assert set(rig.cameras) == set(NAMES)
    assert rig.cameras["cam_01"].size == SIZE
    np.testing.assert_allclose(camera_named(rig, "cam_01", SIZE).K, cameras["cam_01"].K)


def test_qualisys_distortion_is_not_in_subpixels(tmp_path: Path, data_dir: Path) -> None:
    """A real export and the same camera in the clip's own file, which was turned to Y up."""
    (tmp_path / "Calib.qca.txt").write_text(BALANCING)
    rig = read_rig(tmp_path / "Calib.qca.txt")
    up = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])  # (x, y, z) -> (y, z, x)
    found = camera_named(rig.turned(up), "cam01", (1080, 1920))
    clip = data_dir / "clips" / "pose2sim_balancing" / "camera_cam1.json"
    other = Camera.from_calibration(clip, (1080, 1920))
    assert pytest.approx(other.R, abs=1e-9) == found.R
    assert found.t == pytest.approx(other.t, abs=1e-6)
    # That file's distortion was divided by 64, too, as by Pose2Sim: coefficients have no unit.
    assert found.distortion == pytest.approx(64 * other.distortion, abs=1e-9)


def test_a_turned_rig_sees_the_turned_world(tmp_path: Path) -> None:
    rig = read_rig(pose2sim(tmp_path, two_cameras()))
    turn = Rotation.from_rotvec([0.3, 2.0, -0.4]).as_matrix()
    shift = np.array([0.5, -1.0, 2.0])
    camera = camera_named(rig, "cam_02", SIZE)
    points = in_view(camera)
    moved = camera_named(rig.turned(turn, shift), "cam_02", SIZE)
    np.testing.assert_allclose(moved.project(points @ turn.T + shift), camera.project(points))


@pytest.mark.parametrize("clip", ["cmbbe_squats", "cmbbe_jump"])
def test_opencaps_board_is_put_on_its_wall(tmp_path: Path, data_dir: Path, clip: str) -> None:
    """The clips' files were turned as OpenCap does, by hand: about Y by 90 deg, then about Z."""
    folder = data_dir / "clips" / clip
    camera = Camera.from_calibration(folder / "camera_cam0.json", (360, 640))
    by_hand = Rotation.from_euler("yz", [90, 180], degrees=True).as_matrix()  # fixed axes
    height = 1.1
    board = replace(camera, R=camera.R @ by_hand, t=camera.t + camera.R @ [0, height, 0])
    rig = on_wall_board(read_rig(opencap(tmp_path, {"Cam0": board})), height)
    found = camera_named(rig, "cam0", (360, 640))
    points = in_view(camera)
    np.testing.assert_allclose(found.project(points), camera.project(points), atol=PIXELS)
    assert -found.R[1] @ [0, 1, 0] > 0.9  # the top of the picture is up


def test_a_board_elsewhere_is_turned_by_opencaps_angles(tmp_path: Path) -> None:
    rig = read_rig(opencap(tmp_path, two_cameras()))
    angles = {"ground": [90, 90, 0], "back wall, upside down": [0, -90, 0]}
    for mounting, degrees in angles.items():
        turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
        found = on_wall_board(rig, 0.0, mounting).cameras["cam_01"]
        np.testing.assert_allclose(np.asarray(found.R), lens().R @ turn.T, atol=1e-12)
    with pytest.raises(D3keError, match="Give one of: back wall, "):
        on_wall_board(rig, 1.0, "ceiling")


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_pickles_of_every_age_are_read(tmp_path: Path, protocol: int) -> None:
    folder = opencap(tmp_path, two_cameras(), protocol)
    if protocol == 3:  # as numpy 1 named its modules
        for file in folder.rglob("*.pickle"):
            old = file.read_bytes().replace(b"numpy._core.", b"numpy.core.")
            assert b"numpy.core." in old
            file.write_bytes(old)
    np.testing.assert_allclose(camera_named(read_rig(folder), "cam_01", SIZE).K, lens().K)


class Evil:
    """Whoever loads its pickle writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.target, "was here"))


def test_a_pickle_that_would_run_a_program_is_refused_unrun(tmp_path: Path) -> None:
    target = tmp_path / "proof"
    for protocol in range(6):
        file = tmp_path / f"camera{protocol}.pickle"
        file.write_bytes(pickle.dumps({"intrinsicMat": Evil(target)}, protocol=protocol))
        with pytest.raises(D3keError, match=r"asks for .*Write its figures as JSON") as refused:
            read_rig(file)
        assert "\n" not in str(refused.value)
    for program in (b"cos\nsystem\n(S'touch proof'\ntR.", b"cbuiltins\neval\n(S'1'\ntR."):
        (tmp_path / "old.pickle").write_bytes(program)
        with pytest.raises(D3keError, match=r"asks for (os\.system|builtins\.eval)"):
            read_rig(tmp_path / "old.pickle")
    assert not target.exists()


def test_names_that_are_nearly_right_are_forgiven(tmp_path: Path) -> None:
    rig = read_rig(pose2sim(tmp_path, two_cameras()))
    for name in ("cam_02", "cam2", "Cam_2", "CAM02", "squat_cam2", "2"):
        assert camera_named(rig, name, SIZE).t == pytest.approx([-0.4, 0.9, 4.0])
    with pytest.raises(D3keError, match=r"which camera is left\? it holds cam_01, cam_02"):
        camera_named(rig, "left", SIZE)
    with pytest.raises(D3keError, match="cam_01, cam_02 all fit"):
        camera_named(rig, "cam", SIZE)
    alone = replace(rig, cameras={"cam_02": rig.cameras["cam_02"]})
    assert camera_named(alone, "squat", SIZE).t == pytest.approx([-0.4, 0.9, 4.0])
    with pytest.raises(D3keError, match=r"which camera is cam_01\? it holds cam_02"):
        camera_named(alone, "cam_01", SIZE)


def test_a_smaller_video_has_a_scaled_camera_and_another_shape_none(tmp_path: Path) -> None:
    rig = read_rig(qualisys(tmp_path, two_cameras()))
    points = in_view(lens())
    half = camera_named(rig, "cam_01", (360, 640)).project(points)
    # a pixel of the half covers two: its centre lies between theirs
    np.testing.assert_allclose(2 * half + 0.5, lens().project(points), atol=PIXELS)
    with pytest.raises(D3keError, match="calibrated for pictures of 720 x 1280 px"):
        camera_named(rig, "cam_01", (1280, 720))


def test_the_clips_folders_are_rigs(data_dir: Path) -> None:
    rig = read_rig(data_dir / "clips" / "pose2sim_balancing")
    assert set(rig.cameras) == {f"camera_cam{number}" for number in (1, 2, 3, 4)}
    for number in (1, 2, 3, 4):
        size = rig.cameras[f"camera_cam{number}"].size
        assert size is not None
        assert camera_named(rig, f"cam{number}", size).source.endswith(f"camera camera_cam{number}")


REFUSED = {
    "a.qca.txt": ("<calibration><cameras>", "broken XML"),
    "b.xml": ("<model/>", "holds no camera of Qualisys or Vicon"),
    "c.xcp": (
        '<!DOCTYPE a [<!ENTITY b "bb">]><Cameras>&b;</Cameras>',
        r"broken XML \(EntitiesForbidden",
    ),
    "d.toml": (
        "[cam1]\nmatrix=[[9,0,1],[0,9,1],[0,0,1]]\n",
        "camera cam1 has no rotation and translation",
    ),
    "e.toml": (
        "[cam1]\nmatrix=[[9,0,1],[0,9,1],[0,0,1]]\nrotation=[0,0,0]\ntranslation=[0,0,3000]\n",
        "camera cam1 is 3000 m from the origin. Are its translations millimetres",
    ),
    "f.pickle": ("nonsense", "a broken pickle"),
    "g.xcp": (
        '<Cameras><Camera DEVICEID="5" SENSOR_SIZE="9 9"><KeyFrames><KeyFrame/></KeyFrames>'
        "</Camera></Cameras>",
        "camera 5: FOCAL_LENGTH is not 1 numbers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_no_rig_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    text, message = REFUSED[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(D3keError, match=message) as refused:
        read_rig(tmp_path / name)
    assert str(refused.value).startswith(str(tmp_path / name))
    assert "\n" not in str(refused.value)


def test_folders_that_are_no_rig_are_refused(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="holds no calibration"):
        read_rig(tmp_path)
    qualisys(tmp_path, two_cameras())
    pose2sim(tmp_path, two_cameras())
    with pytest.raises(D3keError, match=r"both Calib\.toml and lab\.qca\.txt hold a camera cam_01"):
        read_rig(tmp_path)
    with pytest.raises(D3keError, match="no such file"):
        read_rig(tmp_path / "none.toml")
