"""A solved session: a person's takes become recordings with labels, in a worker."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.journal import STORY
from d3ke.omc.filming import Filmed, Filming, FilmingOptions
from d3ke.omc.outcomes import Outcome, save_outcome
from d3ke.omc.person import Person, Take
from d3ke.omc.solving import D3KE, SolvedTake, Solver
from d3ke.omc.story import Curve, FilmStory, PersonStory, TakeStory, by_names
from d3ke.omc.watching import Watched
from d3ke.skeleton.osim import OsimModel
from d3ke.workers import Advance

Array = NDArray[np.float64]

MOST_POINTS = 400  # of a curve on a page


class Recorded(NamedTuple):
    """A person and their takes, read one after the other.

    source: where they lie, for people. left_out: what cannot be used, and why; remarks: what is
    odd.
    """

    person: Person
    takes: Iterator[Take]
    source: str
    left_out: Sequence[str]
    remarks: Sequence[str]


class SolveJob(NamedTuple):
    """A session, or whatever holds one person's recordings.

    name: of its own, a word; subject: whose they are. paths: of files and folders that a data set
    names without what they lie in.
    """

    name: str
    subject: str
    source: Any
    paths: tuple[Path, ...] = ()


Read = Callable[[SolveJob], Recorded]
Films = dict[str, list[FilmStory]]  # by take


class Recordings(NamedTuple):
    """What to prepare.

    kind: of data set; jobs: one a session, read by `read`; sources: hashes of what they are read
    from; split_of: of each subject, where that is fixed.
    """

    kind: str
    jobs: Sequence[SolveJob]
    read: Read
    sources: Mapping[str, str]
    split_of: Mapping[str, str] | None = None


class SolveTask(NamedTuple):
    """What a worker needs to know for all of its jobs. folder: of recordings; it must pickle."""

    here: Path
    folder: Path
    osim: str
    filming: FilmingOptions
    read: Read
    kinematics: str = D3KE


@dataclass(frozen=True)
class SessionSolver:
    """Solves sessions."""

    task: SolveTask
    osim: OsimModel

    @cached_property
    def filming(self) -> Filming:
        """What turns videos into recordings; its networks are loaded once."""
        return Filming(self.osim, self.task.filming)

    @staticmethod
    def open(task: SolveTask) -> "SessionSolver":
        """In a worker: one thread, and paths that begin where they began before."""
        import torch

        torch.set_num_threads(1)
        os.chdir(task.here)
        return SessionSolver(task, OsimModel.from_xml(task.osim))

    def __call__(self, job: SolveJob, advance: Advance) -> Outcome:
        """Write the recordings and the story of a job; its record last."""
        told = _Told([], [])
        subject, count = None, 0
        try:
            story = self._solved(job, self.task.read(job), told)
            count = sum(len(take.films) for take in story.takes)
            if count:
                story.save(self.task.folder / f"{job.name}{STORY}")
                subject = story.name
        except D3keError as error:
            told.left_out.append(str(error))
        remarks = tuple(dict.fromkeys(told.remarks))
        outcome = Outcome(job.name, subject, count, tuple(told.left_out), remarks)
        save_outcome(self.task.folder, outcome)
        advance(1)
        return outcome

    def _solved(self, job: SolveJob, recorded: Recorded, told: "_Told") -> PersonStory:
        """The story of a person, whose recordings are written on the way."""
        told.left_out.extend(recorded.left_out)
        told.remarks.extend(recorded.remarks)
        solver = Solver(recorded.person, self.osim, self.task.kinematics)
        takes = tuple(self._takes(job, recorded, solver, told))
        told.remarks.extend(solver.remarks)
        rows = zip(self.osim.body_names, solver.scales.tolist(), strict=True)
        return PersonStory(
            name=recorded.person.name,
            source=by_names(recorded.source, job.paths),
            facts=dict(recorded.person.facts),
            size=solver.size_told,
            scales={body: (x, y, z) for body, (x, y, z) in rows},
            segments=solver.segments,
            takes=takes,
            left_out=tuple(by_names(line, job.paths) for line in told.left_out),
            remarks=tuple(by_names(line, job.paths) for line in dict.fromkeys(told.remarks)),
        )

    def _takes(
        self, job: SolveJob, recorded: Recorded, solver: Solver, told: "_Told"
    ) -> Iterator[TakeStory]:
        """The stories of the takes that became recordings.

        Videos of a camera that is not known wait for each other: all of them tell it together.
        """
        films = defaultdict[str, list[FilmStory]](list)
        solved_takes = dict[str, tuple[Take, SolvedTake]]()
        waiting = defaultdict[Any, list[Watched]](list)
        for take in recorded.takes:
            solved = self._solved_take(take, recorded.source, solver, told)
            if solved is None:
                continue
            solved_takes[take.name] = take, solved
            for footage in take.footage:
                try:
                    watched = self.filming.watch(recorded.person, take, solved, footage)
                    if footage.view is None:
                        waiting[footage.camera, watched.size].append(watched)
                    else:
                        self._keep(job, self.filming.film(watched), told, films)
                except D3keError as error:
                    told.left_out.append(str(error))
        for several in waiting.values():
            for filmed in self.filming.film_together(several):
                if isinstance(filmed, D3keError):
                    told.left_out.append(str(filmed))
                else:
                    self._keep(job, filmed, told, films)
        for name, (take, solved) in solved_takes.items():
            if films[name]:
                yield take_story(take, solved, films[name], self.osim)

    def _solved_take(
        self, take: Take, source: str, solver: Solver, told: "_Told"
    ) -> SolvedTake | None:
        """A take's motion, None where it cannot be used."""
        told.remarks.extend(take.remarks)
        try:
            if not take.footage:
                raise D3keError("no video. Put one beside it.")
            solved = solver.solve(take)
        except D3keError as error:
            told.left_out.append(f"{source}, {take.name}: {error}")
            return None
        told.remarks.extend(solved.remarks)
        return solved

    def _keep(self, job: SolveJob, filmed: Filmed, told: "_Told", films: Films) -> None:
        """Write a recording."""
        recording = filmed.recording
        recording.save(self.task.folder / f"{job.name}-{recording.name}.npz")
        told.remarks.extend(filmed.remarks)
        films[recording.trial].append(filmed.story)


class _Told(NamedTuple):
    """What is said of a job, while it is done."""

    left_out: list[str]
    remarks: list[str]


def take_story(
    take: Take, solved: SolvedTake, films: Sequence[FilmStory], osim: OsimModel
) -> TakeStory:
    """What is told of a take."""
    errors = solved.errors_m * 1000
    known = np.isfinite(errors)
    square = np.where(known, errors, 0) ** 2
    count = np.maximum(known.sum(axis=1), 1)
    shown = slice(None, None, -(-len(solved.time) // MOST_POINTS))
    time = solved.time - solved.time[0]
    seen = np.asarray(known.any(axis=0), np.bool_)
    of_marker = np.sqrt(square.sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    return TakeStory(
        name=take.name,
        activity=take.activity,
        way=solved.way,
        seconds=float(time[-1]),
        residuals_mm=_curve(time[shown], np.sqrt(square.sum(axis=1) / count)[shown]),
        worst_mm=_curve(time[shown], np.sqrt(square.max(axis=1, initial=0))[shown]),
        of_marker_mm={
            name: round(float(value), 2)
            for name, value, told in zip(solved.marker_names, of_marker, seen, strict=True)
            if told
        },
        trusted=dict(
            zip(osim.coordinate_names, solved.q_mask.mean(axis=0).round(3).tolist(), strict=True)
        ),
        films=tuple(films),
    )


def _curve(x: Array, y: Array) -> Curve:
    return Curve(tuple(x.round(3).tolist()), tuple(y.round(2).tolist()))


def recordings_in(folder: Path, name: str) -> list[Path]:
    """The recordings of a job, whole or not."""
    return sorted(folder.glob(f"{name}-*.npz"))
