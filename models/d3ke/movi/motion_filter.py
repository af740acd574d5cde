"""Motion filter: the frames that a data set takes of a movement."""

import numpy as np
from numpy.typing import NDArray

from d3ke.motion.markers import MarkerData
from d3ke.movi.cameras import MOCAP_HZ, VIDEO_HZ

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

STILL_M = 0.020  # a frame is used once a marker is farther than this from the last used frame
STEP = 2  # of training: every second frame of a movement
MOCAP_PER_VIDEO = round(MOCAP_HZ / VIDEO_HZ)


def moved(xyz: Array, threshold_m: float = STILL_M) -> Flags:
    """Which of T moments are used: the first, and each where a marker has moved since the last.

    xyz: (T, M, 3) m, NaN where missing: such a marker tells nothing. Returns (T,).
    Source: Bittner et al. 2023, published program.
    """
    used = np.zeros(len(xyz), bool)
    last = xyz[:1]
    for moment, places in enumerate(xyz):
        apart = np.linalg.norm(places - last[0], axis=1)
        if moment == 0 or (apart > threshold_m).any():
            used[moment], last = True, xyz[moment : moment + 1]
    return used


def frames_used(split: str, markers: MarkerData, count: int) -> NDArray[np.int64]:
    """The frames of a movement that a split takes, of its `count` video frames, from 0.

    markers: of the movement at 120 Hz; video frame f is filmed at moment 4 f, or at the last one.
    Training takes even frames whose moment is used (`moved`), other splits every frame.
    """
    frames: NDArray[np.int64] = np.arange(count)
    if split != "train" or not len(markers.time):
        return frames
    moments = np.minimum(frames * MOCAP_PER_VIDEO, len(markers.time) - 1)
    used: Flags = (frames % STEP == 0) & moved(markers.xyz)[moments]
    return frames[used]
