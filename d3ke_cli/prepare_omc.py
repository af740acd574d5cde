"""d3ke prepare omc: a laboratory's recordings become a data set."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from d3ke_cli.console import ExitStatus, RichProgress, counted, show_json, show_result
from d3ke_cli.options import Json, Ray
from d3ke_cli.prepare import Output, Resume, Size, Workers

if TYPE_CHECKING:
    from d3ke.prepare_omc import PreparedRecordings


class Kinematics(StrEnum):
    """Whose inverse kinematics."""

    D3KE = "d3ke"
    OPENSIM = "opensim"


Sessions = Annotated[
    list[Path],
    typer.Argument(
        metavar="SESSION...",
        help="Folders of one person's recordings each, or TOML files that name theirs.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="OSIM", help="Skeleton of the labels. [default: d3ke's own]"),
]
Mapping = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        metavar="TOML",
        help="Which recorded marker is which of the skeleton. [default: told by their names]",
    ),
]
ScaleSetup = Annotated[
    Path | None,
    typer.Option(
        "--scale-setup",
        metavar="XML",
        help="Set-up of OpenSim's ScaleTool, to scale a session's .osim, or the skeleton, as it "
        "says. [default: by distances between markers, then by what explains all trials]",
    ),
]
Ik = Annotated[
    Kinematics, typer.Option("--ik", help="Whose inverse kinematics: d3ke's, or OpenSim's tool.")
]
Sync = Annotated[
    str,
    typer.Option(
        "--sync",
        metavar="auto|SECONDS",
        help="What to add to a video's time for that of the markers; auto: found from the motion.",
    ),
]
Split = Annotated[
    Path | None,
    typer.Option(
        "--split",
        metavar="CSV",
        help="File with the columns subject and split (train, valid, test). [default: a tenth of "
        "the subjects each to validate and to test]",
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="SEED", min=0, help="Seed of the split, without --split.")
]
Mismatch = Annotated[
    float,
    typer.Option(
        "--mismatch",
        metavar="PERCENT",
        min=0.1,
        help="Leave a camera out where landmarks lie farther off the skeleton, in per cent of the "
        "person's height.",
    ),
]


def omc(
    sessions: Sessions,
    output: Output,
    model: Model = None,
    mapping: Mapping = None,
    scale_setup: ScaleSetup = None,
    ik: Ik = Kinematics.D3KE,
    sync: Sync = "auto",
    split: Split = None,
    seed: Seed = 0,
    mismatch: Mismatch = 4.0,
    size: Size = 384,
    workers: Workers = None,
    ray: Ray = None,
    resume: Resume = False,
    as_json: Json = False,
) -> ExitStatus:
    """Make pictures with labels of marker recordings, or OpenSim motions, and their videos.

    Does what a session lacks: scaling, inverse kinematics, clocks, cameras. Writes shards of
    samples (.tar), a page for each session (pages/*.html), what came of all of them
    (sessions.json), and manifest.json.
    """
    from d3ke.omc.filming import FilmingOptions, offset_of
    from d3ke.omc.lab import lab_recordings
    from d3ke.prepare import PrepareOptions
    from d3ke.prepare_omc import RecordingsConfig, prepare_recordings

    config = RecordingsConfig(
        model=model,
        split=split,
        seed=seed,
        size=size,
        filming=FilmingOptions(offset_s=offset_of(sync), largest_mismatch=mismatch / 100),
        kinematics=ik.value,
    )
    progress = RichProgress()
    options = PrepareOptions(workers=workers, ray=ray, resume=resume)
    recordings, lost = lab_recordings(sessions, mapping, progress, scale_setup)
    done = prepare_recordings(recordings, output, config, options, progress)
    return show_recordings(done._replace(unusable=(*lost, *done.unusable)), progress, as_json)


def show_recordings(
    done: "PreparedRecordings", progress: RichProgress, as_json: bool
) -> ExitStatus:
    """Show what was prepared. Some work has failed where a session could not be used at all."""
    if as_json:
        show_json(done._asdict())
    else:
        show_result("\n".join(map(str, [done.output, *done.pages])))
    if done.made:
        pace = f"{done.made / done.seconds:.1f} frames/s"
        kilobytes = done.bytes / max(done.frames, 1) / 1000
        progress.note(
            f"{done.output}: {done.frames} frames of {counted(done.subjects, 'person', 'people')} "
            f"in {counted(done.clips, 'clip', 'clips')}; {pace}, {kilobytes:.1f} KB a frame"
        )
    if done.remarks:
        progress.note(f"{counted(len(done.remarks), 'remark', 'remarks')}: see the pages")
    if done.unusable:
        names = ", ".join(done.unusable)
        progress.warn(f"{counted(len(done.unusable), 'session', 'sessions')} left out: {names}")
        return ExitStatus.FAILED
    return ExitStatus.DONE
