"""What `check` says of files that OpenSim would refuse or silently misread."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d3ke.check import CheckResult, check, standing_places
from d3ke.errors import D3keError
from d3ke.motion.body_sense import sense_by_model, sense_by_names
from d3ke.motion.c3d import write_c3d
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.names import is_rotational
from d3ke.motion.opensim_files import (
    motion_text,
    read_markers,
    read_motion,
    write_markers,
    write_motion,
)
from d3ke.skeleton.osim import OsimModel
from d3ke.std_file import write_std

MODEL = Path(__file__).parents[1] / "models" / "d3ke" / "assets" / "fullbody.osim"
# Places of a standing person's markers: X forward, Y up, Z right, m.
STANDING = {
    "RASI": (0.1, 1.0, 0.12), "LASI": (0.1, 1.0, -0.12),
    "RPSI": (-0.1, 1.05, 0.05), "LPSI": (-0.1, 1.05, -0.05),
    "C7": (-0.05, 1.5, 0.0), "CLAV": (0.08, 1.4, 0.0),
    "RKNE": (0.02, 0.5, 0.15), "LKNE": (0.02, 0.5, -0.15),
    "RHEE": (-0.06, 0.05, 0.1), "LHEE": (-0.06, 0.05, -0.1),
    "RTOE": (0.15, 0.05, 0.12), "LTOE": (0.15, 0.05, -0.12),
}  # fmt: skip
Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
Y_DOWN = np.diag([1, -1, -1])
LEFT_HANDED = np.diag([1, 1, -1])


def standing(axes: np.ndarray | None = None, turn_deg: float = 0.0) -> MarkerData:
    """A person who sways, seen in other axes or turned about the vertical."""
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    turned = np.array(list(STANDING.values())) @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    time = np.arange(30) / 30
    sway = 0.02 * np.sin(time)[:, None, None] * turned[None, :, [1]]
    xyz = turned + np.concatenate([sway, 0 * sway, sway], axis=2)
    return MarkerData(time, xyz @ (np.eye(3) if axes is None else axes.T), tuple(STANDING))


def moving() -> Motion:
    osim = OsimModel.from_file(MODEL)
    time = np.arange(60) / 60
    names = osim.coordinate_names
    q = np.stack([0.3 * np.sin(3 * time + i) for i in range(len(names))], axis=1)
    knees = [names.index("knee_angle_r"), names.index("knee_angle_l")]
    q[:, knees] = 0.5 + 0.5 * np.sin(4 * time)[:, None]
    q[:, names.index("pelvis_ty")] = 0.95
    return Motion(time, q, names, tuple(map(is_rotational, names)))


def set_column(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Motion:
    motion = moving()
    motion.q[:, motion.names.index(name)] = change(motion.column(name))
    return motion


def check_motion(folder: Path, motion: Motion, model: Path | None = None) -> CheckResult:
    write_motion(folder / "a.mot", motion)
    return check(folder / "a.mot", model)


def check_markers(folder: Path, markers: MarkerData, model: OsimModel | None = None) -> CheckResult:
    write_markers(folder / "a.trc", markers)
    return check(folder / "a.trc", model)


def test_good_files_have_neither_problems_nor_warnings(tmp_path: Path) -> None:
    for result in (
        check_motion(tmp_path, moving(), MODEL),
        check_markers(tmp_path, standing()),
        check(MODEL),
    ):
        assert result.ok
        assert not result.warnings
        assert json.loads(json.dumps(result.to_json())) == {
            "file": str(result.file), "ok": True, "problems": [], "warnings": [],
        }  # fmt: skip


@pytest.mark.parametrize("turn_deg", [-140.0, 30.0, 90.0])
@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (None, None),
        (LEFT_HANDED, "left-handed"),
        (Z_UP, "Z points up"),
        (Y_DOWN, "-Y points up"),
    ],
)
def test_axes_are_told_by_the_markers_of_a_body(
    tmp_path: Path, axes: np.ndarray | None, said: str | None, turn_deg: float
) -> None:
    result = check_markers(tmp_path, standing(axes, turn_deg))
    assert len(result.problems) == (said is not None)
    assert said is None or said in result.problems[0]


def test_axes_are_told_of_every_real_recording(data_dir: Path) -> None:
    seen = 0
    for path in sorted(data_dir.rglob("*.trc")):
        markers = read_markers(path)
        sense = sense_by_names(markers)
        if sense is not None:
            seen += 1
            mirrored = sense_by_names(replace(markers, xyz=markers.xyz * [1, 1, -1]))
            assert sense.handed == 1, path
            assert mirrored is not None
            assert mirrored.handed == -1, path
    assert seen > 20


def test_axes_are_told_by_a_model_too(data_dir: Path) -> None:
    folder = data_dir / "omc" / "gait2354_ik"
    model, markers = (
        OsimModel.from_file(folder / "model_scaled.osim"),
        read_markers(folder / "markers.trc"),
    )
    places = standing_places(model)
    for axes, handed, up in ((np.eye(3), 1, 1), (LEFT_HANDED, -1, 1), (Z_UP, 1, 2)):
        sense = sense_by_model(replace(markers, xyz=markers.xyz @ axes.T), places)
        assert sense is not None
        assert sense.handed == handed
        assert int(np.argmax(np.abs(sense.up))) == up


def test_names_that_nobody_knows_tell_by_the_model(tmp_path: Path, data_dir: Path) -> None:
    folder = data_dir / "omc" / "gait2354_ik"
    model = OsimModel.from_file(folder / "model_scaled.osim")
    renamed = {marker.name: f"M{i}" for i, marker in enumerate(model.markers)}
    strange = replace(model, markers=tuple(replace(m, name=renamed[m.name]) for m in model.markers))
    markers = read_markers(folder / "markers.trc")
    markers = markers.select([name for name in markers.names if name in renamed])
    markers = replace(
        markers, names=tuple(renamed[n] for n in markers.names), xyz=markers.xyz @ LEFT_HANDED
    )
    assert not check_markers(tmp_path, markers).problems
    assert any("left-handed" in text for text in check_markers(tmp_path, markers, strange).problems)


@pytest.mark.parametrize(
    ("factor", "said"), [(1000.0, "mm labelled m"), (100.0, "cm labelled m"), (1e-3, "labelled mm")]
)
def test_a_wrong_unit_of_markers_is_a_problem(tmp_path: Path, factor: float, said: str) -> None:
    markers = standing()
    result = check_markers(tmp_path, replace(markers, xyz=markers.xyz * factor))
    assert any(said in text for text in result.problems)


def test_markers_at_zero_are_a_problem(tmp_path: Path) -> None:
    markers = standing()
    markers.xyz[3:7, 4] = 0
    assert any(
        "4 marker places are exactly 0" in t for t in check_markers(tmp_path, markers).problems
    )


def test_gaps_of_markers_are_a_warning(tmp_path: Path) -> None:
    markers = standing()
    markers.xyz[3:7, 4] = np.nan
    result = check_markers(tmp_path, markers)
    assert result.ok
    assert "4 missing marker places" in result.warnings[0]


def test_marker_names_are_held_against_the_model(tmp_path: Path) -> None:
    osim = OsimModel.from_file(MODEL)
    other = replace(standing(), names=tuple(f"X{i}" for i in range(len(STANDING))))
    assert any("no marker of" in text for text in check_markers(tmp_path, other, osim).problems)
    result = check_markers(tmp_path, replace(standing(), names=("X", *standing().names[1:])), osim)
    assert result.ok
    assert any("ignored: X" in text for text in result.warnings)
    assert any("not in the file" in text for text in result.warnings)


MOTION_PROBLEMS = {
    "wrapped": (
        set_column("pelvis_rotation", lambda _: np.angle(np.exp(1j * np.linspace(0, 9, 60)))),
        "jumps of a whole turn.*pelvis_rotation",
    ),
    "millimetres": (set_column("pelvis_tx", lambda x: 1000 * x), "are these mm"),
    "backward knees": (
        replace(set_column("knee_angle_r", np.negative), q=moving().q * np.array(
            [-1.0 if "knee" in name else 1.0 for name in moving().names])),
        "knee flexion is negative here and positive in the model",
    ),
    "strange column": (replace(moving(), names=("tilt", *moving().names[1:])), "ignored: tilt"),
    "no column": (
        replace(moving(), names=tuple(f"x{i}" for i in range(len(moving().names)))),
        "no column is a coordinate",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MOTION_PROBLEMS)
def test_problems_of_a_motion(tmp_path: Path, case: str) -> None:
    motion, said = MOTION_PROBLEMS[case]
    result = check_motion(tmp_path, motion, MODEL)
    assert not result.ok
    assert any(re.search(said, text) for text in result.problems), result.problems


def test_degrees_and_radians_are_told_by_size(tmp_path: Path) -> None:
    text = motion_text(set_column("knee_angle_r", lambda x: 40 + 0 * x))
    (tmp_path / "a.mot").write_text(text.replace("inDegrees=yes", "inDegrees=no"))
    assert any("are these degrees" in text for text in check(tmp_path / "a.mot").problems)
    (tmp_path / "b.mot").write_text(motion_text(replace(moving(), q=np.deg2rad(moving().q))))
    assert any("are these radians" in text for text in check(tmp_path / "b.mot").warnings)


def test_coupled_coordinates_in_degrees_are_a_problem(tmp_path: Path) -> None:
    motion = moving()
    names = (*motion.names[:-1], "knee_angle_r_beta")
    motion = Motion(motion.time, motion.q, names, tuple(map(is_rotational, names)))
    motion.q[:, -1] = 57.3
    assert any("coupled" in text for text in check_motion(tmp_path, motion).problems)


def test_warnings_of_a_motion(tmp_path: Path) -> None:
    uneven = moving()
    uneven = replace(uneven, time=uneven.time + 0.2 * (np.arange(60) > 30))
    assert any("uneven" in text for text in check_motion(tmp_path, uneven).warnings)
    lying = set_column("pelvis_list", lambda x: np.pi / 2 + 0 * x)
    assert any("is Y up" in text for text in check_motion(tmp_path, lying).warnings)
    few = moving().select(["hip_flexion_r", "pelvis_tilt", "pelvis_list"])
    assert any("left at their defaults" in t for t in check_motion(tmp_path, few, MODEL).warnings)
    clamped = tmp_path / "clamped.osim"
    clamped.write_text(MODEL.read_text().replace("<clamped>false", "<clamped>true"))
    far = check_motion(tmp_path, set_column("knee_angle_r", lambda x: x + 5), clamped)
    assert any("beyond the model's range" in text for text in far.warnings)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.mot", b"", "empty"),
        ("a.mot", b"\x00\x01", "not a text file"),
        ("a.mot", motion_text(moving()).replace("time\t", "Time\t").encode(), "wants `time`"),
        ("a.mot", motion_text(moving()).replace("nColumns=41", "nColumns=40").encode(), "nColumns"),
        ("a.mot", motion_text(moving()).replace("\n", "\r").encode(), "CR alone"),
        ("a.mot", motion_text(moving()).replace("      0.00000000", "nan", 1).encode(), "no time"),
        ("a.trc", b"hello", "PathFileType"),
        ("a.osim", b"<OpenSimDocument>", "d3ke cannot use it: broken XML"),
        ("a.c3d", bytes(2000), r"not a .c3d"),
        ("a.npz", b"PK", "not a"),
    ],
)
def test_what_cannot_be_read_is_a_problem(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    result = check(tmp_path / name)
    assert not result.ok
    assert any(said in text for text in result.problems), result.problems
    assert all(str(tmp_path) not in text and "\n" not in text for text in result.problems)


def test_what_is_no_file_to_check_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_text("x")
    with pytest.raises(D3keError, match="not a kind of file"):
        check(tmp_path / "a.docx")
    for name in ("none.mot", "none.mp4"):
        with pytest.raises(D3keError, match="no such file"):
            check(tmp_path / name)
    write_motion(tmp_path / "a.mot", moving())
    with pytest.raises(D3keError, match="no such file"):
        check(tmp_path / "a.mot", tmp_path / "none.osim")


def test_a_clip_has_no_use_for_a_model(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="judged without a model"):
        check(tmp_path / "a.mp4", MODEL)


def test_standard_deviations_are_no_motion_of_a_model(tmp_path: Path) -> None:
    std = tmp_path / "a_std.sto"
    write_std(std, moving().select(["knee_angle_r", "knee_angle_l"]))
    alone, with_model = check(std), check(std, MODEL)
    assert alone.ok
    assert not alone.warnings
    assert with_model.problems == ("standard deviations, no motion: load the .mot beside it",)
    with pytest.raises(D3keError, match=r"a_std.sto: holds standard deviations"):
        read_motion(std)


def test_z_up_is_usual_in_c3d(tmp_path: Path) -> None:
    pytest.importorskip("ezc3d", reason="no wheel for this system")
    write_c3d(tmp_path / "a.c3d", standing(Z_UP))
    result = check(tmp_path / "a.c3d")
    assert result.ok
    assert any("Z points up" in text for text in result.warnings)
    write_c3d(tmp_path / "b.c3d", standing(LEFT_HANDED))
    assert any("left-handed" in text for text in check(tmp_path / "b.c3d").problems)


def test_a_model_with_feet_and_local_files(tmp_path: Path) -> None:
    text = MODEL.read_text()
    text = text.replace("<length_units>meters", "<length_units>feet")
    text = text.replace("<mesh_file>", "<mesh_file>C:/Models/", 1)
    (tmp_path / "a.osim").write_text(text)
    result = check(tmp_path / "a.osim")
    assert any("length_units is feet" in problem for problem in result.problems)
    assert any("this computer" in warning for warning in result.warnings)
