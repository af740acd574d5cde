"""Calibration files: what each format calls the figures of a camera."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from d3ke.errors import D3keError
from d3ke.files import read_text

# Names in: our own JSON, Pose2Sim / Anipose / Caliscope TOML, OpenCV's sample and ROS' YAML.
MATRIX = ("K", "matrix", "camera_matrix", "cameraMatrix", "Camera_Matrix", "mtx")
DISTORTION = (
    "distortion",
    "distortions",
    "distortion_coefficients",
    "distCoeffs",
    "Distortion_Coefficients",
    "dist_coeffs",
    "dist",
)
ROTATION = ("R", "rotation", "rvec")
TRANSLATION = ("t", "translation", "tvec")
SIZE = ("image_size", "size")
WIDTH, HEIGHT = ("image_width", "image_Width", "width"), ("image_height", "image_Height", "height")


class NoCameraError(D3keError):
    """A file that can be read, but is no calibration."""


class Calibration(NamedTuple):
    """One camera's figures as its file has them, not checked; None where the file has none.

    size: (width, height) px of the calibrated pictures.
    """

    K: object
    distortion: object
    R: object
    t: object
    size: tuple[int, int] | None


def read_calibration(path: Path, name: str | None = None) -> Calibration:
    """The camera called `name` in a file, or whose name `name` holds; the only one of a file.

    Raises D3keError: missing or unreadable file, no camera in it, several and none of that name,
    a fisheye model.
    """
    return _calibration(path, _chosen(path, _found(path), name))


def read_calibrations(path: Path) -> dict[str, Calibration]:
    """All cameras of a file by name. Raises D3keError as `read_calibration` does."""
    return {name: _calibration(path, table) for name, table in _found(path).items()}


def words(name: str) -> set[str]:
    """The words and numbers of a name, numbers without leading zeros: cam_01 is cam1."""
    return {part.lstrip("0") or "0" for part in re.findall(r"[a-z]+|\d+", name.lower())}


def _found(path: Path) -> dict[str, Mapping[str, Any]]:
    cameras = dict(_cameras(_parsed(path), path.stem))
    if not cameras:
        raise NoCameraError(f"{path}: holds no camera matrix. Name a calibration file.")
    return cameras


def _calibration(path: Path, found: Mapping[str, Any]) -> Calibration:
    if found.get("fisheye"):
        raise D3keError(f"{path}: a fisheye camera. Calibrate with the pinhole model instead.")
    return Calibration(
        K=_first(found, MATRIX),
        distortion=_first(found, DISTORTION),
        R=_first(found, ROTATION),
        t=_first(found, TRANSLATION),
        size=_size(path, found),
    )


def _parsed(path: Path) -> dict[str, Any]:
    suffix = path.suffix.lower()
    if suffix in {".pickle", ".pkl"}:
        raise D3keError(f"{path}: a pickle may run any program. Write its figures as JSON or TOML.")
    text = read_text(path)
    try:
        if suffix == ".toml":
            return tomllib.loads(text)
        if suffix == ".json":
            content = json.loads(text)
            return content if isinstance(content, dict) else {"camera": content}
        if suffix in {".yaml", ".yml", ".xml"}:
            return _opencv_storage(text)
    except (ValueError, RecursionError) as error:
        raise D3keError(f"{path}: not {suffix[1:].upper()} ({error}). Write it again.") from error
    except (cv2.error, SystemError) as error:  # whose words would not help
        raise D3keError(f"{path}: not OpenCV's {suffix[1:].upper()}. Write it again.") from error
    raise D3keError(f"{path}: not a calibration file. Give .json, .toml, .yaml or .xml.")


def _opencv_storage(text: str) -> dict[str, Any]:
    """What cv2.FileStorage holds, matrices as arrays, one level deep."""
    storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    found: dict[str, Any] = {}
    names = storage.root().keys()
    for key in names:
        node = storage.getNode(key)
        matrix = node.mat() if node.isMap() else None
        if matrix is not None:
            found[key] = matrix
        elif node.isInt() or node.isReal():
            found[key] = node.real()
    return found


def _cameras(table: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every table with a camera matrix, with its name, however deep."""
    if any(key in table for key in MATRIX):
        yield str(table.get("name", name)), table
        return
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _cameras(value, key)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, Mapping):
                    yield from _cameras(item, f"{key}{index}")


def _chosen(
    path: Path, cameras: dict[str, Mapping[str, Any]], name: str | None
) -> Mapping[str, Any]:
    if len(cameras) == 1:
        return next(iter(cameras.values()))
    fitting = [known for known in cameras if name is not None and words(known) <= words(name)]
    if name in cameras:
        return cameras[name]
    if len(fitting) == 1:
        return cameras[fitting[0]]
    raise D3keError(
        f"{path}: holds {len(cameras)} cameras ({', '.join(cameras)}) and none is named after the "
        f"clip. Give a file with one of them."
    )


def _first(table: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((table[name] for name in names if name in table), None)


def _size(path: Path, table: Mapping[str, Any]) -> tuple[int, int] | None:
    size = _first(table, SIZE) or [_first(table, WIDTH), _first(table, HEIGHT)]
    if size == [None, None]:
        return None
    try:
        width, height = (round(float(value)) for value in size)
    except (TypeError, ValueError):
        width, height = 0, 0
    if width <= 0 or height <= 0:
        raise D3keError(f"{path}: the image size is not two numbers above 0. Check the file.")
    return width, height
