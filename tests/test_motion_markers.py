"""Markers in files: what OpenSim reads we read, and what it refuses we refuse.

The oracle is OpenSim's own reader, on the same text.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.motion.c3d import read_c3d
from d3ke.motion.markers import MarkerData
from d3ke.motion.opensim_files import read_markers, read_motion, write_markers
from tests.opensim_oracle import opensim

TRC = (
    "PathFileType\t4\t(X/Y/Z)\ta.trc\n"
    "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\t"
    "OrigNumFrames\n"
    "100\t100\t3\t2\tm\t100\t1\t3\n"
    "Frame#\tTime\tRASI\t\t\tLASI\t\t\t\n"
    "\t\tX1\tY1\tZ1\tX2\tY2\tZ2\t\n\n"
    "1\t0.00\t0.1\t0.2\t0.3\t0.4\t0.5\t0.6\n"
    "2\t0.01\t0.11\t0.21\t0.31\t0.41\t0.51\t0.61\n"
    "3\t0.02\t0.12\t0.22\t0.32\t0.42\t0.52\t0.62\n"
)

GOOD_TRC = {
    "plain": TRC,
    "no blank line": TRC.replace("\n\n", "\n"),
    "two blank lines": TRC.replace("\n\n", "\n\n\n"),
    "line of tabs": TRC.replace("\n\n", "\n\t\t\t\n"),
    "CRLF": TRC.replace("\n", "\r\n"),
    "OpenCap's first line": TRC.replace("PathFileType\t4", "PathFileType  4"),
    "short first line": TRC.replace("\ta.trc", ""),
    "millimetres": TRC.replace("\tm\t", "\tmm\t"),
    "meters": TRC.replace("\tm\t", "\tmeters\t"),
    "double tabs in values": TRC.replace("\t2\tm", "\t\t2\t\tm"),
    "tight names": TRC.replace("RASI\t\t\tLASI\t\t\t", "RASI\tLASI"),
    "space in a name": TRC.replace("RASI", "R ASI"),
    "space behind a name": TRC.replace("RASI", "RASI "),
    "trailing tab": TRC.replace("0.61\n", "0.61\t\n"),
    "empty marker": TRC.replace("0.11\t0.21\t0.31", "\t\t"),
    "empty last marker": TRC.replace("0.41\t0.51\t0.61", "\t\t\t"),
    "one empty axis": TRC.replace("0.21", ""),
    "blank for the last": TRC.replace("0.61", " "),
    "NaN": TRC.replace("0.11\t0.21\t0.31", "NaN\tNaN\tNaN"),
    "frame 0": TRC.replace("\n1\t", "\n0\t"),
    "wrong NumFrames": TRC.replace("100\t100\t3", "100\t100\t9"),
    "wrong DataRate": TRC.replace("100\t100\t3", "50\t50\t3"),
    "uneven time": TRC.replace("0.02\t", "0.05\t"),
    "no final line end": TRC[:-1],
}

BAD_TRC = {
    "no first line": (TRC[TRC.index("DataRate") :], "PathFileType"),
    "7 of 8 values": (TRC.replace("100\t1\t3\n", "100\t1\n"), "line 3: 7 values"),
    "9 of 8 values": (TRC.replace("100\t1\t3\n", "100\t1\t3\t9\n"), "line 3: 9 values"),
    "no units": (TRC.replace("\tm\t", "\t\t"), "line 3: 7 values"),
    "7 keys": (TRC.replace("\tOrigNumFrames", ""), "line 2: 7 of 8"),
    "small key": (TRC.replace("NumMarkers", "numMarkers"), "see NumMarkers"),
    "X0": (TRC.replace("Z1", "Z0").replace("Y1", "Y0").replace("X1", "X0"), "X0 where.* X1"),
    "x1": (TRC.replace("X1", "x1"), "x1 where OpenSim expects X1"),
    "no axes": (TRC.replace("\t\tX1\tY1\tZ1\tX2\tY2\tZ2\t\n", ""), "line 5"),
    "NumMarkers too large": (TRC.replace("\t2\tm", "\t3\tm"), "NumMarkers is 3"),
    "NumMarkers too small": (TRC.replace("\t2\tm", "\t1\tm"), "NumMarkers is 1"),
    "a name missing": (TRC.replace("LASI\t\t\t", ""), "names 1 markers"),
    "Frame": (TRC.replace("Frame#", "Frame"), "Frame#"),
    "spaces": (TRC.replace("\t", " "), "line 2"),
    "spaces in rows": (TRC.replace("0.21\t", "0.21 "), "line 8: 7 values"),
    "empty last cell": (TRC.replace("0.61\n", "\n"), "line 8: 7 values"),
    "short row": (TRC.replace("\t0.41\t0.51\t0.61", ""), "line 8: 5 values"),
    "long row": (TRC.replace("0.61", "0.61\t9"), "line 8: 9 values"),
    "two trailing tabs": (TRC.replace("0.61\n", "0.61\t\t\n"), "line 8: 9 values"),
    "repeated time": (TRC.replace("0.02\t", "0.01\t"), "time does not rise"),
    "falling time": (TRC.replace("0.02\t", "0.005\t"), "time does not rise"),
}

# OpenSim reads these without a word, and what it reads is wrong.
WRONG_TRC = {
    "duplicate": (TRC.replace("LASI", "RASI"), "two markers are called 'RASI'"),
    "unknown unit": (TRC.replace("\tm\t", "\tinch\t"), "unknown Units 'inch'"),
    "word": (TRC.replace("0.21", "abc"), "line 8: 'abc'"),
    "decimal comma": (TRC.replace("0.21", "0,21"), "line 8.*decimal points"),
    "no time": (TRC.replace("0.02\t", "\t"), "line 9: no time"),
    "cut short": (TRC[:120], "cut short"),
    "no rows": (TRC[: TRC.index("1\t0.00")], "no rows"),
}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, newline="")
    return path


@pytest.mark.parametrize("case", GOOD_TRC)
def test_markers_that_opensim_reads_are_read_the_same(tmp_path: Path, case: str) -> None:
    osim = opensim()
    path = written(tmp_path, "a.trc", GOOD_TRC[case])
    markers, table = read_markers(path), osim.TimeSeriesTableVec3(str(path))
    assert markers.names == tuple(table.getColumnLabels())
    np.testing.assert_array_equal(markers.time, table.getIndependentColumn())
    rows = [table.getRowAtIndex(i) for i in range(table.getNumRows())]
    expected = [[[row[j][k] for k in range(3)] for j in range(2)] for row in rows]
    factor = 0.001 if table.getTableMetaDataAsString("Units") == "mm" else 1.0
    np.testing.assert_allclose(markers.xyz, np.array(expected) * factor, rtol=1e-15)


@pytest.mark.parametrize("case", BAD_TRC)
def test_markers_that_opensim_refuses_are_one_line(tmp_path: Path, case: str) -> None:
    osim = opensim()
    text, said = BAD_TRC[case]
    path = written(tmp_path, "a.trc", text)
    with pytest.raises((RuntimeError, IndexError)):
        osim.TimeSeriesTableVec3(str(path))
    with pytest.raises(D3keError, match=said) as error:
        read_markers(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", WRONG_TRC)
def test_markers_that_opensim_misreads_are_refused(tmp_path: Path, case: str) -> None:
    text, said = WRONG_TRC[case]
    with pytest.raises(D3keError, match=said):
        read_markers(written(tmp_path, "a.trc", text))


@pytest.mark.parametrize(
    ("factor", "said"), [(1000, "mm labelled m"), (100, "cm labelled m"), (0.001, "labelled mm")]
)
def test_a_wrong_unit_shows_by_size(tmp_path: Path, factor: float, said: str) -> None:
    body = np.random.default_rng(8).uniform(0, 1, (5, 6, 3)) * [0.5, 1.8, 0.5]
    names = tuple(f"M{i}" for i in range(6))
    write_markers(tmp_path / "a.trc", MarkerData(np.arange(5) / 10, body * factor, names))
    warnings: list[str] = []
    read_markers(tmp_path / "a.trc", warnings.append)
    assert said in warnings[0]


def test_markers_come_back_from_their_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    xyz = rng.normal(size=(30, 4, 3))
    xyz[4, 1] = np.nan
    markers = MarkerData(np.arange(30) * 1001 / 30000, xyz, ("a", "b", "R ASI", "Fuß"))
    write_markers(tmp_path / "a.trc", markers)
    again = read_markers(tmp_path / "a.trc")
    assert again.names == markers.names
    np.testing.assert_allclose(again.xyz, markers.xyz, atol=5.1e-9)  # half of 10 nm
    np.testing.assert_allclose(again.time, markers.time, atol=5.1e-9)
    assert "29.97002997\t29.97002997\t30\t4\tm" in (tmp_path / "a.trc").read_text("utf-8")
    frame = again.to_frame()
    assert frame["R ASI", "y"].iloc[2] == pytest.approx(xyz[2, 2, 1], abs=1e-8)


def test_every_marker_file_of_the_data_is_read_as_opensim_reads_it(data_dir: Path) -> None:
    osim = opensim()
    paths = sorted((data_dir / "omc").rglob("*.trc"))
    assert len(paths) > 15
    for path in paths:
        markers, table = read_markers(path), osim.TimeSeriesTableVec3(str(path))
        assert markers.names == tuple(table.getColumnLabels()), path
        np.testing.assert_array_equal(markers.time, table.getIndependentColumn())
        last = table.getRowAtIndex(table.getNumRows() - 1)
        unit = osim.Units(table.getTableMetaDataAsString("Units"))
        factor = unit.convertTo(osim.Units(osim.Units.Meters))
        expected = [[last[j][k] * factor for k in range(3)] for j in range(len(markers.names))]
        np.testing.assert_allclose(markers.xyz[-1], expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["a.mot", "a.trc", "a.c3d"])
def test_junk_is_one_line(tmp_path: Path, name: str) -> None:
    readers: dict[str, Callable[[Path], object]]
    readers = {"mot": read_motion, "trc": read_markers, "c3d": read_c3d}
    read = readers[name[-3:]]
    rng = np.random.default_rng(11)
    for size in (1, 10, 1000, 5000):
        (tmp_path / name).write_bytes(rng.bytes(size))
        with pytest.raises(D3keError) as error:
            read(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(D3keError, match="no such file"):
        read(tmp_path / ("none" + name))
    with pytest.raises(D3keError, match="folder"):
        read(tmp_path)
