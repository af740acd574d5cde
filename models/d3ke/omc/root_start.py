"""Root start: the whole body put rigidly where its markers are, in the model's default posture."""

import roma
import torch
from torch import Tensor

from d3ke.omc.marker_fit import MarkerFit, Targets
from d3ke.skeleton.frames import GROUND

FAINTER = 0.01  # of a marker's weight, for each joint between its body and the root


def root_start(fit: MarkerFit, targets: Targets) -> Tensor:
    """Free coordinates (P, F): those of the root by the markers on and near it, others' defaults.

    Markers on the root body decide where it is; those farther away only what they leave open. A
    root that is not free to turn and to move stays at its defaults too.
    """
    start = fit.default[fit.free].repeat(targets.weights.shape[1], 1)
    root = fit.skeleton.root_joint
    if not root.is_free:
        return start
    names = fit.skeleton.osim.coordinate_names
    places = [names.index(coordinate.name) for coordinate in root.joint.coordinates]
    there = fit.markers(start[:1])[:, :, 0].expand(len(start), -1, -1)  # (P, M, 3)
    nearness = FAINTER ** _joints_between(fit)
    present = (targets.weights.T > 0) * nearness
    turn, shift = roma.rigid_points_registration(there, targets.places.permute(2, 0, 1), present)
    frame = torch.eye(4, dtype=turn.dtype).repeat(len(start), 1, 1)
    body = fit.skeleton.bodies(fit.default)[root.body]
    frame[:, :3, :3] = turn @ body[:3, :3]
    frame[:, :3, 3] = turn @ body[:3, 3] + shift
    values = fit.skeleton.root_coordinates(frame)
    free = fit.free.tolist()
    for column, place in enumerate(places):
        if place in free:
            start[:, free.index(place)] = values[:, column]
    return start


def _joints_between(fit: MarkerFit) -> Tensor:
    """How many joints are between the root body and each marker's, (M,)."""
    osim = fit.skeleton.osim
    parent = {joint.child.body: joint.parent.body for joint in osim.joints}
    root = fit.skeleton.root_joint.joint.child.body

    def steps(body: str) -> int:
        count = 0
        while body not in (root, GROUND):
            body, count = parent[body], count + 1
        return count

    bodies = (*osim.body_names, GROUND)
    distances = [steps(bodies[place]) for place in fit.marker_bodies.tolist()]
    return torch.tensor(distances, dtype=torch.float64)
