"""C3D files: metres, gaps, and damage."""

from pathlib import Path

import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.motion.c3d import read_c3d, write_c3d
from d3ke.motion.markers import MarkerData
from d3ke.motion.opensim_files import read_markers

pytest.importorskip("ezc3d", reason="no wheel for this system")


def test_c3d_comes_back_with_its_gaps(tmp_path: Path) -> None:
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
    whole = (data_dir / "omc" / "cmu_02_05" / "c3d.c3d").read_bytes()
    path = tmp_path / "a.c3d"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(D3keError, match=r"not a \.c3d file|cut short|cannot be read"):
        read_c3d(path)


@pytest.mark.parametrize("place", [525, 534, 550, 1291])
def test_a_damaged_c3d_is_no_crash(data_dir: Path, tmp_path: Path, place: int) -> None:
    # One wrong byte among the parameters, at which ezc3d 1.7 ends the process.
    data = bytearray((data_dir / "omc" / "wheelchair_racing" / "probing_ulnar.c3d").read_bytes())
    data[place] = 0xFF
    (tmp_path / "a.c3d").write_bytes(data)
    with pytest.raises(D3keError, match="damaged"):
        read_c3d(tmp_path / "a.c3d")
