"""A routine: one activity's curves, and what else it needs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.synth.motions.activities import Activity, Curves
from d3ke.synth.stage import Furniture

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Routine:
    """What someone does. curves: (T,) each, deg, and AIRBORNE, m; see PlannedMotion for the rest.

    stance: (T, 2) bool; levels: (T, 2) m; flight_m_s: (T,).
    """

    curves: Curves
    furniture: tuple[Furniture, ...] = ()
    belt_m_s: float = 0.0
    stance: NDArray[np.bool_] | None = None
    levels: Array | None = None
    flight_m_s: Array | None = None


MakeRoutine = Callable[[Generator, Array], Routine]


def plain(activity: Activity) -> MakeRoutine:
    """A routine of curves alone."""

    def make(rng: Generator, time: Array) -> Routine:
        begun = time + rng.uniform(0, 2)  # clips do not all begin with the first preparation
        return Routine(activity(rng, begun))

    return make
