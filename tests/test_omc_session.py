"""What is found in a laboratory's folder, or in the TOML that names its files."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from d3ke.errors import D3keError
from d3ke.omc.session import Session, find_session
from d3ke.omc.subject import Subject, as_word

OPENCAP = """
checkerBoard:
  black2BlackCornersHeight_n: 4
mass_kg: 71.5
height_m: 1.75
subjectID: 'subj-1'
gender_mf: f
"""
TOML = """
name = "day 1"
static = "calm.trc"
osim = "model.osim"
scaled = true
mapping = "names.toml"
calibration = {front = "front.json"}
[subject]
id = "P 01"
sex = "female"
height_m = 1.68
mass_kg = 61.5
[[trial]]
markers = "walk-1.trc"
videos = {front = "a.mp4", "side 2" = "b.mp4"}
offset_s = 1.25
[[trial]]
name = "squat"
motion = "squat.mot"
videos = "c.mp4"
activity = "squatting"
offset_s = -2
drift = 1e-5
"""


def write(folder: Path, *names: str, **texts: str) -> Path:
    """A folder with files of these names, empty but for the texts."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts.get(path.stem, "<Model name='m'/>"))
    return folder


def trials(session: Session) -> dict[str, tuple[str | None, str | None, dict[str, str]]]:
    """Markers, motion and videos of each trial, by their names in the folder."""
    return {
        trial.name: (
            trial.markers.name if trial.markers else None,
            trial.motion.name if trial.motion else None,
            {camera: path.name for camera, path in trial.videos.items()},
        )
        for trial in session.trials
    }


def names(files: Mapping[str, Path]) -> dict[str, str]:
    return {key: path.name for key, path in files.items()}


def left_out(session: Session) -> dict[str, str]:
    return {one.path.name: one.why for one in session.left_out}


@pytest.mark.parametrize("name", ["cmbbe_squats", "cmbbe_jump", "cmbbe_jump_high_knees"])
def test_a_clip_with_truth_is_a_session_as_it_stands(data_dir: Path, name: str) -> None:
    session = find_session(data_dir / "clips" / name)
    videos = {"cam0": "video_cam0.mp4", "cam1": "video_cam1.mp4"}
    assert trials(session) == {name: ("truth.trc", "truth.mot", videos)}
    assert session.subject == Subject("cmbbe_A", "m", 1.79, 80.0)
    assert session.osim == data_dir / "clips" / name / "model.osim"
    assert session.is_scaled
    assert names(session.calibration) == {"cam0": "camera_cam0.json", "cam1": "camera_cam1.json"}
    assert session.left_out == ()


def test_four_cameras_find_their_calibrations(data_dir: Path) -> None:
    session = find_session(data_dir / "clips" / "pose2sim_balancing")
    assert session.cameras == ("cam1", "cam2", "cam3", "cam4")
    assert {path.stem[-4:] for path in session.calibration.values()} == set(session.cameras)
    assert all(path.stem.endswith(camera) for camera, path in session.calibration.items())
    assert session.trials[0].activity == "balancing"


@pytest.mark.parametrize(
    ("name", "count", "static", "osim"),
    [
        ("arnold_synthetic01", 1, None, "model_scaled.osim"),
        ("camargo_levelground", 1, None, "model_scaled.osim"),
        ("cmu_02_05", 1, None, None),
        ("gait2354_ik", 1, None, "model_scaled.osim"),
        ("gait2354_scale", 0, "static.trc", "model_scaled.osim"),
        ("gait2392_walk_free", 2, None, "model_scaled.osim"),
        ("hamner_run200", 1, None, "model_scaled.osim"),
        ("kirsten_dls01", 1, None, "model_scaled.osim"),
        ("laiarnold5_dropjump", 1, None, "model_scaled.osim"),
        ("opensim_walking_c3d", 1, None, None),
        ("sprinter_run350", 1, "static.trc", "model_scaled.osim"),
        ("sprinter_run900", 1, "static.trc", "model_scaled.osim"),  # both lie in run350's folder
        ("tennis_serve", 2, None, None),
        ("trc_format_cases", 6, None, None),
        ("walk_3d_moco", 1, None, "model_scaled.osim"),
        ("wheelchair_racing", 6, "static.c3d", None),
    ],
)
def test_a_recording_without_video_is_a_session(
    data_dir: Path, name: str, count: int, static: str | None, osim: str | None
) -> None:
    session = find_session(data_dir / "omc" / name)
    assert len(session.trials) == count
    assert (session.static.name if session.static else None) == static
    assert (session.osim.name if session.osim else None) == osim
    assert session.is_scaled == (osim is not None)
    assert session.subject.id == name


def test_opencaps_folders(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "OpenCapData_1",
        "MarkerData/PostAugmentation_v0.2/neutral.trc",
        "MarkerData/PostAugmentation_v0.2/squats1.trc",
        "MarkerData/PreAugmentation/squats1.trc",
        "OpenSimData/Kinematics/squats1.mot",
        "OpenSimData/Model/LaiUhlrich2022_scaled.osim",
        "Videos/Cam0/InputMedia/squats1/squats1.mov",
        "Videos/Cam0/InputMedia/squats1/squats1_sync.mp4",
        "Videos/Cam1/InputMedia/squats1/squats1_sync.mp4",
        "Videos/Cam1/InputMedia/neutral/neutral_sync.mp4",
        "Videos/Cam0/cameraIntrinsicsExtrinsics.pickle",
        "Videos/Cam1/cameraIntrinsicsExtrinsics.pickle",
        "sessionMetadata.yaml",
        sessionMetadata=OPENCAP,
    )
    session = find_session(folder)
    videos = {"Cam0": "squats1_sync.mp4", "Cam1": "squats1_sync.mp4"}
    assert trials(session) == {"squats1": ("squats1.trc", "squats1.mot", videos)}
    assert session.trials[0].markers == folder / "MarkerData/PostAugmentation_v0.2/squats1.trc"
    assert session.static == folder / "MarkerData/PostAugmentation_v0.2/neutral.trc"
    assert session.subject == Subject("subj_1", "f", 1.75, 71.5)
    assert session.is_scaled
    assert {one: path.parent.name for one, path in session.calibration.items()} == {
        "Cam0": "Cam0",
        "Cam1": "Cam1",
    }
    assert set(left_out(session)) == {"squats1.mov", "neutral_sync.mp4"}


def test_pose2sims_folders(tmp_path: Path) -> None:
    last = "T_0-100_filt_butterworth_LSTM"
    folder = write(
        tmp_path / "P01",
        "calibration/Calib_board.toml",
        "videos/cam01.mp4",
        "videos/cam02.mp4",
        "pose-3d/T_0-100.trc",
        f"pose-3d/{last}.trc",
        f"kinematics/{last}.mot",
        f"kinematics/{last}.osim",
        "pose/cam01_json/0.json",
        "Config.toml",
        Config='[project]\nparticipant_height = "auto"\nparticipant_mass = 70.0\n',
    )
    session = find_session(folder)
    videos = {"cam01": "cam01.mp4", "cam02": "cam02.mp4"}
    assert trials(session) == {"T": (f"{last}.trc", f"{last}.mot", videos)}
    assert names(session.calibration) == dict.fromkeys(videos, "Calib_board.toml")
    assert session.subject == Subject("P01", None, None, 70.0)
    assert left_out(session) == {"T_0-100.trc": f"{last}.trc is the same recording"}


def test_files_side_by_side(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "lab",
        "cal_01.c3d",
        "Walk 01.c3d",
        "Walk 01_grf.mot",
        "Walk 01-cam1.avi",
        "Walk 01.cam2.avi",
        "Run-02.trc",
        "Run-02_sync.c3d",
        "Run-02_cam1.mp4",
        "cam2_Run-02.MP4",
        "generic.osim",
        "camera_cam1.toml",
        "lab.calib.xml",
        "other.mp4",
    )
    session = find_session(folder)
    assert trials(session) == {
        "Run_02": ("Run-02.trc", None, {"cam1": "Run-02_cam1.mp4", "cam2": "cam2_Run-02.MP4"}),
        "Walk_01": ("Walk 01.c3d", None, {"cam1": "Walk 01-cam1.avi", "cam2": "Walk 01.cam2.avi"}),
    }
    assert session.static == folder / "cal_01.c3d"
    assert not session.is_scaled
    assert names(session.calibration) == {"cam1": "camera_cam1.toml", "cam2": "lab.calib.xml"}
    assert set(left_out(session)) == {"Run-02_sync.c3d", "Walk 01_grf.mot", "other.mp4"}


def test_an_opensim_recording_alone(tmp_path: Path) -> None:
    session = find_session(write(tmp_path / "s", "model.osim", "walk.mot", "IMG_2031.mp4"))
    assert trials(session) == {"walk": (None, "walk.mot", {"camera": "IMG_2031.mp4"})}
    assert session.is_scaled


def test_folders_of_trials_and_of_cameras(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "s",
        "walk/markers.trc",
        "walk/video_cam1.mp4",
        "squat/markers.trc",
        "squat/front.mp4",
        "jump.trc",
        "left/jump.mov",
        "truth/jump.mot",
    )
    assert trials(find_session(folder)) == {
        "jump": ("jump.trc", None, {"left": "jump.mov"}),
        "squat": ("markers.trc", None, {"front": "front.mp4"}),
        "walk": ("markers.trc", None, {"cam1": "video_cam1.mp4"}),
    }


def test_forces_are_no_motion_whatever_the_file_is_called(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "s", "walk.trc", "walk.mot", walk="endheader\ntime\tground_force_vx\n"
    )
    session = find_session(folder)
    assert trials(session) == {"walk": ("walk.trc", None, {})}
    assert left_out(session) == {"walk.mot": "no motion of a trial"}


def test_trials_may_have_numbers_or_words_of_views_for_names(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "s",
        "01/markers.trc",
        "01/video_1.mp4",
        "02/markers.trc",
        "front_squat/markers.trc",
        "picking/cam_b/picking.mp4",
        "picking/markers.c3d",
    )
    assert trials(find_session(folder)) == {
        "01": ("markers.trc", None, {"1": "video_1.mp4"}),
        "02": ("markers.trc", None, {}),
        "front_squat": ("markers.trc", None, {}),
        "picking": ("markers.c3d", None, {"cam_b": "picking.mp4"}),
    }


def test_what_belongs_to_other_things_is_no_fact_and_no_calibration(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "s",
        "walk.trc",
        "walk_cam1.mp4",
        "clip.json",
        "calibration/readme.txt",
        "calibration/rig.toml",
        "calibration/camera_settings.xml",
        clip='{"height": 1080, "shared_files": [1]}',
    )
    session = find_session(folder)
    assert session.subject == Subject("s")
    assert names(session.calibration) == {"cam1": "rig.toml"}


def test_a_video_of_another_trial_is_left_out_and_said(tmp_path: Path) -> None:
    session = find_session(write(tmp_path / "s", "walk.trc", "walk.mp4", "run.mp4"))
    assert trials(session) == {"walk": ("walk.trc", None, {"camera": "walk.mp4"})}
    assert left_out(session) == {"run.mp4": "no markers and no motion have its name"}


def test_trials_of_one_name_get_different_ones(tmp_path: Path) -> None:
    session = find_session(write(tmp_path / "s", "day1/walk.trc", "day2/walk.trc"))
    assert sorted(trials(session)) == ["day2_walk", "walk"]


def test_names_become_words() -> None:
    assert as_word("Trial 01-a.b") == "Trial_01_a_b"
    assert as_word("Gehen-über") == "Gehen_über"


def test_a_toml_names_the_files(tmp_path: Path) -> None:
    write(tmp_path, "calm.trc", "walk-1.trc", "squat.mot", "model.osim", "names.toml")
    write(tmp_path, "a.mp4", "b.mp4", "c.mp4", "front.json", "not_named.trc")
    (tmp_path / "ours.toml").write_text(TOML)
    session = find_session(tmp_path / "ours.toml")
    assert session.name == "day_1"
    assert session.subject == Subject("P_01", "f", 1.68, 61.5)
    assert trials(session) == {
        "walk_1": ("walk-1.trc", None, {"front": "a.mp4", "side_2": "b.mp4"}),
        "squat": (None, "squat.mot", {"camera": "c.mp4"}),
    }
    walk, squat = session.trials
    assert (walk.offset_s, walk.drift) == (1.25, 0.0)
    assert (squat.offset_s, squat.drift, squat.activity) == (-2.0, 1e-5, "squatting")
    assert session.static == tmp_path / "calm.trc"
    assert session.mapping == tmp_path / "names.toml"
    assert session.is_scaled
    assert session.calibration["front"] == tmp_path / "front.json"


def test_a_folders_toml_corrects_what_its_files_say(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", "walk.trc", "walk.mp4", "calm.trc", "a.osim", "b.osim")
    (folder / "session.toml").write_text(
        'osim = "b.osim"\nstatic = "calm.trc"\n[subject]\nmass_kg = 70'
    )
    session = find_session(folder)
    assert session.static == folder / "calm.trc"
    assert list(trials(session)) == ["walk"]
    assert session.osim == folder / "b.osim"
    assert session.subject == Subject("s", None, None, 70.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("statik = 'x'", ("no key is called statik", "Did you mean static?")),
        ("colour = 'x'", ("no key is called colour", "There are: name")),
        ("static = 'walk.trx'", ("static names walk.trx", "Did you mean walk.trc?")),
        ("scaled = 'yes'", ("scaled is 'yes'", "true or false")),
        ("[subject]\nheight = 1.7", ("subject", "height", "height_m")),
        ("[subject]\nheight_m = 170", ("height_m is 170", "Give m.")),
        ("[subject]\nmass_kg = 70000", ("mass_kg is 70000", "Give kg.")),
        ("[subject]\nsex = 'x'", ("sex is 'x'", "f or m")),
        ("[[trial]]\nmarkers = 'walk.trc'\nvidoes = 'x'", ("trial 1", "vidoes", "videos")),
        ("[[trial]]\nvideos = 'walk.mp4'", ("trial 1", "neither markers nor a motion")),
        ("[[trial]]\nmarkers = 'walk.trc'\noffset_s = '1'", ("offset_s is '1'", "a number")),
        ("[[trial]]\nmarkers = 'walk.trc'\nvideos = 3", ("videos is 3", "one for each camera")),
        ("[[trial]]\nmarkers = 'walk.trc'\n" * 2, ("trial 2", "another walk")),
        ("[trial]\nmarkers = 'walk.trc'", ("trial is", "[[trial]]")),
        ("name = \nstatic", ("not TOML", "line 1")),
    ],
)
def test_a_wrong_toml_gets_one_line(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    write(tmp_path, "walk.trc", "walk.mp4")
    (tmp_path / "ours.toml").write_text(text)
    with pytest.raises(D3keError) as raised:
        find_session(tmp_path / "ours.toml")
    message = str(raised.value)
    assert "\n" not in message
    assert str(tmp_path / "ours.toml") in message
    assert all(word in message for word in words), message


def test_what_is_there_and_what_is_missing_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", "a.mp4", "b.mp4", "m.osim")
    with pytest.raises(D3keError, match="holds 2 videos, 1 model, no markers"):
        find_session(folder)
    with pytest.raises(D3keError, match="holds nothing of a recording"):
        find_session(write(tmp_path / "empty", "notes.txt"))


@pytest.mark.parametrize(
    ("name", "words"), [("nix", "no such folder"), ("walk.trc", "not a folder, nor a .toml")]
)
def test_what_is_no_session_is_refused(tmp_path: Path, name: str, words: str) -> None:
    write(tmp_path, "walk.trc")
    with pytest.raises(D3keError, match=words):
        find_session(tmp_path / name)


def test_a_session_is_of_one_subject(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", "a/walk.trc", "b/walk.trc", "a/clip.json", "b/clip.json")
    for person in "ab":
        (folder / person / "clip.json").write_text(f'{{"subject": {{"id": "{person}"}}}}')
    with pytest.raises(D3keError, match="are of a and of b"):
        find_session(folder)


def test_facts_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", "walk.trc", "clip.json", clip='{"subject": ')
    with pytest.raises(D3keError, match=r"clip\.json: cannot be read"):
        find_session(folder)
