"""Progress that is told under a clip's name."""

from pathlib import Path

from d3ke.progress import Progress


class Heard:
    """A Progress that passes everything on, under the clip's name, and keeps the warnings."""

    def __init__(self, clip: Path, progress: Progress) -> None:
        self.clip, self.progress = clip, progress
        self.warnings: list[str] = []
        self.start, self.advance, self.finish = progress.start, progress.advance, progress.finish
        self.status = progress.status

    def note(self, message: str) -> None:
        """Pass on what a person may want to know."""
        self.progress.note(f"{self.clip}: {self._bare(message)}")

    def warn(self, message: str) -> None:
        """Keep and pass on what a person should know."""
        self.warnings.append(self._bare(message))
        self.progress.warn(f"{self.clip}: {self._bare(message)}")

    def _bare(self, message: str) -> str:
        return message.removeprefix(f"{self.clip}: ")
