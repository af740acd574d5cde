"""Gait over clips: events and steps of all of them, and cycles as each clip counts once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from d3ke.cycles import Cycles
from d3ke.evaluation_json import number
from d3ke.gait import EventErrors, GaitEvaluation, StepErrors, event_json, step_json
from d3ke.mean_pose import mean_pose_deg


class CycleMeans(NamedTuple):
    """A coordinate's cycles: means over clips of each clip's figures, degrees."""

    clips: int
    cycles: int
    mae: float
    rmse: float
    cmc: float
    mean_pose: float
    own_mean: float


@dataclass(frozen=True)
class GaitPool:
    """Gait of several clips. curves: each clip's cycles, by coordinate."""

    clips: int
    strides: int
    events: dict[str, EventErrors]
    steps: dict[str, StepErrors]
    curves: dict[str, tuple[Cycles, ...]]

    def cycles(self) -> dict[str, CycleMeans]:
        """Figures by coordinate."""
        return {name: _means(name, found) for name, found in self.curves.items()}

    def to_json(self) -> dict[str, Any]:
        """Figures in ms, mm and degrees."""
        return {
            "clips": self.clips,
            "strides": self.strides,
            "events": {name: event_json(errors) for name, errors in self.events.items()},
            "steps": {name: step_json(errors) for name, errors in self.steps.items()},
            "cycles": {
                name: {
                    "clips": means.clips,
                    "cycles": means.cycles,
                    "mae_deg": means.mae,
                    "rmse_deg": means.rmse,
                    "cmc": number(means.cmc),
                    "mean_pose_mae_deg": means.mean_pose,
                    "own_mean_mae_deg": means.own_mean,
                }
                for name, means in self.cycles().items()
            },
        }


def pooled(found: Sequence[GaitEvaluation]) -> GaitPool | None:
    """The gait of clips that have one; None where none has."""
    if not found:
        return None
    names = dict.fromkeys(name for gait in found for name in gait.cycles)
    return GaitPool(
        clips=len(found),
        strides=sum(gait.strides for gait in found),
        events={
            name: EventErrors(
                np.concatenate([gait.events[name].errors_ms for gait in found]),
                sum(gait.events[name].missed for gait in found),
                sum(gait.events[name].extra for gait in found),
            )
            for name in found[0].events
        },
        steps={
            name: StepErrors(
                np.concatenate([gait.steps[name].errors_mm for gait in found]),
                np.concatenate([gait.steps[name].true_mm for gait in found]),
            )
            for name in found[0].steps
        },
        curves={
            name: tuple(gait.cycles[name] for gait in found if name in gait.cycles)
            for name in names
        },
    )


def _means(name: str, curves: Sequence[Cycles]) -> CycleMeans:
    def mean(figure: Callable[[Cycles], float]) -> float:
        values = np.array([figure(curve) for curve in curves])
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else math.nan

    return CycleMeans(
        len(curves),
        sum(len(curve.reference) for curve in curves),
        mean(lambda curve: curve.mae),
        mean(lambda curve: curve.rmse),
        mean(lambda curve: curve.cmc),
        mean(lambda curve: curve.constant_mae(mean_pose_deg(name))),
        mean(lambda curve: curve.constant_mae()),
    )
