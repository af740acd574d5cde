"""Outputs: what the files of one result are called, and writing them all or none."""

import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from d3ke.errors import D3keError, OptionError

Thing = TypeVar("Thing", Path, str)

SUFFIXES = ("mot", "trc", "osim", "c3d", "csv", "npz")
STD = "std"  # the format whose file is NAME_std.sto


def is_file_name(output: Path) -> bool:
    """Whether an output names a file (`out.mot`) rather than a folder."""
    return output.suffix.removeprefix(".").lower() in SUFFIXES and not output.is_dir()


def stem_of(output: Path, name: str) -> Path:
    """What the files of a result share but for the suffix: beside `out.mot`, or in a folder."""
    return output.with_suffix("") if is_file_name(output) else output / name


def names_of(clips: Iterable[Path]) -> list[str]:
    """A name for each clip's results: its own, with its folder's where two have the same.

    Raises OptionError where that does not tell them apart either.
    """
    clips = [clip.absolute() for clip in clips]
    if again := _more_than_once(clips):
        raise OptionError(f"{again[0]}: named more than once. Name each clip once.")
    shared = set(_more_than_once(clip.stem for clip in clips))
    names = [
        f"{clip.parent.name}_{clip.stem}" if clip.stem in shared else clip.stem for clip in clips
    ]
    if twice := sorted(_more_than_once(names)):
        raise OptionError(
            f"several clips would write {twice[0]}.mot. Predict them into different folders."
        )
    return names


def _more_than_once(things: Iterable[Thing]) -> list[Thing]:
    return [thing for thing, count in Counter(things).items() if count > 1]


def with_suffixes(stem: Path, suffixes: Iterable[str]) -> dict[str, Path]:
    """The path of each format."""
    # not Path.with_suffix: a stem may hold dots
    ends = {suffix: "_std.sto" if suffix == STD else f".{suffix}" for suffix in suffixes}
    return {suffix: stem.with_name(f"{stem.name}{end}") for suffix, end in ends.items()}


def check_writable(target: Path) -> None:
    """See that a target can be written, and its folder made, without doing either.

    Raises D3keError where not, before any work has been done in vain.
    """
    folder = target.parent
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise D3keError(f"{folder}: cannot be made: {there} is a file. Choose another place.")
    if not os.access(there, os.W_OK):
        raise D3keError(f"{there}: no permission to write here. Choose another folder.")
    if target.is_dir():
        raise D3keError(f"{target}: a folder is in the way. Remove it or choose another name.")
    if target.exists() and not os.access(target, os.W_OK):
        raise D3keError(f"{target}: the file is read-only. Change its permissions or its name.")


@contextmanager
def replacing_all(targets: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Paths to write to, which take the places of the targets together when the block ends well.

    They bear the targets' own names, for files that hold their name, in a hidden folder beside
    them. All targets lie in one folder. If anything fails nothing has changed. A hidden folder of
    the same targets that a killed process has left is removed.
    Raises D3keError for a target that is a folder, and what writing raises.
    """
    folder = next(iter(targets.values())).parent
    for target in targets.values():
        check_writable(target)
    prefix = _hidden_prefix(targets)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clear_left_behind(targets)
        hidden = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    except OSError as error:
        raise D3keError(
            f"{folder}: cannot be written to ({error.strerror}). Choose another place."
        ) from error
    try:
        yield {key: hidden / target.name for key, target in targets.items()}
        for target in targets.values():
            (hidden / target.name).replace(os.path.realpath(target))
    except D3keError as error:
        raise D3keError(str(error).replace(str(hidden), str(folder))) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def clear_left_behind(targets: Mapping[str, Path]) -> None:
    """Remove hidden folders of these targets that killed processes have left."""
    folder = next(iter(targets.values())).parent
    for left_behind in folder.glob(f"{_hidden_prefix(targets)}*"):
        shutil.rmtree(left_behind, ignore_errors=True)


def _hidden_prefix(targets: Mapping[str, Path]) -> str:
    """What the hidden folders of these targets begin with, however long their names are."""
    names = "/".join(sorted(target.name for target in targets.values()))
    return f".d3ke-{hashlib.sha256(os.fsencode(names)).hexdigest()[:12]}-"
