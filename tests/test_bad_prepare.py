"""Bad input of d3ke prepare: one line that says what, where and what to do, and nothing left."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import bad_files as make
from tests.command import Command
from tests.test_bad_input import GOOD, JUNK, Row, files


def folder_of(**files: bytes) -> Callable[[Path], None]:
    """A folder with the files given, each a .mot."""

    def write(path: Path) -> None:
        path.mkdir()
        for name, content in files.items():
            (path / f"{name}.mot").write_bytes(content)

    return write


def a_gap() -> bytes:
    """A motion of the default model in which one value is missing."""
    from d3ke.skeleton import default_model

    names = default_model().coordinate_names
    rows = [f"{i / 10} " + " ".join(["1"] * len(names)) for i in range(4)]
    rows[2] = rows[2][:-1] + "nan"
    return make.mot(" ".join(("time", *names)), rows)


PREPARE = "prepare synthetic -n 4 --size 64 --workers 1 -o out"
PREPARING = [
    Row("no motions", f"{PREPARE} --motions nix", None, ("nix", "no such folder")),
    Row("no wardrobe", f"{PREPARE} --wardrobe nix", None, ("nix", "no such folder")),
    Row("no backgrounds", f"{PREPARE} --backgrounds nix", None, ("nix", "no photographs")),
    Row("no .mot", f"{PREPARE} --motions bad", folder_of(), ("bad", "no .mot")),
    Row("clothes of nobody", f"{PREPARE} --wardrobe bad", folder_of(), ("manifest.json",)),
    Row("nothing behind", f"{PREPARE} --backgrounds bad", folder_of(), ("no photographs",)),
    Row("another model", f"{PREPARE} --motions bad", folder_of(a=GOOD), ("another model",)),
    Row(
        "a gap in a motion", f"{PREPARE} --motions bad", folder_of(a=a_gap()), ("is not a number",)
    ),
    Row("noise", f"{PREPARE} --motions bad", folder_of(a=JUNK), ("not a text file",)),
    Row("a sheet of words", f"{PREPARE} --sheet a.pdf", None, ("a.pdf",), 2),
    Row("a file, not a folder", "prepare landmarks -n 2 -o bad", JUNK, ("bad", "in the way")),
    Row("records of nobody", "prepare landmarks -n 2 -o out --motions nix", None, ("nix",)),
]


@pytest.mark.parametrize("row", PREPARING, ids=lambda row: row.what)
def test_bad_input_is_told_in_one_line(
    d3ke: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    monkeypatch.chdir(tmp_path)
    if callable(row.content):
        row.content(tmp_path / "bad")
    elif row.content is not None:
        (tmp_path / "bad").write_bytes(row.content)
    before = files(tmp_path)
    done = d3ke(*shlex.split(row.command))
    (line,) = done.errors
    assert line.startswith("error: ")
    assert line.endswith((".", "?"))
    assert [word for word in row.says if word not in line] == []
    assert (done.status, done.out) == (row.status, "")
    assert files(tmp_path) == before
