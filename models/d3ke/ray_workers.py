"""Workers on Ray: jobs go to a cluster, with the same results as on this machine.

The machines share a folder, to which workers write. A job whose worker or machine dies is done by
another; its files are replaced whole, and its result comes once. Ray is an extra: it is loaded
where somebody asks for it.
"""

import logging
import os
import pickle
import re
import secrets
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic

from d3ke.errors import D3keError, OptionError
from d3ke.outputs import check_writable
from d3ke.workers import (
    PATIENCE_S,
    THREADS,
    Advance,
    Attempt,
    Job,
    Lost,
    Result,
    Work,
    attempted,
    cores,
    result_of,
    setting,
    single_threaded,
)

LOCAL = "local"  # the address of a Ray that is started for this command, and ends with it
MOST_RETRIES = 3  # Ray's own default: machines of a cluster come and go
MOST_WAITING = 1000  # jobs in Ray's hands at a time: what waits there costs memory
# Ray's own switches: nothing is sent anywhere, and what it says of dead workers is not put among
# our results on stdout.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": ".*"}
POLL_S = 0.5  # how soon Ctrl-C is heard while nothing is done

_works: dict[str, Any] = {}  # in a worker: what does the jobs of a run


class RayWorkers(Generic[Job, Result]):
    """Ray's processes as Workers: use it as a context, and `map`."""

    def __init__(
        self,
        start: "Callable[[], Work[Job, Result]]",
        folder: Path,
        address: str,
        count: int | None = None,
    ) -> None:
        """start: makes what does the jobs, once in each process; it must pickle.

        folder: that is written to, which all machines share. address: "local", "auto", HOST:PORT
        or ray://HOST:PORT. count: jobs at a time, by default as many as there are CPUs.
        Raises OptionError where Ray is not installed.
        """
        self.start, self.folder, self.address, self.count = start, folder, address, count
        self._ray = _loaded()
        self._ours = False

    def __enter__(self) -> "RayWorkers[Job, Result]":
        self._run = secrets.token_hex(8)
        self._token = self.folder.absolute() / f".ray-{self._run}"
        check_writable(self._token)
        self._join()
        self._made = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._token.touch()
        self._start = self._ray.put(pickle.dumps((Path.cwd(), self.start)))
        self._pending: dict[Any, Job] = {}
        return self

    def __exit__(self, *error: object) -> None:
        for reference in self._pending:
            self._ray.cancel(reference)  # it is told as Ctrl-C, and puts away its files
        if self._pending:
            self._ray.wait(list(self._pending), num_returns=len(self._pending), timeout=PATIENCE_S)
        if self._ours:
            self._ray.shutdown()
        self._token.unlink(missing_ok=True)
        if self._made:
            with suppress(OSError):  # it holds something now
                self.folder.rmdir()

    def map(
        self, jobs: Sequence[Job], advance: Advance, lost: "Lost[Job, Result] | None" = None
    ) -> Iterator[Result]:
        """The results as they come, in any order. advance: told how much more is done.

        lost: what becomes of a job of which workers died again and again; without it, an error.
        Raises D3keError as a job does, or where the folder is not shared; RuntimeError with a
        worker's traceback where it has a bug.
        """
        run = self._ray.remote(num_cpus=1, max_retries=MOST_RETRIES)(_run)
        most, waiting = self.count or MOST_WAITING, list(reversed(jobs))
        while waiting or self._pending:
            while waiting and len(self._pending) < most:
                job = waiting.pop()
                self._pending[run.remote(self._run, self._start, str(self._token), job)] = job
            ready, _ = self._ray.wait(list(self._pending), timeout=POLL_S)
            for reference in ready:
                result, done = self._result_of(reference, self._pending.pop(reference), lost)
                advance(done)
                yield result

    def _result_of(
        self, reference: Any, job: Job, lost: "Lost[Job, Result] | None"
    ) -> tuple[Result, int]:
        """What a job became, and how much it told of."""
        died = self._ray.exceptions
        try:
            message, done = self._ray.get(reference)
        except (died.WorkerCrashedError, died.NodeDiedError, died.OutOfMemoryError) as death:
            error = D3keError(
                f"workers of Ray died of it {MOST_RETRIES + 1} times, perhaps for want of memory. "
                "Go on with --resume and fewer --workers."
            )
            if lost is None:
                raise error from death
            return lost(job, error), 0
        except died.RayError as error:
            raise D3keError(
                f"--ray {self.address}: a worker cannot run d3ke ({_in_short(error)}). Install "
                "the same d3ke on all machines."
            ) from error
        return result_of(message), done

    def _join(self) -> None:
        """Join the cluster, or start one; a script that has joined one already stays there."""
        if self._ray.is_initialized():
            return
        local: dict[str, Any] = {"num_cpus": self.count or cores(), "include_dashboard": False}
        with single_threaded(), setting(QUIET), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                _knock(self.address)
                self._ray.init(
                    address=self.address,
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    **(local if self.address == LOCAL else {}),
                )
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                raise D3keError(
                    f"--ray {self.address}: no cluster answers there ({_in_short(error)}). Start "
                    f"one with `ray start --head`, pass --ray {LOCAL}, or set RAY_AUTH_TOKEN for "
                    "one that asks for a token."
                ) from error
        self._ours = True


def _knock(address: str) -> None:
    """See that something answers at HOST:PORT: Ray itself would try for minutes.

    Raises OSError where nothing does.
    """
    found = re.fullmatch(r"(?:ray://)?(.+):(\d+)", address)
    if found:
        place = (found[1].strip("[]"), int(found[2]))
        socket.create_connection(place, timeout=PATIENCE_S).close()


def _loaded() -> Any:
    try:
        with setting(QUIET):
            import ray
    except ImportError as error:
        raise OptionError("--ray needs Ray: pip install d3ke[ray].") from error
    return ray


def _run(run: str, start: bytes, token: str, job: Any) -> tuple[Attempt, int]:
    """Do a job, in a worker of Ray. Returns what it became, and how much it told of."""
    told: list[int] = []
    return attempted(lambda: _work_of(run, start, Path(token))(job, told.append)), sum(told)


def _work_of(run: str, start: bytes, token: Path) -> "Work[Any, Any]":
    """What does the jobs of a run in this process, made for its first."""
    if run not in _works:
        check_shared(token)
        os.environ.update(dict.fromkeys(THREADS, "1"))  # before what reads them is loaded
        here, begin = pickle.loads(start)
        with suppress(OSError):  # on a machine without it, paths are absolute
            os.chdir(here)
        _works.clear()
        _works[run] = begin()
    work: Work[Any, Any] = _works[run]
    return work


def check_shared(token: Path) -> None:
    """See in a worker that whoever started it sees the same folder.

    token: a file that was made there. Raises D3keError where it is not to be seen.
    """
    if not token.is_file():
        raise D3keError(
            f"{token.parent}: not the same folder on {socket.gethostname()}, a machine of Ray's. "
            "Its workers read clips and write results there: name folders that all machines share."
        )


def _in_short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
