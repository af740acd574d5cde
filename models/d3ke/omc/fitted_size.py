"""FittedSize: a person's size and marker places that explain all of their recordings together.

Distances between markers measure a body along one direction; how high a pelvis is, or how deep a
foot, no two markers tell, and a model of the wrong shape stands tilted in every frame. What a
person does tells it: the centre that a thigh turns about is where it is. So scales along every
axis, the places of markers, and the postures of a few dozen moments are sought at once.
Method: bundle adjustment, as for cameras; of skeletons, Werling et al. 2023 (AddBiomechanics).
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.motion.markers import MarkerData
from d3ke.network.mirror import swap_of
from d3ke.omc.inverse_kinematics import inverse_kinematics
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

NOISE_M = 0.004  # of a marker in a frame, with what skin moves
PLACE_SD_M = 0.008  # by which a marker is stuck beside its place, along each axis
LOOSE_SD_M = 0.05  # of markers whose places are the subject's own
SHAPE_SD = 0.08  # of the logarithm of a scale, of a body's axes about its measured size
POSTURE_SD = 3.0  # rad or m of a step: keeps coordinates where no marker tells them
MOMENTS = 48  # of all recordings, at which the person is looked at
LEAST_MARKERS = 6  # of a moment
ROUNDS = 25
ENOUGH = 1e-4  # of the cost: smaller gains end the search


class FittedSize(NamedTuple):
    """scales: (N, 3) of the unscaled model's bodies; places: (M, 3) m of its markers on them."""

    scales: Array
    places: Array


def fit_size(
    osim: OsimModel,
    scales: Array,
    recordings: Sequence[MarkerData],
    weights: Mapping[str, float],
    loose: frozenset[str] = frozenset(),
) -> FittedSize:
    """Scales and marker places of the person, beginning at `scales` (N, 3) that distances gave.

    osim: the unscaled model. recordings: of the person, by its markers' names, Y up. weights: of
    markers; loose: those that may lie anywhere. Both sides of the body have one shape.
    """
    grown = osim.scaled(scales)
    recorded = _moments(recordings, grown.marker_names)
    firm = {name: w for name, w in weights.items() if w > 0 and name not in loose}
    start = inverse_kinematics(grown, recorded, firm)
    known = np.asarray(np.isfinite(start.motion.q).any(axis=1), np.bool_)
    return _Search(osim, scales, recorded, known, weights, loose).found(start.motion.q[known])


def _moments(recordings: Sequence[MarkerData], names: Sequence[str]) -> MarkerData:
    """Some moments of all recordings as if they were one, by a model's names."""
    share = -(-MOMENTS // len(recordings))
    several = []
    for markers in recordings:
        seen = np.flatnonzero(np.isfinite(markers.xyz[..., 0]).sum(axis=1) >= LEAST_MARKERS)
        chosen = seen[np.linspace(0, len(seen) - 1, min(share, len(seen))).astype(int)]
        xyz = np.full((len(chosen), len(names), 3), np.nan)
        for column, name in enumerate(markers.names):
            xyz[:, names.index(name)] = markers.xyz[chosen, column]
        several.append(xyz)
    places = np.concatenate(several)
    return MarkerData(np.arange(len(places), dtype=float), places, tuple(names))


class _Search:
    """Levenberg's and Marquardt's way down; postures are eliminated, frame by frame."""

    def __init__(
        self,
        osim: OsimModel,
        scales: Array,
        recorded: MarkerData,
        known: NDArray[np.bool_],
        weights: Mapping[str, float],
        loose: frozenset[str],
    ) -> None:
        self.osim, self.skeleton = osim, SkeletalModel(osim, torch.float64)
        self.measured = torch.from_numpy(recorded.xyz[known])  # (F, M, 3)
        self.seen = torch.isfinite(self.measured).all(-1)
        names = osim.marker_names
        share = torch.tensor([weights.get(name, 0.0) for name in names], dtype=torch.float64)
        self.precision = torch.where(self.seen, share.sqrt() / NOISE_M, 0.0)[..., None]
        spread = [LOOSE_SD_M if name in loose else PLACE_SD_M for name in names]
        self.spread = torch.tensor(spread, dtype=torch.float64)[:, None].expand(-1, 3)
        self.bodies = torch.tensor([osim.body_names.index(m.body) for m in osim.markers])
        self.own = torch.tensor([m.location for m in osim.markers], dtype=torch.float64)
        self.start = torch.from_numpy(scales).log()
        twins = swap_of(osim.body_names)
        firsts = sorted({min(place, twin) for place, twin in enumerate(twins)})
        self.group = torch.tensor(
            [firsts.index(min(place, twin)) for place, twin in enumerate(twins)]
        )
        self.groups = len(firsts)
        dependent = {coupler.dependent for coupler in osim.couplers}
        self.free = torch.tensor(
            [
                place
                for place, one in enumerate(osim.coordinates)
                if not one.locked and one.name not in dependent
            ]
        )

    def found(self, q: Array) -> FittedSize:
        """The size, from the postures (F, K) that inverse kinematics gave."""
        postures = torch.nan_to_num(torch.from_numpy(q))
        shape = torch.zeros(self.groups, 3, dtype=torch.float64)
        off = torch.zeros_like(self.own)
        damping, cost = 1e-3, self._cost(postures, shape, off)
        for _ in range(ROUNDS):
            steps = self._steps(postures, shape, off, damping)
            trial = tuple(a + b for a, b in zip((postures, shape, off), steps, strict=True))
            after = self._cost(*trial)
            if after < cost:
                gain, cost = 1 - after / cost, after
                postures, shape, off = trial
                damping = max(damping / 5, 1e-9)
                if gain < ENOUGH:
                    break
            else:
                damping *= 10
        scales = (self.start + shape[self.group]).exp()
        places = self.own * scales[self.bodies] + off
        return FittedSize(scales.numpy(), places.numpy())

    def _markers(self, q: Tensor, shape: Tensor, off: Tensor) -> Tensor:
        scales = (self.start + shape[self.group]).exp()
        bodies = self.skeleton.bodies(q, scales)
        places = self.own * scales[self.bodies] + off
        return self.skeleton.stations(bodies, self.bodies, places)

    def _residuals(self, q: Tensor, shape: Tensor, off: Tensor) -> Tensor:
        apart = torch.nan_to_num(self._markers(q, shape, off) - self.measured)
        return apart * self.precision  # (F, M, 3)

    def _cost(self, q: Tensor, shape: Tensor, off: Tensor) -> float:
        priors = (shape / SHAPE_SD).square().sum() + (off / self.spread).square().sum()
        return float(self._residuals(q, shape, off).square().sum() + priors)

    def _steps(
        self, q: Tensor, shape: Tensor, off: Tensor, damping: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of postures (F, K), shapes (G, 3) and places (M, 3), towards less."""
        residuals = self._residuals(q, shape, off).flatten(1)  # (F, 3 M)
        by_q = self._slopes(lambda d: self._residuals(q + d, shape, off), q, self.free)
        by_size = self._by_size(q, shape, off)
        slope = torch.einsum("frp,fr->p", by_size, residuals)
        slope += torch.cat([shape.flatten() / SHAPE_SD**2, (off / self.spread**2).flatten()])
        curvature = torch.einsum("frp,frs->ps", by_size, by_size)
        priors = torch.cat([torch.full((shape.numel(),), SHAPE_SD), self.spread.flatten()])
        curvature += torch.diag(priors.double() ** -2)
        own = by_q.transpose(1, 2) @ by_q  # (F, K', K')
        ridge = damping * own.diagonal(dim1=1, dim2=2) + POSTURE_SD**-2
        own = own + torch.diag_embed(ridge)
        cross = by_q.transpose(1, 2) @ by_size  # (F, K', P)
        pull = (by_q.transpose(1, 2) @ residuals[..., None])[..., 0]
        solved = torch.linalg.solve(own, torch.cat([cross, pull[..., None]], dim=2))
        reduced = curvature - torch.einsum("fkp,fks->ps", cross, solved[..., :-1])
        reduced += damping * torch.diag(curvature.diagonal())
        step = -torch.linalg.solve(
            reduced, slope - torch.einsum("fkp,fk->p", cross, solved[..., -1])
        )
        of_q = torch.zeros_like(q)
        of_q[:, self.free] = -(solved[..., -1] + solved[..., :-1] @ step)
        of_shape, of_places = step.split([shape.numel(), off.numel()])
        return of_q, of_shape.view_as(shape), of_places.view_as(off)

    def _slopes(
        self, function: Callable[[Tensor], Tensor], like: Tensor, columns: Tensor
    ) -> Tensor:
        """How residuals (F, 3 M) change with each column of (F, K): (F, 3 M, K')."""
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch's own, of what jvp loads
            for column in columns.tolist():
                along = torch.zeros_like(like)
                along[:, column] = 1.0
                slope = torch.func.jvp(function, (torch.zeros_like(like),), (along,))[1]
                found.append(slope.flatten(1))
        return torch.stack(found, dim=2)

    def _by_size(self, q: Tensor, shape: Tensor, off: Tensor) -> Tensor:
        """How residuals change with shapes, then with places: (F, 3 M, 3 G + 3 M)."""
        flat = shape.flatten()
        by_shape = torch.func.jacfwd(
            lambda values: self._residuals(q, values.view_as(shape), off).flatten(1)
        )(flat)
        scales = (self.start + shape[self.group]).exp()
        turns = self.skeleton.bodies(q, scales)[:, self.bodies, :3, :3]  # (F, M, 3, 3)
        turns = turns * self.precision[..., None]
        count = len(self.own)
        by_places = torch.zeros(len(q), count, 3, count, 3, dtype=torch.float64)
        each = torch.arange(count)
        by_places[:, each, :, each] = turns.transpose(0, 1)
        return torch.cat([by_shape, by_places.view(len(q), 3 * count, 3 * count)], dim=2)
