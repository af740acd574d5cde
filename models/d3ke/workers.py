"""Workers: processes of their own that do jobs, one at a time each, and report.

They are spawned, not forked: a drawing context and threads do not survive a fork. Ctrl-C is for
the process that started them; it ends them. If it dies itself, they notice at their next report.
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, NamedTuple, TypeVar

from d3ke.errors import D3keError, OptionError

Job = TypeVar("Job")
Result = TypeVar("Result")
Advance = Callable[[int], None]
Work = Callable[[Job, Advance], Result]

# One core each: set before a worker loads what reads them.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")
MOST_TRIES = 2  # workers that may die of a job
PATIENCE_S = 5.0  # for a worker that was told to end


class _Advanced(NamedTuple):
    by: int


class _Done(NamedTuple):
    result: Any


class _Failed(NamedTuple):
    kind: type[D3keError]
    message: str


class _Broke(NamedTuple):
    trace: str


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

    def map(self, jobs: Sequence[Job], advance: Advance) -> Iterator[Result]:
        """The results as they come, in any order. advance: told how much more is done.

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
                    self._replace(worker, task, death, waiting, busy, advance)
                    continue
                if isinstance(message, _Advanced):
                    task.done += message.by
                    advance(message.by)
                    continue
                yield message.result
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
        task: _Task[Job],
        death: _DeathError,
        waiting: list[_Task[Job]],
        busy: dict[Any, tuple[_Worker, _Task[Job]]],
        advance: Advance,
    ) -> None:
        """Give the job of a worker that died to a new one. Raises D3keError the second time."""
        if task.tries == MOST_TRIES:
            raise D3keError(
                f"a worker was ended from outside (code {death.code}), perhaps for want "
                "of memory. Go on with --resume and fewer --workers."
            ) from death
        advance(-task.done)
        task.done = 0
        waiting.append(task)
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
        message = worker.connection.recv()
    except (EOFError, ConnectionResetError) as error:
        worker.process.join(PATIENCE_S)
        raise _DeathError(worker.process.exitcode) from error
    if isinstance(message, _Failed):
        raise message.kind(message.message)
    if isinstance(message, _Broke):
        raise RuntimeError(f"in a worker:\n{message.trace}")
    return message


def _serve(connection: "Connection[Any, Any]") -> None:
    """The life of a worker, until whoever started it is gone or a job fails."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(BrokenPipeError, ConnectionResetError):
        try:
            _work(connection)
        except D3keError as error:
            kind = OptionError if isinstance(error, OptionError) else D3keError
            connection.send(_Failed(kind, str(error)))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception:
            connection.send(_Broke(traceback.format_exc()))


def _work(connection: "Connection[Any, Any]") -> None:
    work: Work[Any, Any] | None = None
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        if work is None:
            work = message()
            continue
        connection.send(_Done(work(message, lambda count: connection.send(_Advanced(count)))))


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def single_threaded() -> Iterator[None]:
    """Processes that are started in the block calculate and draw with one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
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
