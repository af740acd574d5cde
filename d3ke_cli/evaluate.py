"""d3ke evaluate: a prediction against a reference, or networks on a data set."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from d3ke.errors import OptionError
from d3ke_cli.console import ExitStatus, RichProgress, for_each, show_json, show_result
from d3ke_cli.options import Device, Json, OnDevice
from d3ke_cli.tables import table_of

if TYPE_CHECKING:
    from d3ke.evaluate import Evaluation
    from d3ke.evaluate_data import DataEvaluation
    from d3ke.evaluate_markers import MarkerEvaluation

MARKER_FILES = {".trc", ".c3d"}


class Split(StrEnum):
    """The people on whom networks are judged."""

    TEST = "test"
    VALID = "valid"
    TRAIN = "train"


class Stage(StrEnum):
    """Which of a run's networks are judged."""

    AUTO = "auto"
    FRAME = "frame"
    TEMPORAL = "temporal"


Judged = Annotated[
    Path,
    typer.Argument(
        metavar="PRED|DATA",
        help="The prediction: .mot, .sto, .npz; .trc, .c3d. With --weights: a data set's folder.",
    ),
]
Reference = Annotated[
    Path | None,
    typer.Argument(
        metavar="REF", help="The reference: angles (.mot, .sto) or markers (.trc, .c3d)."
    ),
]
Lag = Annotated[
    str | None,
    typer.Option(
        "--lag",
        metavar="auto|SECONDS",
        help="By how much the prediction is late, in seconds; auto searches within 0.5 s. "
        "[default: auto]",
    ),
]
Runs = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="RUN",
        help="A run's folder, or a file of weights, to judge on DATA. Given several times, the "
        "first is compared with each other.",
    ),
]
OfSplit = Annotated[
    Split | None, typer.Option("--split", help="The people to judge on. [default: test]")
]
OfStage = Annotated[
    Stage | None,
    typer.Option(
        "--stage",
        help="The networks to judge: frame ones on all frames, or temporal ones and frame ones "
        "beside them on clips. [default: auto, temporal where all runs have one]",
    ),
]
Batch = Annotated[
    int | None, typer.Option("--batch", min=1, help="Frames at a time. [default: 64]")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="CSV", help="Write the whole table as .csv, too."),
]


def evaluate(
    prediction: Judged,
    reference: Reference = None,
    lag: Lag = None,
    weights: Runs = None,
    split: OfSplit = None,
    stage: OfStage = None,
    batch: Batch = None,
    device: OnDevice = Device.AUTO,
    output: Output = None,
    as_json: Json = False,
) -> ExitStatus:
    """Compare a motion with a reference, or judge networks on data.

    Angles are compared by coordinate, markers by name, at the lag that fits best. Files of any
    program will do; names and signs of other model families are translated. Networks are judged
    on people they have not seen, beside the mean pose, with 95 % intervals over people.
    """
    if (reference is None) == (not weights):
        raise typer.BadParameter("give either REF, to compare PRED with, or --weights RUN.")
    of_data = {"split": split, "stage": stage, "batch": batch}
    for name, value in {"lag": lag}.items() if weights else of_data.items():
        if value is not None:
            owner = "PRED and REF" if weights else "--weights"
            raise typer.BadParameter(f"--{name} is for {owner} only.")
    progress = RichProgress()

    def work(prediction: Path) -> None:
        if reference is None:
            from d3ke.evaluate_data import DataOptions, evaluate_data

            wishes: dict[str, Any] = {n: v for n, v in of_data.items() if v is not None}
            options = DataOptions(device=device.value, **wishes)
            _show(evaluate_data(prediction, weights or (), options, progress), output, as_json)
        else:
            _show(_compared(prediction, reference, lag or "auto", progress), output, as_json)

    return for_each([prediction], work, as_json)


def _compared(
    prediction: Path, reference: Path, lag: str, progress: RichProgress
) -> "Evaluation | MarkerEvaluation":
    from d3ke.evaluate import evaluate as compare_angles
    from d3ke.evaluate_markers import evaluate_markers

    of_markers = reference.suffix.lower() in MARKER_FILES
    compare = evaluate_markers if of_markers else compare_angles
    found = compare(prediction, reference, lag if lag == "auto" else _seconds(lag))
    for warning in found.warnings:
        progress.warn(warning)
    return found


def _show(
    found: "Evaluation | MarkerEvaluation | DataEvaluation", output: Path | None, as_json: bool
) -> None:
    from d3ke.files import replacing

    if output is not None:
        with replacing(output) as temporary:
            found.to_frame().to_csv(temporary)
    if as_json:
        show_json(found.to_json())
    else:
        show_result(table_of(found))


def _seconds(lag: str) -> float:
    try:
        seconds = float(lag)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise OptionError(f"--lag {lag}: neither auto nor a number of seconds.")
    return seconds
