"""README says what is: its commands are run, and their output is compared."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
import typer

from d3ke_cli.app import app
from tests.command import Command
from tests.readme import PROGRAM, README, ROOT, SHOWN, as_run
from tests.small_training import small_set

COMMANDS = getattr(typer.main.get_command(app), "commands")  # noqa: B009
BELOW = [f"{name} {below}" for name, c in COMMANDS.items() for below in getattr(c, "commands", ())]


def text() -> str:
    return README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["", *COMMANDS, *BELOW])
def test_readme_shows_the_help_as_it_is(
    d3ke: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = f"d3ke {name} --help".replace("  ", " ")
    assert f"$ {command}\n{d3ke(*command.split()[1:]).out}" in text(), "run python -m tests.readme"


@pytest.mark.parametrize("name", COMMANDS)
def test_readme_has_a_section_for_every_command(name: str) -> None:
    assert f"\n### d3ke {name}\n" in text()


def test_readme_shows_an_example_as_it_is() -> None:
    assert PROGRAM.findall(text()) == [SHOWN.read_text(encoding="utf-8")]


def test_what_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text())
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="README's pipes need a shell of Unix")
def test_readme_shows_what_the_commands_print(tmp_path: Path) -> None:
    # Figures may differ in the last digit between processors: they are compared as digits only.
    def shape(words: str) -> str:
        return re.sub(r"-?\d+", "0", re.sub(r"[ \t]+", " ", words))

    assert shape(as_run(tmp_path)) == shape(text()), "run python -m tests.readme"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a script for bash")
def test_the_example_for_a_folder_makes_a_table(tmp_path: Path) -> None:
    script = ROOT / "examples" / "folder.sh"
    command = ["bash", str(script), str(ROOT / "examples"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(
        r"walk_3s: knee flexion up to \d+ \(right\), \d+ \(left\) deg\n", done.stdout
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a script for bash")
def test_the_comparison_of_backbones_ends_in_its_table(tmp_path: Path) -> None:
    small_set(tmp_path / "people")
    script = ROOT / "examples" / "compare_backbones.sh"
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", str(script), str(tmp_path)],
        env={**os.environ, "PATH": path, "STEPS": "1", "SEEDS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for run in ("resnext50-0", "resnext101-0"):
        assert (tmp_path / run / "temporal" / "best.safetensors").is_file()
        assert f"{run} temporal" in done.stdout
    assert "resnext50-0 temporal minus resnext101-0 temporal, of the same people" in done.stdout
    assert "errs less" not in done.stdout  # of one person: nothing is told apart
    assert (tmp_path / "table.csv").is_file()


def test_examples_are_short() -> None:
    lengths = {
        path.name: len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "examples").iterdir()
        if path.suffix in {".py", ".sh"}
    }
    assert {name: length for name, length in lengths.items() if length >= 40} == {}
