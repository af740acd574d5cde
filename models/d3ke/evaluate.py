"""Evaluate: a prediction against a reference, as a laboratory reports it.

Every figure comes with what a constant posture would have scored: `mean_pose`, the mean posture of
walking, and `own_mean`, the reference's own mean, which no constant beats by much and which
nobody knows before the measurement. A method that is no better than these has seen no motion.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d3ke import agreement
from d3ke.agreement import GROUPS, Comparison, Errors
from d3ke.errors import D3keError
from d3ke.evaluation_json import baseline_json, comparison_json, errors_json, in_degrees, turn_json
from d3ke.gait import GaitEvaluation, evaluate_gait
from d3ke.mean_pose import mean_pose_deg
from d3ke.motion.motion import Motion
from d3ke.motion.names import GAIT2392, common, family_of
from d3ke.planes import TRANSVERSE, joint_of, plane_of, without_side
from d3ke.recordings import load_model, load_motion
from d3ke.skeleton.osim import OsimModel
from d3ke.statistics import band

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Source = Motion | str | os.PathLike[str]

TURNS = ("pelvis_tilt", "pelvis_list", "pelvis_rotation")
PLACES = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
SWAPPED = 0.6  # sides are called swapped where exchanging them leaves less than this of the error
SWAPPED_DEG = 3.0  # and saves more than this
STILL_DEG = 0.01  # a reference that moves less stands still
ONE_CLIP = (
    "limits of agreement: of this clip's frames, which follow each other; for other clips and "
    "people they need several of them."
)
UNLIKE = 0.2  # median correlation below which two motions are hardly of the same trial


@dataclass(frozen=True)
class Pelvis:
    """The pelvis, with heading and origin of the two grounds aligned.

    turns: degrees. places: mm. heading_deg: by how much the prediction's ground was turned about Y.
    own_mean: what the reference is off its own mean, deg or mm: a constant's mean absolute error.
    """

    turns: dict[str, Errors]
    places: dict[str, Errors]
    heading_deg: float
    own_mean: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """One prediction against one reference.

    best, zero: at the best lag and at none. baselines: constant postures in the frames of `best`.
    observed: False where the prediction says that a coordinate was not measured.
    predicted, reference: the compared rotations on common times, at the best lag. gait: None where
    nobody walks. notes: what a reader has to know, though nothing is wrong.
    """

    best: Comparison
    zero: Comparison
    baselines: dict[str, Comparison]
    pelvis: Pelvis | None
    observed: dict[str, bool]
    predicted: Motion
    reference: Motion
    gait: GaitEvaluation | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The figures at the best lag, and behind them lag 0, baselines and pelvis."""
        return {
            "lag_s": self.best.lag_s,
            **comparison_json(self.best),
            "lag_0": comparison_json(self.zero),
            "baselines": {name: baseline_json(found) for name, found in self.baselines.items()},
            "pelvis": _pelvis_json(self.pelvis),
            "not_observed": [name for name, seen in self.observed.items() if not seen],
            "gait": self.gait.to_json() if self.gait else None,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }

    def to_frame(self) -> "pd.DataFrame":
        """A pandas table in degrees, one row a coordinate; lag 0 and baselines are columns."""
        import pandas as pd

        rows = {
            name: {
                "group": next((group for group, names in GROUPS.items() if name in names), "other"),
                **in_degrees(errors),
                **{f"{key}_mae_deg": self._mae(found, name) for key, found in self._others()},
                "observed": self.observed.get(name, True),
                "band": band(errors.rmse),
                "plane": plane_of(name),
                "joint": joint_of(name),
            }
            for name, errors in self.best.coordinates.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("coordinate")

    def groups_frame(self) -> "pd.DataFrame":
        """A pandas table of mean absolute errors in degrees, one row a group, `all` last."""
        return self._means(lambda found: {**found.groups, "all": found.mean_mae_deg}, "group")

    def planes_frame(self) -> "pd.DataFrame":
        """The same, one row a plane: sagittal, frontal and transverse, as far as there are."""
        return self._means(lambda found: found.planes, "plane")

    def joints_frame(self) -> "pd.DataFrame":
        """The same, one row a joint."""
        return self._means(lambda found: found.joints, "joint")

    def _means(self, means: "Callable[[Comparison], dict[str, float]]", of: str) -> "pd.DataFrame":
        import pandas as pd

        columns = {"mae_deg": self.best} | {f"{k}_mae_deg": found for k, found in self._others()}
        rows = {column: means(found) for column, found in columns.items()}
        return pd.DataFrame(rows).rename_axis(of)

    def _others(self) -> list[tuple[str, Comparison]]:
        return [("lag_0", self.zero), *self.baselines.items()]

    @staticmethod
    def _mae(found: Comparison, name: str) -> float:
        return found.coordinates[name].mae if name in found.coordinates else math.nan


def evaluate(
    prediction: Source,
    reference: Source,
    lag: float | str = "auto",
    model: str | os.PathLike[str] | None = None,
) -> Evaluation:
    """Compare a motion with a reference.

    prediction, reference: a Motion, or a .mot, .sto or .npz of `d3ke predict`. lag: seconds by
    which the prediction is late, or "auto" to search. Names and signs are those of the default
    skeleton, whatever family either file is of. model: the .osim on which the reference's feet
    are placed; by default the one of the same name beside each file.
    Raises D3keError: unreadable files, no coordinate or no time in common.
    """
    warnings: list[str] = []
    models = (
        load_model(prediction, warnings.append),
        OsimModel.from_file(model) if model else load_model(reference, warnings.append),
    )
    found, observed = load_motion(prediction, warnings.append)
    true, _ = load_motion(reference, warnings.append)
    found = _translated(found, "prediction", warnings)
    true = _translated(true, "reference", warnings)
    names = _names_of_both(found, true)
    _check_times(found, true)
    true = true.resampled(true.rate_hz, agreement.MAX_GAP_S)
    lag_s = agreement.motion_lag(found, true, names) if lag == "auto" else float(lag)
    moved, wanted = agreement.at_lag(found, true, lag_s, names)
    best = agreement.compare(moved, wanted, lag_s)
    baselines = _baselines(moved, wanted, lag_s)
    warnings += _doubts(moved, wanted, best, baselines, lag == "auto")
    gait, notes = evaluate_gait(found, true, lag_s, wanted.names, models)
    evaluation = Evaluation(
        best=best,
        zero=agreement.compare(*agreement.at_lag(found, true, 0.0, names), 0.0),
        baselines=baselines,
        pelvis=_pelvis(found, true, lag_s),
        observed={name: observed.get(name, True) for name in names},
        predicted=moved,
        reference=wanted,
        gait=gait,
        warnings=tuple(warnings),
        notes=(*doubted_planes(best.coordinates), ONE_CLIP, *notes),
    )
    still = unmoved(still_names(evaluation))
    return replace(evaluation, notes=(*evaluation.notes, *still))


def over_clips(evaluations: Mapping[str, Evaluation]) -> "pd.DataFrame":
    """A pandas table of groups over clips, mean absolute errors in degrees, `mean` last.

    Columns: lag_s; then each group and `all` at the best lag, at lag 0 and for the baselines. The
    last row is the mean over the clips that have the group.
    """
    import pandas as pd

    rows = {}
    for clip, evaluation in evaluations.items():
        table = evaluation.groups_frame()
        rows[clip] = {"lag_s": evaluation.best.lag_s} | {
            f"{group}_{column}": table.loc[group, column]
            for column in table.columns
            for group in table.index
        }
    frame = pd.DataFrame.from_dict(rows, orient="index", dtype=np.float64).rename_axis("clip")
    frame.loc["mean"] = frame.mean()
    return frame


def _translated(motion: Motion, role: str, warnings: list[str]) -> Motion:
    """The motion in the default skeleton's names and signs. A guess at signs is told."""
    family = family_of(motion.names, motion)
    if family is GAIT2392:
        warnings.append(f"the {role}'s knees bend negatively: its signs are taken for gait2392's")
    return common(motion, family)


def _names_of_both(found: Motion, true: Motion) -> tuple[str, ...]:
    names = agreement.shared_rotations(found, true)
    if not names:
        raise D3keError(
            f"no coordinate in common: the prediction has {', '.join(found.names[:5])}..., the "
            f"reference {', '.join(true.names[:5])}.... Are both motions of a body?"
        )
    return names


def _check_times(found: Motion, true: Motion) -> None:
    if found.time[0] >= true.time[-1] or true.time[0] >= found.time[-1]:
        raise D3keError(
            f"no time in common: the prediction is from {agreement.spoken(found.time)}, the "
            f"reference from {agreement.spoken(true.time)}. Let both start with the recording."
        )


def _baselines(moved: Motion, true: Motion, lag_s: float) -> dict[str, Comparison]:
    """What constant postures score, in the frames where the prediction was compared."""
    both = ~(np.isnan(moved.q) | np.isnan(true.q))
    counts = np.maximum(both.sum(axis=0), 1)
    own = np.where(both, np.where(both, true.unwrapped().q, 0).sum(axis=0) / counts, np.nan)
    prior = [mean_pose_deg(name) for name in true.names]
    constant = np.where(both, np.deg2rad(prior), np.nan)
    return {
        "mean_pose": agreement.compare(replace(true, q=constant), true, lag_s),
        "own_mean": agreement.compare(replace(true, q=own), true, lag_s),
    }


def doubted_planes(names: Iterable[str]) -> list[str]:
    """What has to be known of transverse angles among the coordinates, if there are any."""
    turned = dict.fromkeys(without_side(name) for name in names if plane_of(name) == TRANSVERSE)
    if not turned:
        return []
    return [
        f"{', '.join(turned)}: in the transverse plane references agree least with each other "
        "(McGinley et al. 2009); do not read single degrees."
    ]


def unmoved(names: Iterable[str]) -> list[str]:
    """What has to be known of coordinates whose reference stands still, if there are any."""
    still = ", ".join(names)
    return [f"{still}: the reference does not move. Was it measured?"] if still else []


def still_names(found: Evaluation) -> list[str]:
    """The coordinates that the reference holds still."""
    angles = {name: found.reference.column(name) for name in found.best.coordinates}
    return [n for n, q in angles.items() if np.rad2deg(np.nanmax(q) - np.nanmin(q)) < STILL_DEG]


def _doubts(
    moved: Motion,
    true: Motion,
    best: Comparison,
    baselines: Mapping[str, Comparison],
    searched: bool,
) -> list[str]:
    doubts = []
    alike = [e.r for e in best.coordinates.values() if not math.isnan(e.r)]
    no_better = best.mean_mae_deg > baselines["own_mean"].mean_mae_deg
    if alike and no_better and float(np.median(alike)) < UNLIKE:
        doubts.append(
            "the two hardly move alike at any lag: are they of the same person and trial?"
        )
    if searched and abs(best.lag_s) > agreement.LAG_RANGE_S - agreement.LAG_STEP_S / 2:
        doubts.append(
            f"the best lag, {best.lag_s:g} s, is at the end of the search: do both start together?"
        )
    swapped = [_other_side(name) for name in true.names]
    if set(swapped) == set(true.names):
        other = agreement.compare(moved.select(swapped), true, best.lag_s)
        ours, theirs = (agreement.mean_of(c.groups, GROUPS) for c in (best, other))
        if theirs < SWAPPED * ours and ours - theirs > SWAPPED_DEG:
            doubts.append(
                f"left and right may be swapped: exchanged, the error is {theirs:.1f} instead of "
                f"{ours:.1f} deg"
            )
    return doubts


def _other_side(name: str) -> str:
    if name.endswith(("_r", "_l")):
        return name[:-1] + ("l" if name.endswith("r") else "r")
    return name


def _pelvis(found: Motion, true: Motion, lag_s: float) -> Pelvis | None:
    """The pelvis' errors; None where either motion does not tell where it is."""
    names = (*TURNS, *PLACES)
    if not set(names) <= set(found.names) & set(true.names):
        return None
    moved, wanted = agreement.at_lag(found, true, lag_s, names)
    both = ~np.isnan(moved.q + wanted.q).any(axis=1)
    if not both.any():
        return None
    # Body-fixed Z-X-Y, as the ground-pelvis joint has it.
    turned, target = (Rotation.from_euler("ZXY", m.q[both, :3]) for m in (moved, wanted))
    product = (turned.as_matrix() @ target.inv().as_matrix()).sum(axis=0)
    heading = math.atan2(product[2, 0] - product[0, 2], product[0, 0] + product[2, 2])
    about_y = agreement.turn_about_y(heading)
    angles = (Rotation.from_matrix(about_y) * turned).as_euler("ZXY")
    places = moved.q[both, 3:] @ about_y.T
    places += (wanted.q[both, 3:] - places).mean(axis=0)
    return Pelvis(
        {n: agreement.errors_between(angles[:, i], wanted.q[both, i]) for i, n in enumerate(TURNS)},
        {
            n: agreement.errors_between(
                1e3 * places[:, i], 1e3 * wanted.q[both, 3 + i], angles=False
            )
            for i, n in enumerate(PLACES)
        },
        math.degrees(heading),
        _off_own_mean(wanted.q[both]),
    )


def _off_own_mean(q: Array) -> dict[str, float]:
    """What the pelvis is off its own mean: mean absolute, deg and mm. q: (T, 6)."""
    values = np.hstack([np.rad2deg(np.unwrap(q[:, :3], axis=0)), 1e3 * q[:, 3:]])
    off = np.abs(values - values.mean(axis=0)).mean(axis=0)
    return dict(zip((*TURNS, *PLACES), off.tolist(), strict=True))


def _pelvis_json(pelvis: Pelvis | None) -> dict[str, Any] | None:
    if pelvis is None:
        return None
    turns = {name: turn_json(name, errors) for name, errors in pelvis.turns.items()}
    places = {name: errors_json(errors, "mm") for name, errors in pelvis.places.items()}
    for name, mae in pelvis.own_mean.items():
        (turns if name in turns else places)[name][
            "own_mean_mae_deg" if name in turns else "own_mean_mae_mm"
        ] = mae
    return {"heading_deg": pelvis.heading_deg, "coordinates": turns | places}
