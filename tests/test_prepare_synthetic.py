"""Preparing a data set: the same bytes however it came about, and one line where it cannot."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import d3ke.making
from d3ke.dataset.labels import picture_of
from d3ke.dataset.reading import DataSet
from d3ke.errors import D3keError, OptionError
from d3ke.journal import Journal
from d3ke.making import shard_jobs
from d3ke.motion.opensim_files import read_markers, read_motion
from d3ke.prepare import Prepared, PrepareOptions, film_jobs, prepare_synthetic
from d3ke.progress import Silent
from d3ke.synth.plans import SynthConfig, plans
from tests.command import Command
from tests.made_people import MadePeople, blind_source, made_source, slow_source
from tests.opensim_oracle import opensim

CONFIG = SynthConfig(frames=400, seed=5, size=64, clip_frames=16, lone_frames=8)
SHARD = 32  # frames: so that there are several
# The command, with people who need no drawing. {0}: what to do first; {1}: which people.
PROGRAM = """
import sys
{0}
from dataclasses import replace
import d3ke.making
import d3ke.prepare as module
from tests.made_people import {1}
from d3ke_cli.app import main

d3ke.making.SHARD_FRAMES = 32
whole = module.prepare_synthetic


def small(output, config, options, progress):
    short = replace(config, clip_frames=16, lone_frames=8)
    return whole(output, short, options, progress, {1})


module.prepare_synthetic = small
sys.exit(main(["prepare", "synthetic", *sys.argv[1:]]))
"""
SMALL_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
WORDS = ("-n", "400", "--seed", "5", "--size", "64", "--workers", "2")


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(d3ke.making, "SHARD_FRAMES", SHARD)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set that one worker made without a pause, with all that can come beside it."""
    folder = tmp_path_factory.mktemp("whole")
    options = PrepareOptions(workers=1, openable=True, sheet=folder / "sheet.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(d3ke.making, "SHARD_FRAMES", SHARD)
        prepare_synthetic(folder / "data", CONFIG, options, open_source=made_source)
    return folder / "data"


def hashes(folder: Path) -> dict[str, str]:
    """Of the data set's own files, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent.name != "openable"
    }


def started(
    output: Path, *words: str, people: str = "slow_source", first: str = ""
) -> "subprocess.Popen[str]":
    command = [sys.executable, "-B", "-c", PROGRAM.format(first, people), *WORDS, *words]
    return subprocess.Popen(
        [*command, "-o", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        start_new_session=True,
    )


def wait_for(output: Path, shards: int, running: "subprocess.Popen[str]") -> None:
    while len(list(output.glob("[!.]*.tar"))) < shards and running.poll() is None:
        time.sleep(0.02)


def prepared(output: Path, config: SynthConfig = CONFIG, **options: Any) -> Prepared:
    wanted = PrepareOptions(**{"workers": 2, **options})
    return prepare_synthetic(output, config, wanted, open_source=made_source)


# --- what is made


def test_a_shard_is_of_one_split_and_holds_whole_clips() -> None:
    planned = plans(CONFIG)
    jobs = shard_jobs(planned)
    assert [plan for job in jobs for plan in job.plans] == planned
    for job in jobs:
        assert {plan.split for plan in job.plans} == {job.name.partition("-")[0]}
        assert sum(plan.frames for plan in job.plans[:-1]) < SHARD


def test_counts_of_the_manifest_are_those_of_the_samples(whole: Path) -> None:
    data = DataSet.open(whole)
    counts = data.manifest.counts
    assert sum(count["frames"] for count in counts.values()) == CONFIG.frames
    for split in ("train", "valid", "test"):
        clips = data.sequences(split)
        samples = [data.sample(clip, i) for clip in clips for i in range(clip["frames"])]
        assert len(samples) == len({sample.key for sample in samples}) == counts[split]["frames"]
        assert all(sample.key.startswith(split) for sample in samples)


def test_no_test_person_and_no_test_motion_is_in_train(whole: Path) -> None:
    def of(split: str) -> tuple[set[str], set[str]]:
        clips = DataSet.open(whole).sequences(split)
        sources = {source for clip in clips for source in clip["sources"]}
        return {clip["subject"] for clip in clips}, sources - {"procedural"}

    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        for ours, theirs in zip(of(first), of(second), strict=True):
            assert ours
            assert not ours & theirs


@pytest.mark.slow
def test_workers_change_no_byte(whole: Path, tmp_path: Path) -> None:
    prepared(tmp_path / "data", workers=3)
    assert hashes(tmp_path / "data") == hashes(whole)


def test_the_sheet_shows_samples_with_their_joints(whole: Path) -> None:
    sheet = cv2.imread(str(whole.with_name("sheet.png")))
    assert sheet is not None
    assert sheet.shape == (6 * 256, 6 * 256, 3)
    tile = sheet[:256, :256].astype(int)
    assert (np.ptp(tile, axis=2) > 100).sum() > 500  # px in colours, on a grey picture


@pytest.mark.slow
def test_opensim_opens_what_openable_writes(whole: Path) -> None:
    """The motion on the scaled model puts OpenSim's own markers where the .trc has them."""
    osim = opensim()
    films = film_jobs(plans(CONFIG), whole)
    assert {film.plan.split for film in films} == {"train", "valid", "test"}
    stem = films[0].stem
    motion, markers = read_motion(stem.with_suffix(".mot")), read_markers(stem.with_suffix(".trc"))
    model = osim.Model(str(stem.with_suffix(".osim")))
    state = model.initSystem()
    for row in (0, len(motion.time) - 1):
        for name, value in zip(motion.names, motion.q[row], strict=True):
            model.getCoordinateSet().get(name).setValue(state, float(value), False)
        model.realizePosition(state)
        for column, name in enumerate(markers.names):
            place = model.getMarkerSet().get(name).getLocationInGround(state).to_numpy()
            assert np.abs(place - markers.xyz[row, column]).max() < 1e-4  # m: as the files promise
    video = cv2.VideoCapture(str(stem.with_suffix(".mp4")))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == len(motion.time)


@pytest.mark.slow
def test_real_people_are_written_and_openable(tmp_path: Path) -> None:
    """What the .trc says of a clip is what its samples say, taken to ground."""
    from d3ke.synth.pictures.gl import open_renderer

    try:
        open_renderer().close()
    except D3keError as error:
        pytest.skip(str(error))
    config = SynthConfig(frames=6, seed=2, size=64, clip_share=1.0, clip_frames=6)
    result = prepare_synthetic(tmp_path, config, PrepareOptions(workers=1, openable=True))
    assert {path.suffix for path in result.openable} == {".osim", ".mot", ".trc", ".mp4"}
    markers = read_markers(result.openable[2])
    data = DataSet.open(tmp_path)
    (clip,) = data.sequences("train", kind="clip")
    for row in range(clip["frames"]):
        sample = data.sample(clip, row)
        ground = (sample.markers - sample.t) @ sample.R
        assert np.abs(ground - markers.xyz[row]).max() < 1e-5  # m, float32 at a few metres
        assert picture_of(sample).std() > 5  # grey levels: something is to be seen


# --- interrupted


def children(process: int) -> list[int]:
    """Of a process, as Linux lists it; those that have ended are passed over."""
    found = []
    for path in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            if f"PPid:\t{process}\n" in path.read_text():
                found.append(int(path.parent.name))
    return found


def is_alive(process: int) -> bool:
    status = Path(f"/proc/{process}/status")
    return status.is_file() and "State:\tZ" not in status.read_text()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_run_goes_on_to_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "data"
    with started(output) as running:
        wait_for(output, 2, running)
        workers = children(running.pid)
        running.kill()
    assert len(workers) >= 2
    assert not (output / "manifest.json").exists()
    until = time.monotonic() + 20
    while any(map(is_alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(is_alive, workers))  # they notice by themselves
    done = list(output.glob("[!.]*.tar"))
    torn = done[0]
    torn.write_bytes(torn.read_bytes()[:-4096])  # as a disk that lost power may leave it
    (output / ".train-000001.0123abcd.tar").write_bytes(b"half a shard")
    result = prepared(output, resume=True)
    assert 0 < result.made < CONFIG.frames
    assert hashes(output) == hashes(whole)


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    kept = {"train-000001.tar", ".mine.0123abcd.json"}
    for name in (*kept, ".train-000001.0123abcd.tar", ".manifest.0123abcd.json"):
        (tmp_path / name).write_bytes(b"half")
    Journal(tmp_path).sweep()
    assert {path.name for path in tmp_path.iterdir()} == kept


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_with_130_and_can_be_resumed(whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "data"
    with started(output) as running:
        wait_for(output, 2, running)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert out == ""
    assert [line.partition(" ")[0] for line in err.splitlines()] == ["note:", "interrupted:"]
    assert "--resume" in err
    assert not [name for name in hashes(output) if name.startswith(".train")]
    with started(output, "--resume", "--json", people="made_source") as running:
        out, err = running.communicate(timeout=120)
    assert (running.returncode, json.loads(out)["frames"]) == (0, CONFIG.frames), err
    assert hashes(output) == hashes(whole)


def test_too_few_frames_for_a_clip_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # so a relative path, which the worker must find, too
    progress = Silent()
    options = PrepareOptions(workers=1, openable=True)
    few = replace(CONFIG, frames=4)
    prepare_synthetic("data", few, options, progress, made_source)
    assert (tmp_path / "data" / "train-000000.tar").is_file()
    (warning,) = progress.warnings
    assert "no clip among 4 frames" in warning


def test_what_is_whole_is_left_alone(whole: Path) -> None:
    before = hashes(whole)
    result = prepared(whole, resume=True, openable=True)
    assert (result.made, result.frames) == (0, CONFIG.frames)
    assert hashes(whole) == before


# --- refused, in one line


def test_a_data_set_in_the_way_is_left_alone(whole: Path, tmp_path: Path) -> None:
    before = hashes(whole)
    with pytest.raises(D3keError, match="holds a data set"):
        prepared(whole)
    assert hashes(whole) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(D3keError, match="a file is in the way"):
        prepared(tmp_path / "file")


@pytest.mark.parametrize(("name", "value"), [("seed", 6), ("frames", 90), ("size", 96)])
def test_other_options_cannot_resume(whole: Path, name: str, value: int) -> None:
    config = replace(CONFIG, **{name: value})  # type: ignore[arg-type]  # whole numbers all
    with pytest.raises(D3keError, match=f"another {name}"):
        prepared(whole, config, resume=True)


def test_a_run_that_was_begun_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / ".prepare").mkdir()
    (tmp_path / ".prepare" / "options.json").write_text(json.dumps({"kind": "synthetic"}))
    with pytest.raises(D3keError, match="--resume"):
        prepared(tmp_path)
    with pytest.raises(D3keError, match="another frames, seed"):
        prepared(tmp_path, resume=True)


def test_a_sheet_must_be_a_picture(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"sheet\.pdf"):
        prepared(tmp_path / "data", sheet=tmp_path / "sheet.pdf")
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_what_fails_in_every_worker_is_told_once_and_leaves_nothing(tmp_path: Path) -> None:
    progress = Silent()
    options = PrepareOptions(workers=2, openable=True)
    with pytest.raises(D3keError, match="no EGL here"):
        prepare_synthetic(tmp_path / "data", CONFIG, options, progress, blind_source)
    assert list(tmp_path.iterdir()) == []
    assert progress.notes == progress.warnings == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with started(tmp_path / "data", people="made_source", first=SMALL_FILES) as running:
        out, err = running.communicate(timeout=120)
    (line,) = err.splitlines()
    assert "the disk is full" in line
    assert "000" in line  # which shard
    assert (running.returncode, out) == (1, "")
    assert list(tmp_path.iterdir()) == []


def lost_source(config: SynthConfig, osim: Any) -> MadePeople:
    """People whose maker is killed, as for want of memory."""
    if os.environ.get("LP_NUM_THREADS") == "1":  # in a worker
        os.kill(os.getpid(), signal.SIGTERM)
    return MadePeople(config, osim)


@pytest.mark.slow
def test_a_worker_that_is_killed_is_told(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="ended from outside"):
        prepare_synthetic(
            tmp_path / "data", CONFIG, PrepareOptions(workers=1), open_source=lost_source
        )
    assert list(tmp_path.iterdir()) == []


# --- the command


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-o", "x"], "--frames"),
        (["-n", "0", "-o", "x"], "--frames"),
        (["-n", "10", "-o", "x", "--size", "8"], "64"),
        (["-n", "10", "-o", "x", "--workers", "0"], "--workers"),
        (["-n", "10", "-o", "x", "--seed", "-1"], "--seed"),
    ],
)
def test_wrong_words_are_wrong_use(d3ke: Command, words: list[str], says: str) -> None:
    done = d3ke("prepare", "synthetic", *words)
    (line,) = done.errors
    assert says in line
    assert line.endswith("See 'd3ke prepare synthetic --help'.")
    assert (done.status, done.out) == (2, "")


def test_prepare_alone_shows_what_can_be_prepared(d3ke: Command) -> None:
    done = d3ke("prepare")
    assert done.status == 2
    assert "synthetic" in done.out


def test_the_slow_people_are_as_the_others(whole: Path) -> None:
    """What the interrupted runs rely on."""
    data = DataSet.open(whole)
    slow = slow_source(CONFIG, data.manifest.model())
    plan = slow.plans()[0]
    assert slow.make(plan).samples[0].jpg == data.sample(data.sequences("train")[0], 0).jpg
