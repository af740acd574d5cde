"""The manifest of a data set: what holds for all of its samples, and where each clip lies."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from d3ke import __version__
from d3ke.errors import D3keError
from d3ke.files import read_text, replacing
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import SPLITS

SCHEMA_VERSION = 1
NAME = "manifest.json"
FRESH_SOURCE = "procedural"  # motions made anew for each clip: no recording that could be known


@dataclass(frozen=True)
class ShardRecord:
    """One shard: its file's name, length and hash, and what is in it.

    sequences: what it holds, in order: the consecutive frames of one clip through one camera (kind
    clip), or independent ones of one person (kind frames; clip is the first one's). Each says
    subject, clip, camera, kind, first (its place in the shard), frames, rate_hz, activities,
    sources. subjects: by id.
    """

    name: str
    split: str
    samples: int
    bytes: int
    sha256: str
    sequences: tuple[Mapping[str, Any], ...]
    subjects: Mapping[str, Mapping[str, Any]]

    @staticmethod
    def from_dict(record: Mapping[str, Any]) -> "ShardRecord":
        """The record that JSON holds."""
        return ShardRecord(**{**record, "sequences": tuple(record["sequences"])})


@dataclass(frozen=True)
class Manifest:
    """All that manifest.json says.

    kind: what prepared it; config: with what; sources: hashes of the files it was made from;
    licences: by what they are of; picture: size in px, and how many boxes it shows.
    counts: frames, sequences and subjects of each split.
    """

    schema_version: int
    d3ke: str
    kind: str
    config: Mapping[str, Any]
    sources: Mapping[str, str]
    licences: Mapping[str, str]
    picture: Mapping[str, float]
    skeleton: str
    coordinate_names: tuple[str, ...]
    body_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    marker_names: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    shards: tuple[Mapping[str, Any], ...]
    subjects: Mapping[str, Mapping[str, Any]]
    clips: tuple[Mapping[str, Any], ...]
    osim: str

    @staticmethod
    def of(
        osim: OsimModel, shards: Sequence[ShardRecord], about: Mapping[str, Mapping[str, Any]]
    ) -> "Manifest":
        """The manifest of finished shards. about: kind, config, sources, licences, picture.

        Raises D3keError where a person or a recorded motion is in two splits.
        """
        shards = sorted(shards, key=lambda shard: shard.name)
        clips = [
            {**sequence, "split": shard.split, "shard": shard.name}
            for shard in shards
            for sequence in shard.sequences
        ]
        _check_apart(clips)
        subjects = {name: facts for shard in shards for name, facts in shard.subjects.items()}
        split_of = {clip["subject"]: clip["split"] for clip in clips}
        return Manifest(
            schema_version=SCHEMA_VERSION,
            d3ke=__version__,
            **about,  # type: ignore[arg-type]  # its keys are fields
            skeleton=osim.sha256,
            coordinate_names=osim.coordinate_names,
            body_names=osim.body_names,
            joint_names=osim.joint_names,
            marker_names=osim.marker_names,
            counts=_counts(clips),
            shards=tuple(
                {n: v for n, v in asdict(s).items() if n not in {"sequences", "subjects"}}
                for s in shards
            ),
            subjects={
                name: {"split": split_of[name], **subjects[name]} for name in sorted(subjects)
            },
            clips=tuple(clips),
            osim=osim.xml,
        )

    @staticmethod
    def load(folder: str | os.PathLike[str]) -> "Manifest":
        """The manifest of a data set's folder.

        Raises D3keError: none there, not whole, or of a schema that is not this version's.
        """
        path = Path(folder) / NAME
        if not path.is_file():
            raise D3keError(
                f"{folder}: no data set: there is no {NAME}. Finish preparing it (--resume), or "
                "name another folder."
            )
        try:
            table = json.loads(read_text(path))
            version = table["schema_version"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise D3keError(f"{path}: not a data set's manifest. Prepare it again.") from error
        if version != SCHEMA_VERSION:
            raise D3keError(
                f"{path}: schema {version}, and this d3ke reads {SCHEMA_VERSION}. Prepare the "
                "data set again, or use the d3ke that wrote it."
            )
        try:
            fields: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in table.items()
            }
            return Manifest(**fields)
        except TypeError as error:
            raise D3keError(f"{path}: fields are missing. Prepare the data set again.") from error

    def save(self, folder: Path) -> None:
        """Write manifest.json. Raises D3keError where that cannot be."""
        fields = asdict(self).items()
        text = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in fields)
        with replacing(folder / NAME) as temporary:
            temporary.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")

    def model(self) -> OsimModel:
        """The skeleton that the labels are of."""
        return OsimModel.from_xml(self.osim)

    def check_skeleton(self, osim: OsimModel, folder: str | os.PathLike[str]) -> None:
        """See that the labels are of this skeleton. Raises D3keError where not."""
        if osim.sha256 != self.skeleton:
            raise D3keError(
                f"{folder}: its labels are of another skeleton ({self.skeleton[:8]}, not "
                f"{osim.sha256[:8]}). Prepare the data set for {osim.name}, or pass its own .osim."
            )


def _check_apart(clips: Iterable[Mapping[str, Any]]) -> None:
    """Nobody, and no recorded motion, is in two splits."""
    split_of: dict[str, str] = {}
    for clip in clips:
        # a motion that fades into another names both
        names = {name for source in clip["sources"] for name in source.split("+")}
        recorded = (f"motion {name}" for name in sorted(names - {FRESH_SOURCE}))
        for what in (f"subject {clip['subject']}", *recorded):
            split = split_of.setdefault(what, clip["split"])
            if split != clip["split"]:
                raise D3keError(
                    f"{what} is in {split} and in {clip['split']}. Split by persons and recordings."
                )


def _counts(clips: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    frames = Counter[str]()
    for clip in clips:
        frames[clip["split"]] += clip["frames"]
    return {
        split: {
            "frames": frames[split],
            "sequences": sum(clip["split"] == split for clip in clips),
            "subjects": len({clip["subject"] for clip in clips if clip["split"] == split}),
        }
        for split in SPLITS
    }
