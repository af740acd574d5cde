"""The example of a lab's whole loop ends in its table."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from d3ke.errors import D3keError
from d3ke.synth.pictures.gl import open_renderer
from tests.readme import ROOT
from tests.small_training import small_set


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a script for bash")
def test_sessions_become_a_table_of_before_and_after(tmp_path: Path) -> None:
    try:
        open_renderer().close()
    except D3keError as error:
        pytest.skip(str(error))
    small_set(tmp_path / "people")
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    small = {"PEOPLE": "3", "STEPS": "1", "SECONDS_EACH": "2", "SIDE": "320"}
    done = subprocess.run(
        ["bash", str(ROOT / "examples" / "lab_loop.sh"), str(tmp_path)],
        env={**os.environ, "PATH": path, **small},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "after frame minus before frame, of the same people" in done.stdout
    assert "landmarks temporal" in done.stdout
    assert (tmp_path / "table.csv").is_file()
    assert (tmp_path / "after" / "frame" / "best.safetensors").is_file()
