"""What `d3ke predict` costs as a whole: start-up, time a source frame, and memory.

    python -m tests.benchmarks.predict [--memory | --backbone resnext50 --size 256]

A clip of the data folder's balancing (else of the examples' walk) is made 720 x 1280 px at 60 and
at 30 frames/s and looped to 10 and 40 s. The command runs on each in a process of its own; the
difference of the two is the cost of a frame, what is left of the shorter is start-up. With
--memory: peak memory on 10 s and on 10 minutes of a small clip, and after them. Needs a quiet
machine. Limits: issue 2.

With --backbone: what a network for pictures, with random weights, costs a frame of the examples'
walk, in parts and beside torchvision's own trunk, which computes in bfloat16 on the same batches.
Limit: issue 4.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import torch
from torch import nn

from d3ke.network.backbones import BACKBONES
from d3ke.network.config import D3KEConfig, default_bounds
from d3ke.network.crops import crops_of, cut_out, person_boxes
from d3ke.network.image_inference import BATCHES, FrameNetwork, computing, regress_images
from d3ke.network.image_network import ImageD3KE
from d3ke.skeleton import default_model
from d3ke.vision.camera import camera_of
from d3ke.vision.person import track_person
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
TRUNKS_LIMIT = 1.2  # times the bare trunk's time
LAST = {"avgpool", "fc", "classifier"}  # parts of torchvision's networks that a trunk lacks
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
    parser.add_argument("--backbone", choices=BACKBONES, help="A network for pictures instead.")
    parser.add_argument("--size", type=int, default=256, help="Of its crops, in pixels.")
    parser.add_argument("--frames", type=int, default=BATCHES["cpu"], help="At a time.")
    given = parser.parse_args()
    memory = given.memory
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        if given.backbone:
            _pictures(Path(folder), given.backbone, given.size, given.frames)
        elif memory:
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


def _pictures(folder: Path, backbone: str, size: int, frames: int) -> None:
    """Print what a frame costs with a network for pictures, on the CPU."""
    osim = default_model()
    config = D3KEConfig(
        osim.sha256, backbone, "none", bounds=default_bounds(osim), priors={}, size=size
    )
    model, how = ImageD3KE(config, osim).eval(), computing("cpu", "bf16")._replace(batch=frames)
    shown = [frame.image for frame in Video(WALK)][: 3 * frames]
    video = Video(write_clip(folder / "walk.mp4", shown))
    camera, track = camera_of(video), track_person(video)
    crops = crops_of(camera, person_boxes(track)[track.seen], size)
    images = [frame.image for frame in video][: int(track.seen.sum())]
    count, network, bare = len(images), FrameNetwork(model, how), _bare_trunk(backbone)
    batch = torch.randint(0, 256, (frames, 3, size, size), dtype=torch.uint8)
    batch = batch.contiguous(memory_format=torch.channels_last)
    normal = batch.float()
    work: dict[str, tuple[Callable[[], object], int]] = {
        "decoding and landmarks": (lambda: track_person(video), count),
        "decoding again": (lambda: [frame.image.shape for frame in video], count),
        "crops": (
            lambda: [cut_out(image, camera, crops, n) for n, image in enumerate(images)],
            count,
        ),
        "network": (lambda: network(batch), frames),
        "torchvision's trunk": (lambda: bare(normal), frames),
        "crops and network of a clip": (
            lambda: regress_images(model, video, track, camera, how),
            count,
        ),
    }
    rounds = [{name: _timed(*one) for name, one in work.items()} for _ in range(ROUNDS + 1)][1:]
    for what, unit in enumerate(("elapsed", "CPU")):
        best = {name: min(one[name][what] for one in rounds) for name in work}
        trunk = best["torchvision's trunk"]
        best["the whole"] = best["decoding and landmarks"] + best["crops and network of a clip"]
        for name, cost in best.items():
            print(f"{unit}: {name} {1e3 * cost:.1f} ms a frame, {cost / trunk:.2f} of the trunk")
    print(f"the whole is to be <= {TRUNKS_LIMIT:g} of the trunk")


def _bare_trunk(backbone: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Torchvision's network without pooling and classifier, in bfloat16."""
    classifier = BACKBONES[backbone].build(weights=None)
    parts = [part for name, part in classifier.named_children() if name not in LAST]
    trunk = nn.Sequential(*parts).eval().to(memory_format=torch.channels_last)

    def run(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            maps: torch.Tensor = trunk(images)
            return maps

    return run


def _timed(work: Callable[[], object], frames: int) -> tuple[float, float]:
    """Seconds a frame, and those of all threads."""
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - started) / frames, (time.process_time() - cpu) / frames


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
