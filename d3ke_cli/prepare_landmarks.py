"""d3ke prepare landmarks: what BlazePose says of rendered people becomes small files."""

from pathlib import Path
from typing import Annotated

import typer

from d3ke_cli.console import ExitStatus, RichProgress, for_each, show_json, show_result
from d3ke_cli.options import Json, Resume


def landmarks(
    clips: Annotated[int, typer.Option("-n", "--clips", min=1, help="Clips in all.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="RECORDS", help="The records' folder.")
    ],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the synthetic people.")] = 0,
    frames: Annotated[
        int, typer.Option("--frames", min=2, help="Frames of a clip, at 30 Hz.")
    ] = 104,
    size: Annotated[
        int, typer.Option("--size", min=128, help="Side of the pictures, in pixels.")
    ] = 512,
    motions: Annotated[
        Path | None,
        typer.Option("--motions", metavar="DIR", help="Recorded motions. [default: procedural]"),
    ] = None,
    wardrobe: Annotated[
        Path | None,
        typer.Option("--wardrobe", metavar="DIR", help="Clothes. [default: grown from the body]"),
    ] = None,
    backgrounds: Annotated[
        Path | None,
        typer.Option("--backgrounds", metavar="DIR", help="Photographs. [default: painted rooms]"),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 2,
    resume: Resume = False,
    as_json: Json = False,
) -> ExitStatus:
    """Film synthetic people and keep what BlazePose says of them.

    One small file a clip, for the statistics of its errors and for d3ke train --records.
    """
    from d3ke.prepare_landmarks import LandmarkRecordsConfig, prepare_landmarks

    config = LandmarkRecordsConfig(clips, seed, frames, size, motions, wardrobe, backgrounds)
    progress = RichProgress()

    def work(folder: Path) -> None:
        prepare_landmarks(folder, config, workers=workers, resume=resume, progress=progress)
        if as_json:
            show_json({"output": folder, "clips": clips, "frames": clips * frames})
        else:
            show_result(str(folder))

    return for_each([output], work, as_json)
