"""How long work tells of itself, without knowing who listens."""

from typing import Protocol


class Progress(Protocol):
    """What the core calls while it works; the command line shows it, a script may ignore it."""

    def start(self, what: str, total: int | None = None) -> None:
        """Begin a step of `total` units (None where the number is not known)."""

    def advance(self, count: int = 1) -> None:
        """Report `count` more units of the step as done."""

    def status(self, text: str) -> None:
        """Say how the step is doing, in place of what was said before."""

    def finish(self) -> None:
        """End the step."""

    def note(self, message: str) -> None:
        """Say something that a person may want to know."""

    def warn(self, message: str) -> None:
        """Say something that a person should know: the result is less sure than it looks."""


class Silent:
    """The Progress that shows nothing and remembers the warnings."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def start(self, what: str, total: int | None = None) -> None:
        """Ignore the step."""

    def advance(self, count: int = 1) -> None:
        """Ignore the units."""

    def status(self, text: str) -> None:
        """Ignore how the step is doing."""

    def finish(self) -> None:
        """Ignore the end."""

    def note(self, message: str) -> None:
        """Keep the message in `notes`."""
        self.notes.append(message)

    def warn(self, message: str) -> None:
        """Keep the message in `warnings`."""
        self.warnings.append(message)
