"""TRC: the text of marker files, as OpenSim 4.6 understands it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.motion.storage import Remark, lines_named, number, numbers_in, rising_time

Array = NDArray[np.float64]

KEYS = (
    "DataRate",
    "CameraRate",
    "NumFrames",
    "NumMarkers",
    "Units",
    "OrigDataRate",
    "OrigDataStartFrame",
    "OrigNumFrames",
)
# The words that OpenSim's inverse kinematics knows; with any other its markers are nan.
METRES = {
    **dict.fromkeys(("m", "M", "meters"), 1.0),
    **dict.fromkeys(("cm", "CM", "centimeters"), 0.01),
    **dict.fromkeys(("mm", "MM", "millimeters"), 0.001),
}
LOOKED_AT = 500  # frames, spread over the recording, to judge its size by
DECIMALS = 8  # 10 nm, as many as OpenSim's own motion files have


@dataclass(frozen=True)
class MarkerTable:
    """What a .trc says. markers: in metres by the file's own label. remarks: what to know."""

    markers: MarkerData
    units: str
    remarks: tuple[Remark, ...]


def parse_trc(text: str, path: Path) -> MarkerTable:
    """The markers in the text of a .trc. path: for messages.

    Raises D3keError for what OpenSim refuses: a header that is not the eight keys and values,
    labels that do not count from X1, wrong numbers of columns, time that does not rise; and for
    unknown units, duplicate names, words among the numbers.
    """
    lines = text.splitlines()
    if not lines[0].startswith("PathFileType"):
        raise D3keError(f"{path}: the first line is not PathFileType. Is this a .trc file?")
    if len(lines) < 5:
        raise D3keError(f"{path}: cut short after {len(lines)} lines. Write the file again.")
    header = _read_header(lines, path)
    factor = METRES.get(header["Units"])
    if factor is None:
        raise D3keError(f"{path}: unknown Units {header['Units']!r}. Convert to m or mm.")
    names = _read_names(lines, header["NumMarkers"], path)
    numbers, rows = _read_rows(lines, len(names), path)
    values = numbers_in(rows, numbers, path)
    xyz = values[:, 1:].reshape(len(rows), len(names), 3) * factor
    xyz[np.isnan(xyz).any(axis=2)] = np.nan
    markers = MarkerData(rising_time(values[:, 0], numbers, path), xyz, names)
    return MarkerTable(markers, header["Units"], tuple(_remarks(header, numbers, markers)))


def trc_text(markers: MarkerData, name: str, units: str = "m") -> Iterator[str]:
    """The lines of a .trc, with nan where a marker is missing.

    name: the file's own name, for the first line. units: one of METRES.
    """
    rate, frames = f"{markers.rate_hz or 1:.10g}", len(markers.time)
    values = (rate, rate, frames, len(markers.names), units, rate, 1, frames)
    yield f"PathFileType\t4\t(X/Y/Z)\t{name}\n"
    yield "\t".join(KEYS) + "\n"
    yield "\t".join(map(str, values)) + "\n"
    yield "Frame#\tTime\t" + "\t\t\t".join(markers.names) + "\t\t\n"
    yield "\t\t" + "\t".join(_axes(len(markers.names))) + "\n\n"
    form = "%d\t" + "\t".join([f"%.{DECIMALS}f"] * (1 + 3 * len(markers.names))) + "\n"
    places = markers.xyz.reshape(frames, -1) / METRES[units]
    for frame, (time, row) in enumerate(zip(markers.time, places, strict=True), start=1):
        yield form % (frame, time, *row.tolist())


def size_remark(markers: MarkerData) -> Remark | None:
    """A word where the markers are too far apart, or too close, for metres.

    A body spans 1 to 2.5 m; ten metres leave room for several people and force plates.
    """
    step = -(-len(markers.time) // LOOKED_AT)
    spans = [
        np.linalg.norm(np.nanmax(frame, axis=0) - np.nanmin(frame, axis=0))
        for frame in markers.xyz[::step]
        if (~np.isnan(frame[:, 0])).sum() > 3
    ]
    if not spans:
        return None
    span = float(np.median(spans))
    if span > 10:
        unit = "mm" if span > 300 else "cm"
        text = f"the markers span {span:.0f} m: are these {unit} labelled m?"
    elif span < 0.05:
        text = f"the markers span {span * 1000:.1f} mm: are these metres labelled mm?"
    else:
        return None
    return Remark(text, misread=True)


def _read_header(lines: Sequence[str], path: Path) -> dict[str, str]:
    keys, values = _tokens(lines[1]), _tokens(lines[2])
    if keys != list(KEYS):
        wrong = next((k for k in KEYS if k not in keys), "their order")
        raise D3keError(
            f"{path}, line 2: {len(keys)} of {len(KEYS)} header names, or others than OpenSim's "
            f"(see {wrong}). Write: {' '.join(KEYS)}, with tabs."
        )
    if len(values) != len(KEYS):
        raise D3keError(
            f"{path}, line 3: {len(values)} values under {len(KEYS)} header names. "
            "Write all eight, with tabs."
        )
    return dict(zip(keys, values, strict=True))


def _read_names(lines: Sequence[str], claimed: str, path: Path) -> tuple[str, ...]:
    labels = _tokens(lines[3])
    if labels[:2] != ["Frame#", "Time"]:
        raise D3keError(f"{path}, line 4: must begin with Frame# and Time. Rename the columns.")
    names = tuple(labels[2:])
    if not names or claimed != str(len(names)):
        raise D3keError(
            f"{path}: NumMarkers is {claimed}, but line 4 names {len(names)} markers. "
            "Make them agree."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise D3keError(f"{path}: two markers are called {twice[0]!r}. Rename or remove one.")
    axes, expected = _tokens(lines[4]), list(_axes(len(names)))
    if axes != expected:
        found, wanted = next(
            ((a, e) for a, e in zip(axes, expected, strict=False) if a != e),
            (f"{len(axes)} labels", f"{len(expected)}"),
        )
        raise D3keError(
            f"{path}, line 5: {found} where OpenSim expects {wanted}. Number the axes from X1."
        )
    return names


def _read_rows(lines: Sequence[str], markers: int, path: Path) -> tuple[list[int], list[list[str]]]:
    """Line numbers and, for each row, the cells of time and coordinates."""
    expected = 2 + 3 * markers
    numbers, rows = [], []
    for index, line in enumerate(lines[5:], start=6):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if line.endswith("\t"):
            cells.pop()  # as OpenSim counts: there is no cell behind the last tab
        if len(cells) != expected:
            raise D3keError(
                f"{path}, line {index}: {len(cells)} values where {markers} markers need "
                f"{expected}. Put tabs between them and nan where a marker is missing."
            )
        numbers.append(index)
        rows.append(cells[1:])
    if not rows:
        raise D3keError(f"{path}: names markers but has no rows. Write the file again.")
    return numbers, rows


def _remarks(header: dict[str, str], numbers: list[int], markers: MarkerData) -> Iterator[Remark]:
    gaps = np.isnan(markers.xyz[..., 0])
    if gaps.any():
        lines = [n for n, row in zip(numbers, gaps, strict=True) if row.any()]
        share = f"{int(gaps.sum())} missing marker places in {lines_named(lines)} are gaps"
        yield Remark(share, misread=False)
    if numbers[-1] - numbers[0] >= len(numbers):
        text = "blank lines among the rows: OpenSim stops reading at the first"
        yield Remark(text, misread=True)
    if header["NumFrames"] != str(len(numbers)):
        text = f"NumFrames is {header['NumFrames']}, but there are {len(numbers)} rows"
        yield Remark(text, misread=False)
    rate = markers.rate_hz
    if len(numbers) > 1 and not 0.99 < number(header["DataRate"], "DataRate") / rate < 1.01:
        text = f"DataRate is {header['DataRate']}, but the time stamps say {rate:.4g} Hz"
        yield Remark(text, misread=False)
    size = size_remark(markers)
    if size:
        yield size


def _tokens(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t") if cell.strip()]


def _axes(markers: int) -> Iterator[str]:
    return (f"{axis}{index + 1}" for index in range(markers) for axis in "XYZ")
