"""d3ke prepare landmarks: what BlazePose says of rendered people becomes small files."""

from typing import Annotated

import typer

from d3ke_cli.console import ExitStatus, RichProgress, show_json, show_result
from d3ke_cli.options import Json, Ray
from d3ke_cli.prepare import Backgrounds, Motions, Output, Resume, Seed, Wardrobe, Workers

Clips = Annotated[
    int,
    typer.Option(
        "--clips", "-n", metavar="CLIPS", min=1, help="Clips in all; a tenth is held out."
    ),
]
Frames = Annotated[
    int, typer.Option("--frames", metavar="FRAMES", min=2, help="Frames of a clip, at 30 Hz.")
]
Size = Annotated[
    int,
    typer.Option(
        "--size", metavar="PIXELS", min=128, max=2048, help="Side of a picture, in pixels."
    ),
]


def landmarks(
    clips: Clips,
    output: Output,
    seed: Seed = 0,
    frames: Frames = 100,
    size: Size = 320,
    motions: Motions = None,
    wardrobe: Wardrobe = None,
    backgrounds: Backgrounds = None,
    workers: Workers = None,
    ray: Ray = None,
    resume: Resume = False,
    as_json: Json = False,
) -> ExitStatus:
    """Film synthetic people and keep what BlazePose says of them.

    One small file a clip, for d3ke train --records and for the statistics of its errors.
    """
    from d3ke.prepare_landmarks import LandmarkRecordsConfig, prepare_landmarks

    config = LandmarkRecordsConfig(clips, seed, frames, size, motions, wardrobe, backgrounds)
    done = prepare_landmarks(
        output, config, workers=workers, ray=ray, resume=resume, progress=RichProgress()
    )
    if as_json:
        show_json(done._asdict())
    else:
        show_result(str(done.output))
    return ExitStatus.DONE
