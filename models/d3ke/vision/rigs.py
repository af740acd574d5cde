"""Rig: the cameras of a laboratory, each with its place in the markers' ground."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.files import read_text
from d3ke.vision.calibration import Calibration, NoCameraError, read_calibrations, words
from d3ke.vision.camera import Camera, rotation_in, translation_in
from d3ke.vision.lab_calibration import is_lab_calibration, read_lab_calibration
from d3ke.vision.opencap_pickle import FILE as OPENCAP_FILE
from d3ke.vision.opencap_pickle import read_opencap

Array = NDArray[np.float64]

PICKLES = (".pickle", ".pkl")  # OpenCap's
SUFFIXES = (".json", ".toml", ".yaml", ".yml", ".xml", ".xcp", ".qca.txt", *PICKLES)
FARTHEST_M = 100.0  # of a camera from the origin of a laboratory; beyond, they are millimetres

# The turn from OpenCap's checkerboard to its OpenSim files' ground, by where the board is.
# Source: github.com/opencap-org/opencap-core, main.py: its rotationAngles.
BACK_WALL = "back wall"
BOARDS = {
    BACK_WALL: np.array([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]]),
    "back wall, upside down": np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    "ground": np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]]),
}


@dataclass(frozen=True, eq=False)
class Rig:
    """Cameras by name, with R (3, 3) and t (3,) m of the ground that `path` was calibrated in.

    x_cam = R x_ground + t, x right, y down, z forward.
    """

    path: Path
    cameras: Mapping[str, Calibration]

    def turned(self, R: Array, shift_m: Array | None = None) -> "Rig":
        """The same cameras in another ground, where a point is R x + shift_m."""
        shift = np.zeros(3) if shift_m is None else np.asarray(shift_m, np.float64)
        moved = {}
        for name, one in self.cameras.items():
            own = np.asarray(one.R) @ np.asarray(R).T
            moved[name] = one._replace(R=own, t=np.asarray(one.t) - own @ shift)
        return replace(self, cameras=moved)


def read_rig(path: Path) -> Rig:
    """The cameras of a file, or of a folder with a file for each, in their own ground.

    path: Qualisys' or Theia's .qca.txt or .xml, Vicon's .xcp, TOML of Pose2Sim, Anipose or
    Caliscope, OpenCap's pickle, OpenCV's YAML or XML, our own JSON; a folder of these, or OpenCap's
    of a folder for each camera. A file of one camera without a name gives it its own.
    Raises D3keError: nothing there, a camera twice, one without its place, one that is farther from
    the origin than rooms are wide, and what the formats' readers refuse.
    """
    cameras: dict[str, Calibration] = {}
    source: dict[str, Path] = {}
    for file, found in _files(path):
        for name, one in found.items():
            if name in source:
                raise D3keError(
                    f"{path}: both {source[name].name} and {file.name} hold a camera {name}. "
                    "Leave one of them."
                )
            source[name] = file
            cameras[name] = _posed(file, name, one)
    if not cameras:
        raise D3keError(f"{path}: holds no calibration. Name a file, or a folder with some.")
    return Rig(path, cameras)


def on_wall_board(rig: Rig, board_height_m: float, mounting: str = BACK_WALL) -> Rig:
    """OpenCap's cameras, posed in the frame of its checkerboard, in its OpenSim files' ground.

    board_height_m: of the board's first inner corner over the floor. mounting: "back wall", "back
    wall, upside down" or "ground": where OpenCap was told that the board is; the person looks away
    from a wall. Floors of OpenCap's own files are the lowest marker's, so that the height may be a
    few centimetres off. Raises D3keError for another mounting.
    """
    if mounting not in BOARDS:
        raise D3keError(f"no checkerboard hangs by {mounting!r}. Give one of: {', '.join(BOARDS)}.")
    return rig.turned(BOARDS[mounting], np.array([0.0, board_height_m, 0.0]))


def camera_named(rig: Rig, name: str, size: tuple[int, int]) -> Camera:
    """The camera of a rig for a video of `size` px, in the rig's ground.

    name: as the rig has it, or much the same: cam1 is Cam_01 and is in squat_cam1; the only camera
    of a rig has any name without another number. Raises D3keError: no such camera, several, or
    another shape of picture.
    """
    known = _nearest(rig, name)
    camera = Camera.from_figures(rig.path, rig.cameras[known], size)
    return replace(camera, source=f"{camera.source}, camera {known}")


def _nearest(rig: Rig, name: str) -> str:
    names = list(rig.cameras)
    wanted = words(name)
    if len(names) == 1 and not _numbered_otherwise(words(names[0]), wanted):
        return names[0]
    fits = (
        [known for known in names if known == name],
        [known for known in names if words(known) == wanted],
        [known for known in names if words(known) <= wanted],
        [known for known in names if wanted <= words(known)],
    )
    best = next((found for found in fits if found), [])
    if len(best) != 1:
        several = f"{', '.join(best)} all fit" if best else f"it holds {', '.join(names)}"
        raise D3keError(f"{rig.path}: which camera is {name}? {several}. Name the video after one.")
    return best[0]


def _numbered_otherwise(known: set[str], wanted: set[str]) -> bool:
    """Whether two names have numbers, and none in common: cam0 is not cam1."""
    first, second = ({word for word in name if word.isdecimal()} for name in (known, wanted))
    return bool(first) and bool(second) and not first & second


def _files(path: Path) -> Iterator[tuple[Path, dict[str, Calibration]]]:
    """The files of a rig and their cameras; other files of a folder are passed over."""
    if not path.is_dir():
        yield path, _cameras_of(path)
        return
    for file in sorted([*path.iterdir(), *path.glob(f"*/{OPENCAP_FILE}")]):
        if not file.name.lower().endswith(SUFFIXES) or _is_other_yaml(file):
            continue
        try:
            found = _cameras_of(file)
        except NoCameraError:
            continue
        yield file, found


def _is_other_yaml(path: Path) -> bool:
    """Whether a file is YAML that OpenCV has not written, such as a session's description."""
    return path.suffix.lower() in {".yaml", ".yml"} and not read_text(path).startswith("%YAML")


def _cameras_of(path: Path) -> dict[str, Calibration]:
    if path.suffix.lower() in PICKLES:
        name = path.parent.name if path.name == OPENCAP_FILE else path.stem
        return {name: read_opencap(path)}
    if is_lab_calibration(path):
        return read_lab_calibration(path)
    return read_calibrations(path)


def _posed(path: Path, name: str, found: Calibration) -> Calibration:
    """A camera with its place, checked."""
    if found.R is None or found.t is None:
        raise D3keError(
            f"{path}: camera {name} has no rotation and translation. Calibrate where it stands."
        )
    R, t = rotation_in(path, found.R), translation_in(path, found.t)
    away = float(np.linalg.norm(t))
    if away > FARTHEST_M:
        raise D3keError(
            f"{path}: camera {name} is {away:.0f} m from the origin. Are its translations "
            "millimetres? Write them in metres."
        )
    return found._replace(R=R, t=t)
