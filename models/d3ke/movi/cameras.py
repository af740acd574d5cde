"""Cameras of BML-MoVi: PG1 before the subject and PG2 beside, in OpenSim's ground.

Three worlds meet here. MoVi's own, of markers and calibration: mm, x towards PG1, z up. That of
AMASS, its bodies: m, z up, MoVi's turned by 90 deg: (x, y) there is (y, -x) of MoVi. OpenSim's
ground: m, y up, x where a subject who faces PG1 looks, z to its right.
"""

import numpy as np
from numpy.typing import NDArray

from d3ke.vision.camera import Camera

Array = NDArray[np.float64]

NAMES = ("PG1", "PG2")
SIZE = (800, 600)  # px
VIDEO_HZ, MOCAP_HZ = 30.0, 120.0
SOURCE = "BML-MoVi, Camera Parameters (Ghorbani et al. 2021)"

# x_ground = turn @ x_there; the origin is the same.
GROUND_FROM_MOVI: Array = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
GROUND_FROM_AMASS: Array = np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]])

# fx, fy, cx, cy in px, where the first pixel's centre is (1, 1): MATLAB's way; then k1, k2.
# Source: cameraParams_PG1, cameraParams_PG2 of the data set, as Bittner et al. 2023 quote them.
LENSES = {
    "PG1": (979.17889, 978.10179, 408.02731, 291.16968, -0.18236467, 0.18388686),
    "PG2": (980.04337, 980.69881, 392.27529, 309.91126, -0.22932292, 0.35464834),
}
# x_cam = R x_amass + t, m; the same for all subjects. Source: as above, Extrinsics_PG1 and _PG2.
PLACES = {
    "PG1": (
        [
            [0.99942183, -0.0305191, 0.01498661],
            [0.01303452, -0.06318672, -0.9979166],
            [0.03140247, 0.99753497, -0.06275239],
        ],
        [-0.17723154, 1.03055751, 4.99931781],
    ),
    "PG2": (
        [
            [0.04569302, -0.9988672, -0.01328404],
            [-0.17839144, 0.00492513, -0.98394727],
            [0.98289808, 0.04732928, -0.17796432],
        ],
        [-0.24368025, 0.67257332, 4.05087267],
    ),
}


def camera_of(name: str) -> Camera:
    """The camera PG1 or PG2 in OpenSim's ground, m.

    Source of the pixel taken off: MathWorks, cameraIntrinsicsToOpenCV.
    """
    fx, fy, cx, cy, k1, k2 = LENSES[name]
    R, t = PLACES[name]
    return Camera(
        K=np.array([[fx, 0, cx - 1], [0, fy, cy - 1], [0, 0, 1]]),
        size=SIZE,
        source=SOURCE,
        distortion=np.array([k1, k2, 0.0, 0.0, 0.0]),
        R=np.array(R) @ GROUND_FROM_AMASS.T,
        t=np.array(t),
    )
