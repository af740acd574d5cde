"""Pairs: which prediction belongs to which reference, from two folders or from a table."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from d3ke.errors import D3keError
from d3ke.files import read_text

Warn = Callable[[str], None]

PREDICTIONS = (".mot", ".sto", ".npz")  # the first of them where a clip has several
REFERENCES = (".mot", ".sto")
NEEDED = ("prediction", "reference")
KNOWN = (*NEEDED, "clip", "subject", "activity", "lag", "model")
DEVIATIONS = "_std"  # OUT_std.sto holds how sure OUT.mot is, and no motion
ONE_ACTIVITY = "all"


class Pair(NamedTuple):
    """One clip. lag: seconds, or auto. model: on which the reference's feet are placed."""

    clip: str
    prediction: Path
    reference: Path
    subject: str | None = None
    activity: str | None = None
    lag: str = "auto"
    model: Path | None = None


def pairs_of_folders(predictions: Path, references: Path, warn: Warn) -> list[Pair]:
    """Files of the same name in the same place below two folders, in the order of their names.

    A clip in a folder below is of the subject that the first folder is called after. What has no
    partner is told.
    Raises D3keError where nothing has.
    """
    ours, theirs = _by_name(predictions, PREDICTIONS), _by_name(references, REFERENCES)
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        raise D3keError(
            f"{predictions} and {references}: no two files of the same name, as walk.mot in both. "
            "Rename them, or list pairs in a .csv with the columns prediction and reference."
        )
    for found, other, folder in ((ours, theirs, references), (theirs, ours, predictions)):
        alone = sorted(found.keys() - other.keys())
        if alone:
            some = ", ".join(alone[:5]) + (" ..." if len(alone) > 5 else "")
            warn(f"{folder}: nothing of the name of {some} ({len(alone)} left out).")
    below = [Path(name).parts for name in shared]
    return [
        Pair(name, ours[name], theirs[name], parts[0] if len(parts) > 1 else None)
        for name, parts in zip(shared, below, strict=True)
    ]


def pairs_of_table(table: Path) -> list[Pair]:
    """The rows of a .csv: prediction, reference; where wanted, clip, subject, activity, lag, model.

    Paths are relative to the table's folder.
    Raises D3keError: a table that cannot be read, lacks a column or has another, an empty cell,
    a clip named twice, a reference of two subjects.
    """
    rows = csv.DictReader(io.StringIO(read_text(table)), skipinitialspace=True)
    columns = [name.strip().casefold() for name in rows.fieldnames or ()]
    missing = [name for name in NEEDED if name not in columns]
    unknown = [name for name in columns if name not in KNOWN]
    if missing or unknown:
        wrong = f"no column {missing[0]}" if missing else f"a column {unknown[0]}"
        raise D3keError(f"{table}: {wrong}. The columns of pairs are {', '.join(KNOWN)}.")
    rows.fieldnames = columns
    pairs: list[Pair] = []
    for row in rows:
        pair = _of_row(row, table, rows.line_num)
        for other in pairs:
            _check_two(pair, other, f"{table}, line {rows.line_num}")
        pairs.append(pair)
    if not pairs:
        raise D3keError(f"{table}: no pairs. Write one a line below the names of the columns.")
    if any(pair.subject for pair in pairs) and not all(pair.subject for pair in pairs):
        raise D3keError(f"{table}: some pairs have a subject and others none. Give all or none.")
    return pairs


def _of_row(row: dict[str, str | None], table: Path, line: int) -> Pair:
    cells = {name: (value or "").strip() for name, value in row.items() if name in KNOWN}
    if None in row:
        raise D3keError(f"{table}, line {line}: more cells than columns. Quote commas in names.")
    for name in NEEDED:
        if not cells[name]:
            raise D3keError(f"{table}, line {line}: no {name}. Name a file.")
    prediction = table.parent / cells["prediction"]
    return Pair(
        cells.get("clip") or Path(cells["prediction"]).with_suffix("").as_posix(),
        prediction,
        table.parent / cells["reference"],
        cells.get("subject") or None,
        cells.get("activity") or None,
        cells.get("lag") or "auto",
        table.parent / cells["model"] if cells.get("model") else None,
    )


def _check_two(pair: Pair, other: Pair, where: str) -> None:
    if pair.clip == other.clip:
        raise D3keError(f"{where}: the clip {pair.clip} again. Name clips in a column `clip`.")
    if pair.reference == other.reference and pair.subject != other.subject:
        raise D3keError(
            f"{where}: {pair.reference.name} is of {pair.subject} here and of {other.subject} "
            "above. A reference is of one person: correct the column `subject`."
        )


def _by_name(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Motions below a folder by their path without suffix; the first suffix of several."""
    found: dict[str, Path] = {}
    for suffix in reversed(suffixes):
        for path in folder.rglob("*"):
            hidden = path.name.startswith(".")
            if path.suffix.lower() == suffix and path.is_file() and not hidden:
                found[path.relative_to(folder).with_suffix("").as_posix()] = path
    return {
        name: path
        for name, path in found.items()
        if not (name.endswith(DEVIATIONS) and name.removesuffix(DEVIATIONS) in found)
    }
