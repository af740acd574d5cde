"""Resection: the camera that films a moving body, from points of the body and their pixels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.omc.reprojection import Alignment, Fitted, Free, Moved, Seen, errors_px, fitted, height_px
from d3ke.vision.camera import Camera

Array = NDArray[np.float64]

FOVS_DEG = (35.0, 50.0, 65.0, 85.0)  # over the longer side, from which the search starts
START_POINTS = 600  # of so many pixels the search takes its start
HEIGHT_M = 1.7


def starts(points: Array, pixels: Array, size: tuple[int, int], lens: Camera | None) -> list[Camera]:
    """Cameras to begin with, best first. points: (D, 3) m, pixels: (D, 2), D > 5."""
    import cv2

    chosen = np.linspace(0, len(points) - 1, min(len(points), START_POINTS)).round().astype(int)
    found: list[tuple[float, Camera]] = []
    lenses = [lens] if lens else [Camera.from_fov(size, fov, "resection") for fov in FOVS_DEG]
    for one in lenses:
        good, rotvec, t = cv2.solvePnP(
            points[chosen], one.undistort(pixels[chosen]), one.K, None, flags=cv2.SOLVEPNP_SQPNP
        )
        if good:
            R = cv2.Rodrigues(rotvec)[0]
            camera = Camera(one.K, size, one.source, one.distortion, R, t.ravel())
            error = np.linalg.norm(camera.project(points) - pixels, axis=1)
            found.append((float(np.median(np.nan_to_num(error, nan=np.inf))), camera))
    return [camera for _, camera in sorted(found, key=lambda pair: pair[0])]
