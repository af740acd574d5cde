"""Preparing a data set of recordings: they are solved, then cut into pictures with labels.

A session that is solved is kept beside the shards until the data set is whole, so that --resume
goes on with the next one. One that cannot be used is told, and the others go on.
"""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from d3ke import __version__
from d3ke.crew import crew
from d3ke.dataset.manifest import Manifest, ShardRecord
from d3ke.dataset.source import BOXES
from d3ke.errors import D3keError
from d3ke.files import content_hash
from d3ke.journal import STORY, Journal
from d3ke.making import Task, make_shards, shard_jobs
from d3ke.omc.filmed_people import FilmedConfig, FilmedPeople
from d3ke.omc.filming import FilmingOptions
from d3ke.omc.outcomes import Outcome, load_outcomes, outcome_of, save_outcomes
from d3ke.omc.solved_session import Recordings, SessionSolver, SolveTask, recordings_in
from d3ke.omc.solving import D3KE
from d3ke.omc.splits import splits_by_file, splits_by_seed
from d3ke.omc.story import PersonStory
from d3ke.prepare import PrepareOptions
from d3ke.progress import Progress, Silent
from d3ke.report.session_page import write_session_page
from d3ke.skeleton import default_model
from d3ke.skeleton.osim import OsimModel

SOLVED = "solved"  # in the journal's folder: recordings, and what is told of each session
PAGES = "pages"
LICENCES = {
    "recordings": "the laboratory's own: ask its subjects before you pass them on",
    "skeleton": "the model's own; the default one: BSD-3-Clause, Pose2Sim's Simple model",
}


@dataclass(frozen=True)
class RecordingsConfig:
    """What a data set of recordings follows from, beside these.

    model: the skeleton of the labels, by default ours. split: a .csv of subjects, else `seed`
    says. size: of the pictures, px. kinematics: whose inverse kinematics, d3ke's or opensim's.
    """

    model: Path | None = None
    split: Path | None = None
    seed: int = 0
    size: int = 384
    filming: FilmingOptions = field(default_factory=FilmingOptions)
    kinematics: str = D3KE


class PreparedRecordings(NamedTuple):
    """A finished data set.

    sessions, unusable: of which something could be used, and nothing; left_out: what was, and why;
    remarks: what is odd; bytes: of the shards; made: frames made by this run, in `seconds`.
    """

    output: Path
    frames: int
    clips: int
    subjects: int
    shards: int
    sessions: int
    unusable: tuple[str, ...]
    left_out: tuple[str, ...]
    remarks: tuple[str, ...]
    pages: tuple[Path, ...]
    bytes: int
    made: int
    seconds: float


def prepare_recordings(
    recordings: Recordings,
    output: str | os.PathLike[str],
    config: RecordingsConfig,
    options: PrepareOptions | None = None,
    progress: Progress | None = None,
) -> PreparedRecordings:
    """Write a data set of recordings, and return what it holds.

    output: its folder. Raises D3keError: something is in the way, no session can be used, a split
    that does not fit, a full disk. What is solved and whole stays, for `resume`.
    """
    folder, options, progress = Path(output), options or PrepareOptions(), progress or Silent()
    journal, began = Journal(folder), time.monotonic()
    journal.check(options.resume)
    osim = OsimModel.from_file(config.model) if config.model else default_model()
    if config.split is not None:  # before hours are spent
        splits_by_file(config.split, [job.subject for job in recordings.jobs])
    about = _about(recordings, config)
    beside = {name: about[name] for name in ("kind", "sources")}
    beside |= {"skeleton": osim.sha256, "d3ke": __version__}
    if journal.open(about["config"] | beside):
        outcomes = load_outcomes(folder)
        for line in (line for outcome in outcomes for line in outcome.left_out):
            progress.warn(line)
        return _prepared(folder, outcomes, 0, time.monotonic() - began)
    try:
        solved = journal.hidden / SOLVED
        outcomes = _solve(recordings, solved, osim, config, options, progress)
        split_of = _splits(recordings, outcomes, config)
        filmed = FilmedConfig(solved, tuple(sorted(split_of.items())), config.size)
        made, records = _cut(filmed, journal, osim, options, progress)
        _write_pages(solved, outcomes, folder / PAGES)
        save_outcomes(folder, outcomes, {job.name: job.paths for job in recordings.jobs})
        Manifest.of(osim, records, about).save(folder)
    except BaseException:
        progress.finish()
        if journal.keep_whole():
            progress.note(f"{folder}: what is whole is kept. Go on with --resume.")
        raise
    journal.close()
    return _prepared(folder, outcomes, made, time.monotonic() - began)


def _solve(
    recordings: Recordings,
    solved: Path,
    osim: OsimModel,
    config: RecordingsConfig,
    options: PrepareOptions,
    progress: Progress,
) -> tuple[Outcome, ...]:
    """Solve the sessions that are not solved. Raises D3keError where none of all can be used."""
    solved.mkdir(parents=True, exist_ok=True)
    found = {job.name: outcome_of(solved, job.name) for job in recordings.jobs}
    waiting = [job for job in recordings.jobs if found[job.name] is None]
    for job in waiting:
        for path in recordings_in(solved, job.name):
            path.unlink()
    progress.start("sessions", len(recordings.jobs))
    progress.advance(len(recordings.jobs) - len(waiting))
    task = SolveTask(
        Path.cwd(), solved, osim.xml, config.filming, recordings.read, config.kinematics
    )
    if waiting:
        start = partial(SessionSolver.open, task)
        with crew(start, len(waiting), solved, options.workers, options.ray) as several:
            for outcome in several.map(waiting, progress.advance):
                found[outcome.name] = outcome
                for line in outcome.left_out:
                    progress.warn(line)
    progress.finish()
    outcomes = tuple(one for one in found.values() if one is not None)
    if not any(outcome.recordings for outcome in outcomes):
        raise D3keError(
            "nothing can be used, for the reasons above. A session needs markers or a motion, and "
            "a video."
        )
    return outcomes


def _splits(
    recordings: Recordings, outcomes: Sequence[Outcome], config: RecordingsConfig
) -> dict[str, str]:
    """Of each subject of whom something can be used."""
    subjects = [outcome.subject for outcome in outcomes if outcome.subject is not None]
    if config.split is not None:
        return splits_by_file(config.split, subjects)
    return dict(recordings.split_of or splits_by_seed(subjects, config.seed))


def _cut(
    filmed: FilmedConfig,
    journal: Journal,
    osim: OsimModel,
    options: PrepareOptions,
    progress: Progress,
) -> tuple[int, list[ShardRecord]]:
    """Cut the recordings into shards. Returns the frames made, and the records of all shards."""
    plans = FilmedPeople(filmed, osim).plans()
    if not plans:
        raise D3keError("no clip of a recording has enough frames with labels. See above.")
    task = Task(Path.cwd(), journal.folder, filmed, osim.xml, FilmedPeople)
    return make_shards(task, shard_jobs(plans), [], journal, options.workers, options.ray, progress)


def _write_pages(solved: Path, outcomes: Sequence[Outcome], pages: Path) -> None:
    """A page for each session that was solved."""
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir()
    for outcome in outcomes:
        if outcome.recordings:
            story = PersonStory.load(solved / f"{outcome.name}{STORY}")
            write_session_page(story, pages / f"{outcome.name}.html")


def _about(recordings: Recordings, config: RecordingsConfig) -> dict[str, Any]:
    """What the manifest says of the making: files by what they hold, not by where they are."""
    told = asdict(config)
    files = {name: content_hash(path) for name, path in told.items() if isinstance(path, Path)}
    return {
        "kind": recordings.kind,
        "config": told | files,
        "sources": dict(recordings.sources) | files,
        "licences": LICENCES,
        "picture": {"size": config.size, "boxes": BOXES},
    }


def _prepared(
    folder: Path, outcomes: Sequence[Outcome], made: int, seconds: float
) -> PreparedRecordings:
    found = Manifest.load(folder)
    counts = found.counts.values()
    return PreparedRecordings(
        output=folder,
        frames=sum(count["frames"] for count in counts),
        clips=sum(count["sequences"] for count in counts),
        subjects=len(found.subjects),
        shards=len(found.shards),
        sessions=sum(outcome.recordings > 0 for outcome in outcomes),
        unusable=tuple(one.name for one in outcomes if not one.recordings),
        left_out=tuple(line for one in outcomes for line in one.left_out),
        remarks=tuple(line for one in outcomes for line in one.remarks),
        pages=tuple(sorted((folder / PAGES).glob("*.html"))),
        bytes=sum(shard["bytes"] for shard in found.shards),
        made=made,
        seconds=seconds,
    )
