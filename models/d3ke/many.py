"""Many clips: each predicted once, by one process, by several or by a cluster, told in order."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from d3ke.crew import crew
from d3ke.errors import D3keError, OptionError
from d3ke.network.checkpoint import load_weights
from d3ke.outputs import names_of
from d3ke.predict import PredictResult, predict_clip
from d3ke.predict_options import PredictOptions
from d3ke.progress import Progress, Silent
from d3ke.vision.person import landmark_threads, open_finder
from d3ke.workers import Advance

Outcome = PredictResult | tuple[Path, D3keError]


class Shard(NamedTuple):
    """One of several equal parts of the clips, counted from 1: what this machine does."""

    number: int
    parts: int

    @staticmethod
    def of(text: str) -> "Shard":
        """From "I/N". Raises OptionError where it is none."""
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
        if not 1 <= shard.number <= shard.parts:
            raise OptionError(f"--shard {text}: give I/N, the I-th of N parts, as 1/4.")
        return shard

    def part(self, clips: Sequence["ClipJob"]) -> list["ClipJob"]:
        """Every N-th clip, sorted by path: the order in which they were named does not matter."""
        by_path = sorted(clips, key=lambda job: os.fspath(job.clip))
        return by_path[self.number - 1 :: self.parts]


class Spread(NamedTuple):
    """Who predicts.

    workers: processes; ray: a cluster's address, see RayWorkers; without both, this process.
    shard: the part that is done at all.
    """

    workers: int | None = None
    ray: str | None = None
    shard: Shard | None = None


class ClipJob(NamedTuple):
    """A clip, and the .mot to write."""

    clip: Path
    target: Path


class Told(NamedTuple):
    """What became of a job, and the notes and warnings on the way: ("warn", text)."""

    job: ClipJob
    outcome: Outcome
    said: tuple[tuple[str, str], ...]


class ClipWorker:
    """Predicts clips, one after the other; weights and networks are loaded once."""

    def __init__(self, options: PredictOptions, threads: int) -> None:
        """threads: that BlazePose may use."""
        self.options = options
        self.model = load_weights(options.weights)
        self.finder = open_finder(options.landmark_model, threads)

    @staticmethod
    def alone(options: PredictOptions, here: Path) -> "ClipWorker":
        """In a process of its own: one thread, and paths that begin where they began before."""
        import torch

        torch.set_num_threads(1)
        os.chdir(here)
        return ClipWorker(options, threads=1)

    def predict(self, job: ClipJob, progress: Progress) -> Outcome:
        """A clip's result, or the clip and its error: one bad clip does not stop the others."""
        try:
            return predict_clip(*job, self.options, self.model, progress, self.finder)
        except D3keError as error:
            return job.clip, error

    def __call__(self, job: ClipJob, advance: Advance) -> Told:
        """A clip's outcome, with what was said of it."""
        heard = _Kept()
        outcome = self.predict(job, heard)
        advance(1)
        return Told(job, outcome, tuple(heard.said))


class _Kept(Silent):
    """Keeps notes and warnings in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []

    def note(self, message: str) -> None:
        """Keep what a person may want to know."""
        self.said.append(("note", message))

    def warn(self, message: str) -> None:
        """Keep what a person should know."""
        self.said.append(("warn", message))


def predict_many(
    clips: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    options: PredictOptions | None = None,
    spread: Spread | None = None,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Predict clips into a folder, as `spread` says; the network is loaded once a process.

    Yields a result, or the clip and its error, for each in order, whoever was first to be done.
    With the shipped weights files are the same bytes, however many do the work; a backbone's last
    digits depend on the threads that it computes in.
    Raises D3keError for options and weights that none of them could be predicted with.
    """
    options, spread = options or PredictOptions(), spread or Spread()
    jobs, progress = _jobs(clips, Path(output), spread.shard), progress or Silent()
    if spread.workers is None and spread.ray is None:
        worker = ClipWorker(options, landmark_threads())
        for job in jobs:
            yield worker.predict(job, progress)
        return
    start = partial(ClipWorker.alone, options, Path.cwd())
    progress.start("clips", len(jobs))
    with crew(start, len(jobs), Path(output), spread.workers, spread.ray) as several:
        for told in _in_order(jobs, several.map(jobs, progress.advance, _lost)):
            for kind, message in told.said:
                (progress.warn if kind == "warn" else progress.note)(message)
            yield told.outcome
    progress.finish()


def _jobs(
    clips: Sequence[str | os.PathLike[str]], output: Path, shard: Shard | None
) -> list[ClipJob]:
    """What is to be done here. Names are those among all clips, whatever the part."""
    paths = [Path(clip) for clip in clips]
    names = names_of(paths)
    jobs = [ClipJob(path, output / f"{name}.mot") for path, name in zip(paths, names, strict=True)]
    return shard.part(jobs) if shard else jobs


def _in_order(jobs: Sequence[ClipJob], told: Iterable[Told]) -> Iterator[Told]:
    """What is told as it comes, in the order of the jobs."""
    early: dict[ClipJob, Told] = {}
    waiting = iter(jobs)
    expected = next(waiting, None)
    for one in told:
        early[one.job] = one
        while expected in early:
            yield early.pop(expected)
            expected = next(waiting, None)


def _lost(job: ClipJob, error: D3keError) -> Told:
    """A clip that ends every process that looks at it is a bad clip, and the others go on."""
    return Told(job, (job.clip, D3keError(f"{job.clip}: {error}")), ())
