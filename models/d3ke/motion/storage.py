"""Storage: the text of .mot and .sto files, as OpenSim 4.6 understands it.

OpenSim has two readers. Storage, behind most tools and the program with windows, reads files of
version 1 and less as a stream of nRows x nColumns numbers. TimeSeriesTable reads line by line. What
either would refuse or silently misread, though it can be read, is told as a Remark.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError

Array = NDArray[np.float64]

END = "endheader"
# "1.#QNAN" and "-nan(ind)" are what older Windows programs print.
NOT_A_NUMBER = re.compile(r"[-+]?(nan(\(\w*\))?|inf(inity)?|1\.#\w+)?", re.IGNORECASE)
DEGREES = {"yes", "y"}  # any other word is no; case does not matter
SHOWN = 3  # how many of the lines concerned a message names


class Remark(NamedTuple):
    """Something to know about a file. misread: OpenSim would refuse it or take it otherwise."""

    text: str
    misread: bool


@dataclass(frozen=True)
class Table:
    """A table of numbers over time, as the file has it.

    time: (T,) s. values: (T, K) in the file's own units, NaN = gap. names: K column labels.
    in_degrees: whether OpenSim takes rotations as degrees. remarks: what to know about the file.
    """

    time: Array
    values: Array
    names: tuple[str, ...]
    in_degrees: bool
    remarks: tuple[Remark, ...]


class Header(NamedTuple):
    """What stands above `endheader`. rows, columns: as claimed, None where not said."""

    version: int
    in_degrees: bool | None
    rows: int | None
    columns: int | None
    data_type: str


def parse_storage(text: str, path: Path) -> Table:
    """The table in the text of a .mot or .sto.

    path: for messages, and because OpenSim takes an unversioned .mot as degrees, a .sto as radians.
    Raises D3keError: no header, no `time`, duplicate names, lines with too few or too many
    numbers, words among the numbers, time that does not rise, no rows.
    """
    lines = text.splitlines()
    header, first = _read_header(lines, path)
    names, rows, numbers = _split(lines, first, path)
    _check_names(names, path)
    values = numbers_in(rows, numbers, path)
    time = rising_time(values[:, 0], numbers, path)
    in_degrees, remark = _unit(header, path)
    remarks = [remark] if remark else []
    remarks += _header_remarks(header, len(rows), len(names))
    remarks += _row_remarks(header, rows, numbers, values)
    return Table(time, values[:, 1:], names[1:], in_degrees, tuple(remarks))


def rising_time(time: Array, numbers: Sequence[int], path: Path) -> Array:
    """`time` itself, (T,) s; numbers: T line numbers, for the message.

    Raises D3keError where it falls, stands still or is not a number.
    """
    wrong = np.flatnonzero(~np.isfinite(time))
    if len(wrong):
        raise D3keError(f"{path}, line {numbers[wrong[0]]}: no time. Give every row its time.")
    wrong = np.flatnonzero(np.diff(time) <= 0)
    if len(wrong):
        before, after = time[wrong[0]], time[wrong[0] + 1]
        raise D3keError(
            f"{path}, line {numbers[wrong[0] + 1]}: time does not rise ({before:g} s, then "
            f"{after:g} s). Sort the rows and remove duplicates."
        )
    return time


def numbers_in(rows: list[list[str]], numbers: Sequence[int], path: Path) -> Array:
    """All cells as numbers, (T, columns), NaN for gaps. numbers: T line numbers.

    Quickly first, which fails on empty cells and words. Raises D3keError for words.
    """
    try:
        values = np.array(rows, dtype=np.float64)
    except ValueError:
        values = np.array(
            [
                [number(cell, f"{path}, line {n}") for cell in cells]
                for n, cells in zip(numbers, rows, strict=True)
            ]
        )
    return np.where(np.isfinite(values), values, np.nan)


def number(cell: str, place: str) -> float:
    """One cell as a number; NaN for an empty one, nan or inf.

    Raises D3keError, naming the place, for anything else.
    """
    try:
        value = float(cell)
    except ValueError:
        if not NOT_A_NUMBER.fullmatch(cell):
            comma = "," in cell and NOT_A_NUMBER.fullmatch(re.sub(r"[\d,.eE+-]", "", cell))
            advice = "Write decimal points, not commas" if comma else "Write a number, or nan"
            raise D3keError(f"{place}: {cell[:40]!r} is not a number. {advice}.") from None
        return np.nan
    return value if np.isfinite(value) else np.nan


def _read_header(lines: list[str], path: Path) -> tuple[Header, int]:
    """The header, and the index of the first line after it."""
    values: dict[str, str] = {}
    old_unit = None
    for index, line in enumerate(lines):
        key, _, rest = re.sub(r"[ \t=]+", "=", line.strip(), count=1).partition("=")
        if key == END:
            version = _count(values.get("version")) or 0
            degrees = values.get("inDegrees")
            in_degrees = degrees.lower() in DEGREES if degrees is not None else None
            if version == 0 and in_degrees is None:
                in_degrees = old_unit
            header = Header(
                version,
                in_degrees,
                _count(values.get("nRows", values.get("datarows", values.get("nr")))),
                _count(values.get("nColumns", values.get("datacolumns", values.get("nc")))),
                values.get("DataType", "double"),
            )
            if header.data_type != "double":
                raise D3keError(
                    f"{path}: a table of {header.data_type}, not of numbers. "
                    "Write it as DataType=double."
                )
            return header, index + 1
        if line.strip() in {"Angles are in degrees.", "Angles are in radians."}:
            old_unit = "degrees" in line
        values.setdefault(key, rest)
    raise D3keError(f"{path}: no line `endheader`. Is this a .mot or .sto of OpenSim?")


def _count(text: str | None) -> int | None:
    match = re.match(r"\d+", text or "")
    return int(match.group()) if match else None


def _split(
    lines: list[str], first: int, path: Path
) -> tuple[tuple[str, ...], list[list[str]], list[int]]:
    """Column labels, the cells of every row, and the rows' line numbers."""
    body = [(i + 1, line) for i, line in enumerate(lines) if i >= first and line.strip()]
    if not body:
        raise D3keError(f"{path}: nothing after `endheader`. Write the file again.")
    label_line, (*_, last) = body[0][1], body
    names = tuple(label_line.split())
    if "\t" in label_line:
        names = tuple(cell.strip() for cell in label_line.rstrip().split("\t"))
    if len(body) == 1:
        raise D3keError(f"{path}: the table has labels but no rows. Write the file again.")
    rows = [_cells(line, len(names), f"{path}, line {n}", n == last[0]) for n, line in body[1:]]
    return names, rows, [n for n, _ in body[1:]]


def _cells(line: str, expected: int, place: str, is_last: bool) -> list[str]:
    """The cells of one row: between tabs, so that an empty cell is a gap, or between blanks."""
    cells = [cell.strip() for cell in line.split("\t")]
    while len(cells) > expected and not cells[-1]:
        cells.pop()
    if len(cells) != expected:
        cells = line.split()
    if len(cells) != expected:
        cut = "The file was cut short: write it again" if is_last else "Write one number a label"
        raise D3keError(f"{place}: {len(cells)} numbers under {expected} labels. {cut}.")
    return cells


def _check_names(names: tuple[str, ...], path: Path) -> None:
    if names[0] != "time":
        raise D3keError(
            f"{path}: the first column is {names[0]!r}; OpenSim wants `time`. Rename it or move it."
        )
    if "" in names:
        raise D3keError(f"{path}: column {names.index('') + 1} has no name. Name it.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise D3keError(f"{path}: more than one column {twice[0]!r}. Rename or remove one.")


def _unit(header: Header, path: Path) -> tuple[bool, Remark | None]:
    """Whether OpenSim takes rotations as degrees, and a word if the file does not say so."""
    if header.version < 1 and path.suffix.lower() == ".mot":
        if header.in_degrees:
            return True, None
        text = "old header without a version: rotations are taken as degrees, as OpenSim does"
        return True, Remark(text, misread=header.in_degrees is False)
    if header.in_degrees is None:
        text = "no inDegrees in the header: rotations are taken as radians, as OpenSim does"
        is_motion = path.suffix.lower() == ".mot"
        return False, Remark(text, misread=False) if is_motion else None
    return header.in_degrees, None


def _header_remarks(header: Header, rows: int, columns: int) -> list[Remark]:
    if header.version > 1:
        return []
    if header.rows is None or header.columns is None:
        return [Remark("no nRows and nColumns in the header: OpenSim's Storage refuses it", True)]
    remarks = []
    if header.columns != columns:
        text = (
            f"nColumns={header.columns} but {columns} labels: OpenSim's Storage shifts all numbers"
        )
        remarks.append(Remark(text, misread=True))
    if header.rows < rows:
        text = f"nRows={header.rows} but {rows} rows: OpenSim's Storage drops the rest"
        remarks.append(Remark(text, misread=True))
    if header.rows > rows:
        text = f"nRows={header.rows} but only {rows} rows: was the file cut short?"
        remarks.append(Remark(text, misread=False))
    return remarks


def _row_remarks(
    header: Header, rows: list[list[str]], numbers: list[int], values: Array
) -> list[Remark]:
    remarks = []
    empty = [n for n, cells in zip(numbers, rows, strict=True) if "" in cells]
    if empty:
        text = f"empty cells in {lines_named(empty)} are gaps; OpenSim's Storage shifts the numbers"
        remarks.append(Remark(text, misread=header.version <= 1))
    gaps = [n for n, row in zip(numbers, values, strict=True) if np.isnan(row).any()]
    if gaps and gaps != empty:
        text = f"nan in {lines_named(gaps)} is taken as a gap"
        if header.version <= 1:
            text += f"; OpenSim's Storage stops reading at line {gaps[0]}"
        remarks.append(Remark(text, misread=header.version <= 1))
    if numbers[-1] - numbers[0] >= len(numbers):
        text = "blank lines among the rows: OpenSim's TimeSeriesTable stops at the first"
        remarks.append(Remark(text, misread=True))
    return remarks


def lines_named(numbers: list[int]) -> str:
    """Line numbers in words, the first few of them."""
    shown = ", ".join(str(number) for number in numbers[:SHOWN])
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"line{'s' if len(numbers) > 1 else ''} {shown}{more}"
