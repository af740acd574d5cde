"""Camera: OpenCV's own projection, and figures from wherever a lab keeps them."""

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.vision.camera import PHONE_FOV_DEG, Camera, camera_of, rotvec_to_matrix
from d3ke.vision.video import Video
from tests.made_clips import pictures, write_clip

K = [[912.0, 0.0, 366.0], [0.0, 915.0, 638.0], [0.0, 0.0, 1.0]]
DISTORTION = [0.128, -0.284, -0.0003, 0.0007, 0.213]  # a phone's
ROTVEC = [0.4, -1.1, 0.7]
TRANSLATION = [0.3, 1.0, 3.0]
SIZE = (720, 1280)


def lens() -> Camera:
    return Camera(
        K=np.array(K),
        size=SIZE,
        source="made up",
        distortion=np.array(DISTORTION),
        R=np.asarray(cv2.Rodrigues(np.array(ROTVEC))[0], np.float64),
        t=np.array(TRANSLATION),
    )


def in_view(camera: Camera, count: int = 200) -> NDArray[np.float64]:
    """Points in ground that the camera has in its picture, (count, 3) m."""
    generator = np.random.default_rng(0)
    pixels = generator.uniform(0, 1, (count, 2)) * camera.size
    rays = (pixels - camera.K[:2, 2]) / np.diag(camera.K)[:2]
    seen = np.column_stack([rays, np.ones(count)]) * generator.uniform(1, 8, (count, 1))
    ground: NDArray[np.float64] = (seen - camera.t) @ camera.R
    return ground


def test_projection_is_opencvs() -> None:
    camera = lens()
    points = in_view(camera)
    expected, _ = cv2.projectPoints(
        points, np.array(ROTVEC), np.array(TRANSLATION), camera.K, camera.distortion
    )
    found = camera.project(points.reshape(10, 20, 3))
    np.testing.assert_allclose(found.reshape(-1, 2), expected[:, 0], atol=1e-8)  # px, float64


def test_undistortion_is_opencvs() -> None:
    camera = lens()
    pixels = np.random.default_rng(1).uniform(0, 1, (300, 2)) * SIZE
    # Enough steps for OpenCV's iteration to converge; it stops after five by itself.
    stop = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-14)
    expected = cv2.undistortPoints(
        pixels[:, None], camera.K, camera.distortion, None, None, camera.K, stop
    )
    np.testing.assert_allclose(camera.undistort(pixels), expected[:, 0], atol=1e-6)  # px


def test_undistortion_undoes_the_lens() -> None:
    camera = lens()
    points = in_view(camera)
    straight = Camera(camera.K, SIZE, "", R=camera.R, t=camera.t).project(points)
    np.testing.assert_allclose(camera.undistort(camera.project(points)), straight, atol=1e-6)


def test_pixels_far_outside_stay_finite() -> None:
    far = np.array([[-5e3, 9e3], [2e4, -3e4], [1e5, 1e5]])
    assert np.isfinite(lens().undistort(far)).all()


def test_what_is_behind_the_camera_has_no_pixel() -> None:
    camera = Camera.phone_default(SIZE)
    assert np.isnan(camera.project([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0]])).all()
    np.testing.assert_allclose(camera.project([0.0, 0.0, 2.0]), [359.5, 639.5])


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (500, 500)])
def test_the_field_of_view_spans_the_longer_side(size: tuple[int, int]) -> None:
    camera = Camera.from_fov(size, 60)
    edge = math.tan(math.radians(30))
    axis = int(size[1] > size[0])
    point = np.array([0.0, 0.0, 1.0])
    point[axis] = edge
    # The picture ends half a pixel past the centre of its last one.
    assert camera.project(point)[axis] == pytest.approx(max(size) - 0.5)
    assert camera.fov_deg == pytest.approx(60)


@pytest.mark.parametrize("degrees", [0, 9.9, 151, -70, math.nan, math.inf])
def test_a_field_of_view_that_no_lens_has_is_refused(degrees: float) -> None:
    with pytest.raises(D3keError, match="10 to 150"):
        Camera.from_fov(SIZE, degrees)


def test_rotation_vectors_are_rodrigues() -> None:
    for vector in np.random.default_rng(2).normal(size=(20, 3)) * 2:
        np.testing.assert_allclose(rotvec_to_matrix(vector), cv2.Rodrigues(vector)[0], atol=1e-12)
    np.testing.assert_array_equal(rotvec_to_matrix(np.zeros(3)), np.eye(3))


def our_json(folder: Path, **changes: Any) -> Path:
    content = {"K": K, "distortion": DISTORTION, "image_size": SIZE, "t": TRANSLATION}
    content["R"] = cv2.Rodrigues(np.array(ROTVEC))[0].tolist()
    path = folder / "camera.json"
    path.write_text(json.dumps(content | changes))
    return path


def toml(folder: Path, *names: str) -> Path:
    """A file as Pose2Sim, Anipose and Caliscope write it."""
    table = (
        '[{0}]\nname = "{0}"\nsize = [720.0, 1280.0]\nmatrix = {1}\ndistortions = {2}\n'
        "rotation = {3}\ntranslation = {4}\nfisheye = false\n\n"
    )
    path = folder / "Calib.toml"
    path.write_text(
        "".join(table.format(name, K, DISTORTION, ROTVEC, TRANSLATION) for name in names)
        + "[metadata]\nadjusted = false\nerror = 0.0\n"
    )
    return path


def opencv_file(folder: Path, suffix: str) -> Path:
    """A file as OpenCV's calibration sample writes it."""
    path = folder / f"camera{suffix}"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", SIZE[0])
    storage.write("image_height", SIZE[1])
    storage.write("camera_matrix", np.array(K))
    storage.write("distortion_coefficients", np.array([DISTORTION]).T)
    storage.release()
    return path


def test_every_format_gives_the_same_camera(tmp_path: Path) -> None:
    expected = lens()
    for path in (our_json(tmp_path), toml(tmp_path, "cam_01")):
        camera = Camera.from_calibration(path, SIZE)
        for name in ("K", "distortion", "R", "t"):
            np.testing.assert_allclose(getattr(camera, name), getattr(expected, name), atol=1e-9)
        assert path.name in camera.source
    for suffix in (".yaml", ".yml", ".xml"):
        camera = Camera.from_calibration(opencv_file(tmp_path, suffix), SIZE)
        np.testing.assert_allclose(camera.K, expected.K)
        np.testing.assert_allclose(camera.distortion, expected.distortion)


def test_the_cameras_of_the_clips_open(data_dir: Path) -> None:
    files = sorted((data_dir / "clips").glob("*/camera_*.json"))
    assert len(files) == 10
    for path in files:
        content = json.loads(path.read_text())
        camera = Camera.from_calibration(path, tuple(content["image_size"]))
        np.testing.assert_array_equal(camera.K, content["K"])
        np.testing.assert_allclose(camera.R @ camera.R.T, np.eye(3), atol=1e-3)


def test_a_scaled_clip_has_a_scaled_camera(tmp_path: Path) -> None:
    path = our_json(tmp_path)
    whole = Camera.from_calibration(path, SIZE)
    half = Camera.from_calibration(path, (360, 640))
    points = in_view(whole, 20)
    # A picture shrunk by two: the centre of pixel 0 lies between the old pixels 0 and 1.
    np.testing.assert_allclose(half.project(points), (whole.project(points) - 0.5) / 2, atol=1e-9)


def test_a_camera_is_found_by_the_clips_name(tmp_path: Path) -> None:
    path = toml(tmp_path, "cam_01", "cam_02", "cam_12")
    assert Camera.from_calibration(path, SIZE, "cam_02").size == SIZE
    assert Camera.from_calibration(path, SIZE, "trial3_cam02").size == SIZE
    with pytest.raises(D3keError, match=r"3 cameras \(cam_01, cam_02, cam_12\)"):
        Camera.from_calibration(path, SIZE, "squat")


BAD_FIGURES: dict[str, dict[str, Any]] = {
    "not 3 x 3 numbers": {"K": [[1, 2], [3, 4]]},
    "matrix is not": {"K": [[-900, 0, 360], [0, 900, 640], [0, 0, 1]]},
    r"is not \[\[fx": {"K": [[900, 0, 0], [0, 900, 0], [360, 640, 1]]},
    "camera matrix is not 3": {"K": "abc"},
    "not 3 x 3": {"K": [[math.nan, 0, 360], [0, 900, 640], [0, 0, 1]]},
    "field of view of 0 deg": {"K": [[9e5, 0, 360], [0, 9e5, 640], [0, 0, 1]]},
    r"around \(9000": {"K": [[900, 0, 9000], [0, 900, 640], [0, 0, 1]]},
    "determinant -1": {"R": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]},
    "the rotation is not": {"R": [1, 2]},
    "the translation is not 3": {"t": [1, 2]},
    "the distortion is not": {"distortion": [1, 2, 3]},
    "has 8 terms": {"distortion": [0.1] * 8},
    "1280 x 720 px, but the clip has 720 x 1280": {"image_size": [1280, 720]},
    "image size is not": {"image_size": "large"},
    "a fisheye camera": {"fisheye": True},
}


@pytest.mark.parametrize("problem", BAD_FIGURES)
def test_figures_that_are_no_cameras_are_refused(tmp_path: Path, problem: str) -> None:
    path = our_json(tmp_path, **BAD_FIGURES[problem])
    with pytest.raises(D3keError, match=problem) as refusal:
        Camera.from_calibration(path, SIZE)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


BAD_FILES = {
    "a.json": ("{", "not JSON"),
    "b.json": ("[" * 100_000, "not JSON"),
    "c.json": ("{}", "no camera matrix"),
    "d.json": ("", "empty"),
    "e.toml": ("x =", "not TOML"),
    "f.yaml": ("junk", "not OpenCV's YAML"),
    "g.xml": ("<a>", "not OpenCV's XML"),
    "h.pickle": ("x", "may run any program"),
    "i.txt": ("x", "not a calibration file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_files_that_are_no_calibration_are_refused(tmp_path: Path, name: str) -> None:
    content, problem = BAD_FILES[name]
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(D3keError, match=problem) as refusal:
        Camera.from_calibration(path, SIZE)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="no such file"):
        Camera.from_calibration(tmp_path / "none.json", SIZE)


def test_calibration_comes_before_field_of_view_before_metadata_before_default(
    tmp_path: Path,
) -> None:
    tags = {"com.apple.quicktime.camera.focal_length.35mm_equivalent": "30"}
    told = Video(
        write_clip(
            tmp_path / "told.mp4",
            pictures(2, SIZE),
            tags=tags,
            options={"movflags": "use_metadata_tags"},
        )
    )
    silent = Video(write_clip(tmp_path / "silent.mp4", pictures(2, SIZE)))
    assert camera_of(told, 50, our_json(tmp_path)).source == "calibration file camera.json"
    assert camera_of(told, 50).fov_deg == pytest.approx(50)
    assert camera_of(told).K[0, 0] == pytest.approx(30 / 43.27 * math.hypot(*SIZE))
    assert "metadata" in camera_of(told).source
    assert camera_of(silent).fov_deg == pytest.approx(PHONE_FOV_DEG)
    assert "assumed" in camera_of(silent).source
