"""A crew: whoever does the jobs of a command, processes on this machine or Ray's on several."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from d3ke.ray_workers import RayWorkers
from d3ke.workers import Advance, Job, Lost, Result, Work, Workers, cores


class Crew(Protocol[Job, Result]):
    """What does jobs while its context lasts."""

    def __enter__(self) -> "Crew[Job, Result]":
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, whatever is still being done."""

    def map(
        self, jobs: Sequence[Job], advance: Advance, lost: "Lost[Job, Result] | None" = None
    ) -> Iterator[Result]:
        """The results as they come, in any order: see Workers.map."""


def crew(
    start: "Callable[[], Work[Job, Result]]",
    jobs: int,
    folder: Path,
    workers: int | None = None,
    ray: str | None = None,
) -> "Crew[Job, Result]":
    """Who does so many jobs. start: makes what does them, in each process; it must pickle.

    folder: where they write. workers: processes, by default one a core, or all of Ray's. ray: the
    address of a cluster, see RayWorkers. Raises OptionError where Ray is not installed.
    """
    if ray is not None:
        return RayWorkers(start, folder, ray, workers)
    return Workers(start, min(workers or cores(), jobs))
