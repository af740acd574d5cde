"""The journal of a data set in the making: its options, and which shards are whole.

It lies in a hidden folder and goes when the manifest is written. A shard counts only where its
record is there and the file has the recorded hash: what was stopped at any moment can go on.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from d3ke.dataset.manifest import NAME, Manifest, ShardRecord
from d3ke.errors import D3keError
from d3ke.files import FULL, content_hash, replacing
from d3ke.outputs import check_writable

FOLDER = ".prepare"
OPTIONS = "options.json"
OPENABLE = "openable"  # the folder of clips that OpenSim opens
STORY = ".story"  # ends the name of what is told of a session that is solved
# What files.replacing was writing when it was killed.
LEFT_OVER = re.compile(
    r"\.((train|valid|test)-\d{6}\.[0-9a-f]{8}\.tar|manifest\.[0-9a-f]{8}\.json)"
)


class Journal:
    """What is done of a data set in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.hidden = folder, folder / FOLDER

    def check(self, resume: bool) -> None:
        """See that a data set can be begun here, or gone on with. Raises D3keError where not."""
        if self.folder.exists() and not self.folder.is_dir():
            raise D3keError(f"{self.folder}: a file is in the way. Name a folder.")
        check_writable(self.folder / NAME)
        whole, begun = self._is_whole(), (self.hidden / OPTIONS).is_file()
        if resume and not whole and not begun and any(self.folder.glob("*.tar")):
            raise D3keError(f"{self.folder}: shards without their journal. Use another folder.")
        if not resume and begun and not whole:
            raise D3keError(
                f"{self.folder}: a data set was begun here. Pass --resume to go on, or use "
                "another folder."
            )
        if not resume and (whole or any(self.folder.glob("*.tar"))):
            raise D3keError(f"{self.folder}: holds a data set. Name another folder.")

    def open(self, options: Mapping[str, Any]) -> bool:
        """Begin, or go on. options: what the bytes follow from. Returns whether all is done.

        Raises D3keError: begun with other options, or a folder that cannot be made.
        """
        now = json.loads(json.dumps(options))
        if self._is_whole():
            found = Manifest.load(self.folder)
            self._compare(now, dict(found.config) | options_beside(found))
            return True
        if (self.hidden / OPTIONS).is_file():
            self._compare(now, json.loads((self.hidden / OPTIONS).read_text(encoding="utf-8")))
        self.sweep()
        with _making(self.folder):
            self.hidden.mkdir(parents=True, exist_ok=True)
        with replacing(self.hidden / OPTIONS) as temporary:
            temporary.write_text(json.dumps(now, indent=1), encoding="utf-8")
        return False

    def record(self, shard: ShardRecord) -> None:
        """Note that a shard is whole."""
        with replacing(self._record_of(shard.name)) as temporary:
            temporary.write_text(json.dumps(asdict(shard)), encoding="utf-8")

    def whole(self, name: str) -> ShardRecord | None:
        """The record of a shard that is whole, None where it is to be made."""
        path, shard = self._record_of(name), self.folder / name
        if not path.is_file() or not shard.is_file():
            return None
        try:
            record = ShardRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, KeyError):
            return None  # cut short with the machine that wrote it
        same = shard.stat().st_size == record.bytes and content_hash(shard) == record.sha256
        return record if same else None

    def sweep(self) -> None:
        """Remove what workers that were stopped have left half written."""
        for path in self.folder.glob(".*.*"):
            if LEFT_OVER.fullmatch(path.name):
                path.unlink(missing_ok=True)
        for path in (self.folder / OPENABLE).glob(".d3ke-*"):  # outputs.replacing_all
            shutil.rmtree(path, ignore_errors=True)

    def keep_whole(self) -> bool:
        """Sweep; where nothing is finished, leave nothing at all. Returns whether anything is."""
        self.sweep()
        openable = self.folder / OPENABLE
        parts = (self.folder.glob("*.tar"), openable.glob("*"), self.hidden.rglob(f"*{STORY}"))
        if any(True for part in parts for _ in part):
            return True
        self.close()
        for folder in (openable, self.folder):
            with suppress(OSError):  # other files are in it, or it was never made
                folder.rmdir()
        return False

    def close(self) -> None:
        """Remove the journal: the manifest says it all."""
        shutil.rmtree(self.hidden, ignore_errors=True)

    def _record_of(self, name: str) -> Path:
        return self.hidden / f"{name}.json"

    def _is_whole(self) -> bool:
        return (self.folder / NAME).is_file()

    def _compare(self, now: Mapping[str, Any], began: Mapping[str, Any]) -> None:
        """Raises D3keError, which names what is different."""
        names = [*now, *(name for name in began if name not in now)]
        other = [name for name in names if now.get(name) != began.get(name)]
        if other:
            raise D3keError(
                f"{self.folder}: was begun with another {', '.join(other)}. Resume with the same "
                "options, or prepare into another folder."
            )


def options_beside(manifest: Manifest) -> dict[str, Any]:
    """What a data set's bytes follow from, beside its configuration."""
    names = ("kind", "skeleton", "d3ke", "sources")
    return {name: getattr(manifest, name) for name in names}


@contextmanager
def _making(folder: Path) -> Iterator[None]:
    """Turn what the system says of making a folder into a word about it."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise D3keError(f"{folder}: the disk is full. Free some space.") from error
        raise D3keError(
            f"{folder}: cannot be made ({error.strerror}). Choose another place."
        ) from error
