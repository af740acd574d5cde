"""Bounded least squares for many small problems at once (Levenberg and Marquardt).

A value at a bound that wants to go beyond it stays there; the others move without it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from d3ke.omc.marker_fit import Fitted, MarkerFit, Targets

ROUNDS = 60  # steps tried at most
STEP = 1e-5  # rad or m: a shorter step is the last one; what is left is some tenths of it
LONGEST_STEP = 0.5  # rad or m: beyond, the slope says little about where a body turns to
FLOOR = 1e-10  # m2: the curvature of a value that nothing tells, so that it stays where it is
LEAST_DAMPING, MOST_DAMPING = 1e-9, 1e6  # of the curvature
EASIER, HARDER = 0.1, 10.0  # damping after a step that went down, or did not

class Bounds(NamedTuple):
    """What values may be, (F,) each; infinite where they may be anything."""

    low: Tensor
    high: Tensor


class Minimum(NamedTuple):
    """values: (P, F). cost: (P,). converged: (P,) whether the last step was short."""

    values: Tensor
    cost: Tensor
    converged: Tensor


def minimised(
    fit: MarkerFit, targets: Targets, start: Tensor, bounds: Bounds, damping: float
) -> Minimum:
    """The next minimum below each start.

    targets: of P poses. start: (P, F). damping: at first, of the curvature: little where the start
    is near.
    """
    values = start.clamp(bounds.low, bounds.high)
    found = Minimum(values.clone(), values.new_zeros(len(values)), torch.zeros(len(values)) > 0)
    problems = torch.arange(len(values))
    fitted = fit(values, targets)
    damped = values.new_full((len(values),), damping)
    for _ in range(ROUNDS):
        tried = (values + _step(values, fitted, damped, bounds)).clamp(bounds.low, bounds.high)
        short = (tried - values).abs().amax(1) < STEP
        if short.any():
            done, left = problems[short], ~short
            found.values[done], found.cost[done] = tried[short], fitted.cost[short]
            found.converged[done] = damped[short] < 1.0
            values, tried, problems, damped = (
                each[left] for each in (values, tried, problems, damped)
            )
            fitted = Fitted(*(each[left] for each in fitted))
            targets = targets.at(left)
        if not len(problems):
            return found
        after = fit(tried, targets)
        lower = after.cost <= fitted.cost * (1 + 1e-12)  # rounding
        values = torch.where(lower[:, None], tried, values)
        fitted = Fitted(
            torch.where(lower, after.cost, fitted.cost),
            torch.where(lower[:, None], after.descent, fitted.descent),
            torch.where(lower[:, None, None], after.curvature, fitted.curvature),
        )
        damped = (damped * torch.where(lower, EASIER, HARDER)).clamp(LEAST_DAMPING, MOST_DAMPING)
    found.values[problems], found.cost[problems] = values, fitted.cost
    return found


def _step(values: Tensor, fitted: Fitted, damping: Tensor, bounds: Bounds) -> Tensor:
    """The damped step of Gauss and Newton, (P, F)."""
    down = fitted.descent
    held = ((values <= bounds.low) & (down < 0)) | ((values >= bounds.high) & (down > 0))
    down = down.masked_fill(held, 0.0)
    system = fitted.curvature.masked_fill(held[:, :, None] | held[:, None], 0.0)
    own = system.diagonal(dim1=1, dim2=2)
    own += own * damping[:, None] + FLOOR
    factor, _ = torch.linalg.cholesky_ex(system)
    step = torch.cholesky_solve(down[:, :, None], factor)[:, :, 0]
    longest = step.abs().amax(1, keepdim=True)
    return step * (LONGEST_STEP / longest).clamp(max=1.0)
