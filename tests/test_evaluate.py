"""Evaluation: figures of known distortions, computed a second time by hand or by scipy."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.transform import Rotation

from d3ke.agreement import GROUPS, best_lag, errors_between, wrapped
from d3ke.errors import D3keError
from d3ke.evaluate import evaluate, over_clips
from d3ke.evaluate_markers import evaluate_markers
from d3ke.mean_pose import MEAN_POSE_DEG
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.names import POSE2SIM, to_names
from d3ke.motion.opensim_files import write_markers, write_motion

Array = NDArray[np.float64]
PELVIS = ("pelvis_tilt", "pelvis_list", "pelvis_rotation", "pelvis_tx", "pelvis_ty", "pelvis_tz")
JOINTS = tuple(name for names in GROUPS.values() for name in names)


def walk(rate: float = 60.0, seconds: float = 4.0, late_s: float = 0.0) -> Motion:
    """A made-up motion that repeats nothing within a second; late_s: the same, later."""
    time = np.arange(round(seconds * rate) + 1) / rate
    t = time - late_s
    columns = [
        0.3 * np.sin(2 * np.pi * (0.7 + 0.05 * i) * t + i)
        + 0.2 * np.sin(1.3 * t**1.2 if not late_s else 1.3 * np.sign(t) * np.abs(t) ** 1.2)
        + 0.1 * (i % 5)
        for i in range(len(JOINTS))
    ]
    pelvis = [0.1 * np.sin(t), 0.05 * np.cos(t), 0.3 * t, t, 0.9 + 0.03 * np.sin(6 * t), 0.1 * t]
    q = np.stack([*pelvis, *columns], axis=1)
    names = (*PELVIS, *JOINTS)
    return Motion(time, q, names, tuple(name[:-1] != "pelvis_t" for name in names))


def cell(table: pd.DataFrame, row: str, column: str) -> float:
    return float(table[column].to_dict()[row])


def changed(motion: Motion, **shift_deg: float) -> Motion:
    """The motion with constants added to coordinates."""
    shifts = np.array([shift_deg.get(name, 0.0) for name in motion.names])
    return replace(motion, q=motion.q + np.deg2rad(shifts))


def test_a_motion_agrees_with_itself() -> None:
    found = evaluate(walk(), walk())
    assert found.best.lag_s == 0
    assert found.best.mean_mae_deg < 1e-9
    assert all(value < 1e-9 for value in found.best.groups.values())
    assert all(errors.r > 1 - 1e-9 for errors in found.best.coordinates.values())
    assert found.pelvis is not None
    assert abs(found.pelvis.heading_deg) < 1e-9
    assert not found.warnings


def test_the_figures_are_those_of_a_second_computation() -> None:
    rng = np.random.default_rng(0)
    true = walk()
    noisy = replace(true, q=true.q + rng.normal(0.05, 0.1, true.q.shape))
    found = evaluate(noisy, true, lag=0.0)
    for name in JOINTS:
        ours = found.best.coordinates[name]
        x, y = np.rad2deg(noisy.column(name)), np.rad2deg(true.column(name))
        assert ours.frames == len(x)
        assert ours.mae == pytest.approx(math.fsum(abs(x - y)) / len(x))
        assert ours.rmse == pytest.approx(math.sqrt(math.fsum((x - y) ** 2) / len(x)))
        assert ours.bias == pytest.approx(np.median([np.mean(x) - np.mean(y)]))
        assert ours.unbiased_rmse == pytest.approx(stats.tstd(x - y) * math.sqrt(1 - 1 / len(x)))
        assert ours.rom == pytest.approx((max(x) - min(x)) - (max(y) - min(y)))
        assert ours.r == pytest.approx(stats.pearsonr(x, y).statistic)
    for group, names in GROUPS.items():
        expected = sum(found.best.coordinates[name].mae for name in names) / len(names)
        assert found.best.groups[group] == pytest.approx(expected)
    every = sum(errors.mae for errors in found.best.coordinates.values()) / len(JOINTS)
    assert found.best.mean_mae_deg == pytest.approx(every)


def test_an_offset_is_bias_and_nothing_else() -> None:
    found = evaluate(changed(walk(), knee_angle_r=7.0, lumbar_bending=-3.0), walk())
    knee = found.best.coordinates["knee_angle_r"]
    assert (knee.mae, knee.rmse, knee.bias) == pytest.approx((7, 7, 7), abs=1e-6)
    assert knee.unbiased_rmse == pytest.approx(0, abs=1e-6)
    assert knee.rom == pytest.approx(0, abs=1e-6)
    assert found.best.coordinates["lumbar_bending"].bias == pytest.approx(-3, abs=1e-6)
    assert found.best.groups["lower_limb"] == pytest.approx(0.7, abs=1e-6)
    assert found.best.groups["trunk"] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("late_s", [-0.31, -0.04, 0.0, 0.12, 0.5])
def test_a_late_prediction_has_a_positive_lag(late_s: float) -> None:
    found = evaluate(walk(late_s=late_s), walk())
    assert found.best.lag_s == pytest.approx(late_s)
    # Splines at 60 Hz, and the kink that this motion has where its own time is 0.
    assert found.best.mean_mae_deg < 0.05
    assert found.zero.lag_s == 0
    assert (found.zero.mean_mae_deg > 0.5) == (late_s != 0)
    assert any("end of the search" in text for text in found.warnings) == (late_s == 0.5)


def test_a_given_lag_is_taken() -> None:
    found = evaluate(walk(late_s=0.1), walk(), lag=0.1)
    assert found.best.lag_s == 0.1
    assert found.best.mean_mae_deg < 0.05


def test_equal_costs_give_the_smallest_lag() -> None:
    assert best_lag(lambda lag: (1.0, 100)) == 0.0
    assert best_lag(lambda lag: (abs(lag - 0.2), 100)) == pytest.approx(0.2)
    # Hardly any overlap is no evidence, and no overlap has no cost.
    assert best_lag(lambda lag: (0.0 if lag > 0.4 else 1.0, 10 if lag > 0.4 else 100)) == 0.0
    assert best_lag(lambda lag: (math.nan if lag < 0.1 else 1.0, 100)) == pytest.approx(0.1)


def test_rates_and_uneven_time_do_not_matter() -> None:
    true = walk(rate=100.0)
    source = walk(rate=60.0)
    kept = np.sort(np.random.default_rng(1).choice(len(source.time), 200, replace=False))
    uneven = Motion(source.time[kept], source.q[kept], source.names, source.rotational)
    found = evaluate(uneven, true)
    assert found.best.lag_s == 0
    assert found.best.mean_mae_deg < 0.1  # a spline over up to five frames


def test_angles_are_compared_on_the_circle() -> None:
    true = walk()
    turned = changed(true, arm_flex_r=360.0, arm_rot_l=-360.0, arm_add_r=358.0)
    found = evaluate(turned, true)
    assert found.best.coordinates["arm_flex_r"].mae < 1e-6
    assert found.best.coordinates["arm_rot_l"].mae < 1e-6
    assert found.best.coordinates["arm_add_r"].bias == pytest.approx(-2, abs=1e-6)
    rotating = np.linspace(0, 20, 300)
    jumping = errors_between(wrapped(rotating), rotating)
    assert jumping.mae == pytest.approx(0, abs=1e-9)
    assert jumping.r == pytest.approx(1)


def test_gaps_do_not_count() -> None:
    true = walk()
    holes = changed(true, knee_angle_r=4.0)
    holes.q[60:120] = np.nan
    found = evaluate(holes, true)
    assert found.best.frames == len(true.time) - 60
    assert found.best.coordinates["knee_angle_r"].mae == pytest.approx(4, abs=1e-6)


def test_a_coordinate_that_is_all_gap_is_left_out() -> None:
    true = walk()
    empty = changed(true)
    empty.q[:, empty.names.index("knee_angle_l")] = np.nan
    found = evaluate(empty, true)
    assert "knee_angle_l" not in found.best.coordinates
    assert found.best.groups["lower_limb"] < 1e-9


def test_swapped_sides_are_noticed() -> None:
    true = walk()
    other = [
        n[:-1] + ("l" if n.endswith("r") else "r") if n[-2:] in ("_r", "_l") else n
        for n in true.names
    ]
    swapped = Motion(true.time, true.select(other).q, true.names, true.rotational)
    found = evaluate(swapped, true, lag=0.0)
    knee = np.rad2deg(np.abs(true.column("knee_angle_l") - true.column("knee_angle_r"))).mean()
    assert found.best.coordinates["knee_angle_r"].mae == pytest.approx(knee, rel=1e-6)
    assert any("swapped" in text for text in found.warnings)


def test_families_and_signs_are_mapped() -> None:
    true = walk()
    pose2sim = to_names(
        true, [n.replace("lumbar_extension", "L5_S1_Flex_Ext")
               .replace("lumbar_bending", "L5_S1_Lat_Bending")
               .replace("lumbar_rotation", "L5_S1_axial_rotation") for n in true.names], POSE2SIM
    )  # fmt: skip
    knees = [true.names.index(f"knee_angle_{side}") for side in "rl"]
    bent, negative = changed(true), changed(true)
    bent.q[:, knees] = np.abs(bent.q[:, knees]) + 0.5
    negative.q[:, knees] = -bent.q[:, knees]
    assert evaluate(pose2sim, true).best.groups["trunk"] < 1e-9
    turned = evaluate(negative, bent)
    assert turned.best.groups["lower_limb"] < 1e-9
    assert "the prediction's knees bend negatively" in turned.warnings[0]


def test_constant_postures_are_the_baselines() -> None:
    true = walk()
    found = evaluate(changed(true, knee_angle_r=5), true, lag=0.0)
    for name in ("knee_angle_r", "arm_flex_l", "lumbar_rotation"):
        angles = np.rad2deg(true.column(name))
        prior = MEAN_POSE_DEG.get(name.removesuffix("_r").removesuffix("_l"), 0.0)
        for baseline, constant in (("mean_pose", prior), ("own_mean", angles.mean())):
            ours = found.baselines[baseline].coordinates[name]
            assert ours.mae == pytest.approx(np.abs(angles - constant).mean(), abs=1e-6)
            assert math.isnan(ours.r)


def placed(motion: Motion, heading_deg: float, shift: Array) -> Motion:
    """The motion on another ground: turned about Y, and shifted."""
    about_y = Rotation.from_euler("Y", heading_deg, degrees=True)
    q = motion.q.copy()
    q[:, :3] = (about_y * Rotation.from_euler("ZXY", motion.q[:, :3])).as_euler("ZXY")
    q[:, 3:6] = about_y.apply(motion.q[:, 3:6]) + shift
    return replace(motion, q=q)


@pytest.mark.parametrize("heading_deg", [-130.0, 0.0, 40.0])
def test_heading_and_origin_are_aligned(heading_deg: float) -> None:
    moved = placed(walk(), heading_deg, np.array([3.0, 0.2, -1.0]))
    found = evaluate(moved, walk())
    assert found.pelvis is not None
    assert found.pelvis.heading_deg == pytest.approx(-heading_deg, abs=1e-6)
    assert max(errors.mae for errors in found.pelvis.turns.values()) < 1e-6
    assert max(errors.mae for errors in found.pelvis.places.values()) < 1e-6
    assert not any(name.startswith("pelvis") for name in found.best.coordinates)


def test_the_pelvis_is_in_degrees_and_millimetres() -> None:
    wrong = walk()
    wrong.q[:, 4] += 0.02 * np.sin(20 * wrong.time)
    wrong.q[:, 0] += np.deg2rad(6)
    found = evaluate(wrong, walk())
    assert found.pelvis is not None
    waves = 20 * np.sin(20 * wrong.time)
    waves -= waves.mean()
    assert found.pelvis.places["pelvis_ty"].mae == pytest.approx(np.abs(waves).mean(), rel=1e-6)
    assert 4 < found.pelvis.turns["pelvis_tilt"].mae <= 6.1  # some of it is taken for heading


def test_the_json_is_as_designed_and_has_no_nan() -> None:
    still = walk()
    still.q[:, still.names.index("knee_angle_r")] = 0.3
    found = evaluate(still, walk())
    text = json.dumps(found.to_json(), allow_nan=False)
    again = json.loads(text)
    assert {"lag_s", "frames", "mean_mae_deg", "groups", "coordinates"} <= set(again)
    assert set(again["groups"]) == {"lower_limb", "trunk", "arms"}
    knee = again["coordinates"]["knee_angle_r"]
    assert {"mae_deg", "rmse_deg", "bias_deg", "unbiased_rmse_deg"} <= set(knee)
    assert knee["r"] is None
    assert again["baselines"]["mean_pose"]["groups"]["arms"] > 0
    assert "pelvis_tx" in again["pelvis"]["coordinates"]
    assert again["pelvis"]["coordinates"]["pelvis_tx"]["mae_mm"] < 1e-6


def test_the_tables_say_the_same() -> None:
    found = evaluate(changed(walk(), elbow_flex_l=8), walk())
    table = found.to_frame()
    assert table["group"].to_dict()["elbow_flex_l"] == "arms"
    assert cell(table, "elbow_flex_l", "mae_deg") == pytest.approx(8)
    assert cell(table, "elbow_flex_l", "mae_deg") < cell(table, "elbow_flex_l", "mean_pose_mae_deg")
    groups = found.groups_frame()
    assert list(groups.index) == ["lower_limb", "trunk", "arms", "all"]
    assert cell(groups, "arms", "mae_deg") == pytest.approx(1.0)
    assert cell(groups, "all", "lag_0_mae_deg") == pytest.approx(8 / len(JOINTS))


def test_the_mean_over_clips_is_the_mean_of_the_clips() -> None:
    legs = walk().select((*PELVIS, *GROUPS["lower_limb"]))
    one = evaluate(changed(walk(), hip_rotation_l=10, arm_add_r=16), walk())
    two = evaluate(changed(legs, hip_rotation_l=30), walk(seconds=2.0))
    table = over_clips({"one": one, "two": two})
    assert cell(table, "mean", "lower_limb_mae_deg") == pytest.approx((1 + 3) / 2)
    assert cell(table, "mean", "arms_mae_deg") == pytest.approx(2)  # only one clip has arms
    assert math.isnan(cell(table, "two", "arms_mae_deg"))
    assert cell(table, "mean", "lower_limb_own_mean_mae_deg") > 1


def test_files_are_compared_as_motions_are(tmp_path: Path) -> None:
    write_motion(tmp_path / "a.mot", changed(walk(), knee_angle_l=5))
    write_motion(tmp_path / "b.mot", walk())
    found = evaluate(tmp_path / "a.mot", tmp_path / "b.mot")
    assert found.best.coordinates["knee_angle_l"].mae == pytest.approx(5, abs=1e-6)


def test_motions_that_do_not_meet_are_one_line(tmp_path: Path) -> None:
    later = walk()
    later = replace(later, time=later.time + 100)
    with pytest.raises(D3keError, match="no time in common"):
        evaluate(walk(), later)
    with pytest.raises(D3keError, match="no coordinate in common"):
        evaluate(walk(), replace(walk(), names=tuple(f"x{i}" for i in range(len(walk().names)))))
    with pytest.raises(D3keError, match="no frame"):
        evaluate(replace(walk(), q=walk().q * np.nan), walk())
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(D3keError, match="holds no joint angles"):
        evaluate(tmp_path / "a.txt", walk())
    write_motion(tmp_path / "a.mot", walk())
    write_markers(tmp_path / "b.trc", cloud())
    with pytest.raises(D3keError, match=r"a\.mot: holds no markers"):
        evaluate_markers(tmp_path / "a.mot", tmp_path / "b.trc")


def cloud(late_s: float = 0.0) -> MarkerData:
    time = np.arange(181) / 60
    t = (time - late_s)[:, None, None]
    base = np.random.default_rng(5).uniform(-1, 1, (1, 6, 3))
    xyz = base + 0.2 * np.sin(2 * t + 3 * base) + t * np.array([1.0, 0, 0.2])
    return MarkerData(time, xyz, ("RASI", "LASI", "R.PSI", "L PSI", "C7", "only_here"))


def test_markers_are_compared_in_millimetres(tmp_path: Path) -> None:
    turn = Rotation.from_euler("Y", 70, degrees=True).as_matrix()
    other = replace(
        cloud(late_s=0.15),
        xyz=cloud(late_s=0.15).xyz @ turn.T + [1, 0.1, -2],
        names=("rasi", "LASI", "RPSI", "L_PSI", "C7", "elsewhere"),
    )
    found = evaluate_markers(other, cloud())
    assert found.lag_s == pytest.approx(0.15)
    assert set(found.markers) == {"RASI", "LASI", "R.PSI", "L PSI", "C7"}
    assert found.mean_mm < 0.01  # splines
    assert found.zero_mean_mm > 10
    write_markers(tmp_path / "a.trc", other)
    write_markers(tmp_path / "b.trc", cloud())
    again = evaluate_markers(tmp_path / "a.trc", tmp_path / "b.trc")
    assert again.mean_mm == pytest.approx(found.mean_mm, abs=1e-3)
    json.dumps(again.to_json(), allow_nan=False)
    assert cell(again.to_frame(), "RASI", "frames") == again.markers["RASI"].frames


def test_a_marker_that_is_off_shows_by_name() -> None:
    wrong = cloud()
    wrong.xyz[:, 4] += [0.0, 0.03, 0.0]
    wrong.xyz[40:50, 1] = np.nan
    found = evaluate_markers(wrong, cloud())
    # The alignment takes a fair share: one marker of six moves the origin by a sixth.
    assert found.markers["C7"].mean_mm == pytest.approx(30 * 5 / 6, rel=0.01)
    assert found.markers["RASI"].mean_mm == pytest.approx(5, rel=0.05)
    assert found.markers["LASI"].frames == 171
    with pytest.raises(D3keError, match="no marker in common"):
        evaluate_markers(replace(cloud(), names=tuple("abcdef")), cloud())
