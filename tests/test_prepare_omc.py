"""d3ke prepare omc: recordings of a made-up laboratory, whose truth is known, as a data set."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
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
from d3ke.motion.markers import MarkerData
from d3ke.motion.opensim_files import read_markers, read_motion, write_markers
from d3ke.omc.filming import FilmingOptions
from d3ke.omc.fitted_size import FittedSize
from d3ke.omc.lab import LabSource, lab_recordings, read_lab
from d3ke.omc.recording import Recording
from d3ke.omc.solved_session import Outcome, SessionSolver, SolveJob, SolveTask
from d3ke.omc.solving import Solver
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.laboratory import LabConfig, Laboratory
from d3ke.synth.pictures.gl import open_renderer
from d3ke.synth_sessions import write_session
from d3ke.vision.camera import Camera
from d3ke.vision.video import Video
from tests.bad_files import clip
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
    assert "Camera: found from motion" in page
    page = (whole.folder / "pages" / f"{MARKED}.html").read_text(encoding="utf-8")
    assert "Camera: calibration file camera_cam0.json" in page


@pytest.mark.slow
def test_each_session_has_a_page_about_its_trials(lab: Lab, whole: Whole) -> None:
    pages = {Path(page).name: Path(page) for page in whole.said.json["pages"]}
    assert set(pages) == {f"{MARKED}.html", f"{ACTED}.html"}
    for page in pages.values():
        text = page.read_text(encoding="utf-8")
        assert "squat_cam0.mp4" in text
        assert "s, found from motion (" in text


@pytest.mark.slow
def test_a_seed_splits_the_people(whole: Whole) -> None:
    splits = {clip["subject"]: clip["split"] for clip in DataSet.open(whole.folder).manifest.clips}
    assert sorted(splits.values()) == ["test", "train"]


# --- what the options do


@pytest.mark.slow
def test_clocks_and_splits_that_are_told_are_used(
    d3ke: Command, lab: Lab, whole: Whole, tmp_path: Path
) -> None:
    offset_s = json.loads((lab.truth / ACTED / "sync.json").read_text())["squat"]["cam0"][
        "offset_s"
    ]
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
        wait_for(output, "[!.]*.tar", running)
        os.killpg(running.pid, signal.SIGKILL)
    assert not (output / "manifest.json").exists()
    done = d3ke("prepare", "omc", *paths, "-o", output, *SMALL, "--resume", "--json")
    assert done.json["unusable"] == ["broken"]
    assert done.json["made"] < done.json["frames"]
    assert hashes(output) == hashes(whole.folder)
    assert not (output / ".prepare").exists()


# --- recordings that are wrong: one line each, and nothing is made of them


class Wrong:
    """Sessions made of the laboratory's files and then spoilt, solved in this process."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder

    def copy(self, name: str, *without: str) -> Path:
        """A session, but for some files."""
        target = self.folder / name
        shutil.copytree(self.lab.sessions / name, target)
        for file in without:
            (target / file).unlink()
        return target

    def solved(self, session: Path, offset_s: float | None = None) -> Outcome:
        """What comes of it."""
        found, lost = lab_recordings([session], None, Silent())
        assert lost == []
        options = FilmingOptions(offset_s=offset_s)
        task = SolveTask(Path.cwd(), self.folder, default_model().xml, options, found.read)
        return SessionSolver(task, default_model())(found.jobs[0], lambda _: None)

    def clock_s(self, name: str) -> float:
        """The offset that is true."""
        told = json.loads((self.lab.truth / name / "sync.json").read_text())
        return float(told["squat"]["cam0"]["offset_s"])


@pytest.fixture
def wrong(lab: Lab, tmp_path: Path) -> Wrong:
    return Wrong(lab, tmp_path)


def strange_names(markers: MarkerData) -> MarkerData:
    return replace(
        markers, names=tuple(f"{place}_{n[::-1]}" for place, n in enumerate(markers.names))
    )


def with_a_gap(markers: MarkerData) -> MarkerData:
    xyz = markers.xyz.copy()
    xyz[20:-20] = np.nan
    return replace(markers, xyz=xyz)


def inside_out(markers: MarkerData) -> MarkerData:
    sides = {"L": "R", "R": "L"}
    names = tuple(sides.get(name[0], name[0]) + name[1:] for name in markers.names)
    return replace(markers, names=names)


def too_large(markers: MarkerData) -> MarkerData:
    return replace(markers, xyz=1000 * markers.xyz)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        (strange_names, "only 0 of 91 recorded markers are on the model; not 0_"),
        (with_a_gap, "of the frames have fewer than 6 of 91 markers. Fill the gaps"),
        (inside_out, "left and right are exchanged"),
        (too_large, "are these mm labelled m? Correct the unit in the file."),
    ],
)
def test_markers_that_are_wrong_are_told(
    wrong: Wrong, spoilt: Callable[[MarkerData], MarkerData], says: str
) -> None:
    session = wrong.copy(MARKED, "static.trc")
    write_markers(session / "squat.trc", spoilt(read_markers(session / "squat.trc")), "m")
    outcome = wrong.solved(session)
    (line,) = outcome.left_out
    assert line.startswith(f"{session}, squat: ")
    assert says in line
    assert outcome.recordings == 0


@pytest.mark.slow
def test_a_wrong_recording_does_not_spoil_the_size(
    wrong: Wrong, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = wrong.copy(MARKED)
    markers = read_markers(session / "squat.trc")
    write_markers(session / "static.trc", inside_out(read_markers(session / "static.trc")), "m")
    write_markers(session / "bend.trc", too_large(markers), "m")
    used: list[MarkerData] = []

    def kept(
        osim: OsimModel, scales: Array, recordings: Sequence[MarkerData], *_: Any
    ) -> FittedSize:
        used.extend(recordings)
        return FittedSize(scales, np.array([marker.location for marker in osim.markers]))

    monkeypatch.setattr("d3ke.omc.solving.fit_size", kept)
    recorded = read_lab(SolveJob("some", "some", LabSource(session, None)))
    solver = Solver(recorded.person, default_model())
    take = next(take for take in recorded.takes if take.name == "squat")
    solved = solver.solve(take)
    assert [len(one.time) for one in used] == [len(markers.time)]
    assert any("static trial not used: left and right are" in line for line in solved.remarks)
    assert "of a moving trial" in solver.size_told


@pytest.mark.slow
def test_a_video_of_a_part_of_the_recording_is_used(wrong: Wrong) -> None:
    session = wrong.copy(ACTED)
    frames = list(Video(session / "squat_cam0.mp4"))
    clip(session / "squat_cam0.mp4", [frame.image for frame in frames[:40]], CONFIG.size)
    outcome = wrong.solved(session, wrong.clock_s(ACTED))
    assert (outcome.recordings, outcome.left_out) == (1, ())
    (path,) = wrong.folder.glob("*.npz")
    assert len(Recording.load(path).frames) == 40


@pytest.mark.slow
def test_a_camera_that_looks_elsewhere_is_told(wrong: Wrong) -> None:
    session = wrong.copy(ACTED)
    shutil.copy(wrong.lab.truth / MARKED / "camera_cam0.json", session)
    (line,) = wrong.solved(session).left_out
    assert line.startswith(f"{session / 'squat_cam0.mp4'}: not synchronised: ")
    assert line.endswith("Name its own calibration, or none.")
    (line,) = wrong.solved(session, wrong.clock_s(ACTED)).left_out
    assert "Is it the right camera, person and clock?" in line


@pytest.mark.slow
def test_a_clock_that_is_wrong_is_told(wrong: Wrong) -> None:
    session = wrong.copy(ACTED)
    shutil.copy(wrong.lab.truth / ACTED / "camera_cam0.json", session)
    (line,) = wrong.solved(session, wrong.clock_s(ACTED) + 0.7).left_out
    assert "Is it the right camera, person and clock?" in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("without", "says"),
    [
        (("squat_cam0.mp4",), "squat: no video. Put one beside it."),
        (("model.osim",), "squat: a motion without the .osim that it moves, and no markers."),
    ],
)
def test_what_lacks_a_part_is_told(wrong: Wrong, without: tuple[str, ...], says: str) -> None:
    (line,) = wrong.solved(wrong.copy(ACTED, *without)).left_out
    assert says in line


def test_nothing_usable_leaves_nothing_behind(d3ke: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    marked = tmp_path / "marked"
    marked.mkdir()
    (marked / "walk.trc").write_text("junk")
    (marked / "walk.mp4").write_text("junk")
    paths = (tmp_path / "empty", tmp_path / "nowhere", marked)
    done = d3ke("prepare", "omc", *paths, "-o", tmp_path / "data", *SMALL)
    assert (done.status, done.out) == (1, "")
    empty, nowhere, trc = done.warnings
    assert "empty: holds nothing of a recording, no markers" in empty
    assert "nowhere: no such folder" in nowhere
    assert "walk.trc: " in trc
    (line,) = done.errors
    assert "nothing of 3 sessions can be used" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "says", "status"),
    [
        (("--model", "{0}/clip.json"), "clip.json", 1),
        (("--model", "nix.osim"), "nix.osim", 1),
        (("--mapping", "nix.toml"), "nix.toml", 1),
        (("--split", "nix.csv"), "nix.csv", 1),
        (("--split", "{1}"), f"says nothing of {ACTED}. Add a line for each.", 1),
        (("--sync", "soon"), "--sync soon: give seconds", 2),
        (("--mismatch", "0"), "--mismatch", 2),
        (("--size", "8"), "--size", 2),
    ],
)
def test_wrong_options_are_told_before_anything_is_solved(
    d3ke: Command, lab: Lab, tmp_path: Path, words: tuple[str, ...], says: str, status: int
) -> None:
    (tmp_path / "others.csv").write_text("subject,split\nothers,train\n")
    session = lab.sessions / ACTED
    told = [word.format(session, tmp_path / "others.csv") for word in words]
    done = d3ke("prepare", "omc", session, "-o", tmp_path / "data", *told)
    (line,) = done.errors
    assert says in line
    assert (done.status, done.out) == (status, "")
    assert not (tmp_path / "data").exists()
