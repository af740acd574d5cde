"""The rules of the house that a machine can hold: imports, sizes, paths, licences."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "models" / "d3ke"
CLI = ROOT / "d3ke_cli"

# Imports point one way: a module may import from its own level and from those before it.
LEVELS = (
    {"errors", "progress", "files"},
    {"skeleton", "motion"},
    {"vision"},
    {"network"},
    {"synth", "dataset"},
)  # every other module of the core is a workflow, or a part of one: the last level
FOR_PEOPLE = {"typer", "rich", "click", "d3ke_cli"}
HEAVY = ("torch", "torchvision", "opensim", "cv2", "pandas", "scipy", "av", "numpy", "ezc3d")
MODULES = sorted([*CORE.rglob("*.py"), *CLI.rglob("*.py")])
LONGEST_MODULE = 400  # lines; past that, split by noun
LONGEST_FUNCTION = 60  # lines
LARGEST_FILE = 25e6  # bytes
LARGEST_TREE = 32 * 2**20  # bytes


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import; name the module in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def tracked() -> list[Path]:
    """The files that git tracks, or would if they were added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout: what is tracked is not known")
    return [
        path
        for name in listing.stdout.split(b"\0")
        if name and (path := ROOT / name.decode()).is_file()
    ]


def python(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def level_of(room: str) -> int:
    return next((level for level, rooms in enumerate(LEVELS) if room in rooms), len(LEVELS))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=named)
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(CORE).parts[0].removesuffix(".py")
    for name in imported(path):
        top, _, rest = name.partition(".")
        assert top not in FOR_PEOPLE, f"the core imports {name}"
        if top == "d3ke" and rest not in {"", "__version__"} and room != "__init__":
            other = rest.partition(".")[0]
            assert level_of(other) <= level_of(room), f"{room} imports {other}"


def loaded_with(path: Path) -> Iterator[str]:
    """What a module imports while it is itself imported: not inside functions, not for types."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_circle_of_imports() -> None:
    files = {
        ".".join(path.relative_to(CORE.parent).with_suffix("").parts): path
        for path in CORE.rglob("*.py")
    }
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    needs = {
        module: {
            name if name in files else name.rpartition(".")[0] for name in loaded_with(path)
        }.intersection(files)
        for module, path in files.items()
    }
    while ready := {module for module, others in needs.items() if not others}:
        needs = {m: others - ready for m, others in needs.items() if m not in ready}
    assert not needs, f"a circle of imports among {sorted(needs)}"


def test_the_core_runs_without_the_command_line() -> None:
    modules = ", ".join(
        f"d3ke.{path.stem}" for path in CORE.glob("*.py") if path.stem != "__init__"
    )
    blocked = f"import sys; sys.modules.update(dict.fromkeys({sorted(FOR_PEOPLE)}))"
    done = python(f"{blocked}; import {modules}")
    assert done.returncode == 0, done.stderr


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from d3ke_cli.app import main\n"
        "assert main(['--help']) == 0 and main(['check', '--help']) == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = python(program)
    assert done.stderr.strip() == "[]"


def test_modules_are_short() -> None:
    code = [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in code}
    assert {name: n for name, n in lengths.items() if n > LONGEST_MODULE} == {}


def test_functions_are_short() -> None:
    long = {
        f"{named(path)}:{node.lineno} {node.name}": length
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [named(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_tracked_files_are_small() -> None:
    sizes = {named(path): path.stat().st_size for path in tracked()}
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE} == {}
    assert sum(sizes.values()) < LARGEST_TREE


def test_no_tracked_file_names_a_machine() -> None:
    # Folders of one machine: a home, a temporary file, the place where this was developed.
    pattern = re.compile(r"(?:^|[^A-Za-z0-9_.])/(?:work|root|farm|home/\w+|Users/\w+)/|/tmp/[a-z]")
    found = {
        f"{named(path)}: {hit.group()}"
        for path in tracked()
        if path.suffix in {".py", ".md", ".toml", ".json", ".sh", ".osim", ".csv", ".txt", ""}
        for hit in pattern.finditer(path.read_text(encoding="utf-8", errors="ignore"))
        if path != Path(__file__)
    }
    assert found == set()


def shipped() -> list[Path]:
    """What the repository ships that is not its own text: assets, clips, weights, pictures."""
    places = (CORE / "assets", ROOT / "examples")
    code = {".py", ".sh", ".md"}
    return sorted(
        p for p in tracked() if p.suffix not in code and any(q in p.parents for q in places)
    )


def test_every_shipped_file_has_a_licence_and_a_source() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    sources = {}
    for table in CORE.rglob("SOURCES.json"):
        for name, entry in json.loads(table.read_text(encoding="utf-8")).items():
            assert entry["licence"], f"{name}: no licence"
            assert entry["source"], f"{name}: no source"
            sources[named(table.parent / name)] = entry
    unnamed = [
        named(path)
        for path in shipped()
        if path.name != "SOURCES.json" and named(path) not in notice and named(path) not in sources
    ]
    assert unnamed == []
