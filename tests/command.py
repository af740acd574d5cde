"""The d3ke command as the tests run it: in this process, or as a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple


class Result(NamedTuple):
    """What a run of the command left behind: exit code, stdout, stderr."""

    status: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines of stderr that are neither notes nor warnings."""
        aside = ("note: ", "warning: ")
        return [line for line in self.err.splitlines() if not line.startswith(aside)]

    @property
    def warnings(self) -> list[str]:
        """The lines of stderr that warn."""
        return [line for line in self.err.splitlines() if line.startswith("warning: ")]

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        (line,) = self.out.splitlines()
        record = json.loads(line)
        assert isinstance(record, dict)
        return record


Command = Callable[..., Result]


PROGRAM = "import sys; from d3ke_cli.app import main; sys.exit(main())"
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); "


def run_process(*arguments: object, most_bytes: int | None = None) -> Result:
    """Run the command in a process of its own. most_bytes: no file may grow longer."""
    program = PROGRAM if most_bytes is None else LIMITED.format(most_bytes) + PROGRAM
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return Result(done.returncode, done.stdout, done.stderr)
