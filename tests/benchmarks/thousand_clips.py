"""A thousand short clips, one in twenty broken: pace, memory, and a run that is killed.

Cuts of the examples' walk, 6 to 10 frames each, are predicted

- by one and by two processes in turns, a part of them, which tells whether two are twice as fast;
- all of them, by two processes, watching memory;
- all of them again by Ray with two workers, which is killed (SIGKILL) in the middle, and resumed by
  two processes: the files are to be the same bytes.

    python -m tests.benchmarks.thousand_clips [--clips N] [--weights NAME] [--paced N]

Each process calculates with one thread. A pace counts from the first result of a run to its last,
without its start. On a busy machine look at the CPU time a clip, which other work hardly changes.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from d3ke.network.checkpoint import DEFAULT
from tests.command import PROGRAM
from tests.many_clips import write_many

RESULTS = Path(__file__).parent / "results" / "thousand_clips.txt"
BROKEN = 0.05  # of the clips
ROUNDS = 3  # the best of which counts: other work on the machine only takes away
WORKERS = 2


class Run(NamedTuple):
    """A run of the command.

    told: its lines of JSON, and when each came, s; peaks, cpu: memory that all its processes held
    together at each of them, MB, and CPU time that they had used, s.
    """

    status: int
    told: list[dict[str, object]]
    times: list[float]
    peaks: list[float]
    cpu: list[float]

    @property
    def pace(self) -> float:
        """Clips a second."""
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])

    @property
    def cpu_a_clip(self) -> float:
        """CPU time a clip, s."""
        return (self.cpu[-1] - self.cpu[0]) / (len(self.cpu) - 1)

    @property
    def failed(self) -> list[str]:
        """The clips that were told as errors."""
        return [str(one["clip"]) for one in self.told if "error" in one]


def run(*arguments: object, kill_after: int | None = None) -> Run:
    """Run `d3ke predict --json`. kill_after: so many results it is ended by SIGKILL."""
    command = [sys.executable, "-c", PROGRAM, "predict", "--json", *map(str, arguments)]
    told: list[dict[str, object]] = []
    times: list[float] = []
    peaks: list[float] = []
    cpu: list[float] = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            told.append(json.loads(line))
            times.append(time.perf_counter())
            peaks.append(memory_mb(running.pid))
            cpu.append(cpu_s(running.pid))
            if len(told) == kill_after:
                running.send_signal(signal.SIGKILL)
                break
    return Run(running.returncode, told, times, peaks, cpu)


def memory_mb(process: int) -> float:
    """What a process and all below it hold, without what they share with others twice."""
    total = 0
    for one in (process, *_below(process)):
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if "Pss:" in line)
    return total / 1024


def cpu_s(process: int) -> float:
    """What a process and all below it have used."""
    ticks = 0
    for one in (process, *_below(process)):
        try:
            stat = Path(f"/proc/{one}/stat").read_text(encoding="utf-8")
        except OSError:
            continue
        ticks += sum(map(int, stat.rpartition(")")[2].split()[11:13]))  # utime, stime
    return ticks / os.sysconf("SC_CLK_TCK")


def _below(process: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    except OSError:
        return
    for child in map(int, children.split()):
        yield child
        yield from _below(child)


def digest(folder: Path) -> str:
    """Of all files of a folder that are not hidden."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


def paces(clips: Sequence[Path], folder: Path, weights: str) -> Iterator[str]:
    """Whether two processes are twice as fast as one."""
    best: dict[int, Run] = {}
    for turn in range(ROUNDS):
        for workers in (1, WORKERS):
            out = folder / f"paced_{turn}_{workers}"
            done = run(*clips, "-o", out, "--weights", weights, "--workers", workers)
            if workers not in best or done.pace > best[workers].pace:
                best[workers] = done
    for workers, done in best.items():
        yield (
            f"{workers} processes, {len(clips)} clips, best of {ROUNDS}: {done.pace:.2f} clips/s, "
            f"{done.cpu_a_clip:.2f} s of CPU a clip"
        )
    linear = best[WORKERS].pace / best[1].pace / WORKERS
    work = best[1].cpu_a_clip / best[WORKERS].cpu_a_clip
    yield (
        f"two processes: {linear:.2f} of twice the pace of one as the clock says (>= 0.9), "
        f"{work:.2f} by CPU time a clip (1: nothing is lost)"
    )


def whole(clips: Sequence[Path], out: Path, weights: str) -> Iterator[str]:
    """All clips by two processes."""
    done = run(*clips, "-o", out, "--weights", weights, "--workers", WORKERS)
    made = len(list(out.glob("*.mot")))
    yield (
        f"all {len(clips)} by {WORKERS} processes: {made} results, {len(done.failed)} errors, "
        f"exit code {done.status}; {done.pace:.2f} clips/s"
    )
    named = [Path(clip).name for clip in done.failed]
    in_order = [one["clip"] for one in done.told] == list(map(str, clips))
    yield f"each told once and in order: {in_order}"
    yield f"broken ones: {', '.join(named[:4])} and {max(0, len(named) - 4)} more"
    tenth = max(1, len(done.peaks) // 10)
    shown = ", ".join(f"{done.peaks[n]:.0f}" for n in range(tenth - 1, len(done.peaks), tenth))
    yield f"memory of all three processes after each tenth, MB: {shown}"


def killed(clips: Sequence[Path], out: Path, weights: str) -> Iterator[str]:
    """All clips by Ray, killed in the middle, and resumed."""
    arguments = [*clips, "-o", out, "--weights", weights, "--workers", WORKERS]
    first = run(*arguments, "--ray", "local", kill_after=len(clips) // 2)
    there = len(list(out.glob("*.npz")))
    yield (
        f"by Ray with {WORKERS} workers: {first.pace:.2f} clips/s; killed after {len(first.told)} "
        f"were told, {there} were there"
    )
    second = run(*arguments, "--resume")
    made = len(list(out.glob("*.mot")))
    yield f"resumed: {made} results, {len(second.failed)} errors, exit code {second.status}"


def main() -> None:
    """Print the figures, and write them where all clips were made."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--paced", type=int, default=40, help="Clips whose pace is taken.")
    parser.add_argument("--weights", default=DEFAULT)
    given = parser.parse_args()
    lines: list[str] = []

    def tell(said: Iterator[str]) -> None:
        for line in said:
            lines.append(line)
            print(line, flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clips = write_many(folder / "clips", given.clips, round(BROKEN * given.clips))
        good = [clip for clip in clips if clip.stat().st_size > 1000][: given.paced]
        tell(iter([f"weights {given.weights}; load at the start {os.getloadavg()[0]:.1f}"]))
        tell(paces(good, folder, given.weights))
        tell(whole(clips, folder / "whole", given.weights))
        tell(killed(clips, folder / "killed", given.weights))
        same = digest(folder / "whole") == digest(folder / "killed")
        tell(iter([f"the same bytes as undisturbed: {same}"]))
        tell(iter([f"load at the end {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"]))
    if given.clips >= 1000:
        RESULTS.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
