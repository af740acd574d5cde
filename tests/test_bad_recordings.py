"""Bad input of d3ke prepare omc: one line for what is wrong, and nothing is made of it."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.motion.markers import MarkerData
from d3ke.motion.opensim_files import read_markers, write_markers
from d3ke.omc.filming import FilmingOptions
from d3ke.omc.fitted_size import FittedSize
from d3ke.omc.lab import LabSource, lab_recordings, read_lab
from d3ke.omc.outcomes import Outcome
from d3ke.omc.recording import Recording
from d3ke.omc.solved_session import SessionSolver, SolveJob, SolveTask
from d3ke.omc.solving import Solver
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.skeleton.osim import OsimModel
from d3ke.vision.video import Video
from tests.bad_files import clip
from tests.command import Command
from tests.made_laboratory import ACTED, CONFIG, MARKED, SMALL, Lab, clock_of

Array = NDArray[np.float64]


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


@pytest.mark.filterwarnings("ignore:`torch.jit.script`")  # torch's own
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
    shutil.copy(wrong.lab.truth / ACTED / "camera_cam0.json", session)
    frames = list(Video(session / "walking_cam0.mp4"))
    clip(session / "walking_cam0.mp4", [frame.image for frame in frames[:40]], CONFIG.size)
    outcome = wrong.solved(session, clock_of(wrong.lab, ACTED)["offset_s"])
    assert (outcome.recordings, outcome.left_out) == (1, ())
    (path,) = wrong.folder.glob("*.npz")
    assert len(Recording.load(path).frames) == 40


@pytest.mark.slow
def test_a_camera_that_looks_elsewhere_is_told(wrong: Wrong) -> None:
    session = wrong.copy(ACTED)
    shutil.copy(wrong.lab.truth / MARKED / "camera_cam0.json", session)
    (line,) = wrong.solved(session, clock_of(wrong.lab, ACTED)["offset_s"]).left_out
    assert "Is it the right camera, person and clock?" in line


@pytest.mark.slow
def test_a_clock_that_is_wrong_is_told(wrong: Wrong) -> None:
    session = wrong.copy(ACTED)
    shutil.copy(wrong.lab.truth / ACTED / "camera_cam0.json", session)
    true_s = clock_of(wrong.lab, ACTED)["offset_s"]
    (line,) = wrong.solved(session, true_s + 0.7).left_out
    assert f"walking_cam0.mp4: offset {true_s + 0.7:.3f} s was given, motion says" in line
    assert line.endswith("Correct the offset, or leave it out: --sync auto finds it.")
    trial = [
        'osim = "model.osim"',
        "[[trial]]",
        'motion = "walking.mot"',
        'videos.cam0 = "walking_cam0.mp4"',
    ]
    told = "\n".join([*trial, f"offset_s = {true_s - 0.4}"])
    (session / "session.toml").write_text(told)
    (line,) = wrong.solved(session).left_out
    assert f"offset {true_s - 0.4:.3f} s was given, motion says" in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("without", "says"),
    [
        (("walking_cam0.mp4",), "walking: no video. Put one beside it."),
        (("model.osim",), "walking: a motion without the .osim that it moves, and no markers."),
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
    assert "nothing can be used, for the reasons above" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "says", "status"),
    [
        (("--model", "{0}/clip.json"), "clip.json", 1),
        (("--model", "nix.osim"), "nix.osim", 1),
        (("--mapping", "nix.toml"), "nix.toml", 1),
        (("--scale-setup", "nix.xml"), "nix.xml", 1),
        (("--scale-setup", "{0}/model.osim"), "no measurements. Give a set-up", 1),
        (("--ik", "others"), "--ik", 2),
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
