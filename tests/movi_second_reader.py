"""BML-MoVi read a second time, another way: nothing of d3ke is used.

It walks MATLAB's nested arrays by hand, keeps MoVi's millimetres and its world with z up, and
projects as MATLAB does, with matrices for row vectors from the calibration's own files.
"""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

Array = NDArray[np.float64]


def bare(value: Any) -> Any:
    """What is inside MATLAB's arrays of one element."""
    while isinstance(value, np.ndarray) and value.size == 1:
        value = value.flat[0]
    return value


class SecondReader:
    """A subject of the data set, in its own units."""

    def __init__(self, root: Path, subject: int) -> None:
        (path,) = root.rglob(f"F_v3d_Subject_{subject}.mat")
        loaded = scipy.io.loadmat(str(path), struct_as_record=False, squeeze_me=False)
        self.whole = bare(loaded[f"Subject_{subject}_F"])
        self.move = bare(self.whole.move)
        self.root, self.subject = root, subject
        self.names = [str(bare(one)) for one in self.move.markerName.flat]
        self.motions = [str(bare(one)) for one in self.move.motions_list.flat]

    def frames(self, motion: str) -> list[int]:
        """Numbers of the video's frames, from 0."""
        begin, end = self.move.flags30[self.motions.index(motion)]
        return [number - 1 for number in range(int(begin), int(end) + 1)]

    def place_mm(self, marker: str, frame: int) -> Array | None:
        """Where a marker is in a frame of the video, in MoVi's world, or None."""
        place = self.move.markerLocation[4 * frame, self.names.index(marker)]
        return None if not place.any() else np.asarray(place, np.float64)

    def pixel(self, camera: str, place_mm: Array) -> tuple[float, float]:
        """Where a camera sees a place, the middle of the first pixel being (0, 0)."""
        lens = np.load(next(self.root.rglob(f"cameraParams_{camera}.npz")))
        stand = np.load(next(self.root.rglob(f"Extrinsics_{camera}.npz")))
        x, y, z = place_mm @ stand["rotationMatrix"] + stand["translationVector"]
        x, y = x / z, y / z
        k1, k2 = lens["RadialDistortion"]
        r2 = x**2 + y**2
        bent = 1 + k1 * r2 + k2 * r2**2
        u, v, _ = np.array([x * bent, y * bent, 1]) @ lens["IntrinsicMatrix"]
        return u - 1, v - 1  # MATLAB calls the first pixel (1, 1)
