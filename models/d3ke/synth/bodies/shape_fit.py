"""The shape fit: a body that has given measures, from its phenotype and stretched segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from d3ke.synth.bodies.body import RACES, RestBody, parametric_body
from d3ke.synth.bodies.least_squares import levenberg_marquardt
from d3ke.synth.bodies.measures import MEASURES, Tape, tape
from d3ke.synth.bodies.strata import Draft
from d3ke.synth.bodies.stretch import dense_weights, stretched

ROUNDS = 9
STEP = 1e-3  # of the finite differences: single precision carries no less

# What the fit may choose of a phenotype: mean and spread.
FREE = {
    "muscle": (0.5, 0.2),
    "weight": (0.6, 0.2),
    "height": (0.45, 0.15),
    "proportions": (0.5, 0.2),
}
STRETCH_SIGMA = 0.08  # of the logarithm: shapes that were scanned come before those stretched
MEASURE_SIGMA = 0.01  # of the logarithm, 1 %
# Breadths that feet apart, soft tissue or a tape's path make differ from what was measured.
LOOSE_SIGMA = {"hips": 0.012, "neck_girth": 0.03}

YOUNG, OLD = (25.0, 2 / 3), (90.0, 1.0)  # years and the phenotype's age, MakeHuman's own anchors


class FittedShape(NamedTuple):
    """Bodies of B people. coefficients: (B, S); logs: (B, M) stretches; rest: the meshes."""

    coefficients: Tensor
    logs: Tensor
    rest: RestBody


def fit_shapes(drafts: Sequence[Draft]) -> FittedShape:
    """The bodies of people with given measures."""
    problem = _ShapeProblem(
        targets=torch.tensor([d.measures.tolist() for d in drafts]).log(),
        known=_known_phenotype(drafts),
        part=_part_of_body(),
    )
    free = torch.tensor([mean for mean, _ in FREE.values()])
    start = torch.cat([free, torch.zeros(len(MEASURES))]).repeat(len(drafts), 1)
    x = levenberg_marquardt(problem.residuals, start, ROUNDS, STEP)
    coefficients, logs = problem.coefficients(x), x[:, len(FREE) :]
    rest = stretched(parametric_body().rest(coefficients), logs, dense_weights())
    return FittedShape(coefficients, logs, rest)


def _known_phenotype(drafts: Sequence[Draft]) -> dict[str, Tensor]:
    """What the people's phenotypes are, the free features left out. (B,) each."""
    (young, first), (old, last) = YOUNG, OLD
    slope = (last - first) / (old - young)
    known = {name: torch.tensor([d.features[name] for d in drafts]) for name in drafts[0].features}
    years = torch.tensor([d.age_years for d in drafts])
    known["age"] = (first + slope * (years - young)).clamp(0.6, 1.0)
    races = torch.tensor([d.races.tolist() for d in drafts])
    return known | dict(zip(RACES, races.unbind(1), strict=True))


class _PartOfBody(NamedTuple):
    """The vertices that the tape touches. template: (P, 3); shapes: (S, P, 3); weights: (P, R)."""

    tape: Tape
    template: Tensor
    shapes: Tensor
    weights: Tensor


@cache
def _part_of_body() -> _PartOfBody:
    body, measuring = parametric_body(), tape()
    vertices = measuring.vertices
    return _PartOfBody(
        measuring, body.template[vertices], body.shapes[:, vertices], dense_weights()[vertices]
    )


@dataclass(frozen=True, eq=False)
class _ShapeProblem:
    """Least squares over (..., B, D): free features of the phenotype, then stretches.

    targets: (B, M) log measures. known: (B,) each, the rest of the phenotype.
    """

    targets: Tensor
    known: Mapping[str, Tensor]
    part: _PartOfBody

    def residuals(self, x: Tensor) -> Tensor:
        """Measures against the targets, and unknowns against what is usual."""
        sigma = torch.tensor([LOOSE_SIGMA.get(name, MEASURE_SIGMA) for name in MEASURES])
        mean, spread = torch.tensor(list(FREE.values())).unbind(1)
        free, logs = x[..., : len(FREE)], x[..., len(FREE) :]
        off = (self._log_measures(x) - self.targets) / sigma
        return torch.cat([off, (free - mean) / spread, logs / STRETCH_SIGMA], dim=-1)

    def coefficients(self, x: Tensor) -> Tensor:
        """Of the shapes, (..., B, S)."""
        free = x[..., : len(FREE)].flatten(0, -2)
        repeats = len(free) // len(self.targets)
        known = {name: value.repeat(repeats) for name, value in self.known.items()}
        found = dict(zip(FREE, free.unbind(1), strict=True))
        coefficients = parametric_body().coefficients(known | found)
        return coefficients.reshape(*x.shape[:-1], -1)

    def _log_measures(self, x: Tensor) -> Tensor:
        part, body = self.part, parametric_body()
        coefficients = self.coefficients(x)
        points = part.template + torch.einsum("...s,svd->...vd", coefficients, part.shapes)
        heads = body.heads + torch.einsum("...s,srd->...rd", coefficients, body.head_shapes)
        rest = stretched(RestBody(points, heads), x[..., len(FREE) :], part.weights)
        return part.tape.measure(rest.vertices, rest.heads).log()
