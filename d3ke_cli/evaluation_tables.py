"""Evaluations of motions and markers as text, in degrees, millimetres and milliseconds."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from d3ke_cli.console import counted

if TYPE_CHECKING:
    import pandas as pd

    from d3ke.evaluate import Evaluation, Pelvis
    from d3ke.evaluate_many import Activity, ManyEvaluation
    from d3ke.evaluate_markers import MarkerEvaluation

COLUMNS = {
    "clips": "clips",
    "mae_deg": "MAE",
    "rmse_deg": "RMSE",
    "bias_deg": "bias",
    "unbiased_rmse_deg": "RMSE-bias",
    "lag_0_mae_deg": "MAE lag 0",
    "mean_pose_mae_deg": "mean pose",
    "own_mean_mae_deg": "own mean",
    "band": "band",
}
AGREEMENT = {
    "rom_error_deg": "ROM error",
    "r": "r",
    "cmc": "CMC",
    "limits_low_deg": "limits from",
    "limits_high_deg": "to",
    "sd_between_subjects_deg": "SD subjects",
    "sd_between_clips_deg": "SD clips",
    "sd_within_clips_deg": "SD in clips",
    "plane": "plane",
}
EVENTS = {"events": "events", "missed": "missed", "extra": "extra"}
STEPS = {"steps": "steps", "reference_mm": "reference"}
ERRORS = {"mae": "MAE", "bias": "bias", "sd": "SD", "own_mean_mae": "own mean"}
CYCLES = {
    "cycles": "cycles",
    "mae_deg": "MAE",
    "rmse_deg": "RMSE",
    "worst_deg": "worst",
    "worst_at_percent": "at %",
    "cmc": "CMC",
    "mean_pose_mae_deg": "mean pose",
    "own_mean_mae_deg": "own mean",
}
WORDS = "mean pose, own mean: the MAE of a constant walking posture, of the reference's own mean."
BANDS = "Bands of the RMSE (McGinley 2009): acceptable < 2, reasonable to 5, misleading above."


def angles(found: "Evaluation") -> str:
    """One pair: a line a coordinate, then gait and pelvis, then a line a plane and a group."""
    table = found.to_frame()
    lines = [
        heading("degrees", found.best.frames, found.best.lag_s),
        WORDS,
        BANDS,
        *("", _text(_chosen(table, COLUMNS))),
        *("", _text(_chosen(table, AGREEMENT))),
        *(_pelvis(found.pelvis) if found.pelvis else ()),
        *(_gait(found.gait.to_json()) if found.gait else ()),
        *_notes(found.notes),
    ]
    for frame in (found.planes_frame(), found.groups_frame()):
        lines += ["", _text(_chosen(frame, COLUMNS))]
    unseen = [name for name, seen in found.observed.items() if not seen]
    if unseen:
        lines += ["", f"Not measured, but a prior's value: {', '.join(unseen)}."]
    return "\n".join(lines)


def markers(found: "MarkerEvaluation") -> str:
    """The distances as text: a line a marker."""
    columns = {
        "frames": "frames",
        "mean_mm": "mean",
        "rms_mm": "RMS",
        "rigid_mean_mm": "mean, turned",
        "scaled_mean_mm": "mean, scaled",
    }
    lines = [
        heading("millimetres", found.frames, found.lag_s),
        f"Mean {found.mean_mm:.1f}, at lag 0 {found.zero_mean_mm:.1f}.",
    ]
    if not math.isnan(found.rigid_mean_mm):
        lines.append(
            f"After each frame's best turn and shift {found.rigid_mean_mm:.1f}, and size "
            f"{found.scaled_mean_mm:.1f} (PA-MPJPE); of the reference's mean shape "
            f"{found.still_mm[0]:.1f} and {found.still_mm[1]:.1f}."
        )
    return "\n".join([*lines, "", _text(_chosen(found.to_frame(), columns))])


def many(found: "ManyEvaluation") -> str:
    """Several clips: the tables of all, a short one by activity, a line a clip."""
    whole, *parts = found.activities
    people = f" of {counted(whole.subjects, 'person', 'people')}" if whole.subjects else ""
    clips = counted(len(found.clips), "clip", "clips")
    frame = found.to_frame()
    table = frame[frame.index.get_level_values(0) == whole.name].droplevel(0)
    lines = [
        f"Errors in degrees over {clips}{people}; each clip at its best lag.",
        WORDS,
        BANDS,
        *("", _text(_chosen(table, COLUMNS))),
        *("", _text(_chosen(table, AGREEMENT))),
        *(_gait(whole.gait.to_json()) if whole.gait else ()),
        *_notes(found.notes),
        *("", _text(_clips(found))),
    ]
    for activity in parts:
        lines += ["", f"{activity.name}, {counted(len(activity.clips), 'clip', 'clips')}:"]
        lines.append(_text(_parts(activity)))
    lines += ["", "All clips:", _text(_parts(whole))]
    return "\n".join(lines)


def heading(unit: str, frames: int, lag_s: float) -> str:
    """What was compared, and at which lag."""
    late = "late" if lag_s >= 0 else "early"
    return (
        f"Errors in {unit} over {frames} frames; the prediction taken as {abs(lag_s):.2f} s {late}."
    )


def _parts(activity: "Activity") -> "pd.DataFrame":
    import pandas as pd

    frames = [activity.means_frame(of) for of in ("joints", "planes", "groups")]
    return _chosen(pd.concat(frames), COLUMNS)


def _clips(found: "ManyEvaluation") -> "pd.DataFrame":
    import pandas as pd

    rows = {
        clip.pair.clip: {
            "lag": f"{clip.evaluation.best.lag_s:.2f}",
            "MAE": clip.evaluation.best.mean_mae_deg,
            "mean pose": clip.evaluation.baselines["mean_pose"].mean_mae_deg,
            "own mean": clip.evaluation.baselines["own_mean"].mean_mae_deg,
            "subject": clip.pair.subject or "-",
            "activity": clip.pair.activity or "-",
        }
        for clip in found.clips
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _pelvis(pelvis: "Pelvis") -> list[str]:
    import pandas as pd

    rows = {
        f"{name}, {unit}": {
            "MAE": errors.mae,
            "RMSE": errors.rmse,
            "bias": errors.bias,
            "own mean": pelvis.own_mean[name],
        }
        for unit, part in (("deg", pelvis.turns), ("mm", pelvis.places))
        for name, errors in part.items()
    }
    return ["", _text(pd.DataFrame.from_dict(rows, orient="index"))]


def _gait(found: dict[str, Any]) -> list[str]:
    feet = f"; feet placed: {found['feet']}" if "feet" in found else ""
    return [
        "",
        f"Gait: {found['strides']} strides of the reference{feet}.",
        _rows(found["events"], EVENTS | {f"{k}_ms": f"{v}, ms" for k, v in ERRORS.items()}),
        "",
        _rows(found["steps"], STEPS | {f"{k}_mm": f"{v}, mm" for k, v in ERRORS.items()}),
        "",
        "Mean curves over the gait cycle, degrees:",
        _rows(found["cycles"], CYCLES),
    ]


def _rows(records: Mapping[str, Mapping[str, Any]], columns: dict[str, str]) -> str:
    import pandas as pd

    return _text(_chosen(pd.DataFrame.from_dict(dict(records), orient="index"), columns))


def _notes(notes: tuple[str, ...]) -> list[str]:
    return ["", *(f"Note: {note}" for note in notes)] if notes else []


def _chosen(table: "pd.DataFrame", columns: dict[str, str]) -> "pd.DataFrame":
    """The columns that are there and hold something, under their short names."""
    there = [name for name in columns if name in table and table[name].notna().any()]
    return table[there].rename(columns=columns)


def _text(frame: "pd.DataFrame") -> str:
    import pandas as pd

    shown = frame.rename_axis(None).copy()
    for name in shown.columns:
        if not pd.api.types.is_float_dtype(shown[name]):
            continue
        whole = name in {"clips", "cycles", "events", "steps", "at %"}
        form = "{:.0f}" if whole else "{:z.2f}" if name in {"r", "CMC"} else "{:z.1f}"
        shown[name] = [form.format(v) if pd.notna(v) else "-" for v in shown[name]]
    return shown.to_string(na_rep="-")
