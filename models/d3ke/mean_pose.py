"""The mean posture of walking: what a method that has seen no motion would answer."""

from d3ke.planes import without_side

# deg, both sides alike; other coordinates are 0.
# Source: the mean of 19 recorded walks (nimblephysics, opensim-core, CMU, DeepMimic), arms of 16.
MEAN_POSE_DEG = {
    "hip_flexion": 13.0,
    "hip_adduction": -1.0,
    "hip_rotation": -2.0,
    "knee_angle": 31.0,
    "ankle_angle": 6.0,
    "lumbar_extension": -8.0,
    "arm_flex": -5.0,
    "arm_add": -10.0,
    "elbow_flex": 42.0,
    "pro_sup": 49.0,
}


def mean_pose_deg(coordinate: str) -> float:
    """The angle of a coordinate, of either side, in that posture."""
    return MEAN_POSE_DEG.get(without_side(coordinate), 0.0)
