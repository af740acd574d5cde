"""Drawing and training in one process."""

import importlib.util
import subprocess
import sys

import pytest

from tests.synth_renderer import renderer as renderer

AFTER_DRAWING = """
from d3ke.synth.pictures.gl import open_renderer
opened = open_renderer()
import triton
opened.close()
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="no Triton here")
@pytest.mark.usefixtures("renderer")
def test_triton_loads_after_a_renderer_was_opened() -> None:
    """Two LLVMs in one process crash where Mesa's comes first."""
    command = [sys.executable, "-c", AFTER_DRAWING]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
