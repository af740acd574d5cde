"""Tables of errors, as text."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from d3ke.evaluate import Evaluation
    from d3ke.evaluate_markers import MarkerEvaluation

COLUMNS = {
    "mae_deg": "MAE",
    "rmse_deg": "RMSE",
    "bias_deg": "bias",
    "unbiased_rmse_deg": "RMSE-bias",
    "lag_0_mae_deg": "MAE lag 0",
    "mean_pose_mae_deg": "mean pose",
    "own_mean_mae_deg": "own mean",
}


def table_of(found: "Evaluation | MarkerEvaluation") -> str:
    """The errors as text, in degrees or millimetres."""
    from d3ke.evaluate import Evaluation

    return _angles(found) if isinstance(found, Evaluation) else _markers(found)


def _angles(found: "Evaluation") -> str:
    """The errors as text: a line a coordinate, then a line a group."""
    lines = [
        _heading("degrees", found.best.frames, found.best.lag_s),
        "mean pose, own mean: the MAE of a constant walking posture, of the reference's own mean.",
    ]
    for frame in (found.to_frame(), found.groups_frame()):
        shown = frame[[name for name in COLUMNS if name in frame]].rename(columns=COLUMNS)
        lines += ["", _text(shown)]
    unseen = [name for name, seen in found.observed.items() if not seen]
    if unseen:
        lines += ["", f"Not measured, but a prior's value: {', '.join(unseen)}."]
    return "\n".join(lines)


def _markers(found: "MarkerEvaluation") -> str:
    """The distances as text: a line a marker."""
    mean = f"Mean {found.mean_mm:.1f}, at lag 0 {found.zero_mean_mm:.1f}."
    heading = _heading("millimetres", found.frames, found.lag_s)
    return "\n".join([heading, mean, "", _text(found.to_frame())])


def _heading(unit: str, frames: int, lag_s: float) -> str:
    late = "late" if lag_s >= 0 else "early"
    return (
        f"Errors in {unit} over {frames} frames; the prediction taken as {abs(lag_s):.2f} s {late}."
    )


def _text(frame: "pd.DataFrame") -> str:
    frame = frame.rename_axis(None)
    return frame.to_string(float_format="{:z.1f}".format, na_rep="-")
