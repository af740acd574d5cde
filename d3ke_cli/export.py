"""d3ke export: a prediction in other formats."""

from pathlib import Path
from typing import Annotated

import typer

from d3ke.errors import OptionError
from d3ke_cli.console import ExitStatus, RichProgress, for_each, show_json, show_result
from d3ke_cli.options import Filter, Json, Rate, checked_output


def export(
    predictions: Annotated[
        list[Path], typer.Argument(metavar="PREDICTION", help="The .npz of d3ke predict.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            callback=checked_output,
            help="A folder, or for one prediction a file name that all formats share.",
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="FORMATS", help="Formats, with commas: mot, trc, osim, c3d, csv."
        ),
    ] = "mot,trc,osim",
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
    filter_hz: Filter = 6.0,
    as_json: Json = False,
) -> ExitStatus:
    """Write predictions in other formats, or for another model.

    The motion is resampled to a uniform rate and low-passed, as by d3ke predict: the .npz holds
    the raw one.
    """
    from d3ke.export import export as export_one
    from d3ke.outputs import is_file_name
    from d3ke.skeleton.osim import OsimModel

    if len(predictions) > 1 and is_file_name(output):
        raise OptionError(f"-o {output}: several predictions need a folder.")
    progress = RichProgress()
    osim = OsimModel.from_file(model) if model is not None else None
    formats = [name.strip() for name in to.split(",")]

    def work(prediction: Path) -> None:
        done = export_one(prediction, output, formats, osim, rate, filter_hz, progress)
        if as_json:
            show_json({"output": done.outputs, "warnings": done.warnings})
        else:
            show_result("\n".join(str(path) for path in done.outputs.values()))

    return for_each(predictions, work, as_json)
