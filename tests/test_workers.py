"""Workers: what they do when one of them dies."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from d3ke.errors import D3keError
from d3ke.files import replacing
from d3ke.workers import Advance, Work, Workers

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of Unix")


def square(job: int, advance: Advance) -> int:
    advance(1)
    return job * job


def crashing(folder: Path, times: int) -> Work[int, int]:
    """Work that dies on job 3 the first few times, as of a fault in a driver."""

    def work(job: int, advance: Advance) -> int:
        advance(1)
        died = len(list(folder.iterdir()))
        if job == 3 and died < times:
            (folder / str(died)).touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        return job * job

    return work


def test_a_job_whose_worker_crashed_is_done_by_another(tmp_path: Path) -> None:
    told: list[int] = []
    with Workers(partial(crashing, tmp_path, 1), 2) as workers:
        results = sorted(workers.map(range(6), told.append))
    assert results == [0, 1, 4, 9, 16, 25]
    assert sum(told) == 6  # what the crashed one told of is taken back


def test_a_job_that_kills_two_workers_is_given_up(tmp_path: Path) -> None:
    with (
        Workers(partial(crashing, tmp_path, 5), 1) as workers,
        pytest.raises(D3keError, match=r"ended from outside \(code -11\)"),
    ):
        list(workers.map(range(6), lambda _: None))
    assert len(list(tmp_path.iterdir())) == 2


def test_no_jobs_need_no_work() -> None:
    with Workers(lambda: square, 0) as workers:
        assert list(workers.map([], lambda _: None)) == []


def test_a_job_that_kills_two_workers_can_be_lost_and_the_others_go_on(tmp_path: Path) -> None:
    told: list[int] = []
    with Workers(partial(crashing, tmp_path, 5), 2) as workers:
        results = sorted(workers.map(range(6), told.append, lambda job, _: -job))
    assert results == [-3, 0, 1, 4, 16, 25]
    assert sum(told) == 5


def writing(folder: Path) -> Work[int, int]:
    """Work that writes for ever into what it puts away in the end."""

    def work(job: int, advance: Advance) -> int:
        with replacing(folder / "file.txt"):
            advance(1)
            time.sleep(600)
        return job

    return work


def test_a_worker_that_is_told_to_end_puts_away_what_it_was_writing(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        Workers(partial(writing, tmp_path), 1) as workers,
    ):
        list(workers.map([1], interrupted))
    assert list(tmp_path.iterdir()) == []


def interrupted(_: int) -> None:
    raise KeyboardInterrupt
