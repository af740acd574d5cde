"""MarkerFit: how far a model's markers are from the measured ones, and the way down.

What is minimised is what OpenSim's tool minimises: the weighted mean of the markers' squared
distances, plus the weighted squares of how far coordinates are from their defaults. Its curvature
by Gauss and Newton needs no Jacobian: with the weights as the markers' masses it is the mass
matrix of the skeleton, which composite bodies give (Featherstone 2008, section 6.2).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from d3ke.skeleton.frames import GROUND
from d3ke.skeleton.function_bank import FunctionBank
from d3ke.skeleton.joint_twists import JointTwists
from d3ke.skeleton.kinematics import SkeletalModel, coupler_stages
from d3ke.skeleton.osim import OsimModel

SQUARES = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))  # of a symmetric matrix


class Targets(NamedTuple):
    """What P poses are fitted to. places: (M, 3, P) m. weights: (M, P), 0 = missing; sum 1."""

    places: Tensor
    weights: Tensor

    def at(self, frames: Tensor) -> "Targets":
        """Those of some of the poses."""
        return Targets(self.places[..., frames], self.weights[..., frames])


class Fitted(NamedTuple):
    """cost: (P,) m2. descent: (P, F), half the slope downwards. curvature: (P, F, F), half of it.

    A step of Gauss and Newton solves curvature @ step = descent.
    """

    cost: Tensor
    descent: Tensor
    curvature: Tensor


class MarkerFit:
    """The objective, of the F coordinates that are free: neither locked nor dependent on others.

    names: of the M markers. coordinate_weights: of coordinates that are to be near their default.
    """

    def __init__(
        self, osim: OsimModel, names: Sequence[str], coordinate_weights: Mapping[str, float]
    ) -> None:
        self.skeleton, self.twists = SkeletalModel(osim, torch.float64), JointTwists(osim)
        self.unscaled = torch.ones(3 * len(osim.bodies) + 1, 1, dtype=torch.float64)
        self.default = torch.tensor([c.default for c in osim.coordinates], dtype=torch.float64)
        follows = {coupler.dependent: coupler for coupler in osim.couplers}
        free = [c.name for c in osim.coordinates if not c.locked and c.name not in follows]
        # who depends on a dependent coordinate comes before it
        stages = reversed(coupler_stages(osim.couplers))
        self.couplers = [coupler for stage in stages for coupler in stage]
        moving = [*free, *(coupler.dependent for coupler in self.couplers)]
        of_all = osim.coordinate_names
        self.free = torch.tensor([of_all.index(name) for name in free], dtype=torch.long)
        self.moving = torch.tensor([of_all.index(name) for name in moving], dtype=torch.long)
        self.followed = [
            moving.index(c.independent) if c.independent in moving else None for c in self.couplers
        ]
        functions = [(c.function.slope(0), [of_all.index(c.independent)]) for c in self.couplers]
        self.slopes = FunctionBank(functions, len(of_all), torch.float64)
        weights = [coordinate_weights.get(name, 0.0) for name in moving]
        self.pulls = torch.tensor(weights, dtype=torch.float64)
        self._place_markers(osim, names)
        self._hang_bodies(osim)

    def q(self, free: Tensor) -> Tensor:
        """All coordinates, the dependent ones by their couplers. (P, F) -> (P, K)."""
        return self._flat_q(free).T

    def markers(self, free: Tensor) -> Tensor:
        """The model's markers in ground, (M, 3, P)."""
        return self._markers(self._bodies(self._flat_q(free)))

    def __call__(self, free: Tensor, targets: Targets) -> Fitted:
        """The objective and the way down at some poses. free: (P, F)."""
        q = self._flat_q(free)  # (K, P)
        bodies = self._bodies(q)  # (N, 3, 4, P)
        twists = self.twists(q, bodies).index_select(0, self.moving)  # (K', 6, P)
        markers = self._markers(bodies)
        apart = targets.places - markers
        pull = targets.weights[:, None] * apart
        sums = self._carried(markers, targets.weights[:, None], pull)  # (K', 16, P)
        turning, sliding = twists[:, :3], twists[:, 3:]
        descent = (turning * sums[:, 13:]).sum(1) + (sliding * sums[:, 10:13]).sum(1)
        momenta = _momenta(turning, sliding, sums)
        products = momenta.permute(2, 0, 1) @ twists.permute(2, 1, 0)  # (P, K', K')
        curvature = products * self.above + (products * self.strictly_above).transpose(1, 2)
        moving = q.index_select(0, self.moving)
        off = self.default.index_select(0, self.moving)[:, None] - moving
        back = self.pulls[:, None] * off
        cost = (pull * apart).sum((0, 1)) + (back * off).sum(0)
        curvature.diagonal(dim1=1, dim2=2).add_(self.pulls)
        return self._followed(Fitted(cost, (descent + back).T, curvature), q)

    def _flat_q(self, free: Tensor) -> Tensor:
        q = self.default[:, None].repeat(1, len(free))
        q[self.free] = free.T
        for coupler in self.skeleton.couplers:
            q = coupler(q, self.unscaled)
        return q

    def _bodies(self, q: Tensor) -> Tensor:
        """Body frames in ground. (K, P) -> (N, 3, 4, P)."""
        frames: Tensor = self.skeleton.tree(self.skeleton.motion(q, self.unscaled), None)
        return frames.permute(1, 2, 3, 0)[:, :3]

    def _markers(self, bodies: Tensor) -> Tensor:
        ground = torch.eye(3, 4, dtype=bodies.dtype)[None, :, :, None]
        frames = torch.cat([bodies, ground.expand(1, 3, 4, bodies.shape[3])])
        x, y, z, origin = frames.index_select(0, self.marker_bodies).unbind(2)
        places = self.locations
        return x * places[:, :1] + y * places[:, 1:2] + z * places[:, 2:] + origin

    def _carried(self, markers: Tensor, weights: Tensor, pull: Tensor) -> Tensor:
        """What of the markers hangs on each coordinate: (K', 16, P).

        Their masses' sums, first (3) and second (6) moments; the force (3) and moment (3) by which
        the measured markers pull.
        """
        moment = weights * markers
        first, second = zip(*SQUARES, strict=True)
        squares = moment[:, list(first)] * markers[:, list(second)]
        turn = torch.linalg.cross(markers, pull, dim=1)
        each = torch.cat([weights, moment, squares, pull, turn], dim=1)  # (M, 16, P)
        sums = (self.carried @ each.flatten(1)).view(-1, 16, each.shape[2])
        return sums.index_select(0, self.carrier)

    def _followed(self, fitted: Fitted, q: Tensor) -> Fitted:
        """The same of the free coordinates alone, which the dependent ones follow."""
        _, descent, curvature = fitted
        slopes = self.slopes(q)[self.slopes.order].unbind(0) if self.couplers else ()
        first = len(self.free)
        for number, (slope, place) in enumerate(zip(slopes, self.followed, strict=True)):
            if place is not None:
                own = first + number
                descent[:, place] += slope * descent[:, own]
                curvature[:, place] += slope[:, None] * curvature[:, own]
                curvature[:, :, place] += slope[:, None] * curvature[:, :, own]
        return Fitted(fitted.cost, descent[:, :first], curvature[:, :first, :first])

    def _place_markers(self, osim: OsimModel, names: Sequence[str]) -> None:
        bodies = (*osim.body_names, GROUND)
        markers = [osim.markers[osim.marker_names.index(name)] for name in names]
        self.marker_bodies = torch.tensor([bodies.index(m.body) for m in markers])
        locations = np.array([marker.location for marker in markers])
        self.locations = torch.tensor(locations)[:, :, None]

    def _hang_bodies(self, osim: OsimModel) -> None:
        """Which bodies, markers and coordinates are carried by which coordinate's joint."""
        bodies = osim.body_names
        parent = {joint.child.body: joint.parent.body for joint in osim.joints}
        hangs = torch.zeros(len(bodies), len(bodies) + 1, dtype=torch.float64)
        for place, body in enumerate(bodies):
            while body != GROUND:
                hangs[bodies.index(body), place] = 1.0
                body = parent[body]
        child = {joint.name: bodies.index(joint.child.body) for joint in osim.joints}
        moved = torch.tensor([child[osim.coordinates[i].joint] for i in self.moving.tolist()])
        # only bodies that a coordinate moves: the others' sums nobody asks for
        carriers, self.carrier = moved.unique(return_inverse=True)
        self.carried = hangs[carriers][:, self.marker_bodies]
        self.above = hangs[moved][:, moved].T.contiguous()
        self.strictly_above = self.above * (moved[:, None] != moved)


def _momenta(turning: Tensor, sliding: Tensor, sums: Tensor) -> Tensor:
    """The angular and linear momentum of what each coordinate carries, moving by its twist."""
    mass, first = sums[:, :1], sums[:, 1:4]
    xx, yy, zz, xy, xz, yz = sums[:, 4:10].unbind(1)
    x, y, z = turning.unbind(1)
    spread = [(yy + zz) * x - xy * y - xz * z, (xx + zz) * y - xy * x - yz * z]
    spread.append((xx + yy) * z - xz * x - yz * y)
    angular = torch.stack(spread, dim=1) + torch.linalg.cross(first, sliding, dim=1)
    linear = mass * sliding + torch.linalg.cross(turning, first, dim=1)
    return torch.cat([angular, linear], dim=1)
