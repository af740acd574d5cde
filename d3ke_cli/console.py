"""Where words go: results to stdout, everything for people to stderr."""

import json
import math
import sys
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

from d3ke.errors import D3keError, OptionError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


Item = TypeVar("Item")


class ExitStatus(IntEnum):
    """What the command tells the shell that called it."""

    DONE = 0  # warnings too
    FAILED = 1  # some of the work
    MISUSED = 2
    INTERRUPTED = 130  # 128 + SIGINT, as shells count it


class RichProgress:
    """Progress for a person: bars on a terminal, notes and warnings as lines, all on stderr."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    def start(self, what: str, total: int | None = None) -> None:
        """Begin a step of `total` units (None where the number is not known)."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.finish()
        console = stderr_console()
        if not console.is_terminal:
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
        )
        self._bars = Progress(*columns, console=console, transient=True)
        self._task = self._bars.add_task(what, total=total, status="")
        self._bars.start()

    def advance(self, count: int = 1) -> None:
        """Report `count` more units of the step as done."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, count)

    def status(self, text: str) -> None:
        """Say how the step is doing, in place of what was said before."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, status=text)

    def finish(self) -> None:
        """End the step."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = None

    def note(self, message: str) -> None:
        """Say something that a person may want to know."""
        self._say(f"note: {message}")

    def warn(self, message: str) -> None:
        """Say something that a person should know: the result is less sure than it looks."""
        self.warnings.append(message)
        self._say(f"warning: {message}")

    def _say(self, line: str) -> None:
        if self._bars is None:
            show_line(line)
        else:
            self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)


def stderr_console() -> "Console":
    """Rich's console for people, on the stderr of this moment."""
    from rich.console import Console

    return Console(stderr=True)


def show_line(line: str) -> None:
    """One line for a person, on stderr."""
    print(" ".join(line.split()), file=sys.stderr)


def show_result(text: str) -> None:
    """A result, on stdout."""
    print(text)


def show_json(record: dict[str, Any]) -> None:
    """One JSON object on one line of stdout; what is not a number becomes null."""
    print(json.dumps(_plain(record), ensure_ascii=False, allow_nan=False))


def counted(count: int, one: str, several: str) -> str:
    """A number with its word."""
    return f"{count} {one if count == 1 else several}"


def failed(clip: object, error: D3keError, as_json: bool) -> ExitStatus:
    """Tell a failure: one line on stderr, and {clip, error} on stdout where JSON was asked for.

    Raises what is wrong use: it would fail for every clip.
    """
    if isinstance(error, OptionError):
        raise error
    show_line(f"error: {error}")
    if as_json:
        show_json({"clip": str(clip), "error": " ".join(str(error).split())})
    return ExitStatus.FAILED


def for_each(items: Iterable[Item], work: Callable[[Item], None], as_json: bool) -> ExitStatus:
    """Do `work` on every item. One that fails is shown, the others are done all the same."""
    status = ExitStatus.DONE
    for item in items:
        try:
            work(item)
        except D3keError as error:
            status = failed(item, error, as_json)
    return status


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str | None) else str(value)
