"""Virtual markers: vertices and joints of SMPL+H that stand for markers on the skin."""

import numpy as np
from numpy.typing import NDArray

from d3ke.motion.markers import MarkerData
from d3ke.movi.amass import JOINTS, Amass
from d3ke.movi.cameras import GROUND_FROM_AMASS, MOCAP_HZ
from d3ke.movi.smplh import BodyModel, posed

Array = NDArray[np.float64]

# Source of both tables: Bittner et al. 2023, published program.
BODY_JOINTS = (
    "ROOT", "LHIPJ", "RHIPJ", "Spine1", "LKJC", "RKJC", "Spine2", "LAJC", "RAJC", "Spine3", "LFOOT",
    "RFOOT", "NECK", "LCOL", "RCOL", "HEAD", "LSHOULDER", "RSHOULDER", "LELC", "RELC", "LWRIST",
    "RWRIST",
)  # fmt: skip
VERTICES = {
    "STRN": 3079, "T1": 3012, "T8": 3014, "T10": 3017, "T12": 3173, "C7": 828, "CLAV": 3171,
    "LANK": 3327, "RANK": 6728, "LANI": 3198, "RANI": 6598, "LASI": 1799, "RASI": 5262,
    "LPSI": 3097, "RPSI": 6521, "LSHO": 606, "RSHO": 4094, "LTOE": 3232, "RTOE": 6634,
    "RHEE": 6787, "LHEE": 3386, "LKNE": 1010, "RKNE": 4495, "LKNI": 1148, "RKNI": 4634,
    "RIWR": 5691, "LIWR": 2230, "RELB": 5091, "LELB": 1620, "RELBIN": 5131, "LELBIN": 1661,
    "LOWR": 2108, "ROWR": 5568, "RCLAV": 4780, "LCLAV": 1298, "RFHD": 3645, "LBHD": 272,
    "LFHD": 134, "RBHD": 3783, "LMT1": 3338, "LMT5": 3346, "RMT1": 6738, "RMT5": 6747,
    "Tracking_L5": 3021, "Tracking_L4": 3022, "Tracking_L3": 3502, "Tracking_L2": 3023,
    "Tracking_L1": 3024, "Tracking_T11": 3016, "Tracking_T9": 3505, "Tracking_T7": 3015,
    "Tracking_T6": 3027, "Tracking_T5": 3029, "Tracking_T4": 1755, "Tracking_T3": 2877,
    "Tracking_T2": 1305, "rthumb": 6191, "rindex": 5782, "rmiddle": 5905, "rring": 6016,
    "rpinky": 6133, "lthumb": 2746, "lindex": 2319, "lmiddle": 2445, "lring": 2556, "lpinky": 2673,
}  # fmt: skip
NAMES = (*BODY_JOINTS, *VERTICES)
STATIC_S = 0.5

# A body at rest has y up and looks along z; turned about y it looks along OpenSim's x.
GROUND_FROM_REST: Array = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])


def virtual_markers(model: BodyModel, motion: Amass, start_s: float = 0.0) -> MarkerData:
    """The virtual markers of a movement in OpenSim's ground, which begins at `start_s`."""
    time = start_s + np.arange(len(motion.poses)) / motion.rate_hz
    xyz = _places(model, motion.poses, motion.betas, motion.trans)
    return MarkerData(time, xyz @ GROUND_FROM_AMASS.T, NAMES)


def static_markers(model: BodyModel, betas: Array) -> MarkerData:
    """The virtual markers of a body at rest, a T-pose, for half a second, in OpenSim's ground."""
    count = round(STATIC_S * MOCAP_HZ)
    xyz = _places(model, np.zeros((1, JOINTS, 3)), betas, np.zeros((1, 3)))
    still = np.repeat(xyz @ GROUND_FROM_REST.T, count, axis=0)
    return MarkerData(np.arange(count) / MOCAP_HZ, still, NAMES)


def _places(model: BodyModel, poses: Array, betas: Array, trans: Array) -> Array:
    found = posed(model, poses, betas, trans, tuple(VERTICES.values()))
    return np.concatenate([found.joints[:, : len(BODY_JOINTS)], found.vertices], axis=1)
