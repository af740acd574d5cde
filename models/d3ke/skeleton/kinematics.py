"""SkeletalModel: from coordinates and body scales to body frames, joint centres and markers."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from d3ke.skeleton.body_tree import BodyTree
from d3ke.skeleton.frames import GROUND
from d3ke.skeleton.function_bank import FunctionBank
from d3ke.skeleton.joint_motion import JointMotion
from d3ke.skeleton.osim import Coupler, OsimModel
from d3ke.skeleton.root import RootJoint
from d3ke.skeleton.scale_rows import flat_scales, growth_row


class SkeletalPose(NamedTuple):
    """Where a skeleton is, in ground, metres.

    bodies: (..., N, 4, 4) body frames. joints: (..., J, 3) origins of the joints' child frames.
    markers: (..., M, 3).
    """

    bodies: Tensor
    joints: Tensor
    markers: Tensor


class SkeletalModel(nn.Module):
    """The forward kinematics of an OsimModel: batched, differentiable, equal to OpenSim's.

    q: (..., K) coordinates, rad or m, in the file's order; dependent ones are overwritten by
    their couplers. scales: (..., N, 3) of the bodies, 1 = the file's own size. root: (..., 4, 4)
    the root body's frame in ground, in place of what the root joint's coordinates say. Leading
    dimensions broadcast. Constants are not in the state dict: a run names its .osim instead.
    """

    marker_weights: Tensor
    ground: Tensor
    joint_bodies: Tensor
    joint_reach: Tensor

    def __init__(self, osim: OsimModel, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.osim = osim
        self.tree = BodyTree(osim)
        self.motion = JointMotion(osim, self.tree.joints, dtype)
        self.root_joint = RootJoint(osim, dtype)
        self.couplers = nn.ModuleList()
        for stage in coupler_stages(osim.couplers):
            self.couplers.append(CouplerStage(stage, osim, dtype))
        bodies = osim.body_names
        joint_bodies = [bodies.index(joint.child.body) for joint in osim.joints]
        reach = np.array([joint.child.reach.T for joint in osim.joints])
        self.register_buffer("joint_bodies", torch.tensor(joint_bodies), persistent=False)
        self.register_buffer("joint_reach", torch.tensor(reach, dtype=dtype), persistent=False)
        markers = torch.tensor(_marker_weights(osim), dtype=dtype)
        self.register_buffer("marker_weights", markers, persistent=False)
        self.register_buffer("ground", torch.eye(3, 4, dtype=dtype), persistent=False)

    def forward(
        self, q: Tensor, scales: Tensor | None = None, root: Tensor | None = None
    ) -> SkeletalPose:
        """Body frames, joint centres and markers in ground."""
        bodies = self.bodies(q, scales, root)
        markers = self.markers(bodies, scales)
        return SkeletalPose(bodies, self.joint_centres(bodies, scales), markers)

    def bodies(self, q: Tensor, scales: Tensor | None = None, root: Tensor | None = None) -> Tensor:
        """Body frames in ground, (..., N, 4, 4)."""
        shapes = [q.shape[:-1]]
        if scales is not None:
            shapes.append(scales.shape[:-2])
        if root is not None:
            shapes.append(root.shape[:-2])
        batch = torch.broadcast_shapes(*shapes)
        with self._exact():
            q = q.to(self.marker_weights.dtype)
            rows = self._flat_scales(scales, q, batch)
            flat_q = q.expand(*batch, q.shape[-1]).reshape(-1, q.shape[-1]).T  # (K, P)
            for coupler in self.couplers:
                flat_q = coupler(flat_q, rows)
            if root is not None:
                root = root.to(q.dtype).expand(*batch, 4, 4).reshape(-1, 4, 4)
            frames: Tensor = self.tree(self.motion(flat_q, rows), root)
        return frames.reshape(*batch, *frames.shape[1:])

    def markers(self, bodies: Tensor, scales: Tensor | None = None) -> Tensor:
        """The model's markers in ground, (..., M, 3)."""
        frames = bodies[..., :3, :]
        if scales is not None:
            grown = torch.cat([scales, torch.ones_like(scales[..., :1])], -1)  # (..., N, 4)
            frames = frames * grown[..., None, :].to(frames.dtype)
        rows = frames.transpose(-3, -2).flatten(-2)  # (..., 3, 4 N)
        rows = torch.cat([rows, self.ground.to(rows).expand(*rows.shape[:-1], 4)], -1)
        with self._exact():
            return (rows @ self.marker_weights).transpose(-2, -1)

    def joint_centres(self, bodies: Tensor, scales: Tensor | None = None) -> Tensor:
        """Origins of the joints' child frames in ground, (..., J, 3)."""
        if scales is None:
            points = self.joint_reach.sum(-2)
        else:
            chosen = scales.to(bodies.dtype).index_select(-2, self.joint_bodies)
            with self._exact():
                points = (chosen[..., None, :] @ self.joint_reach)[..., 0, :]
        return _attached(bodies, self.joint_bodies, points)

    def stations(
        self,
        bodies: Tensor,
        body_index: Tensor,
        locations: Tensor,
        scales: Tensor | None = None,
    ) -> Tensor:
        """Points fixed to bodies, in ground, growing with them.

        bodies: (..., N, 4, 4). body_index: (P,). locations: (P, 3) or (..., P, 3), m, in the
        frames of the bodies at scale 1. Returns (..., P, 3).
        """
        if scales is not None:
            locations = locations * scales.index_select(-2, body_index)
        return _attached(bodies, body_index, locations)

    def root_coordinates(self, root: Tensor, scale: Tensor | None = None) -> Tensor:
        """The six coordinates of the root joint for a frame of the root body in ground.

        root: (..., 4, 4). scale: (..., 3) of the root body, where its joint is off its origin.
        Returns (..., 6), in the joint's order of coordinates.
        Raises D3keError where the root joint is not one of three turns and three slides.
        """
        with self._exact():
            coordinates: Tensor = self.root_joint(root, scale)
        return coordinates

    def _flat_scales(self, scales: Tensor | None, q: Tensor, batch: torch.Size) -> Tensor:
        """Scales as rows (3 N + 1, P), or (3 N + 1, 1) where all poses share them."""
        count = len(self.osim.bodies)
        if scales is None:
            return q.new_ones(3 * count + 1, 1)
        if any(length > 1 for length in scales.shape[:-2]):
            scales = scales.expand(*batch, count, 3)
        return flat_scales(scales.to(q.dtype).reshape(-1, count, 3))

    def _exact(self) -> AbstractContextManager[object]:
        """No autocast: the three digits of bfloat16 are centimetres here."""
        device = self.marker_weights.device.type
        if torch.is_autocast_enabled(device):
            return torch.autocast(device, enabled=False)
        return nullcontext()


class CouplerStage(nn.Module):
    """Couplers that don't depend on each other. (K, P) -> (K, P)."""

    growth: Tensor
    take: Tensor

    def __init__(self, couplers: Sequence[Coupler], osim: OsimModel, dtype: torch.dtype) -> None:
        super().__init__()
        names = osim.coordinate_names
        functions = [(c.function, [names.index(c.independent)]) for c in couplers]
        self.functions = FunctionBank(functions, len(names), dtype)
        in_bank = sorted(zip(self.functions.order, couplers, strict=True), key=itemgetter(0))
        ordered = [coupler for _, coupler in in_bank]
        growth = [growth_row(osim.body_names, c.body, c.growth) for c in ordered]
        self.register_buffer(
            "growth", torch.tensor(np.array(growth), dtype=dtype), persistent=False
        )
        take = list(range(len(names)))
        for place, coupler in enumerate(ordered):
            take[names.index(coupler.dependent)] = len(names) + place
        self.register_buffer("take", torch.tensor(take), persistent=False)

    def forward(self, q: Tensor, scales: Tensor) -> Tensor:
        """Coordinates with the dependent ones overwritten. scales: (3 N + 1, P or 1)."""
        dependent = self.functions(q) * (self.growth @ scales)
        return torch.cat([q, dependent]).index_select(0, self.take)


def coupler_stages(couplers: Sequence[Coupler]) -> list[list[Coupler]]:
    """The couplers in an order in which each one's coordinate is known when it is needed."""
    stages, waiting = [], list(couplers)
    while waiting:
        dependent = {coupler.dependent for coupler in waiting}
        ready = [coupler for coupler in waiting if coupler.independent not in dependent]
        stages.append(ready)
        waiting = [coupler for coupler in waiting if coupler not in ready]
    return stages


def _marker_weights(osim: OsimModel) -> NDArray[np.float64]:
    """What each column of each body's frame, then of ground's, adds to a marker: (4 N + 4, M)."""
    frames = (*osim.body_names, GROUND)
    weights = np.zeros((len(frames), 4, len(osim.markers)))
    for column, marker in enumerate(osim.markers):
        weights[frames.index(marker.body), :, column] = *marker.location, 1.0
    return weights.reshape(4 * len(frames), -1)


def _attached(bodies: Tensor, body_index: Tensor, locations: Tensor) -> Tensor:
    """Points (..., P, 3) of bodies in ground; no scaling."""
    frames = bodies.index_select(-3, body_index)[..., :3, :]
    return (frames[..., :3] * locations[..., None, :]).sum(-1) + frames[..., 3]
