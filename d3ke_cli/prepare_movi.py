"""d3ke prepare movi: BML-MoVi becomes a data set."""

from pathlib import Path
from typing import Annotated

import typer

from d3ke_cli.console import ExitStatus, RichProgress
from d3ke_cli.options import Json, Ray
from d3ke_cli.prepare import Output, Resume, Size, Workers
from d3ke_cli.prepare_omc import Mapping, Mismatch, Model, Split, show_recordings

Root = Annotated[
    Path,
    typer.Argument(
        metavar="ROOT",
        help="Folder in which BML-MoVi was unpacked: F_v3d_Subject_N.mat, F_PGx_Subject_N_L.avi, "
        "and AMASS's Subject_N_F_k_poses.npz, where --smplh is given.",
    ),
]
Smplh = Annotated[
    Path | None,
    typer.Option(
        "--smplh",
        metavar="DIR",
        help="Folder of the extended SMPL+H models, where you have their licence. "
        "[default: the markers that the subjects wore]",
    ),
]


def movi(
    root: Root,
    output: Output,
    smplh: Smplh = None,
    model: Model = None,
    mapping: Mapping = None,
    split: Split = None,
    mismatch: Mismatch = 4.0,
    size: Size = 384,
    workers: Workers = None,
    ray: Ray = None,
    resume: Resume = False,
    as_json: Json = False,
) -> ExitStatus:
    """Make pictures with labels of BML-MoVi, by its published splits.

    Round F, cameras PG1 and PG2; training takes every second frame that moved. Writes shards of
    samples (.tar), a page for each subject (pages/*.html), what came of all of them
    (sessions.json), and manifest.json.
    """
    from d3ke.movi.recorded import movi_recordings
    from d3ke.omc.filming import FilmingOptions
    from d3ke.prepare import PrepareOptions
    from d3ke.prepare_omc import RecordingsConfig, prepare_recordings

    filming = FilmingOptions(largest_mismatch=mismatch / 100)
    config = RecordingsConfig(model=model, split=split, size=size, filming=filming)
    progress = RichProgress()
    recordings = movi_recordings(root, smplh, mapping, progress)
    options = PrepareOptions(workers=workers, ray=ray, resume=resume)
    done = prepare_recordings(recordings, output, config, options, progress)
    return show_recordings(done, progress, as_json)
