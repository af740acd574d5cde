"""Adults: people of every build whose mesh has a skeleton with exactly known body scales."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from d3ke.skeleton.osim import OsimModel
from d3ke.synth.bodies.measures import MEASURES, tape
from d3ke.synth.bodies.rest_points import rest_problem, rest_targets
from d3ke.synth.bodies.shape_fit import fit_shapes
from d3ke.synth.bodies.strata import Stratum, draw_adult

BLOCK = 8  # people who are fitted together, so that the bytes don't depend on who is asked for
BLOCKS_KEPT = 4
MODEL_STATURE_M = 1.69  # of the default skeleton at scale 1, with its skin


@dataclass(frozen=True, eq=False)
class Adult:
    """A person's body at rest and the skeleton in it.

    skin_tone: 0 very light .. 1 very dark. coefficients: (S,) of the shapes, before segments were
    stretched. vertices: (V, 3) in ParametricBody's order; heads: (R, 3) of the rig's bones.
    scales: (N, 3) of the skeleton's bodies; rest_q: (K,) its coordinates at rest, rest_bodies:
    (N, 4, 4) its frames there, in the space of the mesh.
    """

    identity: int
    woman: bool
    stratum: Stratum
    age_years: float
    stature_m: float
    mass_kg: float
    skin_tone: float
    coefficients: Tensor
    vertices: NDArray[np.float32]
    heads: NDArray[np.float32]
    scales: Tensor
    rest_q: Tensor
    rest_bodies: Tensor


class Adults:
    """Adults without end: the same identity of the same seed is the same person, to the byte."""

    def __init__(self, osim: OsimModel, seed: int) -> None:
        self._osim = osim
        self._seed = seed
        self._problem = rest_problem(osim)
        self._block = lru_cache(BLOCKS_KEPT)(self._make_block)

    def adult(self, identity: int) -> Adult:
        """A person. identity: 0 or more."""
        return self._block(identity // BLOCK)[identity % BLOCK]

    def _make_block(self, number: int) -> Sequence[Adult]:
        identities = range(number * BLOCK, (number + 1) * BLOCK)
        drafts = [draw_adult(np.random.default_rng([self._seed, i])) for i in identities]
        shape = fit_shapes(drafts)
        measuring = tape()
        measures = measuring.measure(shape.rest.vertices[:, measuring.vertices], shape.rest.heads)
        statures = measures[:, MEASURES.index("stature")].double()
        targets = rest_targets(self._osim, shape.rest).double()
        fit = self._problem.fit(targets, statures / MODEL_STATURE_M)
        return [
            Adult(
                identity=identity,
                woman=draft.woman,
                stratum=draft.stratum,
                age_years=draft.age_years,
                stature_m=float(statures[row]),
                mass_kg=draft.mass_kg,
                skin_tone=draft.skin_tone,
                coefficients=shape.coefficients[row],
                vertices=shape.rest.vertices[row].numpy(),
                heads=shape.rest.heads[row].numpy(),
                scales=fit.scales[row].float(),
                rest_q=fit.q[row].float(),
                rest_bodies=fit.bodies[row].float(),
            )
            for row, (identity, draft) in enumerate(zip(identities, drafts, strict=True))
        ]
