"""Motions and markers in files: what OpenSim reads we read, and what it writes we write.

The oracle is OpenSim's own readers, on the same text.
"""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.motion.c3d import read_c3d, write_c3d
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import (
    motion_text,
    read_markers,
    read_motion,
    write_markers,
    write_motion,
    write_sto,
)

HEADER = "Coordinates\nversion=1\nnRows=3\nnColumns=4\ninDegrees=yes\nendheader\n"
LABELS = "time\tpelvis_tilt\tpelvis_tx\tknee_angle_r\n"
ROWS = "0.0\t10\t1\t45\n0.1\t11\t1.1\t46\n0.2\t12\t1.2\t47\n"
MOT = HEADER + LABELS + ROWS
SIMM = "name a\ndatacolumns 4\ndatarows 3\nrange 0 0.2\nendheader \n" + LABELS + ROWS
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

# What OpenSim reads with both of its readers: name -> text.
GOOD_MOT = {
    "plain": MOT,
    "radians": MOT.replace("yes", "no"),
    "capitals": MOT.replace("yes", "YES"),
    "y": MOT.replace("yes", "y"),
    "1 is no": MOT.replace("yes", "1"),
    "true is no": MOT.replace("yes", "true"),
    "no inDegrees": MOT.replace("inDegrees=yes\n", ""),
    "spaces around =": MOT.replace("inDegrees=yes", "inDegrees = yes"),
    "key in small letters is none": MOT.replace("inDegrees", "indegrees"),
    "SIMM": SIMM,
    "SIMM, trailing tabs": SIMM.replace("45\n", "45\t\n").replace(
        "knee_angle_r\n", "knee_angle_r\t\n"
    ),
    "SIMM, says radians": SIMM.replace("endheader", "inDegrees=no\nendheader"),
    "OpenSim 4 table": "inDegrees=yes\nDataType=double\nversion=3\nendheader\n" + LABELS + ROWS,
    "CRLF": MOT.replace("\n", "\r\n"),
    "trailing tabs": MOT.replace("45\n", "45\t\n"),
    "blank lines above labels": HEADER + "\n\n" + LABELS + ROWS,
    "blank lines below": MOT + "\n\n",
    "no final line end": MOT[:-1],
    "byte order mark": "\ufeff" + MOT,
    "exponents": MOT.replace("46", "4.6e1"),
    "uneven time": MOT.replace("0.2\t", "0.7\t"),
    "nRows too large": MOT.replace("nRows=3", "nRows=9"),
}

# What can be read, though one of OpenSim's readers refuses or misreads it: text, what is said.
ODD_MOT = {
    "nan": (MOT.replace("46", "nan"), "gap.*stops reading at line 9"),
    "Windows nan": (MOT.replace("46", "-nan(ind)"), "gap"),
    "inf": (MOT.replace("46", "inf"), "gap"),
    "empty cell": (MOT.replace("1.1", ""), "empty cells in line 9"),
    "nColumns without time": (MOT.replace("nColumns=4", "nColumns=3"), "nColumns=3 but 4"),
    "nRows too small": (MOT.replace("nRows=3", "nRows=2"), "drops the rest"),
    "no counts": (MOT.replace("nRows=3\nnColumns=4\n", ""), "no nRows"),
    "blank line inside": (MOT.replace("0.2\t", "\n0.2\t"), "blank lines"),
}

BAD_MOT = {
    "no end of header": (MOT.replace("endheader", "end"), "no line `endheader`"),
    "Time": (MOT.replace("time\t", "Time\t"), "first column is 'Time'"),
    "no labels": (HEADER + ROWS, r"first column is '0\.0'"),
    "commas": (MOT.replace("\t", ","), "OpenSim wants `time`"),
    "decimal comma": (MOT.replace("1.1", "1,1"), "line 9.*decimal points"),
    "word": (MOT.replace("46", "abc"), "line 9: 'abc' is not a number"),
    "short row": (MOT.replace("\t46", ""), "line 9: 3 numbers under 4 labels"),
    "cut short": (MOT[:-6], "cut short"),
    "long row": (MOT.replace("46", "46\t9"), "line 9: 5 numbers under 4 labels"),
    "duplicate": (MOT.replace("pelvis_tx", "pelvis_tilt"), "more than one column 'pelvis_tilt'"),
    "unnamed column": (MOT.replace("pelvis_tx", ""), "column 3 has no name"),
    "falling time": (MOT.replace("0.2\t", "0.05\t"), "time does not rise"),
    "repeated time": (MOT.replace("0.2\t", "0.1\t"), "time does not rise"),
    "no time": (MOT.replace("0.2\t", "nan\t"), "line 10: no time"),
    "no rows": (HEADER + LABELS, "no rows"),
    "header only": (HEADER, "nothing after"),
    "vectors": ("DataType=Vec3\nversion=3\nendheader\ntime\ta\n0\t1,2,3\n", "table of Vec3"),
    "empty": ("", "empty"),
    "junk": ("\x00\x01\x02", "not a text file"),
}

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


def opensim() -> Any:
    module = pytest.importorskip("opensim", reason="OpenSim is the oracle here")
    module.Logger.setLevelString("Off")
    return module


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, newline="")
    return path


def smooth_motion(rng: np.random.Generator) -> Motion:
    time = np.arange(40) / 60
    phase = rng.uniform(0, 6, 5)
    names = ("pelvis_tilt", "pelvis_tx", "hip_flexion_r", "knee_angle_r", "knee_angle_r_beta")
    return Motion(time, np.sin(3 * time[:, None] + phase), names, (True, False, True, True, False))


@pytest.mark.parametrize("case", GOOD_MOT)
def test_a_motion_that_opensim_reads_is_read_the_same(tmp_path: Path, case: str) -> None:
    osim = opensim()
    path = written(tmp_path, "a.mot", GOOD_MOT[case])
    motion, storage = read_motion(path), osim.Storage(str(path))
    table = osim.TimeSeriesTable(str(path))
    assert motion.names == tuple(table.getColumnLabels())
    np.testing.assert_array_equal(motion.time, table.getIndependentColumn())
    values = motion.degrees() if storage.isInDegrees() else motion.q
    np.testing.assert_allclose(values, table.getMatrix().to_numpy(), rtol=1e-15)
    assert motion.rotational == (True, False, True)


@pytest.mark.parametrize("case", ODD_MOT)
def test_an_odd_motion_is_read_with_a_warning(tmp_path: Path, case: str) -> None:
    text, said = ODD_MOT[case]
    warnings: list[str] = []
    motion = read_motion(written(tmp_path, "a.mot", text), warn=warnings.append)
    assert len(warnings) == 1
    assert warnings[0].startswith(str(tmp_path / "a.mot"))
    assert re.search(said, warnings[0])
    expected = np.array([[10, 1, 45], [12, 1.2, 47]])
    np.testing.assert_allclose(motion.degrees()[[0, 2]], expected, rtol=1e-15)


@pytest.mark.parametrize("case", BAD_MOT)
def test_a_bad_motion_is_one_line(tmp_path: Path, case: str) -> None:
    text, said = BAD_MOT[case]
    path = written(tmp_path, "a.mot", text)
    with pytest.raises(D3keError, match=said) as error:
        read_motion(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_sto_without_a_version_is_radians_as_opensim_takes_it(tmp_path: Path) -> None:
    osim = opensim()
    path = written(tmp_path, "a.sto", SIMM)
    assert not osim.Storage(str(path)).isInDegrees()
    assert read_motion(path).q[0, 0] == 10


def test_states_are_read_as_coordinates(tmp_path: Path) -> None:
    text = MOT.replace("pelvis_tilt", "/jointset/ground_pelvis/pelvis_tilt/value").replace(
        "knee_angle_r", "/forceset/soleus_r/activation"
    )
    assert read_motion(written(tmp_path, "a.sto", text)).names == ("pelvis_tilt",)


def test_a_motion_of_opensim_is_written_with_the_same_bytes(data_dir: Path, tmp_path: Path) -> None:
    original = data_dir / "clips" / "cmbbe_jump" / "truth.mot"
    write_motion(tmp_path / "again.mot", read_motion(original))
    assert (tmp_path / "again.mot").read_bytes() == original.read_bytes()


def test_a_motion_comes_back_from_its_file(tmp_path: Path) -> None:
    motion = smooth_motion(np.random.default_rng(1))
    write_motion(tmp_path / "a.mot", motion)
    again = read_motion(tmp_path / "a.mot")
    assert (again.names, again.rotational) == (motion.names, motion.rotational)
    # Half of the eighth decimal of a degree, a metre or a second.
    np.testing.assert_allclose(again.degrees(), motion.degrees(), atol=5.1e-9)
    np.testing.assert_allclose(again.time, motion.time, atol=5.1e-9)
    assert (tmp_path / "a.mot").read_text() == motion_text(motion) == motion_text(again)


def test_a_sto_keeps_every_digit_and_every_gap(tmp_path: Path) -> None:
    motion = smooth_motion(np.random.default_rng(2))
    motion.q[3, 1] = np.nan
    write_sto(tmp_path / "a.sto", motion)
    again = read_motion(tmp_path / "a.sto")
    np.testing.assert_array_equal(again.q, motion.q)
    np.testing.assert_array_equal(again.time, motion.time)


def test_opensim_reads_a_written_motion_in_full(tmp_path: Path) -> None:
    osim = opensim()
    motion = smooth_motion(np.random.default_rng(3))
    write_motion(tmp_path / "a.mot", motion)
    storage = osim.Storage(str(tmp_path / "a.mot"))
    assert storage.isInDegrees()
    assert storage.getSize() == len(motion.time)
    last = storage.getStateVector(len(motion.time) - 1).getData()
    found = [last.get(i) for i in range(last.getSize())]
    np.testing.assert_allclose(found, motion.degrees()[-1], atol=5.1e-9)


def test_coupled_coordinates_stay_in_radians_for_opensim(data_dir: Path, tmp_path: Path) -> None:
    osim = opensim()
    model = osim.Model(str(data_dir / "osim" / "opencap-core" / "LaiUhlrich2022.osim"))
    model.initSystem()
    motion = smooth_motion(np.random.default_rng(4))
    write_motion(tmp_path / "a.mot", motion)
    storage = osim.Storage(str(tmp_path / "a.mot"))
    model.getSimbodyEngine().convertDegreesToRadians(storage)
    row = storage.getStateVector(5).getData()
    for index, name in enumerate(motion.names):
        assert row.get(storage.getStateIndex(name)) == pytest.approx(
            motion.q[5, index], abs=1e-8
        ), name


def test_frames_with_gaps_are_left_out_of_a_mot(tmp_path: Path) -> None:
    motion = smooth_motion(np.random.default_rng(5))
    motion.q[3:6, 2] = np.nan
    warnings: list[str] = []
    write_motion(tmp_path / "a.mot", motion, warnings.append)
    assert "3 frames with gaps are left out" in warnings[0]
    again = read_motion(tmp_path / "a.mot")
    np.testing.assert_allclose(again.time, np.delete(motion.time, [3, 4, 5]), atol=1e-8)
    motion.q[:, 0] = np.nan
    with pytest.raises(D3keError, match="no frame has all coordinates"):
        write_motion(tmp_path / "b.mot", motion)


def test_a_motion_goes_to_an_open_stream() -> None:
    motion, stream = smooth_motion(np.random.default_rng(6)), io.StringIO()
    write_motion(stream, motion)
    assert stream.getvalue() == motion_text(motion)


def test_a_frame_has_degrees_and_time() -> None:
    motion = smooth_motion(np.random.default_rng(7))
    frame = motion.to_frame()
    assert frame.index.name == "time"
    np.testing.assert_allclose(frame["hip_flexion_r"], np.rad2deg(motion.column("hip_flexion_r")))
    np.testing.assert_allclose(frame["pelvis_tx"], motion.column("pelvis_tx"))
    np.testing.assert_array_equal(motion.to_frame(degrees=False).to_numpy(), motion.q)


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


def test_c3d_comes_back_with_its_gaps(tmp_path: Path) -> None:
    pytest.importorskip("ezc3d", reason="no wheel for this system")
    rng = np.random.default_rng(10)
    xyz = rng.normal(size=(30, 4, 3))
    xyz[4, 1] = np.nan
    markers = MarkerData(2 + np.arange(30) / 50, xyz, ("a", "b", "RASI", "LASI"))
    write_c3d(tmp_path / "a.c3d", markers)
    again = read_c3d(tmp_path / "a.c3d")
    assert again.names == markers.names
    np.testing.assert_allclose(again.xyz, markers.xyz, rtol=1e-6)  # the format is float32
    np.testing.assert_allclose(again.time, markers.time, atol=1e-6)


def test_a_c3d_needs_a_uniform_rate(tmp_path: Path) -> None:
    markers = MarkerData(np.array([0, 0.1, 0.3]), np.zeros((3, 1, 3)), ("a",))
    with pytest.raises(D3keError, match="uniform rate"):
        write_c3d(tmp_path / "a.c3d", markers)


def test_real_c3d_files_are_read_in_metres(data_dir: Path) -> None:
    pytest.importorskip("ezc3d", reason="no wheel for this system")
    warnings: list[str] = []
    folder = data_dir / "omc" / "opensim_walking_c3d"
    markers = read_c3d(folder / "c3d.c3d", warnings.append)
    assert any("Z points up" in warning for warning in warnings)
    # The same recording as .trc, in mm, about every tenth frame, with five digits.
    trc = read_markers(folder / "markers.trc")
    frames = np.round(trc.time * markers.rate_hz).astype(int)
    ours = markers.select(trc.names).xyz[frames]
    np.testing.assert_allclose(ours, trc.xyz, atol=5.1e-5)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.3, 0.7, 0.99])
def test_a_c3d_that_was_cut_short_is_one_line(data_dir: Path, tmp_path: Path, share: float) -> None:
    pytest.importorskip("ezc3d", reason="no wheel for this system")
    whole = (data_dir / "omc" / "cmu_02_05" / "c3d.c3d").read_bytes()
    path = tmp_path / "a.c3d"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(D3keError, match=r"not a \.c3d file|cut short|cannot be read"):
        read_c3d(path)


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
