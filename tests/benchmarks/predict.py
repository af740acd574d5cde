"""What `d3ke predict` costs as a whole: start-up, time a source frame, and memory.

    python -m tests.benchmarks.predict [--memory]

A clip of the data folder's balancing (else of the examples' walk) is made 720 x 1280 px at 60 and
at 30 frames/s and looped to 10 and 40 s. The command runs on each in a process of its own; the
difference of the two is the cost of a frame, what is left of the shorter is start-up. With
--memory: peak memory on 10 s and on 10 minutes of a small clip, and after them. Needs a quiet
machine. Limits: issue 2.
"""

import argparse
import os
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av

from d3ke.vision.video import Video
from tests.made_clips import write_clip

ROOT = Path(__file__).parents[2]
WALK = ROOT / "examples" / "walk_3s.mp4"
DATA = Path(os.environ.get("D3KE_DATA", ROOT.parent / "shared" / "data"))
BALANCING = DATA / "clips" / "pose2sim_balancing" / "video_cam1.mp4"
COMMAND = "import sys; from d3ke_cli.app import main; sys.exit(main(sys.argv[1:]))"
SHORT_S, LONG_S, FILM_S = 10, 40, 600
LIMITS_MS = {60: 10.0, 30: 18.0}  # a source frame, two cores, no GPU
START_LIMIT_S = 4.0
ROUNDS = 3  # the best of which counts: others only add


class Cost(NamedTuple):
    """Of one process. cpu_s: of all its threads, which other work on the machine hardly changes."""

    seconds: float
    cpu_s: float
    peak_mb: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", action="store_true", help="Peak memory instead of time.")
    memory = parser.parse_args().memory
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        if memory:
            _memory(Path(folder))
        else:
            for rate in LIMITS_MS:
                _time(Path(folder), rate)


def _time(folder: Path, rate: int) -> None:
    once = _there_and_back(folder / f"{rate}.mp4", rate, (720, 1280))
    costs = {}
    for seconds in (SHORT_S, LONG_S):
        clip = _looped(once, folder / f"{rate}_{seconds}.mp4", seconds)
        costs[_count(clip)] = min(_cost(clip, folder) for _ in range(ROUNDS))
    (few, short), (many, long) = costs.items()
    frame_s = (long.seconds - short.seconds) / (many - few)
    frame_cpu_s = (long.cpu_s - short.cpu_s) / (many - few)
    start_s, start_cpu_s = short.seconds - few * frame_s, short.cpu_s - few * frame_cpu_s
    print(
        f"720 x 1280 at {rate}: a source frame {1e3 * frame_s:.1f} ms (<= {LIMITS_MS[rate]:g}; "
        f"CPU {1e3 * frame_cpu_s:.1f}), start-up {start_s:.1f} s (<= {START_LIMIT_S:g}; "
        f"CPU {start_cpu_s:.1f}); {few} frames {short.seconds:.1f} s, "
        f"{many} frames {long.seconds:.1f} s"
    )


def _memory(folder: Path) -> None:
    once = _there_and_back(folder / "small.mp4", 30, (360, 640))
    for seconds in (SHORT_S, FILM_S):
        clip = _looped(once, folder / f"{seconds}.mp4", seconds)
        cost = _cost(clip, folder)
        print(f"{seconds:4} s, {_count(clip)} frames: peak {cost.peak_mb:.0f} MB")


def _cost(clip: Path, folder: Path) -> Cost:
    """Run the command on a clip."""
    started = time.perf_counter()
    arguments = [sys.executable, "-c", COMMAND, "predict", str(clip), "-o", str(folder / "out.mot")]
    quiet = [(os.POSIX_SPAWN_OPEN, handle, os.devnull, os.O_WRONLY, 0) for handle in (1, 2)]
    child = os.posix_spawn(sys.executable, arguments, os.environ, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"d3ke predict {clip} failed: run it by hand to see why")
    seconds = time.perf_counter() - started
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _there_and_back(path: Path, rate: int, size: tuple[int, int]) -> Path:
    """A clip that ends where it begins, so that it can be looped."""
    source = BALANCING if BALANCING.is_file() else WALK
    video = Video(source)
    step = max(1, round(video.rate_hz / rate))
    images = [frame.image for frame in video][::step]
    return write_clip(path, images + images[::-1], rate, size=size)


def _looped(once: Path, path: Path, seconds: float) -> Path:
    """The clip over and over until it is `seconds` long, its packets copied."""
    with av.open(str(once)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        copy = target.add_stream_from_template(stream)
        assert stream.time_base is not None
        length = round(stream.frames / Fraction(stream.average_rate or 30) / stream.time_base)
        stamps = [(packet.pts or 0, packet.dts or 0) for packet in packets]
        for turn in range(max(1, round(seconds / float(length * stream.time_base)))):
            for packet, (pts, dts) in zip(packets, stamps, strict=True):
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                packet.stream = copy
                target.mux(packet)
    return path


def _count(clip: Path) -> int:
    return Video(clip).frame_count or 0


if __name__ == "__main__":
    main()
