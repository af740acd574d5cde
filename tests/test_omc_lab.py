"""Lab: what lies in a laboratory's folders, read as a person and takes."""

from pathlib import Path

import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.motion.opensim_files import write_markers
from d3ke.omc.lab import LabSource, read_lab
from d3ke.omc.solved_session import SolveJob
from d3ke.vision.rigs import camera_named, on_wall_board, read_rig
from tests.made_clips import pictures, write_clip
from tests.test_camera import SIZE, in_view
from tests.test_vision_rigs import opencap, two_cameras


def test_a_session_says_where_opencap_s_board_hung(tmp_path: Path) -> None:
    """As OpenCap lays files out: its cameras are of no use until somebody says it."""
    (tmp_path / "MarkerData").mkdir()
    rng = np.random.default_rng(1)
    markers = MarkerData(np.arange(9) / 60, rng.normal(0, 1, (9, 3, 3)), ("A", "B", "C"))
    write_markers(tmp_path / "MarkerData" / "walk.trc", markers)
    camera = next(iter(two_cameras().values()))
    opencap(tmp_path, {"Cam0": camera})
    write_clip(tmp_path / "Cam0" / "walk.mp4", pictures(3, SIZE))
    job = SolveJob("p", "p", LabSource(tmp_path, None))
    recorded = read_lab(job)
    ((footage,),) = (take.footage for take in recorded.takes)
    assert footage.view is None
    assert "posed in its checkerboard's frame. Say where that hung" in recorded.remarks[-1]
    told = tmp_path / "session.toml"
    told.write_text('[board]\nmounting = "ground"\nheight_m = 0.3\n')
    ((footage,),) = (take.footage for take in read_lab(job).takes)
    assert footage.view is not None
    on_ground = on_wall_board(read_rig(tmp_path), 0.3, "ground")
    points = in_view(camera_named(on_ground, "cam0", SIZE))
    expected = camera_named(on_ground, "cam0", SIZE).project(points)
    np.testing.assert_allclose(footage.view.project(points), expected)
    for wrong, says in (("[board]", "no height_m"), ('[board]\nheight_m=1\nmounting="x"', "are: ")):
        told.write_text(wrong)
        with pytest.raises(D3keError, match=f"board: .*{says}"):
            read_lab(job)
