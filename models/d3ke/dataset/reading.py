"""Reading a data set: frames in random order, and windows of consecutive frames.

Labels are in the virtual camera of the picture that is returned. What a number gives depends on
the data set and the seed alone: not on workers, nor on what was read before.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset, Sampler

from d3ke.dataset.augmentation import Augmentation
from d3ke.dataset.labels import FrameItem, Framing, WindowItem, frame_item, window_item
from d3ke.dataset.manifest import Manifest
from d3ke.dataset.sample import Sample
from d3ke.dataset.shards import Shard
from d3ke.errors import D3keError
from d3ke.skeleton.osim import OsimModel

FRAME_SIZE_PX = 256  # of the published networks
WINDOW, STRIDE = 64, 16  # frames: those of the embedded default


@dataclass(frozen=True, eq=False)
class DataSet:
    """A prepared data set: its manifest, and its shards, which are opened when needed."""

    folder: Path
    manifest: Manifest
    shards: Mapping[str, Shard]

    @staticmethod
    def open(folder: str | os.PathLike[str], osim: OsimModel | None = None) -> "DataSet":
        """The data set in a folder. osim: the skeleton that its labels must be of.

        Raises D3keError: no manifest, another schema or skeleton, a shard missing or cut short.
        """
        folder = Path(folder)
        manifest = Manifest.load(folder)
        if osim is not None:
            manifest.check_skeleton(osim, folder)
        for record in manifest.shards:
            path = folder / record["name"]
            size = path.stat().st_size if path.is_file() else 0
            if size != record["bytes"]:
                raise D3keError(
                    f"{path}: {size} bytes where the manifest says {record['bytes']}. Copy it "
                    "again, or prepare the data set anew."
                )
        names = (record["name"] for record in manifest.shards)
        return DataSet(folder, manifest, {name: Shard(folder / name) for name in names})

    def has(self, split: str) -> bool:
        """Whether a split has frames."""
        return any(clip["split"] == split for clip in self.manifest.clips)

    def sequences(self, split: str, kind: str | None = None) -> list[Mapping[str, Any]]:
        """What the manifest says of a split's clips; of those of one kind, where it is given.

        Raises D3keError where there are none.
        """
        found = [
            clip
            for clip in self.manifest.clips
            if clip["split"] == split and kind in {None, clip["kind"]}
        ]
        if not found:
            what = "frames" if kind is None else f"clips of consecutive frames ({kind})"
            raise D3keError(f"{self.folder}: no {what} in {split}. Prepare a larger data set.")
        return found

    def sample(self, clip: Mapping[str, Any], index: int) -> Sample:
        """A frame of a clip."""
        return self.shards[clip["shard"]][clip["first"] + index]


class FrameDataset(Dataset[FrameItem]):
    """The frames of a split, for the frame stage; with an augmentation, endlessly other ones.

    Number n is frame n % len, augmented afresh in each epoch n // len. Use it with Shuffled.
    """

    def __init__(
        self,
        data: DataSet,
        split: str,
        size: int = FRAME_SIZE_PX,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        kind: str | None = None,
    ) -> None:
        """size: of the pictures, px. augmentation: None shows the box as it is.

        kind: "clip" for consecutive frames alone, "frames" for independent ones alone.
        """
        self.data, self.seed = data, seed
        self.framing = Framing.of(data.manifest, size, augmentation)
        self.clips = data.sequences(split, kind)
        self.ends: list[int] = list(accumulate(clip["frames"] for clip in self.clips))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, number: int) -> FrameItem:
        return frame_item(
            self.sample(number), self.framing, np.random.default_rng([self.seed, number])
        )

    def sample(self, number: int) -> Sample:
        """The stored sample that number n shows."""
        clip, index = self.place(number)
        return self.data.sample(clip, index)

    def title(self, number: int) -> str:
        """What to call number n where a person reads it, whether it can be read or not."""
        clip, index = self.place(number)
        return f"{self.data.folder.name}/{clip['subject']}-{clip['clip']}, frame {index}"

    def place(self, number: int) -> tuple[Mapping[str, Any], int]:
        """Which frame of which of the manifest's clips number n shows."""
        place = number % len(self)
        at = bisect_right(self.ends, place)
        return self.clips[at], place - self.ends[at] + self.clips[at]["frames"]


class WindowDataset(Dataset[WindowItem]):
    """Windows of consecutive frames of the clips of a split, for the temporal stage.

    Window n is about frame n * stride of its clip. No window leaves its clip and its camera: what
    lies beyond an end is the last frame again, and `valid` says so.
    """

    def __init__(
        self,
        data: DataSet,
        split: str,
        window: int = WINDOW,
        stride: int = STRIDE,
        size: int = 0,
    ) -> None:
        """window, stride: frames. size: of the pictures, px; 0 leaves them out."""
        self.data, self.window = data, window
        self.framing = Framing.of(data.manifest, size, None)
        self.centres = [
            (clip, centre)
            for clip in data.sequences(split, kind="clip")
            for centre in range(0, clip["frames"], stride)
        ]

    def __len__(self) -> int:
        return len(self.centres)

    def __getitem__(self, number: int) -> WindowItem:
        clip, centre = self.centres[number % len(self)]
        wanted = np.arange(self.window) + centre - self.window // 2
        there = np.clip(wanted, 0, clip["frames"] - 1)
        samples = {index: self.data.sample(clip, index) for index in dict.fromkeys(there.tolist())}
        return window_item([samples[i] for i in there.tolist()], wanted == there, self.framing)


class Shuffled(Sampler[int]):
    """All numbers of epoch after epoch, each in another random order, from number `start` on.

    Endless; the same for a training that is resumed at `start` as for one that never stopped.
    """

    def __init__(self, length: int, seed: int = 0, start: int = 0) -> None:
        self.length, self.seed, self.start = length, seed, start

    def __iter__(self) -> Iterator[int]:
        epoch, skipped = divmod(self.start, self.length)
        while True:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
            yield from (order[skipped:] + epoch * self.length).tolist()
            epoch, skipped = epoch + 1, 0
