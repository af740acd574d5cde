"""Bounded least squares for many small problems at once (Levenberg and Marquardt).

A value at a bound that wants to go beyond it stays there; the others move without it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from d3ke.omc.marker_fit import Fitted, MarkerFit, Targets

ROUNDS = 60  # steps tried at most
STEP = 1e-5  # rad or m: a shorter step is the last one; what is left is some tenths of it
LONGEST_STEP = 1.0  # rad or m: beyond, the slope says little about where a body turns to
STIFFNESS = 0.01  # m2: a body of 10 cm; damping by it keeps angles that are hardly told
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
    """The damped step of Gauss and Newton within the bounds, (P, F).

    What would go beyond a bound goes there, and the others are sought again beside that.
    """
    down = fitted.descent
    held = ((values <= bounds.low) & (down < 0)) | ((values >= bounds.high) & (down > 0))
    step = _damped(fitted.curvature, down, held, damping)
    short = (values + step).clamp(bounds.low, bounds.high) - values
    cut = short != step
    if cut.any():
        fixed = short * cut
        rest = down - (fitted.curvature @ fixed[:, :, None])[:, :, 0]
        step = torch.where(cut, short, _damped(fitted.curvature, rest, held | cut, damping))
    return step


def _damped(curvature: Tensor, down: Tensor, held: Tensor, damping: Tensor) -> Tensor:
    """The step without what is held, none longer than LONGEST_STEP. held: (P, F)."""
    system = curvature.masked_fill(held[:, :, None] | held[:, None], 0.0)
    own = system.diagonal(dim1=1, dim2=2)
    own += damping[:, None] * (own + STIFFNESS) + FLOOR
    factor, _ = torch.linalg.cholesky_ex(system)
    wanted = down.masked_fill(held, 0.0)[:, :, None]
    return torch.cholesky_solve(wanted, factor)[:, :, 0].clamp(-LONGEST_STEP, LONGEST_STEP)
