"""Ray: jobs on a cluster of this machine, whose workers are killed in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import d3ke.making
from d3ke.errors import D3keError, OptionError
from d3ke.prepare import PrepareOptions, prepare_synthetic
from d3ke.ray_workers import RayWorkers, check_shared
from tests.command import PROGRAM, Command
from tests.made_people import made_source
from tests.many_clips import write_many
from tests.test_many import QUICK, contents, run
from tests.test_prepare_synthetic import CONFIG, SHARD, hashes
from tests.test_workers import crashing, square

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of Unix")


@pytest.fixture
def needs_ray() -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")


def test_without_ray_one_line_says_what_to_install(
    d3ke: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(OptionError, match=r"pip install d3ke\[ray\]"):
        RayWorkers(lambda: square, tmp_path, "local")


def test_a_folder_that_is_not_shared_is_told(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match=r"not the same folder on .* that all machines share"):
        check_shared(tmp_path / ".ray-token")
    (tmp_path / ".ray-token").touch()
    check_shared(tmp_path / ".ray-token")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nonsense"])
def test_an_address_without_a_cluster_is_told(
    needs_ray: None, d3ke: Command, tmp_path: Path, address: str
) -> None:
    done = d3ke("predict", "a.mp4", "-o", tmp_path / "out", "--ray", address)
    assert done.status == 1
    (line,) = done.errors
    assert f"--ray {address}: no cluster answers there" in line
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_told(
    needs_ray: None, d3ke: Command, tmp_path: Path
) -> None:
    (tmp_path / "out").touch()
    done = d3ke("predict", "a.mp4", "-o", tmp_path / "out", "--ray", "local")
    (line,) = done.errors
    assert "is a file. Choose another place" in line


@pytest.mark.slow
def test_jobs_whose_worker_is_killed_are_done_by_another(needs_ray: None, tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    out = tmp_path / "out"
    told: list[int] = []
    with RayWorkers(partial(crashing, deaths, 1), out, "local", 2) as workers:
        assert sorted(workers.map(range(12), told.append)) == [n * n for n in range(12)]
        assert len(list(out.iterdir())) == 1  # what tells workers that the folder is shared
        given_up = partial(crashing, deaths, 99)
        with (
            RayWorkers(given_up, out, "local", 2) as others,
            pytest.raises(D3keError, match="died of it 4 times"),
        ):
            list(others.map(range(6), told.append))
        with RayWorkers(given_up, out, "local", 2) as others:
            lost = others.map([2, 3, 4], told.append, lambda job, _: -job)
            assert sorted(lost) == [-3, 4, 16]
    assert sum(told[:12]) == 12
    assert not out.exists()


def ray_workers(parent: int) -> Iterator[int]:
    """The processes that do jobs in the Ray of a process."""
    parents: dict[int, int] = {}
    names: dict[int, bytes] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            names[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    for process, name in names.items():
        above = process
        while above in parents and above != parent:
            above = parents[above]
        if above == parent and name.startswith(b"ray::_run"):
            yield process


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_every_clip_is_done_once_though_a_worker_is_killed(needs_ray: None, tmp_path: Path) -> None:
    clips = write_many(tmp_path / "clips", 8, broken=1)
    killed, alone = tmp_path / "killed", tmp_path / "alone"
    arguments = ["predict", *map(str, clips), "-o", str(killed), *QUICK, "--json"]
    command = [sys.executable, "-c", PROGRAM, *arguments, "--ray", "local", "--workers", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        victims: list[int] = []
        while running.poll() is None and not (victims and any(killed.glob("*.npz"))):
            victims = list(ray_workers(running.pid))
            time.sleep(0.05)
        os.kill(victims[0], signal.SIGKILL)
        told, error = running.communicate(timeout=300)
    assert running.returncode == 1
    records = [json.loads(line) for line in told.splitlines()]
    assert [one["clip"] for one in records] == [str(clip) for clip in clips]
    (failed,) = [one["error"] for one in records if "error" in one]
    said = [line for line in error.decode().splitlines() if not line.startswith("note: ")]
    assert [line for line in said if not line.startswith("warning: ")] == [f"error: {failed}"]
    assert run("predict", *clips, "-o", alone, *QUICK).status == 1
    assert contents(killed) == contents(alone)
    assert list(killed.glob(".*")) == []


@pytest.mark.slow
def test_rays_workers_change_no_byte_of_a_data_set(
    needs_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(d3ke.making, "SHARD_FRAMES", SHARD)
    for name, options in (
        ("one", PrepareOptions(workers=1)),
        ("ray", PrepareOptions(workers=2, ray="local")),
    ):
        prepare_synthetic(tmp_path / name, CONFIG, options, open_source=made_source)
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "one")
    assert len(hashes(tmp_path / "one")) > 4


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_ctrl_c_ends_ray_and_leaves_nothing_half_written(needs_ray: None, tmp_path: Path) -> None:
    clips = write_many(tmp_path / "clips", 12, broken=0)
    out = tmp_path / "out"
    arguments = ["predict", *map(str, clips), "-o", str(out), *QUICK, "--ray", "local"]
    command = [sys.executable, "-c", PROGRAM, *arguments, "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as running:
        while not any(out.glob("*.npz")) and running.poll() is None:
            time.sleep(0.02)
        workers = list(ray_workers(running.pid))
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does
        _, error = running.communicate(timeout=120)
    assert running.returncode == 130
    assert error.splitlines()[-1] == b"interrupted: what was being written has been removed."
    assert list(out.glob(".*")) == []
    assert workers
    assert not any(Path(f"/proc/{one}").exists() for one in workers)
    assert len(list(out.glob("*.npz"))) == len(list(out.glob("*.mot")))
