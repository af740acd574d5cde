"""Shards: the .tar files of a data set, whose samples are a KEY.jpg and a KEY.npz each.

WebDataset's layout. The same samples always give the same bytes: nothing is compressed but the
pictures, and no clock, user or machine leaves a mark.
"""

import io
import mmap
import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.dataset.sample import Sample
from d3ke.errors import D3keError
from d3ke.files import replacing

MEMBER = b"PK\3\4"  # what a file in a .zip begins with (PKWARE, APPNOTE.TXT 4.3.7)
# Then, after the version: flags, method, time, date, CRC-32, lengths (packed, not packed, of the
# name, of what is beside it).
MEMBER_HEAD = struct.Struct("<4H3I2H")
BLOCK = 512  # bytes; a tar's headers and contents begin at whole blocks
KEY = re.compile(r"[\w+]+-[\w+]+-[\w+]+-\d{6,}")  # a dot would end it, WebDataset says
# The arrays of a KEY.npz in the order in which they are written; landmarks may be missing.
FIELDS: dict[str, str] = {
    "q": "<f4",
    "q_mask": "|b1",
    "scales": "<f4",
    "root": "<f4",
    "joints": "<f4",
    "markers": "<f4",
    "markers_mask": "|b1",
    "camera_matrix": "<f8",
    "distortion": "<f8",
    "R": "<f8",
    "t": "<f8",
    "crop_camera_matrix": "<f8",
    "crop_R": "<f8",
    "box": "<f4",
    "time": "<f8",
    "frame": "<i8",
    "landmarks": "<f4",
}


class SampleName(NamedTuple):
    """What a key says: whose picture, of which clip, through which camera, and which frame."""

    subject: str
    clip: str
    camera: str
    frame: int

    @staticmethod
    def of(key: str) -> "SampleName":
        """The parts of a key. Raises ValueError where it is none."""
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not subject-clip-camera-frame")
        subject, clip, camera, frame = key.split("-")
        return SampleName(subject, clip, camera, int(frame))

    @property
    def sequence(self) -> str:
        """What the frames of one clip through one camera share."""
        return f"{self.subject}-{self.clip}-{self.camera}"


class Member(NamedTuple):
    """Where a sample's two files lie in a shard: first byte and length of each."""

    key: str
    jpg: tuple[int, int]
    npz: tuple[int, int]


def labels_to_bytes(sample: Sample) -> bytes:
    """A sample's .npz."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, kind in FIELDS.items():
            value = getattr(sample, name)
            if value is None:
                continue
            array = io.BytesIO()
            np.lib.format.write_array(array, np.asarray(value, kind), allow_pickle=False)
            # a ZipInfo of its own: its time stamp is the first of 1980
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), array.getvalue())
    return buffer.getvalue()


def sample_from_bytes(key: str, jpg: bytes, npz: bytes) -> Sample:
    """The sample of a key's two files."""
    found = _stored_arrays(npz) or _any_arrays(npz)
    arrays = {name: found[name] for name in FIELDS if name in found and found[name].shape}
    return Sample(key=key, jpg=jpg, time=float(found["time"]), frame=int(found["frame"]), **arrays)


def _stored_arrays(npz: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz as `labels_to_bytes` writes it; none of one that is written otherwise.

    Ten times as fast as numpy, which parses each header anew. Raises BadZipFile where a byte is
    not what was written.
    """
    found: dict[str, NDArray[Any]] = {}
    at = 0
    while npz[at : at + 4] == MEMBER:
        flags, packed, _, _, crc, size, _, named, extra = MEMBER_HEAD.unpack_from(npz, at + 6)
        if flags or packed or extra:
            return {}
        first = at + 6 + MEMBER_HEAD.size + named
        at, name = first + size, npz[first - named : first].decode()
        content = npz[first:at]
        if zlib.crc32(content) != crc:
            raise zipfile.BadZipFile(name)
        begins = content.index(b"\n") + 1  # a header ends its only line
        kind, shape = _array_header(content[:begins])
        found[name.removesuffix(".npy")] = (
            np.frombuffer(content, kind, offset=begins).reshape(shape).copy()
        )
    return found


@cache
def _array_header(header: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of an array: the headers of all samples are the same few."""
    stream = io.BytesIO(header)
    np.lib.format.read_magic(stream)
    shape, _, kind = np.lib.format.read_array_header_1_0(stream)
    return kind, shape


def _any_arrays(npz: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(npz), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def write_shard(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples in their order as they come: the whole shard or nothing of it.

    Raises D3keError where it cannot be written; ValueError for a bad key.
    """
    with (
        replacing(path) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as shard,
    ):
        for sample in samples:
            SampleName.of(sample.key)
            for suffix, content in (("jpg", sample.jpg), ("npz", labels_to_bytes(sample))):
                entry = tarfile.TarInfo(f"{sample.key}.{suffix}")
                entry.size = len(content)
                shard.addfile(entry, io.BytesIO(content))


class Shard:
    """A shard's samples in any order, read through a memory map that is opened when needed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._map: mmap.mmap | None = None
        self._members: list[Member] = []

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> Sample:
        member = self.members[index]
        jpg, npz = (self._bytes(part) for part in (member.jpg, member.npz))
        try:
            return sample_from_bytes(member.key, jpg, npz)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise self._broken(f"{member.key}.npz cannot be read") from error

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_map": None, "_members": []}

    @property
    def members(self) -> list[Member]:
        """The samples in order. Raises D3keError for a file that is no whole shard."""
        if not self._members:
            self._members = list(self._scan())
        return self._members

    def _bytes(self, part: tuple[int, int]) -> bytes:
        first, length = part
        return bytes(self._opened()[first : first + length])

    def _opened(self) -> mmap.mmap:
        if self._map is None:
            try:
                with self.path.open("rb") as file:
                    self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except FileNotFoundError as error:
                raise D3keError(
                    f"{self.path}: no such shard. Prepare the data set again, with --resume."
                ) from error
            except (OSError, ValueError) as error:
                raise self._broken("it cannot be opened") from error
        return self._map

    def _scan(self) -> Iterator[Member]:
        """The members by the headers alone: thousands in a few milliseconds."""
        whole, at = self._opened(), 0
        jpg, key = (0, 0), ""
        while at + BLOCK <= len(whole) and whole[at]:
            name = whole[at : at + 100].rstrip(b"\0").decode("ascii", "replace")
            try:
                size = int(whole[at + 124 : at + 136].rstrip(b" \0"), 8)
            except ValueError as error:
                raise self._broken(f"no header at byte {at}") from error
            stem, _, suffix = name.partition(".")
            place = (at + BLOCK, size)
            at += BLOCK + -(-size // BLOCK) * BLOCK
            if at > len(whole):
                raise self._broken(f"it ends within {name}")
            if suffix == "jpg":
                jpg, key = place, stem
            elif suffix == "npz" and stem == key:
                yield Member(key, jpg, place)
            else:
                raise self._broken(f"{name} is not a sample's .jpg and .npz in turn")

    def _broken(self, what: str) -> D3keError:
        return D3keError(
            f"{self.path}: not a whole shard: {what}. Prepare the data set again, with --resume."
        )
