"""Workers: processes of their own that do jobs, one at a time each, and report.

They are spawned, not forked: a drawing context and threads do not survive a fork. Ctrl-C is for
the process that started them; it ends them, and they put away what they were writing. If it dies
itself, they notice at their next report.
"""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, NamedTuple, TypeVar

from d3ke.errors import D3keError, OptionError

Job = TypeVar("Job")
Result = TypeVar("Result")
Advance = Callable[[int], None]
Work = Callable[[Job, Advance], Result]
Lost = Callable[[Job, D3keError], Result]

# One core each: set before a worker loads what reads them.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")
MOST_TRIES = 2  # workers that may die of a job
PATIENCE_S = 5.0  # for a worker that was told to end


class _Advanced(NamedTuple):
    by: int


class Done(NamedTuple):
    """What a job became."""

    result: Any


class Failed(NamedTuple):
    """Why a job cannot be done, for a person."""

    kind: type[D3keError]
    message: str


class Broke(NamedTuple):
    """Where a job met a bug."""

    trace: str


Attempt = Done | Failed | Broke


class _Worker(NamedTuple):
    process: BaseProcess
    connection: "Connection[Any, Any]"


class _DeathError(Exception):
    """A worker is gone. code: of its exit."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class _Task(Generic[Job]):
    """A job in a worker's hands. done: what it told of; tries: workers it was given to."""

    def __init__(self, job: Job) -> None:
        self.job, self.done, self.tries = job, 0, 0


class Workers(Generic[Job, Result]):
    """A handful of processes. Use it as a context: they end with the block.

    Where one dies of a signal, another takes its place and its job, once for a job: drivers and
    decoders written in C crash once in a long while, and a night's work must not end for that.
    """

    def __init__(self, start: Callable[[], "Work[Job, Result]"], count: int) -> None:
        """start: makes what does the jobs, in the worker, before the first; it must pickle."""
        self.start, self.count = start, count
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Workers[Job, Result]":
        self._workers = [_spawned() for _ in range(self.count)]
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(PATIENCE_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []

    def map(
        self, jobs: Sequence[Job], advance: Advance, lost: "Lost[Job, Result] | None" = None
    ) -> Iterator[Result]:
        """The results as they come, in any order. advance: told how much more is done.

        lost: what becomes of a job of which two workers died; without it, an error.
        Raises D3keError as a job does, or where two workers died of a job; RuntimeError with a
        worker's traceback where it has a bug.
        """
        waiting = [_Task(job) for job in reversed(jobs)]
        busy: dict[Any, tuple[_Worker, _Task[Job]]] = {}
        for worker in list(self._workers):
            self._begin(worker, waiting, busy)
        while busy:
            for connection in wait(list(busy)):
                worker, task = busy[connection]
                try:
                    message = _received(worker)
                except _DeathError as death:
                    del busy[connection]
                    advance(-task.done)
                    task.done = 0
                    if task.tries < MOST_TRIES:
                        waiting.append(task)
                    elif lost is None:
                        raise D3keError(_death_told(death)) from death
                    else:
                        yield lost(task.job, D3keError(_death_told(death)))
                    self._replace(worker, waiting, busy)
                    continue
                if isinstance(message, _Advanced):
                    task.done += message.by
                    advance(message.by)
                    continue
                yield result_of(message)
                del busy[connection]
                self._next(worker, waiting, busy)

    def _begin(
        self,
        worker: _Worker,
        waiting: list[_Task[Job]],
        busy: dict[Any, tuple[_Worker, _Task[Job]]],
    ) -> None:
        # not as an argument of the process: where that dies early, a large one would block us
        _send(worker, self.start)
        self._next(worker, waiting, busy)

    def _replace(
        self,
        worker: _Worker,
        waiting: list[_Task[Job]],
        busy: dict[Any, tuple[_Worker, _Task[Job]]],
    ) -> None:
        """Let a new worker take the place of one that died."""
        worker.connection.close()
        self._workers.remove(worker)
        self._workers.append(_spawned())
        self._begin(self._workers[-1], waiting, busy)

    @staticmethod
    def _next(
        worker: _Worker,
        waiting: list[_Task[Job]],
        busy: dict[Any, tuple[_Worker, _Task[Job]]],
    ) -> None:
        if waiting:
            task = waiting.pop()
            task.tries += 1
            busy[worker.connection] = worker, task
            _send(worker, task.job)


def _death_told(death: _DeathError) -> str:
    return (
        f"a worker was ended from outside (code {death.code}), perhaps for want "
        "of memory. Go on with --resume and fewer --workers."
    )


def _spawned() -> _Worker:
    """A new process that waits for what to do."""
    context = multiprocessing.get_context("spawn")
    with single_threaded(), _no_interrupt():
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
    return _Worker(process, ours)


def _send(worker: _Worker, message: object) -> None:
    """Tell a worker something; where it is gone, its next report tells."""
    with suppress(BrokenPipeError, ConnectionResetError):
        worker.connection.send(message)


def _received(worker: _Worker) -> Any:
    """What a worker reports. Raises what ended it."""
    try:
        return worker.connection.recv()
    except (EOFError, ConnectionResetError) as error:
        worker.process.join(PATIENCE_S)
        raise _DeathError(worker.process.exitcode) from error


def attempted(work: Callable[[], Any]) -> Attempt:
    """What work becomes, as what can be sent from a worker."""
    try:
        return Done(work())
    except D3keError as error:
        return Failed(OptionError if isinstance(error, OptionError) else D3keError, str(error))
    except Exception:
        return Broke(traceback.format_exc())


def result_of(attempt: Attempt) -> Any:
    """What came of it. Raises D3keError as the work did; RuntimeError with the trace of a bug."""
    if isinstance(attempt, Failed):
        raise attempt.kind(attempt.message)
    if isinstance(attempt, Broke):
        raise RuntimeError(f"in a worker:\n{attempt.trace}")
    return attempt.result


def _serve(connection: "Connection[Any, Any]") -> None:
    """The life of a worker, until whoever started it is gone or its work cannot begin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _put_away)
    with suppress(BrokenPipeError, ConnectionResetError, EOFError):
        begun = attempted(connection.recv())
        if isinstance(begun, Done):
            _work(connection, begun.result)
        connection.send(begun)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _work(connection: "Connection[Any, Any]", work: "Work[Any, Any]") -> None:
    """Do jobs as they come. Raises EOFError when there are no more."""

    def advance(count: int) -> None:
        connection.send(_Advanced(count))

    while True:
        connection.send(attempted(partial(work, connection.recv(), advance)))


def _put_away(*_: object) -> None:
    """End as Ctrl-C does, through all that removes what is half written."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit()


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def single_threaded() -> Iterator[None]:
    """Processes that are started in the block calculate and draw with one thread each."""
    with setting(dict.fromkeys(THREADS, "1")):
        yield


@contextmanager
def setting(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment for processes and libraries that are started in the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Processes started in the block are born deaf to Ctrl-C; ours waits until the end of it."""
    with ExitStack() as after:
        if hasattr(signal, "pthread_sigmask"):  # not on Windows
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            after.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        yield
