"""Bad input of d3ke train: one line that says what, where and what to do, and nothing lost."""

import json
import pickle
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from d3ke.dataset.sample import Sample
from d3ke.network.checkpoint import load_weights
from d3ke.synth.plans import ClipPlan
from d3ke.training.frames import FrameStage
from d3ke.training.samples import FrameBatch
from tests.bad_files import pickled
from tests.command import Command
from tests.small_training import (
    PEOPLE,
    another_skeleton,
    breaking,
    curve,
    fresh_weights,
    image_network,
    same,
    small_set,
    weights,
)
from tests.test_backbones import Trap

LONE = (ClipPlan("train", 0, "frames", 4), ClipPlan("valid", 0, "frames", 2))
WORDS = "-o {out} --size 32 --steps 2 --save-every 2 --device cpu --precision fp32 --workers 0"
TRAIN = f"train data {WORDS} --backbone mobilenet_v2 --batch 2"
FRAME = f"{TRAIN} --stage frame"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data sets and weights, of which some are good."""
    folder = tmp_path_factory.mktemp("here")
    small_set(folder / "data")
    small_set(folder / "lone", LONE)
    small_set(folder / "other", LONE, osim=another_skeleton())
    small_set(folder / "fast", config=replace(PEOPLE, rate_hz=50.0))
    manifest = json.loads((folder / "lone" / "manifest.json").read_text())
    for name, change in (("newer", {"schema_version": 2}), ("empty", {"clips": []})):
        shutil.copytree(folder / "lone", folder / name)
        (folder / name / "manifest.json").write_text(json.dumps(manifest | change))
    fresh_weights(folder / "fresh")
    for name in ("junk", "trap"):
        shutil.copy(folder / "fresh" / "best.json", folder / f"{name}.json")
    (folder / "junk.safetensors").write_bytes(pickled())
    trap = Trap(folder / "touched")
    (folder / "trap.safetensors").write_bytes(pickle.dumps(trap))
    torch.save({"conv1.weight": trap}, folder / "trap.pth")
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), folder / "resnet18.pth")
    (folder / "words.json").write_text("[1, 2]")
    (folder / "nobody.json").write_text('{"NOSE_TIP": 2.0}')
    (folder / "below.json").write_text('{"RASI": -1}')
    return folder


class Row(NamedTuple):
    """A command and words of what it says; the exit code."""

    what: str
    command: str
    says: tuple[str, ...]
    status: int = 1


ROWS = [
    Row("nothing to learn from", "train -o {out}", ("nothing to learn from", "--synthetic"), 2),
    Row("no such data", f"train nix {WORDS}", ("nix", "no data set")),
    Row("an empty data set", f"train empty {WORDS}", ("empty", "empty data set")),
    Row("another skeleton", f"train other {WORDS} --init fresh", ("another skeleton", ".osim")),
    Row("two skeletons", f"train lone other {WORDS}", ("other", "labels are of another skeleton")),
    Row("two rates", f"train data fast {WORDS}", ("30, 50 Hz", "one rate")),
    Row("a newer manifest", f"train newer {WORDS}", ("newer", "schema 2", "reads 1")),
    Row("no clips, temporal", f"train lone {WORDS} --stage temporal", ("lone", "no clips")),
    Row("no clips, both", f"train lone {WORDS} --stage both", ("lone", "no clips")),
    Row("no data, temporal", "train --synthetic 1 --stage temporal -o {out}", ("clips",), 2),
    Row("no data, both", "train --synthetic 1 --stage both -o {out}", ("clips",), 2),
    Row("no temporal network", f"{TRAIN} --temporal none --stage both", ("--stage frame",), 2),
    Row("no frame stage", f"{TRAIN} --stage temporal --window 9", ("frame", "no such weights")),
    Row("a coordinate of nobody", f"{TRAIN} --coordinates knee", ("knee", "no such coordinate")),
    Row("the root", f"{TRAIN} --coordinates pelvis_tilt", ("pelvis_tilt", "Leave it out")),
    Row("an odd size", f"{TRAIN} --size 100", ("100 px", "multiple of 32")),
    Row("an odd window", f"{TRAIN} --window 100", ("--window 100", "9, 27, 81, 243"), 2),
    Row("a head of nothing", f"{TRAIN} --only head", ("--only head needs --init",), 2),
    Row("no such weights", f"{TRAIN} --init nix", ("nix", "no such weights")),
    Row("landmarks' weights", f"{TRAIN} --init landmarks", ("landmarks, not pictures",)),
    Row("pickled weights", f"{TRAIN} --init junk.safetensors", ("junk", "not a safetensors")),
    Row("malicious weights", f"{TRAIN} --init trap.safetensors", ("trap", "not a safetensors")),
    Row("a malicious backbone", f"{TRAIN} --backbone-weights trap.pth", ("trap.pth", "not read")),
    Row("another backbone", f"{TRAIN} --backbone-weights resnet18.pth", ("another backbone",)),
    Row("two beginnings", f"{TRAIN} --pretrained --backbone-weights a.pth", ("Give one",), 2),
    Row("init's coordinates", f"{TRAIN} --init fresh --coordinates a", ("--init brings",), 2),
    Row("scales of nothing", f"{TRAIN} --scale-groups words.json", ("words.json", "scale groups")),
    Row("weights of nothing", f"{TRAIN} --marker-weights words.json", ("words.json", "RASI")),
    Row("weights below 0", f"{TRAIN} --marker-weights below.json", ("below.json", "RASI")),
    Row("a marker of nobody", f"{TRAIN} --marker-weights nobody.json", ("no marker NOSE_TIP",)),
    Row("both lengths", f"{TRAIN} --epochs 2", ("--epochs", "Give one"), 2),
    Row("no end", "train data --synthetic 1 --epochs 2 -o {out}", ("--steps",), 2),
    Row(
        "landmarks' pictures",
        "train data --backbone landmarks --synthetic 0 --pretrained -o {out}",
        ("--pretrained is for backbones that see pictures",),
        2,
    ),
    Row("records", f"{TRAIN} --records lone", ("--records is for --backbone landmarks",), 2),
    Row("nothing to resume", f"{TRAIN} --resume", ("no run to resume",)),
    Row("an unknown recipe", f"{TRAIN} --recipe best", ("best",), 2),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_bad_input_is_told_in_one_line_and_leaves_nothing(
    d3ke: Command, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    monkeypatch.chdir(here)
    done = d3ke(*shlex.split(row.command.format(out=tmp_path / "out")))
    (line,) = done.errors
    assert line.startswith("error: ")
    assert line.endswith((".", "?"))
    assert [word for word in row.says if word not in line] == []
    assert (done.status, done.out) == (row.status, "")
    assert list(tmp_path.iterdir()) == []
    assert not (here / "touched").exists()


# --- a run that is there


@pytest.fixture(scope="module")
def finished(here: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame stage of two steps."""
    from d3ke_cli.app import main

    out = tmp_path_factory.mktemp("finished") / "run"
    words = shlex.split(FRAME.format(out=out).replace("train data", f"train {here / 'data'}"))
    assert main(words) == 0
    return out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", ("holds a run", "--resume")),
        ("--resume --seed 4", ("begun with another seed",)),
        ("--resume --batch 1", ("begun with another batch",)),
        ("--resume --recipe paper", ("begun with another", "schedule", "loss")),
        ("--resume --size 64", ("begun with another size",)),
        ("--resume --backbone resnet50", ("begun with another encoder",)),
        ("--resume --coordinates knee_angle_r", ("begun with another bounds",)),
        ("--resume --stage temporal --window 9", ("no run to resume",)),
    ],
)
def test_a_run_is_neither_lost_nor_gone_on_with_as_another(
    d3ke: Command,
    here: Path,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    says: tuple[str, ...],
) -> None:
    monkeypatch.chdir(here)
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    done = d3ke(*shlex.split(f"{FRAME.format(out=finished)} {words}"))
    (line,) = done.errors
    assert [word for word in says if word not in line] == []
    assert (done.status, done.out) == (1, "")
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_a_finished_run_is_resumed_to_the_same_weights(
    d3ke: Command, here: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    before = (finished / "frame" / "last.safetensors").read_bytes()
    done = d3ke(*shlex.split(FRAME.format(out=finished)), "--resume", "--json")
    assert done.json["output"] == {"frame": str(finished / "frame" / "best.safetensors")}
    assert done.json["steps"] == {"frame": 2}
    assert (finished / "frame" / "last.safetensors").read_bytes() == before


def test_a_state_that_is_cut_short_is_told(
    d3ke: Command, here: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    state = out / "frame" / "resume.safetensors"
    state.write_bytes(state.read_bytes()[:5000])
    (line,) = d3ke(*shlex.split(FRAME.format(out=out)), "--resume").errors
    assert "resume.safetensors: cannot resume from this file" in line


# --- while it trains


def broken_set(folder: Path, count: int) -> Path:
    """130 frames to learn from, of which some are no pictures."""
    plans = [ClipPlan("train", 0, "frames", 130), ClipPlan("valid", 0, "frames", 2)]
    keys = [f"train000000-frames00-0-{n:06d}" for n in range(0, 130, 10)][:count]
    return small_set(folder, plans, change=breaking(*keys))


@pytest.mark.parametrize(("count", "status"), [(1, 0), (6, 1)])
def test_a_broken_sample_is_named_and_many_end_it(
    d3ke: Command, tmp_path: Path, count: int, status: int
) -> None:
    data = broken_set(tmp_path / "bad", count)
    words = f"train {data} {WORDS} --backbone mobilenet_v2 --batch 65 --stage frame"
    done = d3ke(*shlex.split(words.format(out=tmp_path / "out")))
    assert done.status == status
    assert len(done.warnings) == len(set(done.warnings))
    assert all("not a picture" in line and "left out (" in line for line in done.warnings)
    if count == 1:
        (warning,) = done.warnings
        assert "train000000-frames00-0-000000.jpg" in warning
        assert "(1 so far)" in warning
        assert done.errors == []
    else:
        (line,) = done.errors
        assert "of 130 samples cannot be read, more than one in a hundred" in line


def test_a_label_that_is_no_number_stops_with_the_sample_s_name(
    d3ke: Command, tmp_path: Path
) -> None:
    def spoilt(sample: Sample) -> Sample:
        nothing = np.full_like(sample.q, np.nan)
        return replace(sample, q=nothing) if sample.key.endswith("2-frames00-0-000003") else sample

    small_set(tmp_path / "data", change=spoilt)
    words = f"train {tmp_path / 'data'} {WORDS} --backbone mobilenet_v2 --batch 16 --stage frame"
    done = d3ke(*shlex.split(words.format(out=tmp_path / "out")))
    (line,) = done.errors
    assert "the loss is no number at step 0" in line
    assert "data/train000002-frames00, frame 3 gives it" in line
    assert done.status == 1


def test_a_batch_too_large_for_memory_is_told_with_one_that_fits(
    d3ke: Command, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = FrameStage.loss

    def small_memory(self: FrameStage, network: nn.Module, batch: FrameBatch) -> Any:
        if len(batch.keys) > 3:
            raise torch.OutOfMemoryError("no memory")
        return whole(self, network, batch)

    monkeypatch.setattr(FrameStage, "loss", small_memory)
    monkeypatch.chdir(here)
    words = FRAME.format(out=tmp_path / "out").replace("--batch 2", "--batch 8")
    (line,) = d3ke(*shlex.split(words)).errors
    assert line == "error: --batch 8: out of memory on cpu. --batch 2 fits."


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 80 MiB: the first checkpoint, and half of the second beside it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no permission to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_good_checkpoint_to_go_on_from(
    d3ke: Command, here: Path, tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    words = FRAME.replace("--steps 2 --save-every 2", "--steps 4 --save-every 2")
    out = small_disk / "run"
    done = d3ke(*shlex.split(words.format(out=out)))
    (line,) = done.errors
    assert "No space left" in line or "the disk is full" in line
    assert str(out / "frame") in line
    assert done.status == 1
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]
    assert load_weights(out).config.encoder == "mobilenet_v2"
    image_network(out / "frame" / "last.safetensors")
    larger = ["mount", "-o", "remount,size=200m", str(small_disk)]
    subprocess.run(larger, check=True)
    assert d3ke(*shlex.split(words.format(out=out)), "--resume").status == 0
    assert d3ke(*shlex.split(words.format(out=tmp_path / "whole"))).status == 0
    assert curve(out / "frame") == curve(tmp_path / "whole" / "frame")
    resumed, whole = (weights(r / "frame" / "last.safetensors") for r in (out, tmp_path / "whole"))
    assert same(resumed, whole)
