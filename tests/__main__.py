"""Every check there is, in one command: format, lint, types, tests.

`python -m tests` runs all. What follows is handed to pytest: `python -m tests -m "not slow"`.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKS = (
    ("ruff", "format", "--check"),
    ("ruff", "check"),
    ("mypy",),
)


def main(pytest_arguments: list[str]) -> int:
    """Run the checks one after the other and stop at the first that fails. Returns its status."""
    for check in (*CHECKS, ("pytest", *pytest_arguments)):
        print(f"== {' '.join(check)}", flush=True)
        status = subprocess.run([sys.executable, "-m", *check], cwd=ROOT, check=False).returncode
        if status:
            print(f"{check[0]} failed with status {status}", file=sys.stderr)
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
