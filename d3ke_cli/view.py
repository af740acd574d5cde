"""d3ke view: predictions and motions as one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from d3ke_cli.console import ExitStatus, RichProgress, failed, show_json, show_result
from d3ke_cli.options import Json, checked_page

if TYPE_CHECKING:
    from d3ke.view import View


def view(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="The .npz of d3ke predict; or motions (.mot, .sto) beside their .osim.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="HTML",
            callback=checked_page,
            help="The page, which needs no other file.",
        ),
    ],
    video: Annotated[
        Path | None,
        typer.Option(
            "--video",
            metavar="CLIP|FOLDER",
            help="The video, or the folder of the videos. [default: beside each FILE]",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="OSIM",
            help="The model of a motion. [default: the .osim of the same name beside it]",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            metavar="REF",
            help="A motion (.mot, .sto, .npz) to draw beside the curves of one FILE.",
        ),
    ] = None,
    as_json: Json = False,
) -> ExitStatus:
    """Show predictions and motions on one page.

    Video and skeleton move together; every coordinate's curve, left against right, is beside them,
    with warnings and what was assumed. Open the page in any browser, without a network.
    """
    from d3ke.view import ViewOptions
    from d3ke.view import view as write_view

    done = write_view(files, output, ViewOptions(video, model, reference), RichProgress())
    return _show(done, as_json)


def _show(done: "View", as_json: bool) -> ExitStatus:
    status = ExitStatus.DONE
    for path, error in done.failures:
        status = failed(path, error, as_json)
    if as_json:
        show_json({"output": done.output, "clips": done.clips, "warnings": done.warnings})
    else:
        show_result(str(done.output))
    return status
