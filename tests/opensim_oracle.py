"""OpenSim as the oracle of tests, silent and without its log file."""

from typing import Any

import pytest


def opensim() -> Any:
    """The opensim module; the test is skipped where there is none."""
    module = pytest.importorskip("opensim", reason="no wheel of OpenSim here, the test's oracle")
    module.Logger.setLevelString("Off")
    module.Logger.removeFileSink()
    return module
