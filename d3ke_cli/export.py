"""d3ke export: a prediction in other formats, or a run as ONNX."""

from pathlib import Path
from typing import Annotated

import typer

from d3ke.errors import OptionError
from d3ke_cli.console import ExitStatus, RichProgress, for_each, show_json, show_result
from d3ke_cli.options import Filter, Json, Rate, checked_output

FORMATS, FILTER_HZ = "mot,trc,osim", 6.0
ONNX = ".onnx"


def checked_target(output: Path) -> Path:
    """The output, unless it looks like a file of a kind that is not written."""
    return output if output.suffix.lower() == ONNX else checked_output(output)


def export(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="PREDICTION|RUN",
            help="The .npz of d3ke predict; or for an .onnx a run's folder, a .safetensors, or the "
            "name of shipped weights.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            callback=checked_target,
            help="A folder, or for one prediction a file name that all formats share. For a run "
            "the .onnx.",
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="FORMATS", help="Formats, with commas: mot, trc, osim, c3d, csv, std."
        ),
    ] = FORMATS,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="OSIM",
            help="Another model, whose coordinates the motion is to have. [default: the "
            "prediction's own]",
        ),
    ] = None,
    rate: Rate = None,
    filter_hz: Filter = FILTER_HZ,
    as_json: Json = False,
) -> ExitStatus:
    """Write predictions in other formats, or a network as ONNX.

    The motion is resampled to a uniform rate and low-passed, as by d3ke predict: the .npz holds
    the raw one. A run with a temporal network becomes two files, OUT.onnx for frames and
    OUT_temporal.onnx for windows of their answers; their metadata say what goes in and comes out.
    """
    if output.suffix.lower() == ONNX:
        if (to, model, rate, filter_hz) != (FORMATS, None, None, FILTER_HZ):
            raise OptionError(
                "--to, --model, --rate and --filter are for predictions: leave them out for "
                f"{output}, which holds a network."
            )
        return _export_run(sources, output, as_json)
    return _export_predictions(sources, output, to, model, rate, filter_hz, as_json)


def _export_run(sources: list[Path], output: Path, as_json: bool) -> ExitStatus:
    if len(sources) > 1:
        raise OptionError(f"-o {output}: give one run for one {ONNX}.")
    if sources[0].suffix.lower() == ".npz":
        raise OptionError(
            f"{sources[0]}: a prediction has no network. Give the run that made it, or name a .mot "
            "or a folder."
        )
    from d3ke.export_onnx import export_onnx

    def work(source: Path) -> None:
        _show(export_onnx(source, output, RichProgress()).outputs, (), as_json)

    return for_each(sources, work, as_json)


def _export_predictions(
    predictions: list[Path],
    output: Path,
    to: str,
    model: Path | None,
    rate: float | None,
    filter_hz: float,
    as_json: bool,
) -> ExitStatus:
    from d3ke.export import export as export_one
    from d3ke.export_onnx import is_run
    from d3ke.outputs import is_file_name
    from d3ke.skeleton.osim import OsimModel

    runs = [source for source in predictions if is_run(source)]
    if runs:
        raise OptionError(f"{runs[0]}: a run becomes an {ONNX} file. Name one: -o network{ONNX}.")
    if len(predictions) > 1 and is_file_name(output):
        raise OptionError(f"-o {output}: several predictions need a folder.")
    progress = RichProgress()
    osim = OsimModel.from_file(model) if model is not None else None
    formats = [name.strip() for name in to.split(",")]

    def work(prediction: Path) -> None:
        done = export_one(prediction, output, formats, osim, rate, filter_hz, progress)
        _show(done.outputs, done.warnings, as_json)

    return for_each(predictions, work, as_json)


def _show(outputs: dict[str, Path], warnings: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        show_json({"output": outputs, "warnings": warnings})
    else:
        show_result("\n".join(str(path) for path in outputs.values()))
