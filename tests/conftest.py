"""What the tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of recordings, models and clips that is not part of the repository."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("D3KE_DATA", default))
    if not (folder / "README.md").is_file():
        pytest.skip(f"no data folder at {folder}: set D3KE_DATA to run this test")
    return folder
