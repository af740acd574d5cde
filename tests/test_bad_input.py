"""Bad input, through the real command: one line that says what, where and what to do.

Every row also leaves no file behind and shows no traceback.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests import bad_files as make
from tests.bad_files import WALK
from tests.command import PROGRAM, Command, Result, run_process

GOOD = make.mot()
JUNK = bytes(range(256)) * 64
RADIANS = make.mot(unit="", rows=("0.0 .1 .2", "0.1 .2 .3", "0.2 .3 .4"))
ONE_NAN = make.mot(rows=("0.0 1 2", "0.1 nan 3", "0.2 3 4", "0.3 4 5"))
# Four markers of a standing person, in mm.
MILLIMETRES = make.trc(
    values="10 10 3 4 m 10 1 3",
    names="RHEE RKNE RASI C7",
    labels="X1 Y1 Z1 X2 Y2 Z2 X3 Y3 Z3 X4 Y4 Z4",
    rows=[f"{n} 0.{n} 0 50 90 30 480 110 60 950 120 -90 1450 0" for n in (1, 2, 3)],
)

Content = bytes | Callable[[Path], None] | None


class Row(NamedTuple):
    """A command, the file it is given, the exit code, and words of what it says."""

    what: str
    command: str
    content: Content
    says: tuple[str, ...]
    status: int = 1


def video(*frames: make.Image) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        height, width = frames[0].shape[:2] if frames else (240, 320)
        make.clip(path, frames, (width, height))

    return write


def tiny(path: Path) -> None:
    make.clip(path, [make.shrunk(image, 64, 48) for image in make.walk(9)], (64, 48))


def two_people(path: Path) -> None:
    make.clip(path, [np.hstack([image, image]) for image in make.walk(15)], (1280, 286))


def person_leaves(path: Path) -> None:
    make.clip(path, [*make.walk(20), *[make.grey(640, 286)] * 20], (640, 286))


def header_only(path: Path) -> None:
    make.clip(path, [make.grey()] * 9)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])  # an .mp4 of libav ends with its table of contents


def first_half(path: Path) -> None:
    data = WALK.read_bytes()
    path.write_bytes(data[: len(data) // 2])


FILES = [
    Row("missing motion", "evaluate bad.mot good.mot", None, ("bad.mot", "no such file")),
    Row("missing reference", "evaluate good.mot bad.mot", None, ("bad.mot", "no such file")),
    Row("empty motion", "evaluate bad.mot good.mot", b"", ("bad.mot", "empty")),
    Row("binary junk", "evaluate bad.mot good.mot", JUNK, ("bad.mot", "not a text file")),
    Row("no header", "evaluate bad.mot good.mot", b"time\ta\n0\t1\n", ("bad.mot", "endheader")),
    Row("Time for time", "evaluate bad.mot good.mot", make.mot("Time a b"), ("'Time'", "`time`")),
    Row("names twice", "evaluate bad.mot good.mot", make.mot("time a a"), ("'a'", "Rename")),
    Row("no rows", "evaluate bad.mot good.mot", make.mot(rows=[]), ("bad.mot", "no rows")),
    Row(
        "falling time",
        "evaluate bad.mot good.mot",
        make.mot(rows=["0.1 1 2", "0.0 1 2"]),
        ("line 10", "time does not rise"),
    ),
    Row(
        "a row cut short",
        "evaluate bad.mot good.mot",
        make.mot(rows=["0.0 1 2", "0.1 1"]),
        ("line 10", "2 numbers under 3 labels"),
    ),
    Row(
        "decimal commas",
        "evaluate bad.mot good.mot",
        make.mot(rows=["0.0 1,5 2"]),
        ("line 9", "decimal points"),
    ),
    Row(
        "other coordinates",
        "evaluate bad.mot good.mot",
        make.mot("time tail fin"),
        ("no coordinate in common", "tail"),
    ),
    Row(
        "other times",
        "evaluate bad.mot good.mot",
        make.mot(rows=["7.0 1 2", "7.1 2 3"]),
        ("no time in common", "7.00"),
    ),
    Row("no motion at all", "evaluate bad.jpg good.mot", JUNK, ("bad.jpg", ".mot, .sto or .npz")),
    Row("missing markers", "evaluate bad.trc good.trc", None, ("bad.trc", "no such file")),
    Row("empty markers", "evaluate bad.trc good.trc", b"", ("bad.trc", "empty")),
    Row(
        "7 of 8 header values",
        "evaluate bad.trc good.trc",
        make.trc("10 10 3 2 m 10 1"),
        ("line 3", "7 values under 8 header names"),
    ),
    Row(
        "axes counted from 0",
        "evaluate bad.trc good.trc",
        make.trc(labels="X0 Y0 Z0 X1 Y1 Z1"),
        ("X0", "X1"),
    ),
    Row(
        "wrong count of markers",
        "evaluate bad.trc good.trc",
        make.trc("10 10 3 3 m 10 1 3"),
        ("NumMarkers", "2 markers"),
    ),
    Row(
        "blanks for tabs",
        "evaluate bad.trc good.trc",
        make.trc(separator=" "),
        ("line 2", "tabs"),
    ),
    Row(
        "a frame twice",
        "evaluate bad.trc good.trc",
        make.trc(rows=["1 0.0 0 1 0 0 1 1"] * 2),
        ("line 8", "time does not rise"),
    ),
    Row(
        "an empty cell",
        "evaluate bad.trc good.trc",
        make.trc(rows=["1 0.0 0 1 0 0 1"]),
        ("line 7", "nan"),
    ),
    Row(
        "a marker twice",
        "evaluate bad.trc good.trc",
        make.trc(names="LASI LASI"),
        ("'LASI'", "Rename"),
    ),
    Row(
        "inches",
        "evaluate bad.trc good.trc",
        make.trc("10 10 3 2 inch 10 1 3"),
        ("'inch'", "Convert"),
    ),
    Row(
        "other markers",
        "evaluate bad.trc good.trc",
        make.trc(names="TAIL FIN"),
        ("no marker in common", "TAIL"),
    ),
    Row("no c3d", "evaluate good.trc bad.c3d", JUNK, ("bad.c3d", "not a .c3d")),
    Row("a pickle in a .npz", "evaluate bad.npz good.mot", make.npz({}), ("bad.npz", "not a")),
    Row("not our .npz", "evaluate bad.npz good.mot", make.npz([1]), ("not a prediction of d3ke",)),
    Row("half a .npz", "export bad.npz -o out", make.npz([1])[:90], ("bad.npz", "not a readable")),
    Row("no prediction", "export bad.npz -o out", None, ("bad.npz", "no such file")),
    Row("unknown joint", "export x.npz -o out --model bad.osim", make.model("Hinge"), ("Hinge",)),
    Row("broken XML", "export x.npz -o out --model bad.osim", b"<OpenSim", ("broken XML",)),
    Row("no model", "export x.npz -o out --model bad.osim", b"<svg/>", ("bad.osim", "OpenSim")),
    Row(
        "entity bomb",
        "export x.npz -o out --model bad.osim",
        make.ENTITY_BOMB.encode(),
        ("bad.osim", "DOCTYPE"),
    ),
]
CLIPS = [
    Row("missing clip", "predict bad.mp4 -o out", None, ("bad.mp4", "no such file")),
    Row("empty clip", "predict bad.mp4 -o out", b"", ("bad.mp4", "empty")),
    Row("not a video", "predict bad.mp4 -o out", b"hello world" * 99, ("bad.mp4", "not a video")),
    Row("binary clip", "predict bad.mp4 -o out", JUNK, ("bad.mp4", "not a video")),
    Row("clip cut short", "predict bad.mp4 -o out", header_only, ("bad.mp4", "cut off")),
    Row("no frames", "predict bad.mp4 -o out", video(), ("bad.mp4", "no video stream")),
    Row("one frame", "predict bad.mp4 -o out", video(make.grey()), ("bad.mp4", "single picture")),
    Row("nobody", "predict bad.mp4 -o out", video(*[make.grey()] * 9), ("bad.mp4", "no person")),
    Row("64 x 48 pixels", "predict bad.mp4 -o out", tiny, ("bad.mp4", "person")),
    Row(
        "8K of nobody",
        "predict bad.mp4 -o out",
        video(*[make.grey(7680, 4320)] * 2),
        ("no person",),
    ),
    Row("folder of no pictures", "predict . -o out", None, ("without pictures",)),
    Row(
        "a box outside", "predict {walk} -o out --person 900,0,9,9", None, ("outside the picture",)
    ),
    Row("no such weights", "predict {walk} -o out --weights nix", None, ("nix", "no such weights")),
    Row(
        "weights that are a pickle",
        "predict {walk} -o out --weights bad.safetensors",
        lambda path: weights(path, make.pickled()),
        ("bad.safetensors", "never pickles"),
    ),
    Row(
        "weights without their story",
        "predict {walk} -o out --weights bad.pt",
        make.pickled(),
        ("bad.json",),
    ),
    Row("no calibration", "predict {walk} -o out --calibration bad.json", None, ("bad.json",)),
    Row("no camera", "predict {walk} -o out --calibration bad.json", b"{}", ("no camera matrix",)),
    Row("a file in the way", "predict {walk} -o bad/out.mot", b"x", ("bad", "cannot be made")),
]
OPTIONS = [
    Row("175 m", "predict {walk} -o out --height 175", None, ("metres", "1.75"), 2),
    Row("no height", "predict {walk} -o out --height nan", None, ("metres",), 2),
    Row("steep", "predict {walk} -o out --pitch 100", None, ("pitch", "100"), 2),
    Row("wide", "predict {walk} -o out --fov 400", None, ("field of view", "400"), 2),
    Row("two lenses", "predict {walk} -o out --fov 60 --calibration a", None, ("--fov",), 2),
    Row("no rate", "predict {walk} -o out --rate 0", None, ("rate", "Hz"), 2),
    Row("no filter", "predict {walk} -o out --filter -1", None, ("filter", "0"), 2),
    Row("a singular filter", "predict {walk} -o out --filter 1e-9", None, ("filter", "0.1"), 2),
    Row("an endless name", f"predict {{walk}} -o {'x' * 300}.mot", None, ("too long", "shorter")),
    Row("nobody's rule", "predict {walk} -o out --person me", None, ("me", "largest"), 2),
    Row("three numbers", "predict {walk} -o out --person 1,2,3", None, ("X,Y,WIDTH,HEIGHT",), 2),
    Row("a video out", "predict {walk} -o out.mp4", None, (".mp4", ".mot"), 2),
    Row("two clips, one file", "predict {walk} a.mp4 -o out.mot", None, ("folder",), 2),
    Row("two words on stdout", "predict {walk} -o - --json", None, ("--json",), 2),
    Row("unknown device", "predict {walk} -o out --device abacus", None, ("abacus", "cpu"), 2),
    Row("unknown format", "export x.npz -o out --to fbx", None, ("fbx", "mot"), 2),
    Row("no lag", "evaluate good.mot good.mot --lag soon", None, ("soon", "auto"), 2),
]


def weights(path: Path, content: bytes) -> None:
    """Weights with a credible story beside them."""
    from d3ke.network.checkpoint import WEIGHTS

    story = (WEIGHTS / "landmarks.json").read_text(encoding="utf-8")
    path.write_bytes(content)
    path.with_suffix(".json").write_text(story, encoding="utf-8")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def bad_file(command: str) -> str:
    return next((word for word in command.split() if word.startswith("bad")), "bad").split("/")[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two good files, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.mot").write_bytes(GOOD)
    (tmp_path / "good.trc").write_bytes(make.trc())
    return tmp_path


def run(d3ke: Command, folder: Path, row: Row) -> Result:
    path = folder / bad_file(row.command)
    if callable(row.content):
        row.content(path)
    elif row.content is not None:
        path.write_bytes(row.content)
    return d3ke(*shlex.split(row.command.format(walk=WALK.as_posix())))


@pytest.mark.parametrize("row", [*FILES, *CLIPS, *OPTIONS], ids=lambda row: row.what)
def test_bad_input_is_told_in_one_line(d3ke: Command, folder: Path, row: Row) -> None:
    done = run(d3ke, folder, row._replace(command=row.command))
    (line,) = done.errors
    assert line.startswith("error: ")
    assert line.endswith((".", "?"))
    assert [word for word in row.says if word not in line] == []
    assert done.status == row.status
    assert done.out == ""
    assert files(folder) <= {"good.mot", "good.trc", bad_file(row.command), "bad.json"}


ODD = [
    Row("radians", "evaluate bad.mot bad.mot", RADIANS, ("bad.mot", "radians")),
    Row("a gap", "evaluate bad.mot good.mot", ONE_NAN, ("bad.mot", "gap")),
    Row("mm labelled m", "evaluate bad.trc bad.trc", MILLIMETRES, ("bad.trc", "mm labelled m")),
    Row("half a clip", "predict bad.mp4 -o out", first_half, ("bad.mp4", "31 of 90 frames")),
    Row("leaves", "predict bad.mp4 -o out", person_leaves, ("bad.mp4", "20 of 40 frames")),
    Row("two people", "predict bad.mp4 -o out", two_people, ("bad.mp4", "more than one person")),
]


@pytest.mark.parametrize("row", ODD, ids=lambda row: row.what)
def test_what_can_be_read_is_read_with_a_warning(d3ke: Command, folder: Path, row: Row) -> None:
    done = run(d3ke, folder, row)
    assert done.status == 0
    assert done.errors == []
    assert any(all(word in line for word in row.says) for line in done.warnings), done.err


CHECKED = [
    Row("refused", "check bad.trc", make.trc("10 10 3 2 m 10 1"), ("problem", "7 values")),
    Row("misread", "check bad.trc", MILLIMETRES, ("problem", "mm labelled m")),
    Row("broken model", "check bad.osim", b"<OpenSim", ("problem", "broken XML")),
    Row("doubtful", "check bad.mot", RADIANS, ("warning", "radians"), 0),
]


@pytest.mark.parametrize("row", CHECKED, ids=lambda row: row.what)
def test_check_reports_on_stdout_and_tells_by_its_exit_code(
    d3ke: Command, folder: Path, row: Row
) -> None:
    done = run(d3ke, folder, row)
    (line,) = done.out.splitlines()
    assert all(word in line for word in row.says)
    assert (done.status, done.err) == (row.status, "")


def test_one_bad_clip_of_three_is_told_and_the_others_are_done(d3ke: Command, folder: Path) -> None:
    make.clip(folder / "a.mp4", make.walk(12), (640, 286))
    (folder / "b.mp4").write_bytes(JUNK)
    make.clip(folder / "c.mp4", make.walk(12), (640, 286))
    done = d3ke("predict", "a.mp4", "b.mp4", "c.mp4", "-o", "out", "--json")
    assert done.status == 1
    (line,) = done.errors
    assert "b.mp4" in line
    records = [json.loads(text) for text in done.out.splitlines()]
    assert [record["clip"] for record in records] == ["a.mp4", "b.mp4", "c.mp4"]
    assert set(records[1]) == {"clip", "error"}
    ends = (".mot", ".osim", ".trc", ".npz", "_std.sto")
    written = {f"out/{name}{end}" for name in "ac" for end in ends}
    assert files(folder) - {"good.mot", "good.trc", "a.mp4", "b.mp4", "c.mp4"} == written


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_file_that_cannot_grow_leaves_nothing(tmp_path: Path) -> None:
    done = run_process("predict", WALK, "-o", tmp_path / "out", "--filter", "0", most_bytes=20_000)
    (line,) = done.errors
    assert "disk is full" in line
    assert "out" in line
    assert done.status == 1
    assert files(tmp_path) == set()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no permission to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_told_and_left_as_it_was(d3ke: Command, small_disk: Path) -> None:
    done = d3ke("predict", WALK, "-o", small_disk / "out")
    (line,) = done.errors
    assert "disk is full" in line
    assert done.status == 1
    assert files(small_disk) == set()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_with_130_and_nothing_half_written(tmp_path: Path) -> None:
    clip, out = tmp_path / "long.mp4", tmp_path / "out"
    make.clip(clip, make.walk(90) * 4, (640, 286))
    command = [sys.executable, "-c", PROGRAM, "predict", str(clip), "-o", str(out), "--overlay"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        while not out.is_dir() and running.poll() is None:  # it is made just before the writing
            time.sleep(0.02)
        time.sleep(0.2)  # the overlay of 360 frames takes longer
        running.send_signal(signal.SIGINT)
        told, error = running.communicate(timeout=60)
    assert running.returncode == 130
    assert told == b""
    assert error.splitlines()[-1] == b"interrupted: what was being written has been removed."
    assert files(tmp_path) == {"long.mp4"}
