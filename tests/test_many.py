"""Many clips: parts of them, several processes, broken ones, and a run that is killed."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from d3ke.errors import D3keError, OptionError
from d3ke.many import ClipJob, Shard, Told, _in_order, _lost
from tests.command import PROGRAM, Command, Result
from tests.many_clips import write_many

ROOT = Path(__file__).parents[1]
QUICK = ("--weights", "landmarks")


def run(*arguments: object) -> Result:
    """The command in a process of its own, which starts others."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    return Result(done.returncode, done.stdout, done.stderr)


def contents(folder: Path) -> dict[str, bytes]:
    """What is in a folder, by name, but for what is hidden and logs."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.suffix != ".jsonl"
    }


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten good clips and two broken ones."""
    return write_many(tmp_path_factory.mktemp("clips"), 12, broken=2)


@pytest.fixture(scope="module")
def undisturbed(clips: Sequence[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of them."""
    out = tmp_path_factory.mktemp("alone") / "out"
    assert run("predict", *clips, "-o", out, *QUICK).status == 1
    return out


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "-1/4", "a/b", "1/2/3", ""])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="give I/N"):
        Shard.of(text)


@pytest.mark.parametrize("count", [1, 3, 4, 20])
def test_parts_share_the_clips_without_rest_whatever_their_order(count: int) -> None:
    jobs = [ClipJob(Path(f"{number}.mp4"), Path(f"{number}.mot")) for number in range(10)]
    parts = [Shard(number, count).part(jobs) for number in range(1, count + 1)]
    assert sorted(job for part in parts for job in part) == sorted(jobs)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert [Shard(n, count).part(jobs[::-1]) for n in range(1, count + 1)] == parts


def test_results_come_in_the_order_of_the_clips() -> None:
    jobs = [ClipJob(Path(f"{number}.mp4"), Path(f"{number}.mot")) for number in range(5)]
    told = {job: Told(job, (job.clip, D3keError("no")), ()) for job in jobs}
    ordered = _in_order(jobs, (told[jobs[number]] for number in (3, 0, 4, 2, 1)))
    assert [one.job for one in ordered] == jobs


def test_a_clip_that_ends_its_process_is_told_by_name() -> None:
    outcome = _lost(ClipJob(Path("a.mp4"), Path("a.mot")), D3keError("died.")).outcome
    assert isinstance(outcome, tuple)
    assert (outcome[0], str(outcome[1])) == (Path("a.mp4"), "a.mp4: died.")


@pytest.mark.parametrize("spread", [("--workers", 2), ("--shard", "1/2"), ("--ray", "local")])
@pytest.mark.parametrize("output", ["out.mot", "OUT.MOT", "-"])
def test_what_is_for_many_clips_needs_a_folder(
    d3ke: Command, spread: tuple[str, object], output: str
) -> None:
    done = d3ke("predict", "a.mp4", "-o", output, *spread)
    assert done.status == 2
    assert f"{spread[0]}: for many clips. Name a folder" in done.err


@pytest.mark.slow
def test_two_processes_make_the_same_and_tell_it_in_order(
    clips: Sequence[Path], undisturbed: Path, tmp_path: Path
) -> None:
    done = run("predict", *clips, "-o", tmp_path, *QUICK, "--workers", 2, "--json")
    assert done.status == 1
    told = [json.loads(line) for line in done.out.splitlines()]
    assert [one["clip"] for one in told] == [str(clip) for clip in clips]
    failed = [one["clip"] for one in told if "error" in one]
    assert len(failed) == 2
    assert all(any(clip in line for line in done.errors) for clip in failed)
    assert contents(tmp_path) == contents(undisturbed)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    clips: Sequence[Path], undisturbed: Path, tmp_path: Path
) -> None:
    arguments = ["predict", *map(str, clips), "-o", str(tmp_path), *QUICK]
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments]) as running:
        while len(list(tmp_path.glob("*.npz"))) < 4 and running.poll() is None:
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert len(before) < 10
    assert run(*arguments, "--resume").status == 1
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert before.items() <= after.items()  # what was done was left alone
    assert contents(tmp_path) == contents(undisturbed)
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a script for bash")
def test_the_example_for_slurm_shares_the_clips_among_tasks(
    clips: Sequence[Path], undisturbed: Path, tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    good = [clip for clip in clips if (undisturbed / f"{clip.stem}.mot").exists()][:2]
    for clip in good:
        (tmp_path / "clips" / clip.name).write_bytes(clip.read_bytes())
    script = ROOT / "examples" / "slurm_array.sh"
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    array = {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "2"}
    for task in (1, 2):
        subprocess.run(
            ["bash", str(script), str(tmp_path / "clips"), str(tmp_path / "out")],
            env={**os.environ, "PATH": path, **array, "SLURM_ARRAY_TASK_ID": str(task)},
            check=True,
        )
        made = {file.stem for file in (tmp_path / "out").glob("*.mot")}
        assert made == {clip.stem for clip in good[:task]}
