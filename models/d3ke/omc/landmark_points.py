"""Landmark points: where BlazePose's landmarks lie on a solved skeleton."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.omc.moving_points import LIMBS
from d3ke.omc.transfer import joint_centres
from d3ke.posing import in_parts
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import landmark_places

Array = NDArray[np.float64]

# Landmarks at joints, by the body that the joint carries: for models of other bodies than ours.
JOINTS = {
    "shoulder": ("humerus",),
    "elbow": ("ulna",),
    "wrist": ("hand", "lunate"),
    "hip": ("femur",),
    "knee": ("tibia",),
    "ankle": ("talus",),
}
LEAST = 6  # of these, to tell where somebody is


class LandmarkPoints(NamedTuple):
    """numbers: of P of the 33 landmarks; places: (S, P, 3) m in ground, NaN where not known.

    turns: (S, P, 3, 3) of the bodies that carry them, None where they lie at joints.
    """

    numbers: tuple[int, ...]
    places: Array
    turns: Array | None


def landmark_points(
    skeleton: SkeletalModel, q: Array, scales: Array | None = None
) -> LandmarkPoints:
    """The landmarks of a motion. q: (S, K) rad or m; scales: (N, 3), by default 1.

    At their places on the default skeleton's bodies; on another model at its joints. Raises
    D3keError for a model that has neither.
    """
    bodies = skeleton.osim.body_names
    scales = np.ones((len(bodies), 3)) if scales is None else scales
    if {landmark_places().body_names[number] for number in LIMBS} <= set(bodies):
        return _on_bodies(skeleton, q, scales)
    numbers, rows = _joints_of(skeleton)
    return LandmarkPoints(numbers, joint_centres(skeleton.osim, q, scales)[:, rows], None)


def _on_bodies(skeleton: SkeletalModel, q: Array, scales: Array) -> LandmarkPoints:
    places = landmark_places()
    chosen, names = list(LIMBS), skeleton.osim.body_names
    index = torch.tensor([names.index(places.body_names[number]) for number in chosen])
    offsets = torch.from_numpy(places.offsets_m[chosen])
    size = torch.from_numpy(np.asarray(scales, np.float64))
    points, turns = [], []
    with torch.inference_mode():
        for rows in in_parts(len(q)):
            bodies = skeleton.bodies(torch.from_numpy(q[rows]), size)
            points.append(skeleton.stations(bodies, index, offsets, size).numpy())
            turns.append(bodies[:, index, :3, :3].numpy())
    return LandmarkPoints(LIMBS, np.concatenate(points), np.concatenate(turns))


def _joints_of(skeleton: SkeletalModel) -> tuple[tuple[int, ...], list[int]]:
    """Numbers of landmarks that are at a joint of the model, and of these joints."""
    carried = [joint.child.body for joint in skeleton.osim.joints]
    found = {}
    for number, name in enumerate(landmark_places().names):
        part, _, side = name.rpartition("_")
        names = JOINTS.get(part, ())
        bodies = [*(f"{name}_{side}" for name in names), *(names if side == "r" else ())]
        body = next((one for one in bodies if one in carried), None)
        if body is not None:
            found[number] = carried.index(body)
    if len(found) < LEAST:
        raise D3keError(
            f"{skeleton.osim.name}: only {len(found)} of its joints are where landmarks of a "
            "person are seen. Name its bodies as OpenSim's models do: femur_r, humerus_l, ..."
        )
    return tuple(found), list(found.values())
