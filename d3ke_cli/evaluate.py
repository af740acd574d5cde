"""d3ke evaluate: a prediction against a reference."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from d3ke.errors import OptionError
from d3ke_cli.console import ExitStatus, RichProgress, for_each, show_json, show_result
from d3ke_cli.options import Json

if TYPE_CHECKING:
    from d3ke.evaluate import Evaluation

COLUMNS = {
    "mae_deg": "MAE",
    "rmse_deg": "RMSE",
    "bias_deg": "bias",
    "unbiased_rmse_deg": "RMSE-bias",
    "lag_0_mae_deg": "MAE lag 0",
    "mean_pose_mae_deg": "mean pose",
    "own_mean_mae_deg": "own mean",
}


def evaluate(
    prediction: Annotated[
        Path, typer.Argument(metavar="PRED", help="The prediction: .mot, .sto or .npz.")
    ],
    reference: Annotated[Path, typer.Argument(metavar="REF", help="The reference: .mot or .sto.")],
    lag: Annotated[
        str,
        typer.Option(
            "--lag",
            metavar="auto|SECONDS",
            help="By how much the prediction is late, in seconds; auto searches within 0.5 s.",
        ),
    ] = "auto",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="CSV", help="Write the whole table as .csv, too."),
    ] = None,
    as_json: Json = False,
) -> ExitStatus:
    """Compare a motion with a reference, coordinate by coordinate.

    Files of any program will do; names and signs of other model families are translated.
    """
    from d3ke.evaluate import evaluate as compare
    from d3ke.files import replacing

    lag_s = lag if lag == "auto" else _seconds(lag)
    progress = RichProgress()

    def work(prediction: Path) -> None:
        found = compare(prediction, reference, lag_s)
        for warning in found.warnings:
            progress.warn(warning)
        if output is not None:
            with replacing(output) as temporary:
                found.to_frame().to_csv(temporary)
        if as_json:
            show_json(found.to_json())
        else:
            show_result(table(found))

    return for_each([prediction], work, as_json)


def table(found: "Evaluation") -> str:
    """The errors as text: a line a coordinate, then a line a group."""
    coordinates, groups = found.to_frame(), found.groups_frame()
    unseen = [name for name, seen in found.observed.items() if not seen]
    late = "late" if found.best.lag_s >= 0 else "early"
    lines = [
        f"Errors in degrees over {found.best.frames} frames; the prediction taken as "
        f"{abs(found.best.lag_s):.2f} s {late}.",
        "mean pose, own mean: the MAE of a constant walking posture, of the reference's own mean.",
        "",
    ]
    for frame in (coordinates, groups):
        shown = frame[[name for name in COLUMNS if name in frame]].rename(columns=COLUMNS)
        lines += [shown.to_string(float_format="{:.1f}".format, na_rep="-"), ""]
    if unseen:
        lines += [f"Not measured, but a prior's value: {', '.join(unseen)}."]
    return "\n".join(lines).rstrip()


def _seconds(lag: str) -> float:
    try:
        seconds = float(lag)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise OptionError(f"--lag {lag}: neither auto nor a number of seconds.")
    return seconds
