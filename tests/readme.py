"""README's commands and their real output. `python -m tests.readme` writes the output anew."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"(?<=^```python\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
SHOWN = ROOT / "examples" / "knee_range.py"
TESTS = "python -m tests"


def commands() -> list[str]:
    """README's commands, in order."""
    blocks = BLOCK.findall(README.read_text(encoding="utf-8"))
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def as_run(folder: Path) -> str:
    """README as it is when its commands, but for installing and testing, run in `folder`."""
    shutil.copytree(ROOT / "examples", folder / "examples")

    def with_output(block: re.Match[str]) -> str:
        lines = [line for line in block.group().splitlines() if line.startswith("$ ")]
        return "".join(f"{line}\n{_output(line[2:], folder)}" for line in lines)

    text = BLOCK.sub(with_output, README.read_text(encoding="utf-8"))
    return PROGRAM.sub(lambda _: SHOWN.read_text(encoding="utf-8"), text)


def _output(command: str, folder: Path) -> str:
    """What a command prints on a terminal of 80 columns, stdout and stderr as they come."""
    command = command.removeprefix("pip install . && ")
    if command.endswith(TESTS):
        return ""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


def main() -> int:
    """Write README anew."""
    with tempfile.TemporaryDirectory() as folder:
        text = as_run(Path(folder))
    README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
