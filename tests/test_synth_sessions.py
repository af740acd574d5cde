"""Synthetic sessions: what the files of the truth say is what markers and videos show."""

import json
import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.errors import D3keError, OptionError
from d3ke.files import content_hash
from d3ke.motion.c3d import read_c3d
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import read_markers, read_motion
from d3ke.omc.session import find_session
from d3ke.posing import posed
from d3ke.report.overlay import encode
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.laboratory import LabConfig, Laboratory, Session
from d3ke.synth.pictures.gl import open_renderer
from d3ke.synth_sessions import write_session
from d3ke.vision.camera import Camera
from d3ke.vision.video import Video
from tests.opensim_oracle import opensim
from tests.small_data import small_data

Array = NDArray[np.float64]

ROOT = Path(__file__).parents[1]
PERSON = 2
CONFIG = LabConfig(
    seed=3,
    activities=("running", "squat"),
    seconds=1.0,
    size=(160, 120),
    gaps_hz=0.5,
    units="mm",
    drift=0.2,  # no clock's, but a video of two seconds shows it
)


class Written(NamedTuple):
    session: Session
    folder: Path
    truth: Path


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    try:
        open_renderer().close()
    except D3keError as error:
        pytest.skip(str(error))
    opened = Laboratory(CONFIG, default_model())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def written(laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> Written:
    output = tmp_path_factory.mktemp("lab")
    folder, truth = output / "session", output / "truth"
    return Written(write_session(laboratory, PERSON, folder, truth), folder, truth)


def opensim_markers(model: Path, motion: Motion) -> Array:
    """Markers (T, M, 3) in ground by OpenSim's own forward kinematics."""
    osim = opensim().Model(str(model))
    state = osim.initSystem()
    coordinates, markers = osim.updCoordinateSet(), osim.getMarkerSet()
    found = []
    for row in motion.q:
        for name, value in zip(motion.names, row.tolist(), strict=True):
            coordinates.get(name).setValue(state, value, False)
        osim.realizePosition(state)
        places = [markers.get(i).getLocationInGround(state) for i in range(markers.getSize())]
        found.append([[place[axis] for axis in range(3)] for place in places])
    return np.array(found)


def off_truth(written: Written, trial: str, step: int = 5) -> Array:
    """From where OpenSim has the truth's markers to where they were measured, (T, M, 3) m."""
    motion = read_motion(written.truth / f"{trial}.mot")
    some = Motion(motion.time[::step], motion.q[::step], motion.names, motion.rotational)
    measured = read_markers(written.folder / f"{trial}.trc")
    assert np.array_equal(measured.time, motion.time)
    return measured.xyz[::step] - opensim_markers(written.truth / "model.osim", some)


def markers_of(model: OsimModel, body: str) -> list[int]:
    return [place for place, marker in enumerate(model.markers) if marker.body.startswith(body)]


def test_a_standing_person_has_markers_where_opensim_has_them(written: Written) -> None:
    off = off_truth(written, "static")
    assert not np.isnan(off).any()
    assert np.abs(off).max() < 5 * CONFIG.noise_m + 5e-4  # m: standing, skin moves by this
    assert off.std(axis=0).mean() == pytest.approx(CONFIG.noise_m, rel=0.1)


def test_skin_moves_markers_of_thighs_most(written: Written) -> None:
    length = np.linalg.norm(off_truth(written, "running"), axis=2)
    thigh, shank, trunk = (
        np.nanmax(length[:, markers_of(written.session.model, body)])
        for body in ("femur", "tibia", "torso")
    )
    assert 0.005 < thigh < 0.025
    assert 0.003 < shank < 0.012 + 0.003
    assert trunk < min(thigh, shank)


def test_markers_without_noise_and_skin_are_those_of_opensim(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    exact = replace(CONFIG, noise_m=0.0, skin=0.0, gaps_hz=0.0)
    other = Laboratory(exact, default_model())
    session = other.session(PERSON)
    other.close()
    session.model.write(tmp_path / "model.osim")
    trial = session.trials[0]
    found = opensim_markers(tmp_path / "model.osim", trial.motion)
    np.testing.assert_allclose(trial.markers.xyz, found, atol=1e-6)  # m


def test_markers_are_stuck_beside_their_places_by_5_mm(written: Written) -> None:
    adult = written.session.actor.adult
    meant = default_model().scaled(adult.scales.double().numpy(), adult.mass_kg)
    placed = OsimModel.from_file(written.truth / "model.osim")
    pairs = zip(meant.markers, placed.markers, strict=True)
    off = np.array([np.subtract(one.location, other.location) for one, other in pairs])
    usual = np.sqrt((off**2).sum(axis=1).mean())
    assert usual == pytest.approx(CONFIG.placement_m, rel=0.2)  # of some eighty markers
    assert meant.bodies == placed.bodies


def test_opensim_opens_what_a_laboratory_has(written: Written) -> None:
    table = opensim().TimeSeriesTableVec3(str(written.folder / "running.trc"))
    assert table.getNumRows() == len(written.session.trials[0].markers.time)
    assert table.getTableMetaDataString("Units") == "mm"
    first = table.getDependentColumn("C7")[0]
    known = written.session.trials[0].markers.select(["C7"]).xyz[0, 0]
    np.testing.assert_allclose([first[axis] / 1000 for axis in range(3)], known, atol=1e-8)


def test_some_markers_are_lost_for_a_while(written: Written) -> None:
    def lost(markers: MarkerData) -> float:
        return float(np.isnan(markers.xyz).any(axis=2).mean())

    assert lost(written.session.static.markers) == 0
    assert 0 < lost(written.session.trials[0].markers) < 0.3
    same = read_markers(written.folder / "running.trc").xyz
    np.testing.assert_allclose(same, written.session.trials[0].markers.xyz, atol=1e-8)


def grey(written: Written, trial: str) -> tuple[Array, Array]:
    """Times (F,) and pictures (F, H, W) of a video."""
    frames = list(Video(written.folder / f"{trial}_cam0.mp4"))
    return np.array([f.time for f in frames]), np.array([f.image.mean(axis=2) for f in frames])


def seen(written: Written, trial: str, video_time: Array, late_s: float = 0.0) -> Array:
    """Where the truth's files have the markers in a video, (F, M, 2) px; NaN where unknown."""
    clock = json.loads((written.truth / "sync.json").read_text())[trial]["cam0"]
    motion = read_motion(written.truth / f"{trial}.mot")
    shown = motion.at((1 + clock["drift"]) * video_time + clock["offset_s"] + late_s)
    known = np.isfinite(shown.q).all(axis=1)
    pixels = np.full((len(video_time), len(written.session.model.markers), 2), np.nan)
    some = Motion(shown.time[known], shown.q[known], shown.names, shown.rotational)
    camera = Camera.from_calibration(written.truth / "camera_cam0.json", CONFIG.size)
    pixels[known] = camera.project(opensim_markers(written.truth / "model.osim", some))
    return pixels


def test_a_video_shows_the_person_where_the_truth_has_the_markers(written: Written) -> None:
    """Pixels on the person differ from those of the empty room, the median over a run."""
    time, pictures = grey(written, "running")
    contrast = np.abs(pictures - np.median(pictures, axis=0))

    def on_the_person(late_s: float) -> float:
        pixels = seen(written, "running", time, late_s)
        known = np.isfinite(pixels).all(axis=(1, 2))
        places = pixels[known].round().astype(int)
        rows, columns = places[..., 1].clip(0, 119), places[..., 0].clip(0, 159)
        return float(contrast[known][np.arange(len(places))[:, None], rows, columns].mean())

    assert on_the_person(0.0) > 5 * contrast.mean()
    assert on_the_person(0.0) > 2 * max(on_the_person(-0.15), on_the_person(0.15))


def test_a_video_moves_when_the_truth_says(written: Written) -> None:
    """Pictures change as much as markers move in them; 50 ms earlier or later they fit less."""
    time, pictures = grey(written, "running")
    change = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2))

    def fit(late_s: float, faster: float = 0.0) -> float:
        steps = np.diff(seen(written, "running", (1 + faster) * time, late_s), axis=0)
        moved = np.linalg.norm(steps, axis=2).mean(axis=1)
        known = np.isfinite(moved)
        return float(np.corrcoef(change[known], moved[known])[0, 1])

    fits = {late_ms: fit(late_ms / 1000) for late_ms in (-100, -50, 0, 50, 100)}
    assert max(fits, key=lambda late_ms: fits[late_ms]) == 0, fits
    drift = written.session.trials[0].videos[0].drift
    late_s = drift * time.mean()  # which keeps the middle of the video in its place
    for other in (fit(late_s, -drift), fit(-late_s, drift)):  # none of it, and twice of it
        assert fits[0] > other + 0.02


def test_markers_and_video_share_the_seconds_that_were_asked_for(written: Written) -> None:
    for trial in written.session.trials:
        (video,) = trial.videos
        first = max(trial.markers.time[0], video.marker_time[0])
        last = min(trial.markers.time[-1], video.marker_time[-1])
        assert last - first == pytest.approx(CONFIG.seconds, abs=0.05)  # s: two frames and drift
        assert len(list(Video(written.folder / f"{trial.name}_cam0.mp4"))) == len(video.time)
        assert abs(video.offset_s) > 0.29


def test_a_session_tells_who_it_is_and_what_filmed_but_not_the_truth(written: Written) -> None:
    names = {path.name for path in written.folder.iterdir()}
    assert names == {
        "static.trc", "running.trc", "squat.trc", "running_cam0.mp4", "squat_cam0.mp4",
        "camera_cam0.json", "clip.json",
    }  # fmt: skip
    found = find_session(written.folder)
    adult = written.session.actor.adult
    assert found.subject.height_m == pytest.approx(adult.stature_m, abs=1e-3)
    assert found.subject.mass_kg == pytest.approx(adult.mass_kg, abs=0.1)
    assert found.subject.sex == ("f" if adult.woman else "m")
    assert found.static == written.folder / "static.trc"
    assert found.left_out == ()
    for trial, made in zip(found.trials, written.session.trials, strict=True):
        assert trial.markers == written.folder / f"{made.name}.trc"
        assert trial.videos == {"cam0": written.folder / f"{made.name}_cam0.mp4"}
        assert trial.activity == made.activity
    camera = Camera.from_calibration(found.calibration["cam0"], CONFIG.size)
    point = [0.1, 1.0, -0.2]
    np.testing.assert_allclose(camera.project(point), written.session.cameras[0].project(point))


def test_the_same_seed_gives_the_same_bytes_whoever_came_before(
    written: Written, tmp_path: Path
) -> None:
    again = Laboratory(CONFIG, default_model())
    other = again.session(PERSON + 1)
    write_session(again, PERSON, tmp_path / "session", tmp_path / "truth")
    again.close()
    for folder in (written.folder, written.truth):
        named = {path.name: content_hash(path) for path in folder.iterdir()}
        place = tmp_path / folder.name
        assert named == {path.name: content_hash(path) for path in place.iterdir()}
    assert other.trials[0].videos[0].offset_s != written.session.trials[0].videos[0].offset_s
    assert other.model.bodies != written.session.model.bodies


def test_the_same_frames_give_the_same_video_whatever_memory_held(
    written: Written, tmp_path: Path
) -> None:
    frames = list(Video(written.folder / "squat_cam0.mp4"))
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(8):
        for size in rng.integers(1, 3_000_000, 20).tolist():
            rng.bytes(size)  # what the encoder finds where it does not clean up
        encode(iter(frames), tmp_path / "again.mp4", 30.0, repeatable=True)
        found.add(content_hash(tmp_path / "again.mp4"))
    assert len(found) == 1


def test_two_cameras_see_everyone_from_two_sides(laboratory: Laboratory) -> None:
    config = replace(CONFIG, cameras=2, activities=("squat", "squat"))
    other = Laboratory(config, default_model())
    session = other.session(PERSON)
    other.close()
    assert [trial.name for trial in session.trials] == ["squat", "squat_2"]
    axes = [camera.R[2] for camera in session.cameras]
    assert abs(axes[0] @ axes[1]) < 0.5  # 60 deg apart at least
    skeleton = SkeletalModel(session.model)
    for number, camera in enumerate(session.cameras):
        for trial in session.trials:
            q = trial.acted.at(trial.videos[number].marker_time).q
            pixels = camera.project(posed(skeleton, q).markers)
            assert ((pixels >= 0) & (pixels <= np.array(config.size) - 1)).all()


def test_recordings_are_acted_and_kept_as_c3d(laboratory: Laboratory, tmp_path: Path) -> None:
    config = replace(
        CONFIG,
        size=(64, 48),
        activities=("bend",),
        motions=small_data(tmp_path) / "motions",
        files="c3d",
        calibrated=False,
    )
    other = Laboratory(config, default_model())
    session = write_session(other, PERSON, tmp_path / "session", tmp_path / "truth")
    other.close()
    trial = session.trials[0]
    bent = np.degrees(trial.motion.column("knee_angle_r"))
    assert bent.min() < 20
    assert bent.max() > 40  # deg: the recording bends the knee from 0 to 57
    again = read_c3d(tmp_path / "session" / "bend.c3d")
    np.testing.assert_allclose(again.xyz, trial.markers.xyz, atol=1e-6)  # m, in 32 bits
    np.testing.assert_allclose(again.time, trial.markers.time)
    names = {path.name for path in (tmp_path / "session").iterdir()}
    assert names == {"static.c3d", "bend.c3d", "bend_cam0.mp4", "clip.json"}


def test_what_cannot_be_made_is_told(laboratory: Laboratory, tmp_path: Path) -> None:
    (tmp_path / "session").mkdir()
    (tmp_path / "session" / "mine.txt").write_text("kept")
    with pytest.raises(D3keError, match=r"session: not empty\. Choose another folder"):
        write_session(laboratory, PERSON, tmp_path / "session", tmp_path / "truth")
    with pytest.raises(OptionError, match="an activity at least"):
        LabConfig(activities=())
    with pytest.raises(OptionError, match="a video has even sides"):
        LabConfig(size=(161, 120))
    other = Laboratory(replace(CONFIG, activities=("sitting",)), default_model())
    with pytest.raises(D3keError, match="sitting: needs furniture"):
        other.session(PERSON)
    other.close()


@pytest.mark.slow
def test_the_example_writes_sessions(
    laboratory: Laboratory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = str(ROOT / "examples" / "synthetic_sessions.py")
    arguments = [script, str(tmp_path), "--people", "1", "--seconds", "1", "--side", "96"]
    monkeypatch.setattr("sys.argv", arguments)
    runpy.run_path(script, run_name="__main__")
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'sessions' / 'p000'}: ")
    assert (tmp_path / "sessions" / "p000" / "walking_cam0.mp4").is_file()
    assert (tmp_path / "truth" / "p000" / "model.osim").is_file()
