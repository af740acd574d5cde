"""Calibrations that marker systems write: Qualisys' and Theia's XML, Vicon's XCP."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d3ke.errors import D3keError
from d3ke.files import read_text
from d3ke.vision.calibration import Calibration, NoCameraError

Array = NDArray[np.float64]

SUBPIXELS = 64  # of a pixel, Qualisys' unit for focal lengths and centres; not for distortion
WIDEST_PX = 16384  # of a sensor: larger figures are subpixels
# Qualisys' cameras look along -z, with y up.
LOOKING_ALONG_Z = np.diag([1.0, -1.0, -1.0])
GRID = 21  # points across and down a picture that a lens is fitted to
WORST_FIT_PX = 1.0  # of a lens' distortion in OpenCV's terms


def read_lab_calibration(path: Path) -> dict[str, Calibration]:
    """The cameras in a file of Qualisys, Theia or Vicon, by serial number, in its own ground, m.

    Cameras that were not calibrated are left out.
    Raises D3keError: a file that cannot be read or is of another kind, figures that are missing.
    Source: the real-time protocol of Qualisys' QTM; Theia's documentation of its calibration files;
    Vicon's documentation of XCP files.
    """
    try:
        root: Element = fromstring(read_text(path))
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise D3keError(f"{path}: broken XML ({error}). Export the calibration again.") from error
    if root.tag == "Cameras":
        return dict(_vicon(path, root))
    cameras = root.findall(".//camera")
    if not cameras or not any(camera.find("intrinsic") is not None for camera in cameras):
        raise NoCameraError(f"{path}: holds no camera of Qualisys or Vicon. Export it again.")
    return dict(_qualisys(path, cameras))


def is_lab_calibration(path: Path) -> bool:
    """Whether a file, by its name or begin, is one of those that `read_lab_calibration` takes."""
    name = path.name.lower()
    if name.endswith((".xcp", ".qca.txt")):
        return True
    return name.endswith((".xml", ".txt")) and "<opencv_storage" not in read_text(path)[:1000]


def _qualisys(path: Path, cameras: list[Element]) -> Iterator[tuple[str, Calibration]]:
    for camera in cameras:
        name = camera.get("serial", "")
        lens, pose = camera.find("intrinsic"), camera.find("transform")
        if lens is None or pose is None or camera.get("active", "1") == "0":
            continue
        where = f"{path}: camera {name}"
        unit = SUBPIXELS if _number(where, lens, "sensorMaxU") > WIDEST_PX else 1
        fx, fy, cx, cy, skew = (
            _number(where, lens, key) / unit
            for key in ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV", "skew")
        )
        left, top, size = _field(where, camera, lens, unit)
        distortion = [
            _number(where, lens, f"{kind}Distortion{i}")
            for kind, i in (
                ("radial", 1), ("radial", 2), ("tangental", 1), ("tangental", 2), ("radial", 3),
            )
        ]  # fmt: skip
        turn = [[_number(where, pose, f"r{i}{j}") for j in (1, 2, 3)] for i in (1, 2, 3)]
        place = np.array([_number(where, pose, axis) for axis in "xyz"]) / 1000
        R, t = np.array(turn), place  # Theia's, whose pictures are measured in pixels
        if unit == SUBPIXELS:
            R = LOOKING_ALONG_Z @ R
            t = -R @ place
        K = np.array([[fx, skew, cx - left], [0, fy, cy - top], [0, 0, 1]])
        yield name, Calibration(K, distortion, R, t, size)


def _field(
    where: str, camera: Element, lens: Element, unit: int
) -> tuple[float, float, tuple[int, int]]:
    """Left and top of the picture on the sensor, and its size, px."""
    field = camera.find("fov_video")
    if field is None:
        last = [_number(where, lens, f"sensorMax{axis}") for axis in "UV"]
        width, height = (round((side + 1) / unit) if unit > 1 else round(side) for side in last)
        return 0.0, 0.0, (width, height)
    left, top, right, bottom = (
        _number(where, field, side) for side in ("left", "top", "right", "bottom")
    )
    return left, top, (round(right - left + 1), round(bottom - top + 1))


def _vicon(path: Path, root: Element) -> Iterator[tuple[str, Calibration]]:
    for camera in root.findall("Camera"):
        frame = camera.find("KeyFrames/KeyFrame")
        if frame is None:
            continue
        name = camera.get("DEVICEID", "")
        where = f"{path}: camera {name}"
        width, height = (round(side) for side in _numbers(where, camera, "SENSOR_SIZE", 2))
        focal = _number(where, frame, "FOCAL_LENGTH")
        square = "PIXEL_ASPECT_RATIO" not in camera.attrib
        aspect = 1.0 if square else _number(where, camera, "PIXEL_ASPECT_RATIO")
        centre = _numbers(where, frame, "PRINCIPAL_POINT", 2)
        K = np.array([[focal, 0, centre[0]], [0, focal / aspect, centre[1]], [0, 0, 1]])
        turn = _numbers(where, frame, "ORIENTATION", 4)
        if not any(turn) or aspect <= 0:
            raise D3keError(f"{where}: a turn or pixels of size 0. Export the calibration again.")
        R = Rotation.from_quat(turn).as_matrix()
        t = -R @ np.array(_numbers(where, frame, "POSITION", 3)) / 1000
        size = (width, height)
        distortion = _opencv_lens(where, K, size, *_vicon_lens(where, frame, centre))
        yield name, Calibration(K, distortion, R, t, size)


def _vicon_lens(where: str, frame: Element, centre: list[float]) -> tuple[Array, Array]:
    """Centre (2,), px, and coefficients (3,) of Vicon's lens, whatever its version."""
    if "VICON_RADIAL2" not in frame.attrib:
        old = _numbers(where, frame, "VICON_RADIAL", 2) if "VICON_RADIAL" in frame.attrib else [0.0]
        return np.array(centre), np.pad(old, (0, 3 - len(old)))
    words = frame.attrib["VICON_RADIAL2"].split()
    if words[:1] != ["Vicon3Parameter"]:
        raise D3keError(f"{where} has a lens that is not Vicon3Parameter. Calibrate it in Nexus.")
    own = _floats(where, "VICON_RADIAL2", words[1:], 5)
    return np.array(own[:2]), np.array(own[2:])


def _opencv_lens(
    where: str, K: Array, size: tuple[int, int], centre: Array, coefficients: Array
) -> Array:
    """k1 k2 p1 p2 k3 of a lens for which Vicon says how pixels become straight.

    Straight pixels are centre + offset (1 + k1 r2 + k2 r4 + k3 r6), r2 being the square of the
    offset from the centre, px2; OpenCV says it the other way round, so it is fitted to a picture.
    """
    if not coefficients.any():
        return np.zeros(5)
    across, down = (np.linspace(0, side - 1, GRID) for side in size)
    seen = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    k1, k2, k3 = coefficients
    r2 = ((seen - centre) ** 2).sum(axis=1, keepdims=True)
    straight = centre + (seen - centre) * (1 + r2 * (k1 + r2 * (k2 + r2 * k3)))
    focal = np.diag(K)[:2]
    bent, x = ((pixels - K[:2, 2]) / focal for pixels in (seen, straight))
    lens, _, _, _ = np.linalg.lstsq(_lens_terms(x), (bent - x).ravel(), rcond=None)
    rest = ((_lens_terms(x) @ lens).reshape(-1, 2) - (bent - x)) * focal
    worst = float(np.linalg.norm(rest, axis=1).max())
    if worst > WORST_FIT_PX:
        raise D3keError(
            f"{where}: its lens bends pictures in a way that OpenCV's k1 k2 p1 p2 k3 miss by "
            f"{worst:.1f} px. Calibrate the camera with OpenCV, or give its straightened video."
        )
    found: Array = lens
    return found


def _lens_terms(x: Array) -> Array:
    """How far k1 k2 p1 p2 k3 of OpenCV, each 1, shift rays (P, 2): (2 P, 5)."""
    r2 = (x**2).sum(axis=1, keepdims=True)
    product = x[:, :1] * x[:, 1:]
    p1 = np.concatenate([2 * product, r2 + 2 * x[:, 1:] ** 2], axis=1)
    p2 = np.concatenate([r2 + 2 * x[:, :1] ** 2, 2 * product], axis=1)
    return np.stack([x * r2, x * r2**2, p1, p2, x * r2**3], axis=-1).reshape(-1, 5)


def _number(where: str, element: Element, key: str) -> float:
    return _numbers(where, element, key, 1)[0]


def _numbers(where: str, element: Element, key: str, count: int) -> list[float]:
    return _floats(where, key, element.get(key, "").split(), count)


def _floats(where: str, key: str, words: list[str], count: int) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise D3keError(f"{where}: {key} is not {count} numbers. Export the calibration again.")
    return values
