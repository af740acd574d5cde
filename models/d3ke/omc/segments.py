"""Segments: how long a scaled model's are, beside those of adults of the same height."""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

ASSET = Path(__file__).parents[1] / "assets" / "segments.json"
IMPLAUSIBLE_SD = 3.0

# Between which joints a segment lies, each by the body that it carries.
SEGMENTS: dict[str, tuple[str, str]] = {
    "thigh": ("femur", "tibia"),
    "shank": ("tibia", "talus"),
    "foot": ("calcn", "toes"),
    "trunk": ("femur", "humerus"),
    "upper arm": ("humerus", "ulna"),
    "forearm": ("ulna", "hand"),
}
MIDDLE = {"trunk"}  # between the middles of both sides' joints


class Segment(NamedTuple):
    """A segment's length, both sides' mean, beside the mean and standard deviation of adults."""

    name: str
    length_m: float
    adults_m: float
    sd_m: float

    @property
    def off_sd(self) -> float:
        """How many standard deviations longer it is than adults' mean."""
        return (self.length_m - self.adults_m) / self.sd_m


def factors_against_anthropometry(
    scales: Array, osim: OsimModel, height_m: float, sex: str | None = None
) -> tuple[Segment, ...]:
    """The segments of a scaled model beside adults' of the same height.

    scales: (N, 3) of the bodies of `osim`; sex: "woman", "man" or None. What the model lacks is
    left out, and all of it for a person smaller or larger than anybody who was measured.
    Source: ANSUR II (2012), 4,082 men and 1,986 women; the unscaled default skeleton counts as an
    average adult of 1.69 m, see assets/build_segments.py.
    """
    table = _table()
    if not table.heights_m[0] <= height_m <= table.heights_m[1]:
        return ()
    lines = table.lines[sex or "either"]
    return tuple(
        Segment(name, length, lines[name][0] + lines[name][1] * height_m, lines[name][2])
        for name, length in segment_lengths(osim, scales).items()
    )


def implausible(segments: tuple[Segment, ...], height_m: float) -> tuple[str, ...]:
    """A line for each segment that hardly any adult of that height has."""
    return tuple(
        f"the {one.name} is {1000 * one.length_m:.0f} mm long, {abs(one.off_sd):.1f} standard "
        f"deviations {'more' if one.off_sd > 0 else 'less'} than adults of {height_m:.2f} m have "
        f"({1000 * one.adults_m:.0f} mm): check its markers, the units and the height"
        for one in segments
        if abs(one.off_sd) > IMPLAUSIBLE_SD
    )


def segment_lengths(osim: OsimModel, scales: Array) -> dict[str, float]:
    """Lengths between joint centres in the model's default posture, m, by segment.

    scales: (N, 3). Segments whose joints the model does not have are left out.
    """
    skeleton = SkeletalModel(osim, torch.float64)
    default = torch.tensor([c.default for c in osim.coordinates], dtype=torch.float64)
    joints = skeleton(default, torch.from_numpy(np.asarray(scales, np.float64))).joints.numpy()
    at = {joint.child.body: place for joint, place in zip(osim.joints, joints, strict=True)}
    lengths = {}
    for name, ends in SEGMENTS.items():
        bodies = [[f"{end}_{side}" for side in "rl"] for end in ends]
        if not {body for pair in bodies for body in pair} <= set(at):
            continue
        places = np.array([[at[body] for body in pair] for pair in bodies])  # (2 ends, 2 sides, 3)
        if name in MIDDLE:
            places = places.mean(axis=1, keepdims=True)
        lengths[name] = float(np.linalg.norm(places[1] - places[0], axis=1).mean())
    return lengths


class Table(NamedTuple):
    """Straight lines by sex and segment (level, slope, standard deviation); heights that it has."""

    heights_m: tuple[float, float]
    lines: dict[str, dict[str, list[float]]]


@cache
def _table() -> Table:
    found = json.loads(ASSET.read_text(encoding="utf-8"))
    return Table(tuple(found["heights_m"]), {sex: found[sex] for sex in ("man", "woman", "either")})
