"""What a D3KE is built from, beside its skeleton."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from d3ke.errors import D3keError
from d3ke.skeleton.osim import OsimModel

LANDMARKS = "landmarks"  # the encoder that works from BlazePose instead of pictures
# Coordinates that a camera at this distance does not show, with what people usually have, rad.
PRIORS = {
    "subtalar_angle": 0.0,
    "mtp_angle": 0.0,
    "pro_sup": 1.5,
    "wrist_flex": 0.0,
    "wrist_dev": 0.0,
    "neck_flexion": 0.0,
    "neck_bending": 0.0,
    "neck_rotation": 0.0,
}
ROOM = 0.05  # bounds are this part of a range wider: a tanh never quite reaches its ends
TURN = 2 * math.pi  # rad; a range beyond a turn to either side bounds nothing


@dataclass(frozen=True)
class D3KEConfig:
    """All that a D3KE is built from, beside its skeleton.

    encoder: "landmarks" or the name of a backbone. size: of the crops that a backbone sees, px.
    temporal: the network over frames, or "none". width, blocks, heads, feedforward: its figures;
    a backbone's temporal networks have published ones of their own, and `width` 0 means these.
    window, stride: frames, of a window and between windows at inference. rate_hz: of the frames.
    bounds: rad, of each predicted coordinate. priors: rad, of the others where not 0.
    scale_groups: which body scales are one, see ScaleGroup; a landmark network has its own.
    uncertainty: width of a landmark network's head that says how far off answers are, 0 for none.
    """

    skeleton_sha256: str
    encoder: str = LANDMARKS
    temporal: str = "transformer"
    width: int = 256
    blocks: int = 4
    heads: int = 8
    feedforward: int = 768
    window: int = 64
    stride: int = 16
    rate_hz: float = 30.0
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    priors: Mapping[str, float] = field(default_factory=dict)
    size: int = 0
    scale_groups: Sequence[Mapping[str, Any]] = ()
    uncertainty: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON would hold it."""
        return asdict(self)


def default_priors(osim: OsimModel) -> dict[str, float]:
    """The value of each coordinate of `osim` that is not predicted, rad."""
    return {
        name: PRIORS[base]
        for name in osim.coordinate_names
        if (base := name.removesuffix("_r").removesuffix("_l")) in PRIORS
    }


def default_bounds(osim: OsimModel) -> dict[str, tuple[float, float]]:
    """Bounds of each coordinate that can be predicted: all free rotations but the root's, rad."""
    root, priors = osim.joints[0].name, default_priors(osim)
    dependent = {coupler.dependent for coupler in osim.couplers}
    bounds = {}
    for coordinate in osim.coordinates:
        fixed = coordinate.locked or not coordinate.rotational
        if coordinate.joint != root and not fixed and coordinate.name not in {*priors, *dependent}:
            low, high = coordinate.range
            room = ROOM * (high - low)
            bounds[coordinate.name] = within_a_turn(low - room, high + room)
    return bounds


def bounds_of(osim: OsimModel, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The ranges of the named coordinates, rad, as published networks are bounded.

    Raises D3keError for a name that the model lacks, the root's, or a coordinate in metres.
    """
    known = {coordinate.name: coordinate for coordinate in osim.coordinates}
    bounds = {}
    for name in names:
        coordinate = known.get(name)
        if coordinate is None:
            raise D3keError(
                f"{name}: {osim.name} has no such coordinate. It has {', '.join(known)}."
            )
        if coordinate.joint == osim.joints[0].name or not coordinate.rotational:
            raise D3keError(
                f"{name}: a coordinate of the root, or one in metres, is not predicted by a range. "
                "Leave it out."
            )
        bounds[name] = within_a_turn(*coordinate.range)
    return bounds


def within_a_turn(low: float, high: float) -> tuple[float, float]:
    """A range, or a turn to either side where it is wider than that on one, rad."""
    return (low, high) if max(-low, high) <= TURN else (-TURN, TURN)
