"""What the tests share."""

import os
from pathlib import Path

import pytest

from tests.command import Command, Result


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of recordings, models and clips that is not part of the repository."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("D3KE_DATA", default))
    if not (folder / "README.md").is_file():
        pytest.skip("no data folder: set D3KE_DATA to run this test")
    return folder


@pytest.fixture
def d3ke(capsys: pytest.CaptureFixture[str]) -> Command:
    """The d3ke command in this process, through its real error boundary."""
    from d3ke_cli.app import main

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Result(status, *capsys.readouterr())

    return run


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker("cuda") is None:
        return
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
