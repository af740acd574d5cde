"""Planes: in which plane, and at which joint, a coordinate turns."""

from collections.abc import Mapping

SAGITTAL, FRONTAL, TRANSVERSE = "sagittal", "frontal", "transverse"
# Without sides. A foot's subtalar axis is oblique: inversion, its larger part, is frontal.
_PLANES: Mapping[str, tuple[str, ...]] = {
    SAGITTAL: (
        "pelvis_tilt",
        "hip_flexion",
        "knee_angle",
        "ankle_angle",
        "mtp_angle",
        "lumbar_extension",
        "neck_flexion",
        "arm_flex",
        "elbow_flex",
        "wrist_flex",
    ),
    FRONTAL: (
        "pelvis_list",
        "hip_adduction",
        "knee_adduction",
        "subtalar_angle",
        "lumbar_bending",
        "neck_bending",
        "arm_add",
        "wrist_dev",
    ),
    TRANSVERSE: (
        "pelvis_rotation",
        "hip_rotation",
        "knee_rotation",
        "lumbar_rotation",
        "neck_rotation",
        "arm_rot",
        "pro_sup",
    ),
}
_JOINTS = {
    "pelvis": "pelvis",
    "hip": "hip",
    "knee": "knee",
    "ankle": "ankle",
    "subtalar": "subtalar",
    "mtp": "toes",
    "lumbar": "lumbar",
    "neck": "neck",
    "arm": "shoulder",
    "elbow": "elbow",
    "pro": "forearm",
    "wrist": "wrist",
}
PLANES = tuple(_PLANES)
JOINTS = tuple(_JOINTS.values())
OTHER = "other"


def plane_of(coordinate: str) -> str:
    """sagittal, frontal or transverse; other for a coordinate that is not known."""
    bare = without_side(coordinate)
    return next((plane for plane, names in _PLANES.items() if bare in names), OTHER)


def joint_of(coordinate: str) -> str:
    """The joint of a coordinate (hip, shoulder ...); other for one that is not known."""
    if plane_of(coordinate) == OTHER:
        return OTHER
    return _JOINTS[coordinate.partition("_")[0]]


def without_side(coordinate: str) -> str:
    """The name without _r or _l at its end."""
    return coordinate.removesuffix("_r").removesuffix("_l")
