"""d3ke prepare motions: a folder of recorded motions becomes one small file."""

from pathlib import Path
from typing import Annotated

import typer

from d3ke_cli.console import ExitStatus, show_json, show_result
from d3ke_cli.options import Json


def motions(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of recorded motions (.mot).")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="NPZ", help="The file to write.")
    ],
    as_json: Json = False,
) -> ExitStatus:
    """Pack recorded motions for machines that do not have the folder.

    Other commands take the file in the folder's place, and draw the same motions.
    """
    from d3ke.errors import OptionError
    from d3ke.skeleton import default_model
    from d3ke.synth.motions.library import MotionLibrary

    if output.suffix.lower() != ".npz":
        raise OptionError(f"{output}: motions are packed into an .npz. Name one.")
    library = MotionLibrary.load(folder, default_model())
    library.pack(output)
    if as_json:
        show_json({"output": output, "motions": len(library.recordings)})
    else:
        show_result(str(output))
    return ExitStatus.DONE
