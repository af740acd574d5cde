"""Making a data set: clips from a source become shards.

Workers make whole shards, each from its plans alone: neither their number nor an interruption
changes a byte.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from d3ke.crew import crew
from d3ke.dataset.manifest import ShardRecord
from d3ke.dataset.sample import Sample
from d3ke.dataset.shards import SampleName, write_shard
from d3ke.dataset.source import ClipSource, OpenSource
from d3ke.files import content_hash
from d3ke.journal import Journal
from d3ke.openable import missing_of, write_openable
from d3ke.progress import Progress
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import ClipPlan
from d3ke.workers import Advance

SHARD_FRAMES = 512  # about 20 MB: what a worker loses when it is killed


class ShardJob(NamedTuple):
    """A shard to be made of plans of one split."""

    name: str
    plans: tuple[ClipPlan, ...]


class FilmJob(NamedTuple):
    """A clip to be written as files that open."""

    plan: ClipPlan
    stem: Path


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


class Task(NamedTuple):
    """What a worker needs to know for all of its jobs. config: what open_source takes."""

    here: Path  # where relative paths begin: a spawned process may begin elsewhere
    folder: Path
    config: Any
    osim: str
    open_source: OpenSource[Any]


class _Maker:
    """Does the jobs, in a worker."""

    def __init__(self, task: Task) -> None:
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


def make_shards(
    task: Task,
    shards: Sequence[ShardJob],
    films: Sequence[FilmJob],
    journal: Journal,
    workers: int | None,
    ray: str | None,
    progress: Progress,
) -> tuple[int, list[ShardRecord]]:
    """Do what is not done. Returns the frames made, and the records of all shards.

    workers, ray: see crew.
    """
    records = [record for job in shards if (record := journal.whole(job.name)) is not None]
    done = {record.name for record in records}
    missing = [film for film in films if missing_of(film.stem)]
    jobs: list[ShardJob | FilmJob] = [*missing]
    jobs += [job for job in shards if job.name not in done]
    progress.start("frames", sum(p.frames for job in shards for p in job.plans))
    progress.advance(sum(record.samples for record in records))
    made = 0
    if jobs:
        with crew(partial(_Maker, task), len(jobs), task.folder, workers, ray) as several:
            for record in several.map(jobs, progress.advance):
                if record is not None:
                    journal.record(record)
                    records.append(record)
                    made += record.samples
    progress.finish()
    return made, records
