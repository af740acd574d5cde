"""d3ke evaluate: predictions against references, or networks on a data set."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from d3ke.errors import OptionError
from d3ke_cli.console import ExitStatus, RichProgress, for_each, show_json, show_line, show_result
from d3ke_cli.options import Device, Json, OnDevice, checked_page
from d3ke_cli.tables import table_of

if TYPE_CHECKING:
    from d3ke.evaluate import Evaluation
    from d3ke.evaluate_data import DataEvaluation
    from d3ke.evaluate_many import ManyEvaluation
    from d3ke.evaluate_markers import MarkerEvaluation

MARKER_FILES = {".trc", ".c3d"}
PAIRS = ".csv"


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
        metavar="PRED|PAIRS|DATA",
        help="The prediction: .mot, .sto, .npz; .trc, .c3d; or a folder of them. Or a .csv of "
        "pairs: prediction, reference; clip, subject, activity, lag, model. With --weights: a "
        "data set's folder.",
    ),
]
Reference = Annotated[
    Path | None,
    typer.Argument(
        metavar="REF",
        help="The reference: angles (.mot, .sto) or markers (.trc, .c3d); or a folder in which "
        "files are called as in PRED.",
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
MeanOf = Annotated[
    Path | None,
    typer.Option(
        "--mean-of",
        metavar="DATA",
        help="Data set whose train split gives the mean pose. [default: DATA's own]",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="OSIM",
        help="The scaled model on which the reference's feet are placed. [default: the .osim of "
        "REF's name, else PRED's, else the default skeleton]",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="HTML",
        callback=checked_page,
        help="Write a page, too: tables, curves, Bland-Altman plots, gait cycles. It needs no "
        "other file.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="CSV", help="Write the whole table as .csv, too."),
]


def evaluate(
    prediction: Judged,
    reference: Reference = None,
    lag: Lag = None,
    model: Model = None,
    weights: Runs = None,
    split: OfSplit = None,
    stage: OfStage = None,
    batch: Batch = None,
    mean_of: MeanOf = None,
    device: OnDevice = Device.AUTO,
    output: Output = None,
    report: Report = None,
    as_json: Json = False,
) -> ExitStatus:
    """Compare motions with references, or judge networks on data.

    Angles are compared by coordinate, markers by name, at the lag that fits best; of gait also
    events, steps and cycles. Files of any program will do; names and signs of other model families
    are translated. Clips of two folders are paired by name. Networks are judged on people they
    have not seen, beside the mean pose, with 95 % intervals over people.
    """
    of_data = {"split": split, "stage": stage, "batch": batch, "mean_of": mean_of}
    of_pairs = {"lag": lag, "model": model, "report": report}
    several = _checked_several(prediction, reference, bool(weights))
    for name, value in of_pairs.items() if weights else of_data.items():
        if value is not None:
            owner = "PRED and REF" if weights else "--weights"
            raise typer.BadParameter(f"--{name.replace('_', '-')} is for {owner} only.")
    of_markers = reference is not None and reference.suffix.lower() in MARKER_FILES
    if model is not None and (several or of_markers):
        raise typer.BadParameter("--model is for one pair of angles; a .csv of pairs names models.")
    if report is not None and of_markers:
        raise typer.BadParameter("--report is for angles: no page is written of markers.")
    progress = RichProgress()
    status = []

    def work(prediction: Path) -> None:
        if weights:
            from d3ke.evaluate_data import DataOptions, evaluate_data

            wishes: dict[str, Any] = {n: v for n, v in of_data.items() if v is not None}
            options = DataOptions(device=device.value, **wishes)
            _show(evaluate_data(prediction, weights, options, progress), output, as_json)
            return
        found: Evaluation | ManyEvaluation | MarkerEvaluation
        if several or reference is None:
            found = _several(prediction, reference, lag or "auto", progress)
            status.append(ExitStatus.FAILED if found.failed else ExitStatus.DONE)
        else:
            found = _compared(prediction, reference, lag or "auto", model, progress)
        for warning in found.warnings:
            progress.warn(warning)
        if report is not None:
            _write_page(found, report, prediction.stem)
        _show(found, output, as_json)

    return max(for_each([prediction], work, as_json), *status, ExitStatus.DONE)


def _checked_several(prediction: Path, reference: Path | None, weights: bool) -> bool:
    """Whether there are several pairs. Raises BadParameter for what does not go together."""
    table = reference is None and prediction.suffix.lower() == PAIRS
    if weights == (table or reference is not None):
        raise typer.BadParameter("give either REF, to compare PRED with, or --weights RUN.")
    if reference is None:
        return table
    folders = [path.is_dir() for path in (prediction, reference)]
    if any(folders) and not all(folders):
        raise typer.BadParameter("PRED and REF are two files, or two folders that exist.")
    return all(folders)


def _compared(
    prediction: Path, reference: Path, lag: str, model: Path | None, progress: RichProgress
) -> "Evaluation | MarkerEvaluation":
    from d3ke.evaluate import evaluate as compare_angles
    from d3ke.evaluate_markers import evaluate_markers

    seconds = lag if lag == "auto" else _seconds(lag)
    if reference.suffix.lower() in MARKER_FILES:
        return evaluate_markers(prediction, reference, seconds)
    return compare_angles(prediction, reference, seconds, model)


def _several(
    prediction: Path, reference: Path | None, lag: str, progress: RichProgress
) -> "ManyEvaluation":
    from d3ke.evaluate_many import evaluate_many
    from d3ke.pairs import pairs_of_folders, pairs_of_table

    if reference is None:
        pairs = pairs_of_table(prediction)
    else:
        pairs = pairs_of_folders(prediction, reference, progress.warn)
    if lag != "auto":
        _seconds(lag)
        pairs = [pair._replace(lag=lag) if pair.lag == "auto" else pair for pair in pairs]
    return evaluate_many(pairs, lambda clip, error: show_line(f"error: {clip}: {error}"), progress)


def _write_page(
    found: "Evaluation | ManyEvaluation | MarkerEvaluation", report: Path, title: str
) -> None:
    from d3ke.evaluate_markers import MarkerEvaluation
    from d3ke.report.evaluation_page import write_evaluation_page

    assert not isinstance(found, MarkerEvaluation)  # refused above
    write_evaluation_page(found, report, title)


def _show(
    found: "Evaluation | ManyEvaluation | MarkerEvaluation | DataEvaluation",
    output: Path | None,
    as_json: bool,
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
