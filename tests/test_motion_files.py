"""Motions in files: what OpenSim reads we read, and what it writes we write.

The oracle is OpenSim's own readers, on the same text.
"""

import io
import re
from pathlib import Path

import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import (
    motion_text,
    read_motion,
    write_motion,
    write_sto,
)
from tests.opensim_oracle import opensim

HEADER = "Coordinates\nversion=1\nnRows=3\nnColumns=4\ninDegrees=yes\nendheader\n"
LABELS = "time\tpelvis_tilt\tpelvis_tx\tknee_angle_r\n"
ROWS = "0.0\t10\t1\t45\n0.1\t11\t1.1\t46\n0.2\t12\t1.2\t47\n"
MOT = HEADER + LABELS + ROWS
SIMM = "name a\ndatacolumns 4\ndatarows 3\nrange 0 0.2\nendheader \n" + LABELS + ROWS

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
