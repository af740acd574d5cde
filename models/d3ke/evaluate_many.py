"""Evaluate many: clips of several people and activities against their references.

A figure of a coordinate is the mean over clips of each clip's, so that a long clip counts as much
as a short one. Only limits of agreement are of frames: see statistics.limits_of_agreement.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.agreement import wrapped
from d3ke.bootstrap import Bootstrap
from d3ke.errors import D3keError
from d3ke.evaluate import (
    ONE_CLIP,
    Evaluation,
    doubted_planes,
    evaluate,
    over_clips,
    still_names,
    unmoved,
)
from d3ke.evaluation_json import means_json, number
from d3ke.gait_pool import GaitPool, pooled
from d3ke.pairs import ONE_ACTIVITY, Pair
from d3ke.planes import joint_of, plane_of
from d3ke.progress import Progress, Silent
from d3ke.statistics import LEAST_UNITS, Limits, band, limits_of_agreement

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Failed = Callable[[str, D3keError], None]

MEANS = ("mae", "rmse", "bias", "unbiased_rmse", "rom", "r", "cmc")


class Judged(NamedTuple):
    """A clip and what was found."""

    pair: Pair
    evaluation: Evaluation


class CoordinateFigures(NamedTuple):
    """One coordinate over clips, degrees. means: of MEANS, by name, NaN where no clip has it.

    mae_interval: 95 % of draws of other people (clips, where people are not named); NaN below
    five. rom_mae: mean absolute error of the range of motion. mean_pose, own_mean: mean absolute
    errors of baselines.
    """

    clips: int
    frames: int
    means: dict[str, float]
    mae_interval: tuple[float, float]
    rom_mae: float
    limits: Limits
    mean_pose: float
    own_mean: float
    own_mean_rmse: float


@dataclass(frozen=True)
class Activity:
    """The clips of one activity, or all of them."""

    name: str
    clips: tuple[Judged, ...]

    @cached_property
    def coordinates(self) -> dict[str, CoordinateFigures]:
        """Figures by coordinate, in the order in which clips have them."""
        names = dict.fromkeys(n for clip in self.clips for n in clip.evaluation.best.coordinates)
        return {name: _figures(name, self.clips) for name in names}

    @cached_property
    def gait(self) -> GaitPool | None:
        """Events, steps and cycles of all clips with a gait."""
        return pooled([c.evaluation.gait for c in self.clips if c.evaluation.gait])

    @property
    def still(self) -> tuple[str, ...]:
        """The coordinates that no reference moves."""
        found = [set(still_names(clip.evaluation)) for clip in self.clips]
        moved = {
            name
            for clip, still in zip(self.clips, found, strict=True)
            for name in clip.evaluation.best.coordinates
            if name not in still
        }
        return tuple(name for name in self.coordinates if name not in moved)

    @property
    def subjects(self) -> int | None:
        """How many people; None where the pairs do not say."""
        people = {clip.pair.subject for clip in self.clips}
        return None if None in people else len(people)

    def means_frame(self, of: str) -> "pd.DataFrame":
        """Mean absolute errors over clips, degrees: a row a group, plane or joint.

        of: groups, planes or joints; the columns are those of Evaluation.groups_frame.
        """
        import pandas as pd

        frames = [getattr(clip.evaluation, f"{of}_frame")() for clip in self.clips]
        rows = list(dict.fromkeys(row for frame in frames for row in frame.index))
        table = pd.concat(frames, keys=range(len(frames)))
        mean: pd.DataFrame = table.groupby(level=1).mean().loc[rows]
        mean.insert(0, "clips", table["mae_deg"].groupby(level=1).count().loc[rows])
        return mean


@dataclass(frozen=True)
class ManyEvaluation:
    """Clips, judged together and by activity. failed: by clip, what was wrong."""

    clips: tuple[Judged, ...]
    failed: dict[str, str]

    @cached_property
    def activities(self) -> tuple[Activity, ...]:
        """All clips, and, where the pairs name activities, the clips of each."""
        named = dict.fromkeys(c.pair.activity for c in self.clips if c.pair.activity is not None)
        parts = [
            Activity(name, tuple(c for c in self.clips if c.pair.activity == name))
            for name in named
        ]
        return (Activity(ONE_ACTIVITY, self.clips), *parts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful, by clip."""
        return tuple(
            f"{clip.pair.clip}: {text}" for clip in self.clips for text in clip.evaluation.warnings
        )

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know of the figures."""
        whole = self.activities[0]
        first = next(iter(whole.coordinates.values()), None)
        notes = doubted_planes(whole.coordinates)
        if first is not None and first.limits.of == "frames":
            notes.append(f"one clip only; {ONE_CLIP}")
        elif first is not None:
            notes.append(
                f"limits of agreement: of a frame of {_somebody(first.limits.of)}, from "
                "components of variance (Bland and Altman 2007, the true value varies)."
            )
            if first.limits.units < LEAST_UNITS:
                notes.append(
                    f"of {first.limits.units} {first.limits.of} only: limits get no interval."
                )
        notes += unmoved(whole.still)
        walking = sum(clip.evaluation.gait is not None for clip in self.clips)
        if walking < len(self.clips):
            notes.append(f"gait: {walking} of {len(self.clips)} clips have whole strides.")
        return tuple(notes)

    def to_frame(self) -> "pd.DataFrame":
        """A pandas table in degrees, one row an activity and coordinate."""
        import pandas as pd

        rows = {
            (activity.name, name): _row(name, figures, activity.subjects)
            for activity in self.activities
            for name, figures in activity.coordinates.items()
        }
        frame = pd.DataFrame(list(rows.values()))
        frame.index = pd.MultiIndex.from_tuples(list(rows), names=["activity", "coordinate"])
        return frame

    def clips_frame(self) -> "pd.DataFrame":
        """A pandas table of groups, one row a clip (evaluate.over_clips)."""
        return over_clips({clip.pair.clip: clip.evaluation for clip in self.clips})

    def to_json(self) -> dict[str, Any]:
        """Figures by activity, and a line a clip."""
        return {
            "clips": len(self.clips),
            "subjects": self.activities[0].subjects,
            "activities": {a.name: _activity_json(a) for a in self.activities},
            "by_clip": {clip.pair.clip: _clip_json(clip) for clip in self.clips},
            "failed": self.failed,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }


def evaluate_many(
    pairs: Sequence[Pair], failed: Failed | None = None, progress: Progress | None = None
) -> ManyEvaluation:
    """Evaluate pairs of files, one after the other. failed: told of each that cannot be.

    Raises D3keError where none can be.
    """
    progress = progress or Silent()
    judged, wrong = [], {}
    progress.start("evaluating", len(pairs))
    for pair in pairs:
        try:
            lag = pair.lag if pair.lag == "auto" else _seconds(pair)
            found = evaluate(pair.prediction, pair.reference, lag, pair.model)
            judged.append(Judged(pair, found))
        except D3keError as error:
            wrong[pair.clip] = str(error)
            if failed is not None:
                failed(pair.clip, error)
        progress.advance()
    progress.finish()
    if not judged:
        raise D3keError(f"none of {len(pairs)} pairs could be compared. See what is wrong above.")
    return ManyEvaluation(tuple(judged), wrong)


def _seconds(pair: Pair) -> float:
    try:
        seconds = float(pair.lag)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise D3keError(
            f"{pair.prediction}: lag {pair.lag} is neither auto nor a number of seconds."
        )
    return seconds


def errors_of(clip: Judged, name: str) -> Array:
    """One coordinate's errors over a clip's frames, degrees; none where the clip lacks it."""
    found = clip.evaluation
    if name not in found.best.coordinates:
        return np.zeros(0)
    index = found.reference.names.index(name)
    error = np.rad2deg(wrapped(found.predicted.q[:, index] - found.reference.q[:, index]))
    return np.asarray(error[~np.isnan(error)])


def _figures(name: str, clips: Sequence[Judged]) -> CoordinateFigures:
    having = [clip for clip in clips if name in clip.evaluation.best.coordinates]
    errors = [errors_of(clip, name) for clip in having]
    of_clip = [clip.evaluation.best.coordinates[name] for clip in having]
    constant = [clip.evaluation.baselines["own_mean"].coordinates[name] for clip in having]
    frames = [len(series) for series in errors]
    people = _numbered(clip.pair.subject for clip in having)
    units = np.arange(len(having)) if people is None else people
    mae = np.array([[found.mae] for found in of_clip])
    drawn = Bootstrap(units)
    low, high = (float(end[0]) for end in drawn.interval(drawn.drawn(mae)))
    if drawn.people < LEAST_UNITS:
        low = high = math.nan
    return CoordinateFigures(
        clips=len(having),
        frames=sum(frames),
        means={key: _mean(getattr(found, key) for found in of_clip) for key in MEANS},
        mae_interval=(low, high),
        rom_mae=_mean(abs(found.rom) for found in of_clip),
        limits=limits_of_agreement(
            np.concatenate(errors),
            np.repeat(np.arange(len(having)), frames),
            None if people is None else np.repeat(people, frames),
        ),
        mean_pose=_mean(c.evaluation.baselines["mean_pose"].coordinates[name].mae for c in having),
        own_mean=_mean(found.mae for found in constant),
        own_mean_rmse=_mean(found.rmse for found in constant),
    )


def _numbered(subjects: Iterable[str | None]) -> NDArray[np.int64] | None:
    names = list(subjects)
    if None in names:
        return None
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([known[name] for name in names])


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _somebody(of: str) -> str:
    return "somebody new" if of == "subjects" else "a new clip"


def _row(name: str, figures: CoordinateFigures, subjects: int | None) -> dict[str, Any]:
    limits, parts = figures.limits, figures.limits.components
    return {
        "clips": figures.clips,
        "subjects": subjects,
        "frames": figures.frames,
        **{f"{key}_deg": figures.means[key] for key in MEANS[:4]},
        "rom_error_deg": figures.means["rom"],
        "rom_mae_deg": figures.rom_mae,
        "r": figures.means["r"],
        "cmc": figures.means["cmc"],
        "mae_low_deg": figures.mae_interval[0],
        "mae_high_deg": figures.mae_interval[1],
        "limits_bias_deg": limits.bias,
        "limits_low_deg": limits.low,
        "limits_high_deg": limits.high,
        "limits_low_from_deg": limits.low_interval[0],
        "limits_low_to_deg": limits.low_interval[1],
        "limits_high_from_deg": limits.high_interval[0],
        "limits_high_to_deg": limits.high_interval[1],
        "limits_of": limits.of,
        "sd_between_subjects_deg": math.sqrt(parts.subjects),
        "sd_between_clips_deg": math.sqrt(parts.clips),
        "sd_within_clips_deg": math.sqrt(parts.within),
        "mean_pose_mae_deg": figures.mean_pose,
        "own_mean_mae_deg": figures.own_mean,
        "band": band(figures.means["rmse"]),
        "plane": plane_of(name),
        "joint": joint_of(name),
    }


def _activity_json(activity: Activity) -> dict[str, Any]:
    return {
        "clips": len(activity.clips),
        "subjects": activity.subjects,
        **{of: _means_json(activity.means_frame(of)) for of in ("groups", "planes", "joints")},
        "coordinates": {
            name: _without_nan(_row(name, figures, activity.subjects))
            for name, figures in activity.coordinates.items()
        },
        "gait": activity.gait.to_json() if activity.gait else None,
    }


def _means_json(frame: "pd.DataFrame") -> dict[str, dict[str, float | None]]:
    rows = frame.to_dict(orient="index")  # keeps whole numbers whole
    return {str(row): _without_nan({str(k): v for k, v in rows[row].items()}) for row in rows}


def _clip_json(clip: Judged) -> dict[str, Any]:
    best = clip.evaluation.best
    return {
        "subject": clip.pair.subject,
        "activity": clip.pair.activity,
        "lag_s": best.lag_s,
        "frames": best.frames,
        "mean_mae_deg": best.mean_mae_deg,
        "groups": means_json(best.groups),
        "warnings": list(clip.evaluation.warnings),
    }


def _without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: number(v) if isinstance(v, float) else v for k, v in values.items()}
