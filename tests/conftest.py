"""What the tests share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.command import Command, Result

if TYPE_CHECKING:
    from tests.made_laboratory import Lab


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of recordings, models and clips that is not part of the repository."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("D3KE_DATA", default))
    if not (folder / "README.md").is_file():
        pytest.skip("no data folder: set D3KE_DATA to run this test")
    return folder


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> "Lab":
    """Recordings of people whom we draw; the test is skipped where nothing can be drawn."""
    from d3ke.errors import D3keError
    from tests.made_laboratory import write_laboratory

    try:
        return write_laboratory(tmp_path_factory.mktemp("laboratory"))
    except D3keError as error:
        pytest.skip(str(error))


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
