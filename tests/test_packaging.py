"""The install that users get: what the wheel holds, and the two commands of README."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.readme import commands
from tests.test_house import imported

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = {
    "PIL": "pillow",
    "ai_edge_litert": "ai-edge-litert",
    "cv2": "opencv-python-headless",
    "onnx_ir": "onnx-ir",
}


def test_readme_begins_with_two_commands() -> None:
    first, second = commands()[:2]
    assert re.fullmatch(r"pip install \. && d3ke predict \S+ -o \S+", first)
    assert re.fullmatch(r'pip install -e "\.\[dev\]" && python -m tests', second)
    assert (ROOT / shlex.split(first)[6]).is_file()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout as pip would build it."""
    hatchling = pytest.importorskip("hatchling.build", reason="hatchling builds the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return folder / str(hatchling.build_wheel(str(folder)))
    finally:
        os.chdir(before)


def test_the_wheel_holds_every_source_file_and_asset(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        file.relative_to(base).as_posix()
        for base, package in ((ROOT / "models", "d3ke"), (ROOT, "d3ke_cli"))
        for file in (base / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert wanted <= held
    assert {name for name in held if name.endswith(("licenses/LICENSE", "licenses/NOTICE"))}


def test_the_wheel_puts_only_our_two_packages_at_the_top(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"d3ke", "d3ke_cli"}


def test_the_wheel_runs_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import d3ke, sys; from d3ke_cli.app import main; print(d3ke.__file__); sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    place, version = done.stdout.splitlines()
    assert Path(place).is_relative_to(tmp_path)
    assert re.fullmatch(r"d3ke \d+\.\d+\.\d+", version)


def test_ci_runs_the_second_command_of_readme_word_for_word() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == commands()[1]


def test_the_changelog_begins_with_this_version() -> None:
    import d3ke

    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## (\S+)", changelog, re.M)[1] == d3ke.__version__  # type: ignore[index]


def test_every_import_of_ours_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    lines = [*project["dependencies"], *optional["onnx"], *optional["ray"]]
    declared = {re.split(r"[>=<;\[ ]", line)[0] for line in lines}
    modules = {
        DISTRIBUTIONS.get(top, top)
        for package in ("models/d3ke", "d3ke_cli")
        for path in (ROOT / package).rglob("*.py")
        for name in imported(path)
        if (top := name.partition(".")[0]) not in sys.stdlib_module_names
    }
    assert modules - {"d3ke", "d3ke_cli"} <= declared
