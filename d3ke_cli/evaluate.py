"""d3ke evaluate: a prediction against a reference."""

import math
from pathlib import Path
from typing import Annotated

import typer

from d3ke.errors import OptionError
from d3ke_cli.console import ExitStatus, RichProgress, for_each, show_json, show_result
from d3ke_cli.options import Json
from d3ke_cli.tables import table_of

MARKER_FILES = {".trc", ".c3d"}


def evaluate(
    prediction: Annotated[
        Path,
        typer.Argument(metavar="PRED", help="The prediction: .mot, .sto, .npz; .trc, .c3d."),
    ],
    reference: Annotated[
        Path,
        typer.Argument(
            metavar="REF", help="The reference: angles (.mot, .sto) or markers (.trc, .c3d)."
        ),
    ],
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
    """Compare a motion with a reference.

    Angles are compared by coordinate, markers by name, at the lag that fits best. Files of any
    program will do; names and signs of other model families are translated.
    """
    from d3ke.evaluate import evaluate as compare_angles
    from d3ke.evaluate_markers import evaluate_markers
    from d3ke.files import replacing

    lag_s = lag if lag == "auto" else _seconds(lag)
    progress = RichProgress()
    of_markers = reference.suffix.lower() in MARKER_FILES
    compare = evaluate_markers if of_markers else compare_angles

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
            show_result(table_of(found))

    return for_each([prediction], work, as_json)


def _seconds(lag: str) -> float:
    try:
        seconds = float(lag)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise OptionError(f"--lag {lag}: neither auto nor a number of seconds.")
    return seconds
