"""How fast synthetic people are made, written, and read again.

python -m tests.benchmarks.synthetic [--frames 512] [--size 384] [--workers N] [--live-only]
    [--motions DIR] [--wardrobe DIR] [--backgrounds DIR]
Everything is on: clothes, hands, rooms, others, blur, noise. Needs a quiet machine. The start of
the workers is told apart, for it is the same for a hundred frames and a million.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from torch.utils.data import DataLoader

from d3ke.dataset.augmentation import Augmentation
from d3ke.dataset.live import SyntheticFrames
from d3ke.dataset.reading import DataSet, FrameDataset, WindowDataset
from d3ke.dataset.shards import write_shard
from d3ke.prepare import PrepareOptions, prepare_synthetic
from d3ke.skeleton import default_model
from d3ke.synth.plans import SynthConfig
from d3ke.workers import cores, single_threaded

BATCH = 16
READ = 256  # items
POOL = 64  # samples, so that the first frame does not wait long


def main() -> None:
    words = arguments()
    config = SynthConfig(
        frames=words.frames,
        size=words.size,
        motions=words.motions,
        wardrobe=words.wardrobe,
        backgrounds=words.backgrounds,
    )
    print(f"{cores()} cores, {words.workers} workers, {words.size} px, {words.frames} frames")
    if not words.live_only:
        with tempfile.TemporaryDirectory() as folder:
            written(Path(folder) / "data", config, words.workers)
    live(config, words.workers)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=512)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--live-only", action="store_true")
    for name in ("--motions", "--wardrobe", "--backgrounds"):
        parser.add_argument(name, type=Path)
    return parser.parse_args()


class FirstAdvance:
    """A Progress that knows when the first frames were done, and how many they were."""

    def __init__(self) -> None:
        self.began, self.first_s, self.first = time.perf_counter(), 0.0, 0

    def start(self, what: str, total: int | None = None) -> None: ...

    def advance(self, count: int = 1) -> None:
        if count and not self.first:
            self.first_s, self.first = time.perf_counter() - self.began, count

    def status(self, text: str) -> None: ...

    def finish(self) -> None: ...

    def note(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...


def written(folder: Path, config: SynthConfig, workers: int) -> None:
    """Make a data set and read it."""
    heard = FirstAdvance()
    done = prepare_synthetic(folder, config, PrepareOptions(workers=workers), heard)
    rate = (done.frames - heard.first) / (done.seconds - heard.first_s)
    size = sum(shard["bytes"] for shard in DataSet.open(folder).manifest.shards) / done.frames
    print(f"prepare: {done.frames / done.seconds:.1f} frames/s in all, {rate:.1f} after the first")
    print(
        f"  {heard.first} frames, which came after {heard.first_s:.1f} s; {size / 1e3:.0f} kB each"
    )
    data = DataSet.open(folder)
    split = "train"
    samples = list(data.shards[data.sequences(split)[0]["shard"]])
    ms = 1e3 * took(lambda: write_shard(folder / "again.tar", samples)) / len(samples)
    print(f"write a sample: {ms:.2f} ms")
    for what, amount in (("as it is", None), ("augmented", Augmentation(flip=0.5))):
        frames = FrameDataset(data, split, augmentation=amount)
        ms = 1e3 * took(lambda: all_of(frames[n] for n in range(READ))) / READ  # noqa: B023
        print(f"read a frame, {what}: {ms:.2f} ms")
    windows = WindowDataset(data, split)
    count = min(len(windows), 20)
    ms = 1e3 * took(lambda: all_of(windows[n] for n in range(count))) / count
    print(f"read a window of 64 frames without pictures: {ms:.1f} ms")


def live(config: SynthConfig, workers: int) -> None:
    """Frames on the fly, augmented, in batches."""
    frames = SyntheticFrames(config, default_model(), augmentation=Augmentation(), pool=POOL)
    loader = DataLoader(frames, BATCH, num_workers=workers, multiprocessing_context="spawn")
    began = time.perf_counter()
    with single_threaded():
        batches = iter(loader)
    all_of(islice(batches, 2 * workers))
    first_s = time.perf_counter() - began
    count = max(1, config.frames // BATCH)
    seconds = took(lambda: all_of(islice(batches, count)))
    print(f"on the fly: {count * BATCH / seconds:.1f} frames/s, the first after {first_s:.1f} s")


def took(work: object) -> float:
    began = time.perf_counter()
    assert callable(work)
    work()
    return time.perf_counter() - began


def all_of(items: Iterator[object]) -> None:
    for _ in items:
        pass


if __name__ == "__main__":
    main()
