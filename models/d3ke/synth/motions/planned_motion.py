"""A motion as it was planned: angles and hints, before feet meet the floor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d3ke.synth.stage import Furniture

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PlannedMotion:
    """What a person is about to do.

    source: the recording's name, or "procedural". q: (T, K) rad, pelvis translations 0. airborne:
    (T,) height of the lower sole over what it stands on, m. furniture: in the motion's own terms;
    grounding puts it in place. belt_m_s: speed of a treadmill as planned, 0 on the floor.
    stance: (T, 2) bool, whether the right and the left foot carry, where the plan knows it.
    levels: (T, 2) height of what is under the right and the left foot, m, where it is not 0.
    path: (T, 2) pelvis x and z for a leg of scale 1, m, where feet may slide. flight_m_s:
    (T,) forward speed in the air, where the steps before and after do not tell it.
    """

    source: str
    activity: str
    rate_hz: float
    q: Array
    airborne: Array
    furniture: tuple[Furniture, ...] = ()
    belt_m_s: float = 0.0
    stance: NDArray[np.bool_] | None = None
    levels: Array | None = None
    path: Array | None = None
    flight_m_s: Array | None = None
