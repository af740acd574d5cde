"""Gait: events, steps and cycles of a prediction against those of its reference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke import agreement
from d3ke.cycles import Cycles, cut
from d3ke.errors import D3keError
from d3ke.evaluation_json import number
from d3ke.feet import SIDES, feet_of, has_feet, leg_length_m, moves_feet
from d3ke.gait_events import Gait, Step, find_gait, matched
from d3ke.mean_pose import mean_pose_deg
from d3ke.motion.motion import Motion
from d3ke.skeleton.default import default_model
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

EVENTS = ("heel_strike", "toe_off")
NO_GAIT = Gait(dict.fromkeys(SIDES, np.zeros(0)), dict.fromkeys(SIDES, np.zeros(0)), (), ())
OTHER_PERSON = 0.1  # legs of the two models that differ by more: hardly one person's


class EventErrors(NamedTuple):
    """errors_ms: (E,) of events that both have. missed, extra: how many only one has."""

    errors_ms: Array
    missed: int
    extra: int


class StepErrors(NamedTuple):
    """Steps that both have. errors_mm: (S,). true_mm: (S,) of the reference."""

    errors_mm: Array
    true_mm: Array


@dataclass(frozen=True)
class GaitEvaluation:
    """Gait of both. events: heel_strike and toe_off. steps: step_length and step_width.

    strides: of the reference. cycles: by coordinate, the reference's strikes cut them. placed: on
    whose models the feet were placed, in words.
    """

    strides: int
    events: dict[str, EventErrors]
    steps: dict[str, StepErrors]
    cycles: dict[str, Cycles]
    placed: str

    def to_json(self) -> dict[str, Any]:
        """Figures in ms, mm and degrees; curves at every percent."""
        return {
            "strides": self.strides,
            "feet": self.placed,
            "events": {name: event_json(errors) for name, errors in self.events.items()},
            "steps": {name: step_json(errors) for name, errors in self.steps.items()},
            "cycles": {name: cycle_json(name, found) for name, found in self.cycles.items()},
        }


def evaluate_gait(
    found: Motion,
    true: Motion,
    lag_s: float,
    names: Sequence[str],
    models: tuple[OsimModel | None, OsimModel | None],
) -> tuple[GaitEvaluation | None, tuple[str, ...]]:
    """Gait of a prediction and its reference, and what to know of it.

    found, true: in the default skeleton's names; true at uniform times. lag_s: by which found is
    late. names: the coordinates whose cycles are compared. models: of found and of true; where one
    is missing both feet are placed on the other, where both are, on the unscaled default skeleton.
    None where the reference, or both, have no stride.
    """
    moved = replace(found.at(true.time + lag_s, agreement.MAX_GAP_S), time=true.time)
    if not (moves_feet(moved) and moves_feet(true)):
        return None, ("no gait: both hips and knees are needed to place feet.",)
    ours, theirs, placed = _placed_on(*models)
    try:
        reference = find_gait(feet_of(true, theirs))
        predicted = find_gait(feet_of(moved, ours))
    except D3keError as error:  # a model of a kind that cannot be posed
        return None, (f"no gait: {error}",)
    if reference is None:
        alone = " The prediction has some." if predicted else ""
        return None, (f"no gait: the reference has no whole stride.{alone}",)
    notes = [] if predicted else ["the reference walks, and the prediction has no whole stride."]
    lengths = [leg_length_m(model) for model in (ours, theirs)]
    if abs(lengths[0] / lengths[1] - 1) > OTHER_PERSON:
        notes.append(
            f"the prediction's legs are {lengths[0]:.2f} m long and the reference's "
            f"{lengths[1]:.2f} m: are they of the same person?"
        )
    both = (predicted or NO_GAIT, reference)
    evaluation = GaitEvaluation(
        strides=len(reference.strides),
        events={
            "heel_strike": _events(both[0].strikes, both[1].strikes),
            "toe_off": _events(both[0].offs, both[1].offs),
        },
        steps=_steps(both[0].steps, both[1].steps),
        cycles=cut(moved.select(names), true.select(names), reference.strides),
        placed=placed,
    )
    return evaluation, tuple(notes)


def event_json(errors: EventErrors) -> dict[str, Any]:
    """The figures of events, in ms."""
    return {
        "events": len(errors.errors_ms),
        "missed": errors.missed,
        "extra": errors.extra,
        **_summary(errors.errors_ms, "ms"),
    }


def step_json(errors: StepErrors) -> dict[str, Any]:
    """The figures of steps, in mm; own_mean: what the reference's mean step is off each step."""
    true = errors.true_mm
    return {
        "steps": len(true),
        "reference_mm": float(true.mean()) if len(true) else None,
        **_summary(errors.errors_mm, "mm"),
        "own_mean_mae_mm": float(np.abs(true - true.mean()).mean()) if len(true) else None,
    }


def cycle_json(name: str, found: Cycles) -> dict[str, Any]:
    """The figures of a coordinate's cycles, in degrees, and its mean curves."""
    predicted, reference = found.repeatability
    worst, percent = found.worst
    return {
        "cycles": len(found.reference),
        "mae_deg": found.mae,
        "rmse_deg": found.rmse,
        "worst_deg": worst,
        "worst_at_percent": percent,
        "mean_pose_mae_deg": found.constant_mae(mean_pose_deg(name)),
        "own_mean_mae_deg": found.constant_mae(),
        "cmc": number(found.cmc),
        "predicted_repeatability": number(predicted),
        "reference_repeatability": number(reference),
        "predicted_mean_deg": found.predicted.mean(axis=0).round(4).tolist(),
        "reference_mean_deg": found.reference.mean(axis=0).round(4).tolist(),
    }


def _summary(errors: Array, unit: str) -> dict[str, float | None]:
    some = len(errors) > 0
    return {
        f"mae_{unit}": float(np.abs(errors).mean()) if some else None,
        f"bias_{unit}": float(errors.mean()) if some else None,
        f"sd_{unit}": float(errors.std(ddof=1)) if len(errors) > 1 else None,
    }


def _placed_on(
    ours: OsimModel | None, theirs: OsimModel | None
) -> tuple[OsimModel, OsimModel, str]:
    ours, theirs = (model if model and has_feet(model) else None for model in (ours, theirs))
    if ours is not None and theirs is not None:
        return ours, theirs, "each on its own model"
    if theirs is not None:
        return theirs, theirs, "both on the reference's model"
    if ours is not None:
        return ours, ours, "both on the prediction's model"
    return default_model(), default_model(), "both on the default skeleton, unscaled"


def _events(found: dict[str, Array], true: dict[str, Array]) -> EventErrors:
    parts = [(found[side], true[side], matched(found[side], true[side])) for side in SIDES]
    errors = [ours[m.pairs[:, 0]] - theirs[m.pairs[:, 1]] for ours, theirs, m in parts]
    return EventErrors(
        1e3 * np.concatenate(errors),
        sum(m.missed for *_, m in parts),
        sum(m.extra for *_, m in parts),
    )


def _steps(found: Sequence[Step], true: Sequence[Step]) -> dict[str, StepErrors]:
    pairs: list[tuple[Step, Step]] = []
    for side in SIDES:
        ours, theirs = ([step for step in steps if step.side == side] for steps in (found, true))
        times = (np.array([step.time_s for step in steps]) for steps in (ours, theirs))
        pairs += [(ours[i], theirs[j]) for i, j in matched(*times).pairs]
    result = {}
    for name, field in (("step_length", "length_m"), ("step_width", "width_m")):
        values = np.array([[getattr(step, field) for step in pair] for pair in pairs])
        values = 1e3 * values.reshape(-1, 2)
        result[name] = StepErrors(values[:, 0] - values[:, 1], values[:, 1])
    return result
