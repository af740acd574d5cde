"""d3ke prepare omc: recordings of a made-up laboratory, whose truth is known, as a data set."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.dataset.reading import DataSet
from d3ke.dataset.sample import Sample
from d3ke.files import content_hash
from d3ke.motion.opensim_files import read_motion
from d3ke.omc.lab import lab_recordings
from d3ke.progress import Silent
from d3ke.vision.camera import Camera
from tests.command import PROGRAM, Command, Result, run_process
from tests.made_laboratory import ACTED, CONFIG, MARKED, SMALL, TRIALS, Lab, clock_of
from tests.opensim_oracle import opensim

Array = NDArray[np.float64]


class Whole(NamedTuple):
    """A data set of the laboratory, and what its making said."""

    folder: Path
    said: Result


@pytest.fixture(scope="module")
def whole(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole") / "data"
    return Whole(folder, run_process("prepare", "omc", *lab.paths, "-o", folder, *SMALL, "--json"))


def samples_of(data: DataSet, name: str) -> list[Sample]:
    clips = [clip for clip in data.manifest.clips if clip["subject"] == name]
    return [data.sample(clip, row) for clip in clips for row in range(clip["frames"])]


def marker_times(lab: Lab, name: str, samples: Sequence[Sample]) -> Array:
    """When the frames were taken by the markers' clock, s, as the truth says."""
    clock = clock_of(lab, name)
    frames = np.array([sample.frame for sample in samples])
    return (1 + clock["drift"]) * frames / CONFIG.video_hz + clock["offset_s"]


def true_joints(lab: Lab, name: str, q: Array, names: Sequence[str]) -> Array:
    """Joint centres (F, J, 3) in the camera, m, by OpenSim's forward kinematics of the truth."""
    osim = opensim().Model(str(lab.truth / name / "model.osim"))
    state = osim.initSystem()
    found = []
    for row in q:
        for coordinate, value in zip(names, row.tolist(), strict=True):
            osim.updCoordinateSet().get(coordinate).setValue(state, value, False)
        osim.realizePosition(state)
        places = [
            joint.getChildFrame().getPositionInGround(state).to_numpy()
            for joint in osim.getJointSet()
        ]
        found.append(places)
    camera = Camera.from_calibration(lab.truth / name / "camera_cam0.json", CONFIG.size)
    in_camera: Array = np.array(found) @ camera.R.T + camera.t
    return in_camera


# --- what is made


@pytest.mark.slow
def test_the_command_tells_what_it_made_in_one_object(lab: Lab, whole: Whole) -> None:
    record = whole.said.json
    counts = {name: record[name] for name in ("sessions", "subjects", "clips", "shards")}
    assert counts == {"sessions": 2, "subjects": 2, "clips": 2, "shards": 2}
    assert record["output"] == str(whole.folder)
    assert record["frames"] == record["made"] > 100
    assert record["bytes"] == sum(path.stat().st_size for path in whole.folder.glob("*.tar"))
    assert not (whole.folder / ".prepare").exists()


@pytest.mark.slow
def test_a_broken_session_is_named_and_the_others_are_used(lab: Lab, whole: Whole) -> None:
    assert whole.said.status == 1
    assert whole.said.json["unusable"] == ["broken"]
    first, last = whole.said.warnings
    assert first == (
        f"warning: {lab.sessions / 'broken' / 'squat.c3d'}: not a .c3d file, or cut short. "
        "Export it again."
    )
    assert last == "warning: 1 session left out: broken"
    assert whole.said.errors == []
    assert set(DataSet.open(whole.folder).manifest.subjects) == {MARKED, ACTED}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most_deg"), [(MARKED, 1.0), (ACTED, 0.7)])
def test_coordinates_are_those_of_the_truth(
    lab: Lab, whole: Whole, name: str, most_deg: float
) -> None:
    """The median over frames and coordinates but the pelvis's place, with the clock's error."""
    data = DataSet.open(whole.folder)
    samples = samples_of(data, name)
    truth = read_motion(lab.truth / name / f"{TRIALS[name]}.mot").at(
        marker_times(lab, name, samples)
    )
    columns = [data.manifest.coordinate_names.index(one) for one in truth.names]
    off = np.degrees(np.array([sample.q[columns] for sample in samples]) - truth.q)
    turning = [place for place, one in enumerate(truth.names) if not one.startswith("pelvis_t")]
    known = np.isfinite(off).all(axis=1)
    assert known.mean() > 0.9
    assert np.median(np.abs(off[known][:, turning])) < most_deg


@pytest.mark.slow
def test_joints_lie_on_the_truth_in_the_camera(lab: Lab, whole: Whole) -> None:
    data = DataSet.open(whole.folder)
    samples = samples_of(data, MARKED)
    truth = read_motion(lab.truth / MARKED / "squat.mot").at(marker_times(lab, MARKED, samples))
    known = np.isfinite(truth.q).all(axis=1)
    expected = true_joints(lab, MARKED, truth.q[known], truth.names)
    found = np.array([sample.joints for sample in samples])[known]
    off = np.linalg.norm(found - expected, axis=2)
    assert np.median(off) < 0.01  # m
    assert np.median(off, axis=0).max() < 0.03  # m: no joint is elsewhere


@pytest.mark.slow
def test_a_camera_that_nobody_calibrated_is_estimated_and_said(lab: Lab, whole: Whole) -> None:
    sample = samples_of(DataSet.open(whole.folder), ACTED)[0]
    truth = Camera.from_calibration(lab.truth / ACTED / "camera_cam0.json", CONFIG.size)
    turned = np.degrees(np.arccos((np.trace(sample.R @ truth.R.T) - 1) / 2))
    assert 0 < turned < 6  # deg: from landmarks of three steps
    page = (whole.folder / "pages" / f"{ACTED}.html").read_text(encoding="utf-8")
    assert "Camera: found from motion" in page
    page = (whole.folder / "pages" / f"{MARKED}.html").read_text(encoding="utf-8")
    assert "Camera: calibration file camera_cam0.json" in page


@pytest.mark.slow
def test_each_session_has_a_page_about_its_trials(lab: Lab, whole: Whole) -> None:
    pages = {Path(page).name: Path(page) for page in whole.said.json["pages"]}
    assert set(pages) == {f"{MARKED}.html", f"{ACTED}.html"}
    for name, trial in TRIALS.items():
        text = pages[f"{name}.html"].read_text(encoding="utf-8")
        assert f"{trial}_cam0.mp4" in text
        assert "s, found from motion (" in text


@pytest.mark.slow
def test_a_seed_splits_the_people(whole: Whole) -> None:
    splits = {clip["subject"]: clip["split"] for clip in DataSet.open(whole.folder).manifest.clips}
    assert sorted(splits.values()) == ["test", "train"]


@pytest.mark.slow
def test_a_finished_data_set_still_says_what_was_left_out(
    d3ke: Command, lab: Lab, whole: Whole
) -> None:
    told = ("prepare", "omc", *lab.paths, "-o", whole.folder, *SMALL, "--resume")
    again = d3ke(*told, "--json")
    assert (again.status, again.json["made"]) == (1, 0)
    assert (again.json["unusable"], again.json["sessions"]) == (["broken"], 2)
    first, last = again.warnings
    assert first.startswith("warning: broken/squat.c3d: not a .c3d file")
    assert last == whole.said.warnings[-1]
    (whole.folder / "sessions.json").rename(whole.folder / "kept.json")
    assert d3ke(*told).status == 0  # of an earlier version: nothing is known of it
    (whole.folder / "kept.json").rename(whole.folder / "sessions.json")


@pytest.mark.slow
def test_nothing_in_a_data_set_names_the_machine_s_folders(lab: Lab, whole: Whole) -> None:
    read = [*whole.folder.glob("*.json"), *whole.folder.glob("pages/*.html")]
    assert len(read) == 4
    for path in read:
        assert str(lab.sessions.parent) not in path.read_text(encoding="utf-8")


# --- what the options do


@pytest.mark.slow
def test_clocks_and_splits_that_are_told_are_used(
    d3ke: Command, lab: Lab, whole: Whole, tmp_path: Path
) -> None:
    offset_s = clock_of(lab, ACTED)["offset_s"]
    (tmp_path / "split.csv").write_text(f"subject,split\nothers,train\n{ACTED},valid\n")
    words = ("--sync", f"{offset_s:.3f}", "--split", tmp_path / "split.csv", *SMALL)
    done = d3ke("prepare", "omc", lab.sessions / ACTED, "-o", tmp_path / "data", *words)
    page = tmp_path / "data" / "pages" / f"{ACTED}.html"
    assert (done.status, done.errors, done.warnings) == (0, [], [])
    assert done.out.splitlines() == [str(tmp_path / "data"), str(page)]
    data = DataSet.open(tmp_path / "data")
    (clip,) = data.sequences("valid")
    assert clip["subject"] == ACTED
    sample = data.sample(clip, 0)
    assert sample.time == pytest.approx(sample.frame / CONFIG.video_hz + offset_s, abs=1e-3)
    assert f"offset {offset_s:.3f} s, given" in page.read_text(encoding="utf-8")
    config = data.manifest.config
    assert config["split"] == data.manifest.sources["split"] == content_hash(tmp_path / "split.csv")
    again = d3ke("prepare", "omc", lab.sessions / ACTED, "-o", tmp_path / "data", *words)
    assert (again.status, again.out) == (1, "")
    assert again.errors == [f"error: {tmp_path / 'data'}: holds a data set. Name another folder."]


@pytest.mark.slow
def test_a_clock_that_motion_contradicts_is_refused_with_both(
    d3ke: Command, lab: Lab, tmp_path: Path
) -> None:
    true_s = clock_of(lab, ACTED)["offset_s"]
    words = ("--sync", f"{true_s + 0.25:.3f}", *SMALL)
    done = d3ke("prepare", "omc", lab.sessions / ACTED, "-o", tmp_path / "data", *words)
    (line,) = done.warnings
    told = re.search(r"offset (\S+) s was given, motion says (\S+) s", line)
    assert told is not None
    assert [float(one) for one in told.groups()] == pytest.approx([true_s + 0.25, true_s], abs=0.02)
    assert done.status == 1
    assert "nothing can be used, for the reasons above" in done.errors[0]


@pytest.mark.slow
def test_the_manifest_knows_its_sources_wherever_they_lie(
    lab: Lab, whole: Whole, tmp_path: Path
) -> None:
    told = DataSet.open(whole.folder).manifest.sources
    shutil.copytree(lab.sessions, tmp_path / "moved")
    moved = [tmp_path / "moved" / path.name for path in lab.paths]
    found, lost = lab_recordings(moved, None, Silent())
    assert (found.sources, lost) == (told, [])
    (moved[1] / "static.trc").open("a").write("\n")
    changed, _ = lab_recordings(moved, None, Silent())
    assert {name for name in told if told[name] != changed.sources[name]} == {MARKED}


# --- interrupted


def started(output: Path, paths: Sequence[Path], *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-B", "-c", PROGRAM, "prepare", "omc", *map(str, paths)]
    return subprocess.Popen(
        [*command, "-o", str(output), *SMALL, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(folder: Path, files: str, running: "subprocess.Popen[str]") -> None:
    while not any(folder.glob(files)) and running.poll() is None:
        time.sleep(0.02)


def hashes(folder: Path) -> dict[str, str]:
    """Of the manifest and the shards."""
    return {path.name: content_hash(path) for path in folder.glob("*.*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals to groups of processes")
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    d3ke: Command, lab: Lab, whole: Whole, tmp_path: Path
) -> None:
    """Ctrl-C once a session is solved; killed once a shard is whole; and all lies elsewhere."""
    shutil.copytree(lab.sessions, tmp_path / "moved")
    paths = [tmp_path / "moved" / path.name for path in lab.paths]
    output = tmp_path / "data"
    with started(output, paths) as running:
        wait_for(output, f".prepare/solved/{ACTED}.done", running)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert [line.partition(" ")[0] for line in err.splitlines()] == ["note:", "interrupted:"]
    assert "--resume" in err
    with started(output, paths, "--resume") as running:
        wait_for(output, ".prepare/[!.]*.tar.json", running)
        os.killpg(running.pid, signal.SIGKILL)
    assert not (output / "manifest.json").exists()
    done = d3ke("prepare", "omc", *paths, "-o", output, *SMALL, "--resume", "--json")
    assert done.json["unusable"] == ["broken"]
    assert done.json["made"] < done.json["frames"]
    assert hashes(output) == hashes(whole.folder)
    assert not (output / ".prepare").exists()
