"""Evaluate: a prediction against a reference, as a laboratory reports it.

Every figure comes with what a constant posture would have scored: `mean_pose`, the mean posture of
walking, and `own_mean`, the reference's own mean, which no constant beats by much and which
nobody knows before the measurement. A method that is no better than these has seen no motion.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d3ke import agreement
from d3ke.agreement import GROUPS, Comparison, Errors
from d3ke.errors import D3keError
from d3ke.motion.motion import Motion
from d3ke.motion.names import GAIT2392, common, family_of
from d3ke.recordings import load_motion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Source = Motion | str | os.PathLike[str]

# The mean posture of walking, deg, both sides alike; other coordinates are 0.
# Source: the mean of 19 recorded walks (nimblephysics, opensim-core, CMU, DeepMimic), arms of 16.
MEAN_POSE_DEG = {
    "hip_flexion": 13.0,
    "hip_adduction": -1.0,
    "hip_rotation": -2.0,
    "knee_angle": 31.0,
    "ankle_angle": 6.0,
    "lumbar_extension": -8.0,
    "arm_flex": -5.0,
    "arm_add": -10.0,
    "elbow_flex": 42.0,
    "pro_sup": 49.0,
}
TURNS = ("pelvis_tilt", "pelvis_list", "pelvis_rotation")
PLACES = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
SWAPPED = 0.6  # sides are called swapped where exchanging them leaves less than this of the error
SWAPPED_DEG = 3.0  # and saves more than this


@dataclass(frozen=True)
class Pelvis:
    """The pelvis, with heading and origin of the two grounds aligned.

    turns: degrees. places: mm. heading_deg: by how much the prediction's ground was turned about Y.
    """

    turns: dict[str, Errors]
    places: dict[str, Errors]
    heading_deg: float


@dataclass(frozen=True)
class Evaluation:
    """One prediction against one reference.

    best, zero: at the best lag and at none. baselines: constant postures in the frames of `best`.
    observed: False where the prediction says that a coordinate was not measured.
    predicted, reference: the compared rotations on common times, at the best lag.
    """

    best: Comparison
    zero: Comparison
    baselines: dict[str, Comparison]
    pelvis: Pelvis | None
    observed: dict[str, bool]
    predicted: Motion
    reference: Motion
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The figures at the best lag, and behind them lag 0, baselines and pelvis."""
        return {
            "lag_s": self.best.lag_s,
            **_comparison_json(self.best),
            "lag_0": _comparison_json(self.zero),
            "baselines": {
                name: {"mean_mae_deg": found.mean_mae_deg, "groups": _groups_json(found)}
                for name, found in self.baselines.items()
            },
            "pelvis": _pelvis_json(self.pelvis),
            "not_observed": [name for name, seen in self.observed.items() if not seen],
            "warnings": list(self.warnings),
        }

    def to_frame(self) -> "pd.DataFrame":
        """A pandas table in degrees, one row a coordinate; lag 0 and baselines are columns."""
        import pandas as pd

        rows = {
            name: {
                "group": next((group for group, names in GROUPS.items() if name in names), "other"),
                **_in_degrees(errors),
                **{f"{key}_mae_deg": self._mae(found, name) for key, found in self._others()},
                "observed": self.observed.get(name, True),
            }
            for name, errors in self.best.coordinates.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("coordinate")

    def groups_frame(self) -> "pd.DataFrame":
        """A pandas table of mean absolute errors in degrees, one row a group, `all` last."""
        import pandas as pd

        columns = {"mae_deg": self.best} | {f"{k}_mae_deg": found for k, found in self._others()}
        rows = {
            column: {**found.groups, "all": found.mean_mae_deg} for column, found in columns.items()
        }
        return pd.DataFrame(rows).rename_axis("group")

    def _others(self) -> list[tuple[str, Comparison]]:
        return [("lag_0", self.zero), *self.baselines.items()]

    @staticmethod
    def _mae(found: Comparison, name: str) -> float:
        return found.coordinates[name].mae if name in found.coordinates else math.nan


def evaluate(prediction: Source, reference: Source, lag: float | str = "auto") -> Evaluation:
    """Compare a motion with a reference.

    prediction, reference: a Motion, or a .mot, .sto or .npz of `d3ke predict`. lag: seconds by
    which the prediction is late, or "auto" to search. Names and signs are those of the default
    skeleton, whatever family either file is of.
    Raises D3keError: unreadable files, no coordinate or no time in common.
    """
    warnings: list[str] = []
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
    warnings += _doubts(moved, wanted, best, lag == "auto")
    return Evaluation(
        best=best,
        zero=agreement.compare(*agreement.at_lag(found, true, 0.0, names), 0.0),
        baselines=_baselines(moved, wanted, lag_s),
        pelvis=_pelvis(found, true, lag_s),
        observed={name: observed.get(name, True) for name in names},
        predicted=moved,
        reference=wanted,
        warnings=tuple(warnings),
    )


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
    prior = [
        MEAN_POSE_DEG.get(name.removesuffix("_r").removesuffix("_l"), 0) for name in true.names
    ]
    constant = np.where(both, np.deg2rad(prior), np.nan)
    return {
        "mean_pose": agreement.compare(replace(true, q=constant), true, lag_s),
        "own_mean": agreement.compare(replace(true, q=own), true, lag_s),
    }


def _doubts(moved: Motion, true: Motion, best: Comparison, searched: bool) -> list[str]:
    doubts = []
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
    )


def _in_degrees(errors: Errors) -> dict[str, Any]:
    return {
        "frames": errors.frames,
        "mae_deg": errors.mae,
        "rmse_deg": errors.rmse,
        "bias_deg": errors.bias,
        "unbiased_rmse_deg": errors.unbiased_rmse,
        "rom_error_deg": errors.rom,
        "r": errors.r,
        "cmc": errors.cmc,
        "limits_low_deg": errors.limits[0],
        "limits_high_deg": errors.limits[1],
    }


def _errors_json(errors: Errors, unit: str) -> dict[str, Any]:
    values = {key.replace("_deg", f"_{unit}"): value for key, value in _in_degrees(errors).items()}
    return {key: _number(value) for key, value in values.items()}


def _comparison_json(found: Comparison) -> dict[str, Any]:
    return {
        "frames": found.frames,
        "mean_mae_deg": found.mean_mae_deg,
        "groups": _groups_json(found),
        "coordinates": {n: _errors_json(e, "deg") for n, e in found.coordinates.items()},
    }


def _groups_json(found: Comparison) -> dict[str, float | None]:
    return {group: _number(value) for group, value in found.groups.items()}


def _pelvis_json(pelvis: Pelvis | None) -> dict[str, Any] | None:
    if pelvis is None:
        return None
    turns = {name: _errors_json(errors, "deg") for name, errors in pelvis.turns.items()}
    places = {name: _errors_json(errors, "mm") for name, errors in pelvis.places.items()}
    return {"heading_deg": pelvis.heading_deg, "coordinates": turns | places}


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
