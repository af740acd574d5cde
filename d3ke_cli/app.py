"""The d3ke command, and the one place where errors become words and exit codes."""

import errno
import io
import os
import platform
import sys
from itertools import takewhile
from typing import Annotated

import typer

from d3ke import __version__
from d3ke.errors import D3keError, OptionError
from d3ke_cli.check import check
from d3ke_cli.console import ExitStatus, show_json, show_line, show_result
from d3ke_cli.evaluate import evaluate
from d3ke_cli.export import export
from d3ke_cli.predict import predict
from d3ke_cli.prepare import prepare
from d3ke_cli.prepare_landmarks import landmarks
from d3ke_cli.prepare_motions import motions
from d3ke_cli.prepare_movi import movi
from d3ke_cli.prepare_omc import omc
from d3ke_cli.train import train
from d3ke_cli.view import view

OUT_OF_DEVICE_MEMORY = "OutOfMemoryError"  # torch's, which is not imported here

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (predict, export, check, evaluate, train, view):
    app.command()(command)
prepare.command()(landmarks)
prepare.command()(motions)
prepare.command()(omc)
prepare.command()(movi)
app.add_typer(prepare, name="prepare")


@app.callback(invoke_without_command=True)
def front_desk(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --version: show one JSON object.")
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the program a failure arose.")
    ] = False,
) -> None:
    """Human kinematics from one camera, as OpenSim files.

    Results go to stdout, words for people to stderr. Exit codes: 0 done, 1 some work failed,
    2 wrong use, 130 Ctrl-C.
    """
    if version:
        _show_version(as_json)
        raise typer.Exit
    if as_json:
        raise typer.BadParameter("--json goes after the command, or with --version.")
    if context.invoked_subcommand is None:
        show_result(context.get_help())
        raise typer.Exit(ExitStatus.MISUSED)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line (None: the process's own). Returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        _let_any_name_through()
        status = app(arguments, prog_name="d3ke", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        if "--traceback" in takewhile(lambda word: word.startswith("-"), arguments):
            raise
        status = _told(error)
    if status == ExitStatus.INTERRUPTED:
        show_line("interrupted: what was being written has been removed.")
    return int(status or ExitStatus.DONE)


def _let_any_name_through() -> None:
    """File names that are not text of the terminal's encoding are shown as the bytes they are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")


def _told(error: BaseException) -> ExitStatus:
    """Say in one line what went wrong. A bug is not for here: it keeps its traceback."""
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        return ExitStatus.INTERRUPTED
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "d3ke"
        words = error.format_message().replace("Value error, ", "")  # pydantic's, of a choice
        show_line(f"error: {words.rstrip('.')}. See '{command} --help'.")
        return ExitStatus.MISUSED
    if isinstance(error, D3keError):
        show_line(f"error: {error}")
        return ExitStatus.MISUSED if isinstance(error, OptionError) else ExitStatus.FAILED
    if isinstance(error, MemoryError) or type(error).__name__ == OUT_OF_DEVICE_MEMORY:
        show_line("error: out of memory. Close other programs, or choose --device cpu.")
        return ExitStatus.FAILED
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        show_line("error: a file name is too long for this system. Choose a shorter one.")
        return ExitStatus.FAILED
    if isinstance(error, OSError):
        return _told_of_stdout(error)
    raise error


def _told_of_stdout(error: OSError) -> ExitStatus:
    """The pipe's reader has gone, or the disk behind `>` is full; other OSErrors are bugs."""
    if error.filename is not None or error.errno not in {errno.EPIPE, errno.ENOSPC, errno.EFBIG}:
        raise error
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
    if error.errno != errno.EPIPE:
        show_line("error: stdout: the disk is full. Free some space or write elsewhere.")
    return ExitStatus.FAILED


def _show_version(as_json: bool) -> None:
    if as_json:
        show_json({"d3ke": __version__, "python": platform.python_version()})
    else:
        show_result(f"d3ke {__version__}")
