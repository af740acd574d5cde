"""Camera files of OpenCap: pickles, read without letting them run anything."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.files import read_bytes
from d3ke.vision.calibration import Calibration, NoCameraError

Array = NDArray[np.float64]

FILE = "cameraIntrinsicsExtrinsics.pickle"
FIGURES = ("intrinsicMat", "distortion", "imageSize")
# What arrays and numbers of numpy are made with; nothing else is looked up, whatever a pickle asks.
HARMLESS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}


class _RefusedError(Exception):
    """A pickle asks for what could run."""


class _ArraysOnly(pickle.Unpickler):
    """An unpickler of plain values and numpy arrays."""

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        module = module.replace("numpy.core.", "numpy._core.")  # as it was before numpy 2
        if (module, name) not in HARMLESS:
            raise _RefusedError(f"{module}.{name}")
        found: Callable[..., object] = super().find_class(module, name)
        return found


def read_opencap(path: Path) -> Calibration:
    """The camera in a file of OpenCap, posed in the frame of its checkerboard, m.

    Raises D3keError: a file that cannot be read, that asks for more than arrays, or that holds no
    camera.
    Source: github.com/opencap-org/opencap-core, utilsChecker.py.
    """
    try:
        found = _ArraysOnly(io.BytesIO(read_bytes(path))).load()
    except _RefusedError as error:
        raise D3keError(
            f"{path}: a pickle that asks for {error}, not for arrays alone, was not opened. "
            "Write its figures as JSON or TOML."
        ) from error
    except Exception as error:  # a broken pickle may fail in any way
        raise D3keError(f"{path}: a broken pickle. Download it from OpenCap again.") from error
    if not isinstance(found, dict) or not set(FIGURES) <= set(found):
        raise NoCameraError(f"{path}: holds no camera of OpenCap. Name {FILE}.")
    K = _array(path, found, "intrinsicMat", 9).reshape(3, 3)
    first, second = (round(side) for side in _array(path, found, "imageSize", 2).tolist())
    pose = ("rotation", "translation")
    posed = [_array(path, found, name, count) for name, count in zip(pose, (9, 3), strict=True)]
    distortion = np.asarray(found["distortion"], dtype=object).ravel().tolist()
    # rows and columns in what OpenCap calibrates, columns and rows in what it imports
    height_first = abs(K[1, 2] - first / 2) < abs(K[0, 2] - first / 2)
    size = (second, first) if height_first else (first, second)
    return Calibration(K, distortion, posed[0].reshape(3, 3), posed[1] / 1000, size)


def _array(path: Path, found: dict[str, object], name: str, count: int) -> Array:
    try:
        array = np.asarray(found.get(name), np.float64).ravel()
    except (TypeError, ValueError):
        array = np.empty(0)
    if len(array) != count or not np.isfinite(array).all():
        raise D3keError(f"{path}: {name} is not {count} numbers. Download it from OpenCap again.")
    return array
