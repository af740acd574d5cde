"""Statistics of known distortions, each computed a second time: by scipy, by hand, as published."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from d3ke.agreement import errors_between
from d3ke.evaluate import Evaluation, evaluate
from d3ke.evaluate_markers import aligned_distances, mean_shape
from d3ke.mean_pose import mean_pose_deg
from d3ke.motion.motion import Motion
from d3ke.motion.names import common
from d3ke.motion.opensim_files import read_motion
from d3ke.statistics import (
    NORMAL_95,
    band,
    limits_of_agreement,
    multiple_correlation,
)

Array = NDArray[np.float64]
Distortion = Callable[[Motion], tuple[Motion, float]]

CLOSE = 1e-6  # degrees, and parts of a coefficient: what "equal" means here
LAG_FRAMES = 5
LEGS = tuple(
    f"{name}_{side}"
    for name in ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")
    for side in "rl"
)

# Cardiac output of 12 people by two methods, as pairs: Bland and Altman 1999, table 4.
CARDIAC = """
1,7.83,6.57 1,7.42,5.62 1,7.89,6.90 1,7.12,6.57 1,7.88,6.35 2,6.16,4.06 2,7.26,4.29 2,6.71,4.26
2,6.54,4.09 3,4.75,4.71 3,5.24,5.50 3,4.86,5.08 3,4.78,5.02 3,6.05,6.01 3,5.42,5.67 4,4.21,4.14
4,3.61,4.20 4,3.72,4.61 4,3.87,4.68 4,3.92,5.04 5,3.13,3.03 5,2.98,2.86 5,2.85,2.77 5,3.17,2.46
5,3.09,2.32 5,3.12,2.43 6,5.92,5.90 6,6.42,5.81 6,5.92,5.70 6,6.27,5.76 7,7.13,5.09 7,6.62,4.63
7,6.58,4.61 7,6.93,5.09 8,4.54,4.72 8,4.81,4.61 8,5.11,4.36 8,5.29,4.20 8,5.39,4.36 8,5.57,4.20
9,4.48,3.17 9,4.92,3.12 9,3.97,2.96 10,4.22,4.35 10,4.65,4.62 10,4.74,3.16 10,4.44,3.53
10,4.50,3.53 11,6.78,7.20 11,6.07,6.09 11,6.52,7.00 11,6.42,7.10 11,6.41,7.40 11,5.76,6.80
12,5.06,4.50 12,4.72,4.20 12,4.90,3.80 12,4.80,3.80 12,4.90,4.20 12,5.10,4.50
"""


def small_motion() -> Motion:
    """Legs and trunk at 100 Hz, two seconds, no two coordinates alike."""
    names = (*LEGS, "lumbar_extension", "lumbar_bending", "lumbar_rotation")
    time = np.arange(201) / 100
    columns = [
        np.deg2rad(10 + 3 * i) * np.sin(2 * np.pi * (0.8 + 0.07 * i) * time + i) + 0.05 * i
        for i in range(len(names))
    ]
    return Motion(time, np.stack(columns, axis=1), names, (True,) * len(names))


def offset(motion: Motion) -> tuple[Motion, float]:
    steps = np.deg2rad(np.linspace(-7, 9, len(motion.names)))
    return replace(motion, q=np.where(motion.rotational, motion.q + steps, motion.q)), 0.0


def late(motion: Motion) -> tuple[Motion, float]:
    """The same, five frames later, of which frames alone are kept: no spline is asked."""
    step = float(motion.time[1] - motion.time[0])
    return replace(motion, time=motion.time + LAG_FRAMES * step), LAG_FRAMES * step


def noise(motion: Motion) -> tuple[Motion, float]:
    errors = np.random.default_rng(3).normal(0.01, np.deg2rad(4), motion.q.shape)
    return replace(motion, q=np.where(motion.rotational, motion.q + errors, motion.q)), 0.0


def swapped(motion: Motion) -> tuple[Motion, float]:
    other = {"r": "l", "l": "r"}
    names = [n[:-1] + other[n[-1]] if n[-2:] in {"_r", "_l"} else n for n in motion.names]
    return replace(motion, q=motion.select(names).q), 0.0


def late_and_noisy_at_lag_0(motion: Motion) -> tuple[Motion, float]:
    moved, _ = late(noise(motion)[0])
    return moved, 0.0


DISTORTIONS = (offset, late, noise, swapped, late_and_noisy_at_lag_0)


def in_degrees(found: Evaluation, moved: Motion, true: Motion, name: str) -> tuple[Array, Array]:
    """Both series where both are, cut by hand from the frames of the files."""
    x, y = np.rad2deg(moved.column(name)), np.rad2deg(true.column(name))
    late_by = round((moved.time[0] - true.time[0]) / (true.time[1] - true.time[0]))
    behind = late_by - round(found.best.lag_s * true.rate_hz)
    return (x, y) if behind == 0 else (x[:-behind], y[behind:])


def second_cmc(x: Array, y: Array) -> float:
    """Ferrari's formula for one cycle of two methods, term by term."""
    frames, methods = len(x), 2
    everything = math.fsum([*x, *y]) / (methods * frames)
    apart = math.fsum((v - (a + b) / 2) ** 2 for a, b in zip(x, y, strict=True) for v in (a, b))
    total = math.fsum((v - everything) ** 2 for v in (*x, *y))
    if total == 0:
        return math.nan
    ratio = (apart / (frames * (methods - 1))) / (total / (methods * frames - 1))
    return math.sqrt(1 - ratio) if ratio <= 1 else math.nan


def assert_figures(found: Evaluation, moved: Motion, true: Motion) -> None:
    for name, ours in found.best.coordinates.items():
        x, y = in_degrees(found, moved, true, name)
        error = (x - y + 180) % 360 - 180
        x = y + error
        n = len(x)
        assert ours.frames == n
        expected = {
            "mae": math.fsum(abs(error)) / n,
            "rmse": math.sqrt(math.fsum(error**2) / n),
            "bias": stats.tmean(error),
            "unbiased_rmse": math.sqrt(math.fsum((error - stats.tmean(error)) ** 2) / n),
            "rom": float(np.ptp(x) - np.ptp(y)),
            "sd": math.sqrt(math.fsum((error - stats.tmean(error)) ** 2) / (n - 1)),
            "cmc": second_cmc(x, y),
        }
        for figure, value in expected.items():
            got = getattr(ours, figure)
            assert got == pytest.approx(value, abs=CLOSE, nan_ok=True), (name, figure)
        low, high = stats.norm.interval(0.95, expected["bias"], max(expected["sd"], 1e-12))
        wider = NORMAL_95 / stats.norm.ppf(0.975)  # 1.96 for 1.95996
        assert high - low == pytest.approx((ours.limits[1] - ours.limits[0]) / wider, abs=CLOSE)
        assert sum(ours.limits) / 2 == pytest.approx(expected["bias"], abs=CLOSE)
        if min(np.ptp(x), np.ptp(y)) > 1e-3:
            assert ours.r == pytest.approx(stats.pearsonr(x, y).statistic, abs=CLOSE)
        own = found.baselines["own_mean"].coordinates[name].mae
        assert own == pytest.approx(stats.tmean(abs(y - stats.tmean(y))), abs=CLOSE)
        posture = found.baselines["mean_pose"].coordinates[name].mae
        off = abs((y - mean_pose_deg(name) + 180) % 360 - 180)
        assert posture == pytest.approx(stats.tmean(off), abs=CLOSE)


@pytest.mark.parametrize("distort", DISTORTIONS, ids=lambda distort: distort.__name__)
def test_every_figure_is_that_of_a_second_computation(distort: Distortion) -> None:
    true = small_motion()
    moved, lag_s = distort(true)
    found = evaluate(moved, true, lag=lag_s)
    assert_figures(found, moved, true)


@pytest.mark.parametrize("distort", DISTORTIONS, ids=lambda distort: distort.__name__)
def test_of_a_recorded_walk_too(distort: Distortion, data_dir: Path) -> None:
    walk = common(read_motion(data_dir / "motions" / "oc_moco_walk.mot")).unwrapped()
    grid = np.arange(len(walk.time)) / 100  # stamps of the file have eight decimals
    true = replace(walk, time=grid)
    moved, lag_s = distort(true)
    found = evaluate(moved, true, lag=lag_s)
    assert len(found.best.coordinates) > 30
    assert_figures(found, moved, true)


def test_known_distortions_have_the_figures_they_must() -> None:
    true = small_motion()
    moved, _ = offset(true)
    found = evaluate(moved, true, lag=0.0)
    for shift, name in zip(np.linspace(-7, 9, len(true.names)), true.names, strict=True):
        errors = found.best.coordinates[name]
        assert errors.bias == pytest.approx(shift, abs=CLOSE)
        assert errors.limits == pytest.approx((shift, shift), abs=CLOSE)
    moved, lag_s = late(true)
    found = evaluate(moved, true)
    assert found.best.lag_s == pytest.approx(lag_s)
    assert found.best.mean_mae_deg < CLOSE
    assert all(e.cmc == pytest.approx(1, abs=CLOSE) for e in found.best.coordinates.values())


def test_planes_and_joints_are_means_of_their_coordinates() -> None:
    moved, _ = offset(small_motion())
    found = evaluate(moved, small_motion(), lag=0.0)
    mae = {name: errors.mae for name, errors in found.best.coordinates.items()}
    transverse = ("hip_rotation_r", "hip_rotation_l", "lumbar_rotation")
    assert found.best.planes["transverse"] == pytest.approx(sum(mae[n] for n in transverse) / 3)
    assert set(found.best.planes) == {"sagittal", "frontal", "transverse"}
    knees = (mae["knee_angle_r"] + mae["knee_angle_l"]) / 2
    assert found.best.joints["knee"] == pytest.approx(knees)
    assert set(found.best.joints) == {"hip", "knee", "ankle", "lumbar"}
    assert any("hip_rotation, lumbar_rotation" in note for note in found.notes)
    legs = [name for name in small_motion().names if "rotation" not in name]
    plain = evaluate(moved.select(legs), small_motion(), lag=0.0)
    assert not any("transverse" in note for note in plain.notes)


def test_multiple_correlation_is_the_formula_term_by_term() -> None:
    rng = np.random.default_rng(1)
    base = np.sin(np.linspace(0, 6, 101))
    cycles = [base + rng.normal(0, 0.2, (3, 101)) for _ in range(4)]
    apart = total = 0.0
    for cycle in cycles:  # Ferrari et al. 2010, G cycles, P methods, F frames
        apart += math.fsum(
            (cycle[p, f] - math.fsum(cycle[:, f]) / 3) ** 2 for p in range(3) for f in range(101)
        )
        grand = math.fsum(cycle.ravel()) / 303
        total += math.fsum((value - grand) ** 2 for value in cycle.ravel())
    expected = math.sqrt(1 - (apart / (4 * 101 * 2)) / (total / (4 * (3 * 101 - 1))))
    assert multiple_correlation(cycles) == pytest.approx(expected, abs=1e-12)
    assert multiple_correlation([np.stack([base, base])]) == pytest.approx(1)
    # Curves that are farther apart than they move have no coefficient.
    assert math.isnan(multiple_correlation([np.stack([base, base + 5])]))
    assert math.isnan(multiple_correlation([np.ones((2, 50))]))
    gappy = cycles[0].copy()
    gappy[0, 10:20] = np.nan
    kept = np.delete(cycles[0], range(10, 20), axis=1)
    assert multiple_correlation([gappy]) == pytest.approx(multiple_correlation([kept]))


def test_limits_are_those_that_bland_and_altman_published() -> None:
    rows = [[float(cell) for cell in row.split(",")] for row in CARDIAC.split()]
    subjects, first, second = np.array(rows).T
    limits = limits_of_agreement(first - second, subjects.astype(np.int64))
    # J. Biopharm. Stat. 17 (2007), section 3: the true value varies.
    assert limits.bias == pytest.approx(0.6021667, abs=1e-6)
    assert limits.components.sd == pytest.approx(0.99062408, abs=1e-7)
    assert (limits.low, limits.high) == pytest.approx((-1.3394565, 2.5437899), abs=1e-6)
    assert limits.units == 12
    assert limits.low_interval[0] < limits.low < limits.low_interval[1]


def test_limits_of_one_level_follow_from_scipys_analysis_of_variance() -> None:
    rng = np.random.default_rng(2)
    sizes = [30, 4, 77, 12, 50]
    parts = [rng.normal(rng.normal(0, 3), 1.5, size) for size in sizes]
    clips = np.repeat(np.arange(5), sizes)
    limits = limits_of_agreement(np.concatenate(parts), clips)
    within = sum((len(p) - 1) * stats.tvar(p) for p in parts) / (sum(sizes) - 5)
    ratio = stats.f_oneway(*parts).statistic
    usual = (sum(sizes) ** 2 - sum(s**2 for s in sizes)) / ((5 - 1) * sum(sizes))
    assert limits.components.within == pytest.approx(within, abs=CLOSE)
    assert limits.components.clips == pytest.approx((ratio - 1) * within / usual, abs=CLOSE)


def test_nested_components_solve_the_expected_mean_squares() -> None:
    """The expectation of a quadratic form e'Ae is tr(A V): three equations, solved as matrices."""
    rng = np.random.default_rng(4)
    subjects_of_clips = np.array([0, 0, 0, 1, 2, 2, 3, 3, 3, 3, 4, 5, 5])
    sizes = rng.integers(3, 15, len(subjects_of_clips))
    clips = np.repeat(np.arange(len(sizes)), sizes)
    subjects = subjects_of_clips[clips]
    errors = rng.normal(0, 1, len(clips)) + rng.normal(0, 2, 13)[clips]
    errors += rng.normal(0, 3, 6)[subjects]

    def projection(labels: NDArray[np.int64]) -> Array:
        z = (labels[:, None] == np.unique(labels)).astype(float)
        return np.asarray(z @ np.linalg.inv(z.T @ z) @ z.T)

    one = np.full((len(errors), len(errors)), 1 / len(errors))
    p_subjects, p_clips = projection(subjects), projection(clips)
    forms = (np.eye(len(errors)) - p_clips, p_clips - p_subjects, p_subjects - one)
    same = [(labels[:, None] == labels).astype(float) for labels in (subjects, clips)]
    spreads = (*same, np.eye(len(errors)))
    traces = np.array([[np.trace(form @ spread) for spread in spreads] for form in forms])
    expected = np.linalg.solve(traces, [errors @ form @ errors for form in forms])
    assert (expected > 0).all()  # no component of this draw is cut off at 0
    found = limits_of_agreement(errors, clips, subjects)
    assert found.components == pytest.approx(tuple(expected), abs=CLOSE)
    half = NORMAL_95 * math.sqrt(expected.sum())
    assert found.high - found.low == pytest.approx(2 * half, abs=CLOSE)
    assert (found.of, found.units) == ("subjects", 6)


def test_frames_of_a_clip_are_no_evidence_of_their_own() -> None:
    rng = np.random.default_rng(5)
    bias = rng.normal(0, 2, 8)
    few = limits_of_agreement(np.repeat(bias, 10), np.repeat(np.arange(8), 10))
    more = limits_of_agreement(np.repeat(bias, 1000), np.repeat(np.arange(8), 1000))
    assert more.low_interval == pytest.approx(few.low_interval)
    assert more.high == pytest.approx(few.high)


def test_one_clip_has_the_limits_of_its_frames_and_says_so() -> None:
    errors = np.random.default_rng(6).normal(1, 2, 500)
    found = limits_of_agreement(errors, np.zeros(500, np.int64))
    assert (found.of, found.units) == ("frames", 1)
    assert found.high == pytest.approx(errors.mean() + 1.96 * stats.tstd(errors), abs=CLOSE)
    assert all(math.isnan(value) for value in (*found.low_interval, *found.high_interval))
    # One person's clips are told apart, people are not.
    same = limits_of_agreement(errors, np.arange(500) // 100, np.zeros(500, np.int64))
    assert same.of == "clips"
    with pytest.raises(ValueError, match="no spread"):
        limits_of_agreement(errors[:1], np.zeros(1, np.int64))


def test_bands_are_mcginleys() -> None:
    assert [band(value) for value in (0.0, 1.99, 2.0, 5.0, 5.01)] == [
        "acceptable",
        "acceptable",
        "reasonable",
        "reasonable",
        "misleading",
    ]
    assert band(math.nan) == ""


def test_whole_turns_do_not_change_multiple_correlation() -> None:
    angles = np.linspace(0, 14, 300)
    wrapped = (angles + 0.1 + np.pi) % (2 * np.pi) - np.pi
    plain = second_cmc(np.rad2deg(angles + 0.1), np.rad2deg(angles))
    assert errors_between(wrapped, angles).cmc == pytest.approx(plain, abs=CLOSE)


def test_markers_are_aligned_as_scipy_aligns_them() -> None:
    from scipy.spatial import procrustes
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(7)
    true = rng.normal(0, 0.4, (6, 9, 3))
    turns = Rotation.random(6, random_state=1).as_matrix()
    moved = 1.2 * np.einsum("tij,tmj->tmi", turns, true) + rng.normal(0, 1, (6, 1, 3))
    moved += rng.normal(0, 0.02, moved.shape)
    moved[2, 4] = np.nan
    moved[5, 2:] = np.nan  # two markers: nothing can be turned
    rigid, scaled = (aligned_distances(moved, true, size) for size in (False, True))
    assert np.isnan(rigid[5]).all()
    assert np.isnan(rigid[2]).tolist() == [m == 4 for m in range(9)]
    for frame in range(5):
        seen = ~np.isnan(moved[frame, :, 0])
        x, y = (xyz[frame, seen] - xyz[frame, seen].mean(axis=0) for xyz in (moved, true))
        _, root = Rotation.align_vectors(y, x)
        assert np.nansum(rigid[frame] ** 2) == pytest.approx(root**2, abs=1e-9)
        disparity = procrustes(y, x)[2] * (y**2).sum()
        assert np.nansum(scaled[frame] ** 2) == pytest.approx(disparity, abs=1e-9)
    assert np.nanmean(scaled) < 0.03 < np.nanmean(rigid)


def test_a_mirror_image_is_no_turn() -> None:
    from scipy.spatial.transform import Rotation

    true = np.random.default_rng(8).normal(0, 0.4, (1, 9, 3))
    true -= true.mean(axis=1)
    mirrored = true * [1, 1, -1]
    turn, root = Rotation.align_vectors(true[0], mirrored[0])
    rigid, scaled = (aligned_distances(mirrored, true, size)[0] for size in (False, True))
    assert math.sqrt((rigid**2).sum()) == pytest.approx(root)
    x, y = turn.apply(mirrored[0]), true[0]
    size = (x * y).sum() / (x * x).sum()  # least squares, by hand
    assert scaled == pytest.approx(np.linalg.norm(size * x - y, axis=1))


def test_a_body_that_only_moves_is_its_mean_shape() -> None:
    from scipy.spatial.transform import Rotation

    shape = np.random.default_rng(9).normal(0, 0.4, (8, 3))
    turns = Rotation.random(20, random_state=2).as_matrix()
    moving = np.einsum("tij,mj->tmi", turns, shape) + np.arange(20)[:, None, None]
    moving[3, 1] = np.nan
    still = np.broadcast_to(mean_shape(moving), moving.shape)
    assert np.nanmax(aligned_distances(still, moving, False)) < 1e-9
