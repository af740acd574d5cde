"""BML-MoVi: found, read and told apart as published, on a small stand-in."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.movi.cameras import GROUND_FROM_AMASS, GROUND_FROM_MOVI, camera_of
from d3ke.movi.layout import find_movi
from d3ke.movi.motion_filter import frames_used, moved
from d3ke.movi.sessions import Session, sessions_of
from d3ke.movi.splits import TEST, TRAIN, VALID, split_of
from d3ke.movi.v3d import read_v3d
from d3ke.progress import Silent
from tests.movi_second_reader import SecondReader
from tests.movi_stand_in import (
    CENTRES,
    FRAMES,
    WORN,
    markers_of,
    v3d_of,
    write_movi,
    write_video,
)

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_movi(tmp_path_factory.mktemp("data") / "movi")


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A stand-in of one's own, to break."""
    return Path(shutil.copytree(root, tmp_path / "movi"))


def told_of(folder: Path) -> tuple[list[Session], list[str]]:
    """What can be used of a folder, and what is said of the rest."""
    progress = Silent()
    return list(sessions_of(find_movi(folder), progress=progress)), progress.warnings


def mat(path: Path, change: Callable[[dict[str, Any]], object], subject: int = 2) -> Path:
    """A v3d file with its recording changed."""
    whole = v3d_of(subject)
    change(whole[f"Subject_{subject}_F"]["move"][0, 0])
    savemat(path, whole)
    return path


# Splits


def test_each_of_89_subjects_is_in_one_split_and_subject_12_in_none() -> None:
    assert (len(TRAIN), len(VALID), len(TEST)) == (67, 4, 18)
    assert sorted((*TRAIN, *VALID, *TEST, 12)) == list(range(1, 91))
    assert [split_of(subject) for subject in (78, 30, 38, 12)] == ["train", "valid", "test", None]


# Cameras and worlds


def test_a_place_is_seen_where_the_published_calibration_sees_it(root: Path) -> None:
    reader, places = SecondReader(root, 2), np.random.default_rng(0).uniform(-1, 1, (50, 3))
    for camera in ("PG1", "PG2"):
        seen = camera_of(camera).project(places @ GROUND_FROM_MOVI.T)
        expected = [reader.pixel(camera, 1000 * place) for place in places]
        # 0.001 px: figures are quoted to eight digits
        np.testing.assert_allclose(seen, expected, atol=1e-3)


def test_amass_and_movi_are_the_same_place_after_their_turns() -> None:
    # Source: MoVi-Toolbox, npz2movi: x and y are exchanged, then x changes its sign.
    x, y, z = amass = np.array([0.3, -0.7, 1.1])
    movi = np.array([-y, x, z])
    np.testing.assert_allclose(GROUND_FROM_AMASS @ amass, GROUND_FROM_MOVI @ movi)
    for turn in (GROUND_FROM_AMASS, GROUND_FROM_MOVI):
        np.testing.assert_allclose(np.linalg.det(turn), 1)
        np.testing.assert_allclose(turn @ [0, 0, 1], [0, 1, 0])


def test_pg1_is_before_the_subject_and_pg2_at_the_right_hand() -> None:
    places = [-camera_of(name).R.T @ camera_of(name).t for name in ("PG1", "PG2")]
    assert places[0][0] > 4  # m
    assert places[1][2] > 3
    assert all(1 < place[1] < 1.5 for place in places)  # height


# The v3d file


def test_markers_are_metres_in_ground_and_what_is_not_filled_is_a_gap(root: Path) -> None:
    found = read_v3d(next(root.rglob("F_v3d_Subject_2.mat")))
    assert (found.subject, found.sex, found.height_m, found.mass_kg) == (2, "female", 1.71, 64.5)
    assert found.markers.names == (*WORN, *CENTRES[:-1])  # a second LANK is left out
    assert found.markers.rate_hz == pytest.approx(120)
    x, y, z = markers_of(2)[30, 0] / 1000
    np.testing.assert_allclose(found.markers.xyz[30, 0], [x, z, -y])
    gaps: NDArray[np.bool_] = np.array(np.isnan(found.markers.xyz).all(axis=2))
    assert np.flatnonzero(gaps[:, WORN.index("LWRA")]).tolist() == list(range(10, 20))
    assert gaps[:, found.markers.names.index("LHJC")].all()
    assert gaps.sum() == len(gaps) + 10


def test_movements_count_from_nought_and_end_before_their_last(root: Path) -> None:
    found = read_v3d(next(root.rglob("F_v3d_Subject_2.mat"))).movements
    assert [tuple(movement) for movement in found] == [
        (1, "T-pose", 0, 12, 0, 48),
        (2, "kicking", 14, 34, 56, 136),
        (3, "jumping jacks/star", 35, 60, 140, 240),
    ]
    assert [movement.is_static for movement in found] == [True, False, False]


def test_flags_may_lie_in_rows_and_those_of_120_hz_may_be_missing(tmp_path: Path) -> None:
    def change(move: dict[str, Any]) -> None:
        move["flags30"] = move["flags30"].T
        del move["flags120"]

    changed, plain = (
        read_v3d(mat(tmp_path / f"{number}.mat", step))
        for number, step in enumerate((change, lambda move: None))
    )
    assert changed.movements == plain.movements


@pytest.mark.parametrize(("height", "metres"), [(1.71, 1.71), (171, 1.71), (1710, 1.71), (0, None)])
def test_a_height_is_metres_whatever_its_unit(
    tmp_path: Path, height: float, metres: float | None
) -> None:
    whole = v3d_of(2)
    whole["Subject_2_F"]["subject"]["height"] = height
    savemat(tmp_path / "F_v3d_Subject_2.mat", whole)
    assert read_v3d(tmp_path / "F_v3d_Subject_2.mat").height_m == metres


@pytest.mark.parametrize("part", [0, 40, 200, 3000])
def test_a_broken_mat_is_told_in_one_line(root: Path, tmp_path: Path, part: int) -> None:
    path = tmp_path / "F_v3d_Subject_2.mat"
    path.write_bytes(next(root.rglob(path.name)).read_bytes()[:part])
    with pytest.raises(D3keError, match=r"F_v3d_Subject_2\.mat: [^\n]+$"):
        read_v3d(path)


def test_a_mat_with_a_wrong_byte_is_told(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "F_v3d_Subject_2.mat"
    data = bytearray(next(root.rglob(path.name)).read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(D3keError, match="broken"):
        read_v3d(path)


def test_a_mat_of_format_7_3_is_told_how_to_be_saved(tmp_path: Path) -> None:
    path = tmp_path / "F_v3d_Subject_2.mat"
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    path.write_bytes(head.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(D3keError, match="Save it with -v7"):
        read_v3d(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda move: move.pop("markerLocation"), "markerLocation"),
        (lambda move: move.update(markerName="LFHD"), "1 names for markers of"),
        (lambda move: move.update(flags30=np.ones((5, 2))), "3 movements, but flags of 5 x 2"),
        (lambda move: move.update(flags30=np.full((3, 2), np.nan)), "without beginning"),
        (lambda move: move.update(flags30=move["flags30"][:, ::-1]), "ends before it begins"),
    ],
)
def test_a_mat_of_another_layout_is_told_in_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    with pytest.raises(D3keError, match=said) as told:
        read_v3d(mat(tmp_path / "F_v3d_Subject_2.mat", change))
    assert "\n" not in str(told.value)


def test_another_round_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "S.mat", {"Subject_2_S": v3d_of(2)["Subject_2_F"]})
    with pytest.raises(D3keError, match="round F"):
        read_v3d(tmp_path / "S.mat")


# The motion filter


def slowly_moved(xyz: Array) -> list[bool]:
    """The rule as it is told, marker by marker."""
    used, last = [], None
    for frame in xyz.tolist():
        far = last is None
        for marker, place in enumerate(frame):
            if last is not None:
                squares = [(a - b) ** 2 for a, b in zip(place, last[marker], strict=True)]
                far = far or sum(squares) > 0.02**2
        used.append(far)
        last = frame if far else last
    return used


@pytest.mark.parametrize("speed_m", [0.0, 0.001, 0.004, 0.1])
def test_a_moment_is_used_once_a_marker_is_20_mm_away(speed_m: float) -> None:
    steps = np.random.default_rng(3).normal(0, speed_m, (200, 4, 3))
    xyz = steps.cumsum(axis=0)
    assert moved(xyz).tolist() == slowly_moved(xyz)


def test_a_missing_marker_does_not_hide_the_others() -> None:
    xyz = np.zeros((3, 2, 3))
    xyz[:, 0] = np.nan
    xyz[2, 1] = 0.021
    assert moved(xyz).tolist() == [True, False, True]


def test_training_takes_even_frames_that_moved_and_testing_takes_all() -> None:
    xyz = np.random.default_rng(4).normal(0, 0.003, (82, 3, 3)).cumsum(axis=0)
    xyz[77:81], xyz[81] = xyz[76], xyz[76] + 0.1  # the last moment is used, those before are not
    markers = MarkerData(np.arange(82) / 120, xyz, ("a", "b", "c"))
    used = slowly_moved(xyz)
    # video frame f is filmed at moment 4 f, or at the last one
    expected = [frame for frame in range(0, 25, 2) if used[min(4 * frame, 81)]]
    assert 0 < len(expected) < 13
    assert frames_used("train", markers, 25).tolist() == expected
    assert frames_used("test", markers, 25).tolist() == list(range(25))


# What is found


def test_subjects_are_found_wherever_their_files_lie(copy: Path) -> None:
    (copy / "F_Subjects_1_45" / "F_v3d_Subject_2.mat").rename(copy / "F_V3D_Subject_2.MAT")
    found = find_movi(copy)
    assert [(subject.number, subject.split) for subject in found.subjects] == [
        (1, "train"),
        (2, "test"),
        (14, "valid"),
    ]
    assert all(list(subject.videos) == ["PG1", "PG2"] for subject in found.subjects)
    assert found.missing == ()
    assert not found.has_amass


def test_what_is_missing_has_a_line_and_the_others_go_on(copy: Path) -> None:
    videos = copy / "Videos"
    (videos / "F_PG2_Subject_1_L.avi").unlink()
    (videos / "F_PG1_Subject_14_L.avi").unlink()
    (videos / "F_PG2_Subject_14_L.avi").unlink()
    shutil.copy(videos / "F_PG1_Subject_1_L.avi", videos / "F_PG1_Subject_3_L.avi")
    shutil.copy(videos / "F_PG1_Subject_1_L.avi", copy / "F_PG1_Subject_1_L.avi")
    savemat(copy / "F_v3d_Subject_12.mat", v3d_of(12))
    found = find_movi(copy)
    assert [(subject.number, list(subject.videos)) for subject in found.subjects] == [
        (1, ["PG1"]),
        (2, ["PG1", "PG2"]),
    ]
    assert [line.replace(f"{copy}", "ROOT") for line in found.missing] == [
        "ROOT/Videos/F_PG1_Subject_1_L.avi: there is ROOT/F_PG1_Subject_1_L.avi, too; "
        "this one is not used.",
        "subject 1: F_PG2_Subject_1_L.avi is missing.",
        "subject 3: F_v3d_Subject_3.mat is missing; not used.",
        "subject 12: is in no split; not used.",
        "subject 14: no video of PG1 or PG2; not used.",
    ]


def test_a_folder_that_is_not_movi_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(D3keError, match=f"^{folder}: [^\n]+$"):
            find_movi(folder)


# Sessions


def test_every_movement_but_the_static_one_becomes_a_session(root: Path) -> None:
    sessions, told = told_of(root)
    assert told == []
    assert [(one.subject, one.split, one.trial) for one in sessions] == [
        ("Subject_1", "train", "01_kicking"),
        ("Subject_1", "train", "02_jumping_jacks_star"),
        ("Subject_2", "test", "02_kicking"),
        ("Subject_2", "test", "03_jumping_jacks_star"),
        ("Subject_14", "valid", "02_kicking"),
        ("Subject_14", "valid", "03_jumping_jacks_star"),
    ]
    assert [one.static is None for one in sessions] == [True, True, False, False, False, False]
    static = sessions[2].static
    assert static is not None
    assert static.xyz.shape == (48, len(WORN) + 3, 3)
    assert [film.camera for film in sessions[0].films] == ["PG1", "PG2"]
    assert len(sessions[2].frames) == 20
    assert 0 < len(sessions[0].frames) < 10
    assert (sessions[0].frames % 2 == sessions[0].films[0].first % 2).all()


def test_markers_of_a_session_are_seen_where_the_second_reader_sees_them(root: Path) -> None:
    compared = 0
    for session in told_of(root)[0]:
        reader = SecondReader(root, int(session.subject.removeprefix("Subject_")))
        markers = session.markers
        for film in session.films:
            assert list(range(film.first, film.last)) == reader.frames(session.activity)
            for frame in (film.first, film.first + 7, film.last - 1):
                moment = int(np.argmin(np.abs(markers.time - frame / 30)))
                seen = film.view.project(markers.xyz[moment])
                for name, pixel in zip(markers.names, seen, strict=True):
                    place = reader.place_mm(name, frame)
                    assert (place is None) == bool(np.isnan(pixel).all())
                    if place is not None:
                        expected = reader.pixel(film.camera, place)
                        np.testing.assert_allclose(pixel, expected, atol=2e-3)  # px
                        compared += 1
    assert compared > 400


def test_a_broken_subject_is_told_and_the_others_go_on(copy: Path) -> None:
    (copy / "F_Subjects_1_45" / "F_v3d_Subject_1.mat").write_bytes(b"nothing")
    sessions, told = told_of(copy)
    assert {session.subject for session in sessions} == {"Subject_2", "Subject_14"}
    assert len(told) == 1
    assert "F_v3d_Subject_1.mat: broken" in told[0]


def test_a_movement_beyond_the_end_of_a_video_is_told_and_the_others_go_on(copy: Path) -> None:
    write_video(copy / "Videos" / "F_PG2_Subject_2_L.avi", count=40)
    sessions, told = told_of(copy)
    films = {
        session.trial: [film.camera for film in session.films]
        for session in sessions
        if session.subject == "Subject_2"
    }
    assert films == {"02_kicking": ["PG1", "PG2"], "03_jumping_jacks_star": ["PG1"]}
    assert len(told) == 1
    assert told[0].startswith("subject 2, movement 3 jumping jacks/star: frames 35 to 59, but ")
    assert told[0].endswith("has 40. Not used from PG2.")


def test_a_video_that_is_not_the_published_one_is_told(copy: Path) -> None:
    write_video(copy / "Videos" / "F_PG1_Subject_2_L.avi", size=(400, 300))
    write_video(copy / "Videos" / "F_PG2_Subject_2_L.avi", rate_hz=25)
    (copy / "Videos" / "F_PG1_Subject_14_L.avi").write_bytes(b"nothing")
    sessions, told = told_of(copy)
    assert {session.subject for session in sessions} == {"Subject_1", "Subject_14"}
    assert [len(session.films) for session in sessions] == [2, 2, 1, 1]
    assert len(told) == 3
    assert "400 x 300 px at 30 Hz" in told[0]
    assert "800 x 600 px at 25 Hz" in told[1]


def test_a_movement_beyond_the_markers_is_told(copy: Path) -> None:
    def change(move: dict[str, Any]) -> None:
        move["markerLocation"] = move["markerLocation"][:130]

    mat(copy / "F_Subjects_1_45" / "F_v3d_Subject_2.mat", change)
    sessions, told = told_of(copy)
    mine = [session for session in sessions if session.subject == "Subject_2"]
    assert [(session.trial, len(session.markers.time)) for session in mine] == [("02_kicking", 74)]
    assert len(told) == 1
    assert "movement 3 jumping jacks/star: begins after the last of 130" in told[0]
    assert len(mine[0].frames) == 20 < FRAMES
