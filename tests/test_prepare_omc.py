"""d3ke prepare omc: recordings of a made-up laboratory, whose truth is known, as a data set."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.dataset.reading import DataSet
from d3ke.dataset.sample import Sample
from d3ke.errors import D3keError
from d3ke.files import content_hash
from d3ke.motion.c3d import write_c3d
from d3ke.motion.markers import MarkerData
from d3ke.motion.opensim_files import read_markers, read_motion, write_markers
from d3ke.omc.filming import FilmingOptions
from d3ke.omc.lab import lab_recordings
from d3ke.omc.solved_session import Outcome, SessionSolver, SolveTask
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.synth.laboratory import LabConfig, Laboratory
from d3ke.synth.pictures.gl import open_renderer
from d3ke.synth_sessions import write_session
from d3ke.vision.camera import Camera
from tests.command import PROGRAM, Command, Result, run_process
from tests.opensim_oracle import opensim

Array = NDArray[np.float64]

CONFIG = LabConfig(seed=3, activities=("squat",), seconds=2.0, size=(384, 288))
MARKED, ACTED = "p005", "p008"  # of short videos; of ACTED the laboratory has the motion alone
SMALL = ("--size", "64", "--workers", "1")


class Lab(NamedTuple):
    """Folders: of sessions, one of which is broken; of the truth about them."""

    sessions: Path
    truth: Path

    @property
    def paths(self) -> list[Path]:
        return [self.sessions / name for name in (ACTED, MARKED, "broken")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A person with markers and a calibrated camera, one with an OpenSim motion, and junk."""
    try:
        open_renderer().close()
    except D3keError as error:
        pytest.skip(str(error))
    root = tmp_path_factory.mktemp("laboratory")
    sessions, truth = root / "sessions", root / "truth"
    laboratory = Laboratory(CONFIG, default_model())
    for name in (MARKED, ACTED):
        write_session(laboratory, int(name[1:]), sessions / name, truth / name)
    laboratory.close()
    for name in ("static.trc", "squat.trc", "camera_cam0.json"):
        (sessions / ACTED / name).unlink()
    for name in ("model.osim", "squat.mot"):
        shutil.copy(truth / ACTED / name, sessions / ACTED)
    broken = sessions / "broken"
    broken.mkdir()
    shutil.copy(sessions / MARKED / "squat_cam0.mp4", broken)
    (broken / "squat.c3d").write_bytes(bytes(2048))
    return Lab(sessions, truth)


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
    clock = json.loads((lab.truth / name / "sync.json").read_text())["squat"]["cam0"]
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
    return np.array(found) @ camera.R.T + camera.t


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
@pytest.mark.parametrize(("name", "most_deg"), [(MARKED, 1.0), (ACTED, 0.3)])
def test_coordinates_are_those_of_the_truth(
    lab: Lab, whole: Whole, name: str, most_deg: float
) -> None:
    """The median over frames and coordinates but the pelvis's place, with the clock's error."""
    data = DataSet.open(whole.folder)
    samples = samples_of(data, name)
    truth = read_motion(lab.truth / name / "squat.mot").at(marker_times(lab, name, samples))
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
    assert 0 < turned < 5  # deg: from landmarks of one squat
    page = (whole.folder / "pages" / f"{ACTED}.html").read_text(encoding="utf-8")
    assert "estimated" in page
    page = (whole.folder / "pages" / f"{MARKED}.html").read_text(encoding="utf-8")
    assert "calibration file camera_cam0.json" in page
    assert "estimated" not in page


@pytest.mark.slow
def test_each_session_has_a_page_about_its_trials(lab: Lab, whole: Whole) -> None:
    pages = {Path(page).name: Path(page) for page in whole.said.json["pages"]}
    assert set(pages) == {f"{MARKED}.html", f"{ACTED}.html"}
    for page in pages.values():
        text = page.read_text(encoding="utf-8")
        assert "squat_cam0.mp4" in text
        assert "found from motion" in text


@pytest.mark.slow
def test_a_seed_splits_the_people(whole: Whole) -> None:
    splits = {clip["subject"]: clip["split"] for clip in DataSet.open(whole.folder).manifest.clips}
    assert sorted(splits.values()) == ["test", "train"]
