"""The manners of the command: what goes to stdout, what to stderr, and the exit code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from d3ke.errors import D3keError
from d3ke_cli.app import app
from d3ke_cli.console import ExitStatus, RichProgress, for_each, show_json
from tests.bad_files import WALK
from tests.command import Command, run_process

ROOT = Path(__file__).parents[1]
GROUP = typer.main.get_command(app)


def leaves(group: Any, path: str = "") -> dict[str, Any]:
    """The commands of a group and of the groups in it, by what is typed."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        typed = f"{path} {name}".strip()
        found |= leaves(command, typed) if hasattr(command, "commands") else {typed: command}
    return found


COMMANDS = leaves(GROUP)
OPTIONS = [
    (name, parameter)
    for name, command in COMMANDS.items()
    for parameter in command.params
    if parameter.name != "help"
]


def option_id(value: object) -> str:
    return value if isinstance(value, str) else str(getattr(value, "name", ""))


def test_help_is_a_result_and_ends_well(d3ke: Command) -> None:
    done = d3ke("--help")
    assert (done.status, done.err) == (0, "")
    assert all(name.split()[0] in done.out for name in COMMANDS)


def test_no_command_shows_the_help_and_is_wrong_use(d3ke: Command) -> None:
    done = d3ke()
    assert done.status == ExitStatus.MISUSED
    assert "Usage: d3ke" in done.out


@pytest.mark.parametrize(
    "words",
    [
        ["fly"],
        ["--fly"],
        ["check", "--fly"],
        ["check"],
        ["predict"],
        ["predict", "a.mp4"],
        ["export", "a.npz"],
        ["evaluate", "a.mot"],
        ["export", "a.npz", "-o", "b", "--rate", "fast"],
        ["train", "people"],
        ["prepare", "synthetic", "-o", "data"],
        ["prepare", "people"],
        ["--json", "check", "a.mot"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_one_line_that_names_the_help(d3ke: Command, words: list[str]) -> None:
    done = d3ke(*words)
    assert done.status == ExitStatus.MISUSED
    (line,) = done.err.splitlines()
    assert re.fullmatch(r"error: .+ See 'd3ke.* --help'\.", line)
    assert done.out == ""


def test_a_wrong_choice_is_told_without_the_parsers_own_words(d3ke: Command) -> None:
    done = d3ke("predict", "clip.mp4", "-o", "out", "--device", "tpu")
    assert done.status == ExitStatus.MISUSED
    assert done.err.startswith("error: Invalid value for '--device': 'tpu' is not one of")


def test_version_as_words_and_as_json(d3ke: Command) -> None:
    import d3ke as core

    assert d3ke("--version").out == f"d3ke {core.__version__}\n"
    assert d3ke("--version", "--json").json["d3ke"] == core.__version__


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_speaks_json(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert "--json" in {word for parameter in command.params for word in parameter.opts}


@pytest.mark.parametrize(("name", "parameter"), OPTIONS, ids=option_id)
def test_every_option_has_a_sentence(name: str, parameter: typer.CallbackParam) -> None:
    text = re.sub(r"\s*\[default: .*\]$", "", str(getattr(parameter, "help", "")))
    assert re.match(r"[A-Z]", text), f"{name} {parameter.name}: begin with a capital"
    assert text.endswith("."), f"{name} {parameter.name}: end with a full stop"


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress = RichProgress()
    progress.start("frames", 3)
    progress.advance()
    progress.warn("walk.mp4: 1 frame\nis dark")
    progress.note("camera level")
    progress.finish()
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "warning: walk.mp4: 1 frame is dark\nnote: camera level\n"
    assert progress.warnings == ["walk.mp4: 1 frame\nis dark"]


def test_a_terminal_gets_a_bar_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    progress = RichProgress()
    progress.start("frames", 3)
    progress.advance(2)
    progress.warn("[dark] frames: 1/3")
    progress.finish()
    out, err = capsys.readouterr()
    assert out == ""
    assert "frames" in err
    assert "2/3" in err
    assert "warning: [dark] frames: 1/3" in err


def test_one_failure_of_many_leaves_the_others_done(capsys: pytest.CaptureFixture[str]) -> None:
    done = []

    def work(name: str) -> None:
        if name == "b":
            raise D3keError("b: no such file. Check the name.")
        done.append(name)

    assert for_each("abc", work, as_json=True) == ExitStatus.FAILED
    out, err = capsys.readouterr()
    assert done == ["a", "c"]
    assert err == "error: b: no such file. Check the name.\n"
    assert json.loads(out) == {"clip": "b", "error": "b: no such file. Check the name."}


def test_json_is_one_line_and_never_nan(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"output": Path("a.mot"), "rmse_deg": float("nan"), "groups": ({"n": 1.5},), "ü": 1})
    expected = '{"output": "a.mot", "rmse_deg": null, "groups": [{"n": 1.5}], "ü": 1}\n'
    assert capsys.readouterr().out == expected


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_is_one_line() -> None:
    program = "import sys; from d3ke_cli.app import main; sys.exit(main(['--version']))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == ExitStatus.FAILED
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("error: stdout: the disk is full.")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE")
def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = "import sys; from d3ke_cli.app import main; sys.exit(main(['--help']))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (ExitStatus.FAILED, b"")


def test_a_device_without_memory_is_told_in_one_line(
    d3ke: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.")

    monkeypatch.setattr("d3ke.predict.load_weights", full)
    done = d3ke("predict", WALK, "-o", "-")
    assert (done.status, done.out) == (ExitStatus.FAILED, "")
    assert done.err == "error: out of memory. Close other programs, or choose --device cpu.\n"


def test_a_bug_keeps_its_traceback(d3ke: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("d3ke.predict.load_weights", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        d3ke("predict", WALK, "-o", "-")


def test_traceback_shows_where_a_failure_arose(tmp_path: Path) -> None:
    done = run_process("--traceback", "check", tmp_path / "a.mot", "--fly")
    assert "Traceback" in done.err
    assert done.status == ExitStatus.FAILED


def test_what_train_offers_is_what_there_is() -> None:
    from d3ke.network.backbones import BACKBONES
    from d3ke.network.config import LANDMARKS
    from d3ke.network.image_network import NO_TEMPORAL
    from d3ke.network.sequence import SEQUENCE
    from d3ke_cli.train_options import Backbone, Temporal

    assert set(Backbone) == {*BACKBONES, LANDMARKS}
    assert set(Temporal) == {*SEQUENCE, NO_TEMPORAL}
