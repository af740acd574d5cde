"""Names and signs of coordinates, from one family of models to another.

Zero is the same posture in every family (upright, arms hanging, palms forward), and most
coordinates have the same name, axis and sign. What differs, as found by comparing limb directions
in OpenSim (tests/test_motion_names.py):
- The trunk is called lumbar_* (Rajagopal, LaiUhlrich, Hamner, gait2392, and the default skeleton)
  or L5_S1_* (Pose2Sim). Pose2Sim's model with muscles spreads the trunk over six lumbar joints.
- Knee flexion and toe extension are negative in the models made after Delp's leg (gait2392,
  gait2354, gait10dof18musc, Hamner), which otherwise have the same names as Rajagopal's.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.motion.motion import Motion

if TYPE_CHECKING:
    from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

TRANSLATION = re.compile(r"_t[xyz]$|_t\d$|^[xyz]$|_translation(_|$)")
COUPLED = re.compile(r"_beta$")  # the patella's coordinate of Rajagopal's knee: no plain rotation

SIDES = ("r", "l")
TRUNK = ("lumbar_extension", "lumbar_bending", "lumbar_rotation")
# The motions of the lumbar joints, in the order of TRUNK.
SEGMENT_MOTIONS = ("Flex_Ext", "Lat_Bending", "axial_rotation")
# Each lumbar joint's motion over that of L5_S1.
# Source: the coordinate couplers of Pose2Sim's Model_Pose2Sim_muscles_flex.osim (BSD-3).
SPINE = {
    "L5_S1": (1.0, 1.0, 1.0),
    "L4_L5": (1.8571, 1.33, 1.0625),
    "L3_L4": (1.6429, 2.4314, 1.0625),
    "L2_L3": (1.1429, 2.4314, 0.875),
    "L1_L2": (0.9286, 2.0392, 0.8125),
    "L1_T12": (0.5714, 1.549, 0.75),
}
# A knee that bends this far to one side, and at most half of it to the other, shows its sign.
CLEAR_BEND = np.deg2rad(20)


class Part(NamedTuple):
    """A column that carries part of a coordinate: share of it, 1 or -1 for a whole one."""

    name: str
    share: float


@dataclass(frozen=True)
class Family:
    """How a family of models names a coordinate; what it does not list is named as everywhere.

    parts: the default skeleton's name -> the family's columns. The coordinate times `share` is the
    column; the columns that are there, each with the sign of its share, add up to that part of the
    coordinate.
    """

    name: str
    parts: Mapping[str, tuple[Part, ...]]


def _knees_and_toes(sign: float) -> dict[str, tuple[Part, ...]]:
    names = [f"{name}_{side}" for name in ("knee_angle", "mtp_angle") for side in SIDES]
    return {name: (Part(name, sign),) for name in names}


def _spine() -> dict[str, tuple[Part, ...]]:
    totals = [sum(column) for column in zip(*SPINE.values(), strict=True)]
    return {
        name: tuple(
            Part(f"{joint}_{motion}", ratios[axis] / totals[axis])
            for joint, ratios in SPINE.items()
        )
        for axis, (name, motion) in enumerate(zip(TRUNK, SEGMENT_MOTIONS, strict=True))
    }


RAJAGOPAL = Family("rajagopal", {})
GAIT2392 = Family("gait2392", _knees_and_toes(-1.0))
POSE2SIM = Family(
    "pose2sim",
    {
        name: (Part(f"L5_S1_{motion}", 1.0),)
        for name, motion in zip(TRUNK, SEGMENT_MOTIONS, strict=True)
    },
)
POSE2SIM_MUSCLES = Family("pose2sim_muscles", _spine())

# Other spellings of coordinates with the same axis, sign and zero.
SPELLINGS = {f"elbow_flexion_{side}": f"elbow_flex_{side}" for side in SIDES} | {
    "elbow_flexion": "elbow_flex_r"
}  # the shoulder models, which have a right arm only


def is_rotational(name: str) -> bool:
    """Whether a coordinate is a rotation (and in degrees in a .mot), told by its name alone."""
    return not (TRANSLATION.search(name) or COUPLED.search(name))


def family_of(names: Iterable[str], motion: Motion | None = None) -> Family:
    """The family whose names these are.

    Rajagopal's and gait2392's names are the same: only a motion whose knees clearly bend negatively
    is taken for gait2392's.
    """
    known = set(names)
    if "L4_L5_Flex_Ext" in known:
        return POSE2SIM_MUSCLES
    if "L5_S1_Flex_Ext" in known:
        return POSE2SIM
    return GAIT2392 if motion is not None and _knees_bend_negatively(motion) else RAJAGOPAL


def family_of_model(osim: "OsimModel") -> Family:
    """The family of a model, by its names and the range of its knees."""
    family = family_of(osim.coordinate_names)
    knees = [c for c in osim.coordinates if c.name in {"knee_angle_r", "knee_angle_l"}]
    if family is RAJAGOPAL and knees and all(-c.range[0] > c.range[1] for c in knees):
        return GAIT2392
    return family


def common(motion: Motion, family: Family | None = None) -> Motion:
    """The motion with the default skeleton's names and signs; other columns stay as they are.

    family: of the motion; by default told by its names and knees.
    """
    family = family or family_of(motion.names, motion)
    whole = {part.name: name for name, columns in family.parts.items() for part in columns}
    found: dict[str, tuple[Array, bool]] = {}
    for column, flag in zip(motion.names, motion.rotational, strict=True):
        name = whole.get(column)
        if name is None:
            found[SPELLINGS.get(column, column)] = (motion.column(column), flag)
        elif name not in found:
            there = [part for part in family.parts[name] if part.name in motion.names]
            total = sum(motion.column(part.name) * np.sign(part.share) for part in there)
            found[name] = (np.asarray(total) / sum(abs(part.share) for part in there), True)
    q = np.stack([values for values, _ in found.values()], axis=1)
    return Motion(motion.time, q, tuple(found), tuple(flag for _, flag in found.values()))


def to_names(motion: Motion, names: Iterable[str], family: Family | None = None) -> Motion:
    """The motion under the given names, in their order; NaN where it does not have one.

    family: that of the names; by default told by them.
    """
    wanted = tuple(names)
    family = family or family_of(wanted)
    shared = common(motion)
    share = {
        part.name: (name, part.share) for name, columns in family.parts.items() for part in columns
    }
    q = np.full((len(motion.time), len(wanted)), np.nan)
    for index, name in enumerate(wanted):
        source, factor = share.get(name, (SPELLINGS.get(name, name), 1.0))
        if source in shared.names:
            q[:, index] = shared.column(source) * factor
    return Motion(motion.time, q, wanted, tuple(is_rotational(name) for name in wanted))


def to_family(motion: Motion, osim: "OsimModel") -> Motion:
    """The motion in the coordinates of a model, in its order.

    Coordinates that the motion lacks have the model's default. Those that a coupler makes depend
    on others are left out, as OpenSim computes them; lumbar joints are not.
    """
    family = family_of_model(osim)
    parts = {part.name for columns in family.parts.values() for part in columns}
    dependent = {coupler.dependent for coupler in osim.couplers} - parts
    free = [c for c in osim.coordinates if c.name not in dependent]
    converted = to_names(motion, [c.name for c in free], family)
    missing = np.isnan(converted.q).all(axis=0)
    defaults = np.array([c.default for c in free])
    flags = tuple(c.rotational for c in free)
    return replace(converted, q=np.where(missing, defaults, converted.q), rotational=flags)


def _knees_bend_negatively(motion: Motion) -> bool:
    knees = [
        motion.column(f"knee_angle_{side}")
        for side in SIDES
        if f"knee_angle_{side}" in motion.names
    ]
    bends = np.concatenate(knees) if knees else np.zeros(0)
    bends = bends[~np.isnan(bends)]
    if not len(bends):
        return False
    return bool(-bends.min() > CLEAR_BEND and bends.max() < -bends.min() / 2)
