"""BodyPoints: where points of bodies are, and how each free coordinate moves them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.skeleton.joint_twists import JointTwists
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]


class Places(NamedTuple):
    """Points of T postures in ground, metres.

    places: (T, P, 3). slopes: (T, P, F, 3) by the free coordinates, rad or m. turns: (T, P, 3, 3)
    the rotations of the points' bodies.
    """

    places: Array
    slopes: Array
    turns: Array

    def part(self, points: slice) -> "Places":
        """Those of some of the points."""
        return Places(*(each[:, points] for each in self))

    def mean(self, weights: Array) -> "Places":
        """One point in the place of all, (T, 1, ...): the weighted mean. weights: (T or 1, P)."""
        share = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
        share = np.broadcast_to(share, self.places.shape[:2])
        return Places(*(np.einsum("tp,tp...->t...", share, each)[:, None] for each in self))


class BodyPoints:
    """Points fixed to bodies of a model.

    free: names of the coordinates that are to be moved. bodies: (P,) in the model's order.
    locations: (P, 3) m in the bodies' frames. Coordinates that depend on others are taken to move
    none of the points.
    """

    def __init__(
        self, osim: OsimModel, free: Sequence[str], bodies: Sequence[int], locations: Array
    ) -> None:
        self.skeleton, self.twists = SkeletalModel(osim, torch.float64), JointTwists(osim)
        self.free = np.array([osim.coordinate_names.index(name) for name in free])
        self.bodies, self.locations = np.array(bodies), locations
        parent = {joint.child.body: joint.parent.body for joint in osim.joints}
        moved = {joint.name: joint.child.body for joint in osim.joints}
        carriers = [moved[osim.coordinates[place].joint] for place in self.free]
        self.carried = np.zeros((len(bodies), len(free)))
        for point, number in enumerate(bodies):
            body = osim.body_names[number]
            while body in parent:
                self.carried[point] += [body == carrier for carrier in carriers]
                body = parent[body]

    def __call__(self, q: Array) -> Places:
        """Places and slopes in T postures. q: (T, K)."""
        with torch.no_grad():
            values = torch.as_tensor(q, dtype=torch.float64)
            frames = self.skeleton.bodies(values)[:, :, :3]  # (T, N, 3, 4)
            twists = self.twists(values.T, frames.permute(1, 2, 3, 0)).numpy()[self.free]
        of_points = frames.numpy()[:, self.bodies]
        turns = of_points[..., :3]
        places = np.einsum("tpij,pj->tpi", turns, self.locations) + of_points[..., 3]
        turning, sliding = np.split(twists.transpose(2, 0, 1), 2, axis=2)  # (T, F, 3)
        slopes = np.cross(turning[:, None], places[:, :, None]) + sliding[:, None]
        slopes *= self.carried[:, :, None]
        return Places(places, slopes, turns)
