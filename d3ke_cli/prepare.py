"""d3ke prepare: recordings or synthetic people become a data set."""

from pathlib import Path
from typing import Annotated

import typer

from d3ke_cli.console import ExitStatus, RichProgress, show_json, show_result
from d3ke_cli.options import Json, Ray

Frames = Annotated[
    int,
    typer.Option(
        "--frames",
        "-n",
        metavar="FRAMES",
        min=1,
        help="Frames in all; a tenth each is held out to validate and to test.",
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DATA", help="The data set's folder.")
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed", metavar="SEED", min=0, help="Seed of people, motions, cameras and places."
    ),
]
Motions = Annotated[
    Path | None,
    typer.Option(
        "--motions",
        metavar="DIR",
        help="Folder of recorded motions (.mot), or an .npz of them. [default: motions made up "
        "by rules]",
    ),
]
Wardrobe = Annotated[
    Path | None,
    typer.Option(
        "--wardrobe",
        metavar="DIR",
        help="Folder of MakeHuman's clothes, shoes, hair and skins. [default: clothes grown from "
        "the body]",
    ),
]
Backgrounds = Annotated[
    Path | None,
    typer.Option(
        "--backgrounds",
        metavar="DIR",
        help="Folder of photographs to stand before, beside those that ship. [default: none]",
    ),
]
Size = Annotated[
    int,
    typer.Option(
        "--size", metavar="PIXELS", min=64, max=2048, help="Side of a picture, in pixels."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Processes. [default: one a core]"),
]
Openable = Annotated[
    bool,
    typer.Option(
        "--openable", help="Write a clip of each split as .osim, .mot, .trc and .mp4, too."
    ),
]
Sheet = Annotated[
    Path | None,
    typer.Option(
        "--sheet",
        metavar="PNG",
        help="A picture to draw 36 samples on, with joints and markers. [default: none]",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a data set that was begun.")]

prepare = typer.Typer(help="Make a data set to train on.", rich_markup_mode=None)


@prepare.callback(invoke_without_command=True)
def group(context: typer.Context) -> None:
    """Make a data set to train on."""
    if context.invoked_subcommand is None:
        show_result(context.get_help())
        raise typer.Exit(ExitStatus.MISUSED)


@prepare.command()
def synthetic(
    frames: Frames,
    output: Output,
    seed: Seed = 0,
    motions: Motions = None,
    wardrobe: Wardrobe = None,
    backgrounds: Backgrounds = None,
    size: Size = 384,
    workers: Workers = None,
    ray: Ray = None,
    openable: Openable = False,
    sheet: Sheet = None,
    resume: Resume = False,
    as_json: Json = False,
) -> ExitStatus:
    """Make pictures of synthetic people with exact OpenSim labels.

    Writes shards of samples (.tar) and manifest.json. The same seed gives the same labels.
    """
    from d3ke.prepare import PrepareOptions, prepare_synthetic
    from d3ke.synth.plans import SynthConfig

    config = SynthConfig(
        frames=frames,
        seed=seed,
        size=size,
        motions=motions,
        wardrobe=wardrobe,
        backgrounds=backgrounds,
    )
    options = PrepareOptions(workers, ray, openable, sheet, resume)
    progress = RichProgress()
    done = prepare_synthetic(output, config, options, progress)
    if as_json:
        show_json(done._asdict())
    else:
        show_result("\n".join(map(str, [done.output, *done.openable])))
    pace = f"{done.made / done.seconds:.1f} frames/s" if done.made else "done already"
    who = "one person" if done.subjects == 1 else f"{done.subjects} people"
    progress.note(f"{done.output}: {done.frames} frames of {who}; {pace}")
    return ExitStatus.DONE
