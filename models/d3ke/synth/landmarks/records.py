"""Landmark records: what BlazePose said of rendered clips, beside the truth, as small files."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.files import replacing
from d3ke.vision.person import PersonTrack

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SCHEMA_VERSION = 1
INDEX = "index.json"
RECORDS = "[!.]*.npz"  # not what a killed writer left behind
# What numpy raises for an .npz whose bytes are not those that were written.
UNREADABLE = (
    OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
ARRAYS = ("time", "presence", "seen", "q", "root", "scales", "camera_matrix", "down", "level")


@dataclass(frozen=True, eq=False)
class LandmarkRecord:
    """One clip of T frames of a rendered person, as BlazePose followed them.

    time (T,) s; landmarks (T, 33, 7) image x, y, z px, visibility, world x, y, z m, NaN where not
    seen; presence (T,); seen (T,); q (T, K) rad; root (T, 4, 4) the pelvis in the camera, m;
    scales (N, 3); camera_matrix (3, 3); size: width, height px; down (T, 3): gravity in the
    camera; level (3,): where gravity would be if the phone were held level; info: what is known
    of the clip beside (split, activity, subject).
    """

    time: Doubles
    landmarks: Floats
    presence: Floats
    seen: NDArray[np.bool_]
    q: Floats
    root: Floats
    scales: Floats
    camera_matrix: Doubles
    size: tuple[int, int]
    down: Floats
    level: Floats
    info: dict[str, Any]

    @property
    def track(self) -> PersonTrack:
        """The record as a track, as a video would have given it."""
        low, high = self.landmarks[..., :2].min(axis=1), self.landmarks[..., :2].max(axis=1)
        return PersonTrack(
            time=self.time,
            frames=np.arange(len(self.time)),
            landmarks=self.landmarks,
            presence=self.presence,
            boxes=np.concatenate([low, high - low], axis=1),
            seen=self.seen,
            size=self.size,
        )

    def save(self, path: Path) -> None:
        """Write the record, at once or not at all; what allows it in 16 bits."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        info = json.dumps({"schema_version": SCHEMA_VERSION, **self.info}, sort_keys=True)
        with replacing(path) as temporary:
            np.savez_compressed(
                temporary,
                image=self.landmarks[..., :2],
                other=self.landmarks[..., 2:].astype(np.float16),
                size=np.array(self.size),
                info=np.array(info),
                **arrays,
            )

    @staticmethod
    def load(path: Path) -> "LandmarkRecord":
        """Read a record. Raises D3keError for a file that is none, or of another version."""
        wanted = "Remove it and prepare the landmarks again with --resume."
        try:
            with np.load(path, allow_pickle=False) as stored:
                parts = {name: stored[name] for name in stored.files}
            info = json.loads(str(parts["info"]))
            landmarks = np.concatenate([parts["image"], parts["other"].astype(np.float32)], axis=2)
            arrays = {name: parts[name] for name in ARRAYS}
            size = int(parts["size"][0]), int(parts["size"][1])
        except UNREADABLE as error:
            raise D3keError(f"{path}: not a whole landmark record. {wanted}") from error
        if info.pop("schema_version", None) != SCHEMA_VERSION:
            raise D3keError(f"{path}: a landmark record of another version of d3ke. {wanted}")
        return LandmarkRecord(landmarks=landmarks, size=size, info=info, **arrays)


def read_records(
    folder: Path, split: str | None = None, most: int | None = None
) -> Iterator[LandmarkRecord]:
    """The records of a folder in the order of their names; those of one split if it is named.

    most: no more than so many, evenly chosen. Raises D3keError where there is none.
    """
    paths = sorted(folder.glob(RECORDS if split is None else f"{split}{RECORDS}"))
    if not paths:
        what = "landmark records" if split is None else f"landmark records of the split {split}"
        raise D3keError(f"{folder}: no {what}. Make them with d3ke prepare landmarks.")
    step = max(1.0, len(paths) / most) if most else 1.0
    for path in (paths[int(i * step)] for i in range(int(len(paths) / step))):
        yield LandmarkRecord.load(path)
