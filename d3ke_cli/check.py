"""d3ke check: what OpenSim would make of a file, and how good a clip is to measure from."""

from pathlib import Path
from typing import Annotated

import typer

from d3ke_cli.console import ExitStatus, for_each, show_json, show_result
from d3ke_cli.options import Json


def check(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A .mot, .sto, .trc, .c3d, .osim, .npz of d3ke, or a clip."
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL.osim", help="The model that the file is meant for."),
    ] = None,
    as_json: Json = False,
) -> ExitStatus:
    """Say what OpenSim would refuse or misread in a file, or how good a clip is.

    Ends with 1 where there is a problem. A warning tells of what may be meant so. Of a clip, each
    quality that angles depend on is good, fair or poor; no angles are predicted.
    """
    from d3ke.check import check as look_at

    found = []

    def work(file: Path) -> None:
        result = look_at(file, model)
        found.append(result)
        if as_json:
            show_json(result.to_json())
            return
        lines = [f"problem: {text}" for text in result.problems]
        lines += [f"warning: {text}" for text in result.warnings]
        lines += [str(one) for one in result.quality]
        show_result("\n".join(f"{file}: {line}" for line in lines or ["nothing to object to"]))

    status = for_each([file], work, as_json)
    return status if all(result.ok for result in found) else ExitStatus.FAILED
