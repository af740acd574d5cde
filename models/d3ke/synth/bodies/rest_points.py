"""Which points of the skeleton lie where in the body at rest, and how sure that is."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from d3ke.errors import D3keError
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.bodies.body import RestBody, parametric_body
from d3ke.synth.bodies.bony_landmarks import hip_centres, skin_markers
from d3ke.synth.bodies.rest_fit import SCALE_GROUPS, RestProblem


class JointPlace(NamedTuple):
    """Heads of the rig's bones whose middle a joint lies at (none: regression), and how near."""

    bones: tuple[str, ...]
    sigma_m: float


TOES = tuple(f"toe{toe}-1" for toe in range(1, 6))
# On either side; MakeHuman's shoulder is higher and its neck shorter than OpenSim's.
JOINTS: Mapping[str, JointPlace] = {
    "hip": JointPlace((), 0.004),
    "walker_knee": JointPlace(("lowerleg01",), 0.005),
    "ankle": JointPlace(("foot",), 0.005),
    "mtp": JointPlace(TOES, 0.010),
    "acromial": JointPlace(("upperarm01",), 0.012),
    "elbow": JointPlace(("lowerarm01",), 0.005),
    "radius_hand": JointPlace(("wrist",), 0.005),
}
HEAD_JOINT, HEAD_SIGMA_M = "head_torso", 0.015

MARKER_SIGMA_M = 0.012
# Over more soft tissue, or over shapes of which the model knows little.
LOOSE_MARKERS: Mapping[str, float] = {
    "T10": 0.02, "L3": 0.02, "STRN": 0.02, "RRIB": 0.02, "LRIB": 0.02, "RILC": 0.02, "LILC": 0.02,
    "RGTR": 0.02, "LGTR": 0.02, "RTHA": 0.02, "LTHA": 0.02, "VTX": 0.02, "CHN": 0.02,
}  # fmt: skip

# Coordinates of the rest pose in rad: mean, spread. What the points say little of stays near.
COORDINATES: Mapping[str, tuple[float, float]] = {
    "hip": (0.0, 0.6), "knee": (0.1, 0.4), "ankle": (0.0, 0.4), "subtalar": (0.0, 0.05),
    "mtp": (0.0, 0.05), "lumbar": (0.0, 0.05), "neck": (0.0, 0.1), "arm_flex": (0.0, 0.6),
    "arm_add": (-0.8, 0.6), "arm_rot": (0.0, 0.6), "elbow": (0.8, 0.5), "pro_sup": (1.2, 0.6),
    "wrist": (0.0, 0.3),
}  # fmt: skip
SCALE_SIGMA = 0.10  # of the logarithm, about the stature's


def rest_problem(osim: OsimModel) -> RestProblem:
    """The rest fit of a model. Raises D3keError: one without the default skeleton's parts."""
    names = [f"{joint}_{side}" for joint in JOINTS for side in "rl"] + [HEAD_JOINT]
    bodies = {body for group, _ in SCALE_GROUPS for body in group}
    missing = {*names} - {*osim.joint_names} | bodies - {*osim.body_names}
    if missing:
        raise D3keError(
            f"{osim.name}: no {', '.join(sorted(missing))}. "
            "Synthetic people are driven by the default skeleton only: leave --model out."
        )
    markers = _markers(osim)
    sigmas = [JOINTS[name.rsplit("_", 1)[0]].sigma_m for name in names[:-1]] + [HEAD_SIGMA_M]
    sigmas += [LOOSE_MARKERS.get(name, MARKER_SIGMA_M) for name in markers]
    priors = [_prior(name) for name in osim.coordinate_names]
    priors += [(0.0, SCALE_SIGMA)] * len(SCALE_GROUPS)
    mean, sigma = torch.tensor(priors, dtype=torch.float64).unbind(1)
    return RestProblem(
        skeleton=SkeletalModel(osim, torch.float64),
        joints=torch.tensor([osim.joint_names.index(name) for name in names]),
        markers=torch.tensor([osim.marker_names.index(name) for name in markers]),
        sigma_m=torch.tensor(sigmas, dtype=torch.float64),
        mean=mean,
        sigma=sigma,
    )


def rest_targets(osim: OsimModel, rest: RestBody) -> Tensor:
    """Where the points of `rest_problem` lie in B bodies, (B, P, 3)."""
    hips = hip_centres(rest.vertices, rest.heads)
    points = []
    for place in JOINTS.values():
        for number, side in enumerate("RL"):
            if place.bones:
                points.append(_heads(rest.heads, [f"{bone}.{side}" for bone in place.bones]))
            else:
                points.append(hips[:, number])
    points.append(_heads(rest.heads, ["head"]))
    vertices = skin_markers()
    points += [rest.vertices[:, vertices[name]] for name in _markers(osim)]
    return torch.stack(points, dim=1)


def _heads(heads: Tensor, bones: list[str]) -> Tensor:
    names = parametric_body().bone_names
    return heads[:, [names.index(bone) for bone in bones]].mean(dim=1)


def _markers(osim: OsimModel) -> list[str]:
    """The model's markers that have a place on the skin."""
    return [name for name in osim.marker_names if name in skin_markers()]


def _prior(coordinate: str) -> tuple[float, float]:
    """Mean and spread; the pelvis is free."""
    return next(
        (prior for start, prior in COORDINATES.items() if coordinate.startswith(start)),
        (0.0, torch.inf),
    )
