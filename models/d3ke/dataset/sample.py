"""Sample: one picture of one person and all that is known of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Sample:
    """A frame of a clip, as a data set holds it. K coordinates, N bodies, J joints, M markers.

    key: subject-clip-camera-frame; jpg: the encoded picture, seen through a virtual camera that is
    aimed at the middle of the box, shows 1.5 times the box, and has no distortion and no roll
    of its own; what the original camera did not film is black.
    q: (K,) rad or m, q_mask: which are to be trusted; scales: (N, 3); root: (4, 4) the pelvis in
    the original camera; joints (J, 3), markers (M, 3) m, in the original camera;
    camera_matrix, distortion (5,), R, t: the original camera, x_cam = R x_ground + t;
    crop_camera_matrix, crop_R: the virtual camera of jpg, x_crop = crop_R x_cam;
    box: x, y, width, height, original pixels; time: s; frame: index in the clip;
    landmarks: (33, 7) BlazePose's image x, y, z, visibility, world x, y, z, or None.
    """

    key: str
    jpg: bytes
    q: Floats
    q_mask: Flags
    scales: Floats
    root: Floats
    joints: Floats
    markers: Floats
    markers_mask: Flags
    camera_matrix: Doubles
    distortion: Doubles
    R: Doubles
    t: Doubles
    crop_camera_matrix: Doubles
    crop_R: Doubles
    box: Floats
    time: float
    frame: int
    landmarks: Floats | None = None
