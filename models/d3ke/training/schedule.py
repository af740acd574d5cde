"""The learning rate over a training."""

import math
from typing import NamedTuple

from d3ke.errors import D3keError

COSINE, PUBLISHED_FRAME, PUBLISHED_TEMPORAL = "cosine", "published_frame", "published_temporal"


class Phase(NamedTuple):
    """Epochs in each of which the rate falls by a factor: by that of last / first in `falls`."""

    epochs: int
    first: float
    last: float
    falls: int


# Source: Bittner et al. 2023; each phase of the frame stage begins with a fresh optimiser. The
# temporal stage's rate would reach its last value one epoch after the end.
PHASES = {
    PUBLISHED_FRAME: (Phase(28, 5e-4, 3.33e-5, 27), Phase(2, 3.33e-6, 1e-6, 1)),
    PUBLISHED_TEMPORAL: (Phase(50, 1e-3, 5e-6, 51),),
}
FLOOR = 0.01  # of the highest rate: where a cosine ends


class Schedule(NamedTuple):
    """kind: "cosine", or a published one, whose epochs are stretched over the steps.

    highest: the highest rate; steps: of the training; warmup: the first steps of a cosine, in which
    the rate grows.
    """

    kind: str
    highest: float
    steps: int
    warmup: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of a step. Raises D3keError for a schedule that is not known."""
        if self.kind == COSINE:
            return self._cosine(step)
        epoch, phase = self._phase(step)
        gamma = math.pow(phase.last / phase.first, 1 / phase.falls)
        share = phase.first * math.pow(gamma, epoch) / PHASES[self.kind][0].first
        return self.highest * share

    def starts_afresh(self, step: int) -> bool:
        """Whether the optimiser forgets what it knew before this step: a new phase begins."""
        if self.kind == COSINE or step == 0:
            return False
        return self._phase(step)[1] is not self._phase(step - 1)[1]

    def _cosine(self, step: int) -> float:
        if step < self.warmup:
            return self.highest * (step + 1) / self.warmup
        part = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.highest * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * part)))

    def _phase(self, step: int) -> tuple[int, Phase]:
        """The epoch within its phase, and the phase, of a step."""
        if self.kind not in PHASES:
            known = ", ".join([COSINE, *PHASES])
            raise D3keError(f"schedule {self.kind!r} is not known. Use {known}.")
        phases = PHASES[self.kind]
        total = sum(phase.epochs for phase in phases)
        epoch = min(total - 1, step * total // max(1, self.steps))
        for phase in phases:
            if epoch < phase.epochs:
                return epoch, phase
            epoch -= phase.epochs
        raise AssertionError("an epoch beyond the last phase")
