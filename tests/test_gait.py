"""Gait: events that were put in, feet as OpenSim places them, cycles and steps by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import d3ke
from d3ke.cycles import PERCENT, cut
from d3ke.evaluate import evaluate
from d3ke.feet import Feet, feet_of, leg_length_m
from d3ke.gait_events import Stride, find_gait, matched
from d3ke.motion.motion import Motion
from d3ke.motion.names import common
from d3ke.motion.opensim_files import read_motion, write_motion
from d3ke.skeleton.default import default_model
from d3ke.skeleton.osim import OsimModel
from tests.made_walks import made_walk
from tests.opensim_oracle import opensim

Array = NDArray[np.float64]

MODEL = Path(d3ke.__file__).parent / "assets" / "fullbody.osim"


def swinging(rate_hz: float = 60.0, noise_m: float = 0.0) -> Feet:
    """Feet that swing as cosines: a strike every 1.2 s, the left half a stride later."""
    time = np.arange(round(6 * rate_hz)) / rate_hz
    heels, toes = np.zeros((2, len(time), 2, 2))
    for index, begun in enumerate((0.0, 0.5)):
        phase = 2 * np.pi * (time / 1.2 - begun)
        heels[:, index, 0] = 0.3 * np.cos(phase)
        toes[:, index, 0] = 0.15 + 0.3 * np.cos(phase + 0.24 * np.pi)
        heels[:, index, 1] = 0.06 if index == 0 else -0.05
    rng = np.random.default_rng(0)
    return Feet(time, heels + rng.normal(0, noise_m, heels.shape), toes)


def test_events_are_found_where_they_were_put() -> None:
    gait = find_gait(swinging())
    assert gait is not None
    assert gait.strikes["r"] == pytest.approx([1.2, 2.4, 3.6, 4.8], abs=1e-3)
    assert gait.strikes["l"] == pytest.approx([0.6, 1.8, 3.0, 4.2, 5.4], abs=1e-3)
    # Toes are farthest back at phase pi - 0.24 pi: 38 % of a stride after the heel struck.
    offs = np.array([stride.toe_off_s - stride.start_s for stride in gait.strides])
    assert offs == pytest.approx(0.38 * 1.2, abs=1e-3)
    assert [stride.side for stride in gait.strides] == ["l", "r"] * 3 + ["l"]
    assert [step.length_m for step in gait.steps] == pytest.approx([0.6] * 9, abs=2e-3)
    assert [step.width_m for step in gait.steps] == pytest.approx([0.11] * 9)


def test_a_centimetre_of_noise_makes_no_event() -> None:
    gait = find_gait(swinging(noise_m=0.01))
    assert gait is not None
    assert len(gait.strikes["r"]) == 4
    assert gait.strikes["r"] == pytest.approx([1.2, 2.4, 3.6, 4.8], abs=0.03)


def test_what_is_no_walk_has_no_gait() -> None:
    feet = swinging()
    together = feet._replace(heels=feet.heels[:, [0, 0]], toes=feet.toes[:, [0, 0]])
    assert find_gait(together) is None  # jumps: no foot ahead of the other
    assert find_gait(feet._replace(heels=feet.heels * 0.2)) is None  # shuffling on the spot
    slow = feet._replace(time=feet.time * 4)
    assert find_gait(slow) is None  # 4.8 s is no stride
    assert find_gait(feet._replace(heels=feet.heels * np.nan)) is None


def test_a_gap_leaves_out_the_strides_that_it_touches() -> None:
    feet = swinging()
    feet.heels[178:183, 0] = np.nan  # about 3.0 s, when the left heel strikes
    gait = find_gait(feet)
    assert gait is not None
    assert all(math.isfinite(step.length_m) for step in gait.steps)
    assert not any(stride.start_s < 3.0 < stride.end_s for stride in gait.strides)
    assert [stride.start_s for stride in gait.strides] == pytest.approx(
        [0.6, 1.2, 3.6, 4.2], abs=0.02
    )


def test_events_are_matched_one_to_one() -> None:
    true = np.array([1.0, 2.0, 3.0])
    found = matched(np.array([0.2, 1.05, 1.9, 2.12, 3.5]), true)
    assert found.pairs.tolist() == [[1, 0], [2, 1]]
    assert (found.missed, found.extra) == (1, 3)
    assert matched(np.zeros(0), true).missed == 3


def test_feet_are_where_opensim_puts_them() -> None:
    osim = opensim()
    model = osim.Model(str(MODEL))
    state = model.initSystem()
    rng = np.random.default_rng(1)
    walk = made_walk(seconds=0.1)
    q = walk.q.copy()
    turning = [i for i, name in enumerate(walk.names) if not name.startswith("pelvis")]
    q[:, turning] += rng.normal(0, 0.2, (len(q), len(turning)))
    q[:, 2] = 0.7  # heading; pelvis level, so that its x axis stays in the floor's plane
    motion = replace(walk, q=q)
    feet = feet_of(motion, default_model())
    for frame in (0, 5, 10):
        for name, value in zip(motion.names, q[frame], strict=True):
            model.updCoordinateSet().get(name).setValue(state, float(value), False)
        model.realizePosition(state)
        places = {
            name: np.array(
                [model.getBodySet().get(name).getPositionInGround(state).get(i) for i in range(3)]
            )
            for name in ("pelvis", "calcn_r", "calcn_l", "toes_r", "toes_l")
        }
        back = Rotation.from_euler("Y", -0.7)
        for ours, names in ((feet.heels, "calcn"), (feet.toes, "toes")):
            for index, side in enumerate("rl"):
                apart = back.apply(places[f"{names}_{side}"] - places["pelvis"])
                assert ours[frame, index] == pytest.approx(apart[[0, 2]], abs=1e-5)  # m, float32
    default = model.initSystem()
    hip, ankle = (
        model.getBodySet().get(n).getPositionInGround(default) for n in ("femur_r", "talus_r")
    )
    length = math.dist(*([p.get(i) for i in range(3)] for p in (hip, ankle)))
    assert leg_length_m(default_model()) == pytest.approx(length, abs=1e-4)


def placed(motion: Motion, heading: float) -> Motion:
    q = motion.q.copy()
    q[:, 2] += heading
    q[:, 3:6] = Rotation.from_euler("Y", heading).apply(q[:, 3:6])
    q[:, 3:6] += np.array([3.0, 0.0, -2.0])
    return replace(motion, q=q)


def test_the_ground_does_not_matter() -> None:
    one = feet_of(made_walk(), default_model())
    other = feet_of(placed(made_walk(), 2.9), default_model())
    assert other.heels == pytest.approx(one.heels, abs=1e-5)
    assert other.toes == pytest.approx(one.toes, abs=1e-5)


def test_late_legs_are_late_events_and_nothing_else() -> None:
    found = evaluate(made_walk(late_s=0.03), made_walk(), lag=0.0)
    assert found.gait is not None
    strikes = found.gait.events["heel_strike"]
    assert strikes.errors_ms == pytest.approx(np.full(len(strikes.errors_ms), 30), abs=1)
    assert (strikes.missed, strikes.extra) == (0, 0)
    assert len(strikes.errors_ms) >= 8
    assert found.gait.steps["step_length"].errors_mm == pytest.approx(0, abs=1)
    # At the best lag the events agree.
    again = evaluate(made_walk(late_s=0.03), made_walk())
    assert again.gait is not None
    assert again.best.lag_s == pytest.approx(0.03)
    assert again.gait.events["heel_strike"].errors_ms == pytest.approx(0, abs=1)


def test_shorter_steps_are_told_in_millimetres() -> None:
    found = evaluate(made_walk(step=0.9), made_walk(), lag=0.0)
    assert found.gait is not None
    ours, theirs = (
        find_gait(feet_of(made_walk(step=step), default_model())) for step in (0.9, 1.0)
    )
    assert ours is not None
    assert theirs is not None
    shorter = 1e3 * (ours.steps[3].length_m - theirs.steps[3].length_m)
    assert shorter < -30
    errors = found.gait.steps["step_length"]
    assert np.median(errors.errors_mm) == pytest.approx(shorter, abs=1)
    assert errors.true_mm == pytest.approx(1e3 * theirs.steps[3].length_m, abs=5)
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("clip", "legs"),  # of the recorded person over the unscaled model's: index.csv, leg_scale
    [("nb_camargo_levelground", 1.066), ("dm_long_walk1", 1.006), ("dm_long_walk2", 1.006)],
)
def test_steps_add_up_to_the_way_that_was_walked(clip: str, legs: float, data_dir: Path) -> None:
    """A foot stands while the body passes, so that steps are the pelvis' way over the ground."""
    walk = common(read_motion(data_dir / "motions" / f"{clip}.mot"))
    gait = find_gait(feet_of(walk, default_model()))
    assert gait is not None
    assert len(gait.strides) > 10
    steps = gait.steps
    ground = walk.select(["pelvis_tx", "pelvis_tz"]).lowpassed(0.8).q  # without sway
    path = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(ground, axis=0), axis=1))])
    begun, ended = (np.interp(steps[i].time_s, walk.time, path) for i in (0, -1))
    assert sum(step.length_m for step in steps[1:]) == pytest.approx(
        (ended - begun) / legs, rel=0.04
    )
    stance = [(s.toe_off_s - s.start_s) / (s.end_s - s.start_s) for s in gait.strides]
    assert 0.57 < np.nanmedian(stance) < 0.7  # textbooks: 0.60 to 0.62; toes leave late here


def test_a_runner_has_a_runners_strides(data_dir: Path) -> None:
    run = common(read_motion(data_dir / "motions" / "nb_sprinter_run350.mot"))
    gait = find_gait(feet_of(run, default_model()))
    assert gait is not None
    assert 0.6 < np.median([s.end_s - s.start_s for s in gait.strides]) < 0.85


@pytest.mark.parametrize("trial", ["camargo_levelground", "hamner_run200"])
def test_a_laboratorys_own_model_has_the_same_events(trial: str, data_dir: Path) -> None:
    """These models' knees bend negatively, and their legs are 8 and 12 % longer."""
    folder = data_dir / "omc" / trial
    motion = common(read_motion(folder / "ik.mot"))
    own = find_gait(feet_of(motion, OsimModel.from_file(folder / "model_scaled.osim")))
    ours = find_gait(feet_of(motion, default_model()))
    assert own is not None
    assert ours is not None
    for side in "rl":
        assert own.strikes[side] == pytest.approx(ours.strikes[side], abs=0.005)
    longer = [a.length_m / b.length_m for a, b in zip(own.steps, ours.steps, strict=True)]
    assert 1.05 < min(longer) < max(longer) < 1.15


@pytest.mark.parametrize("clip", ["cmbbe_squats", "cmbbe_jump", "pose2sim_balancing"])
def test_what_is_not_walked_is_left_out(clip: str, data_dir: Path) -> None:
    path = data_dir / "clips" / clip / "truth.mot"
    found = evaluate(path, path, lag=0.0)
    assert found.gait is None
    assert any("no gait" in note for note in found.notes)
    assert found.to_json()["gait"] is None


def test_cycles_are_cut_by_the_strides_of_their_side() -> None:
    time = np.arange(401) / 100
    curve = np.deg2rad(30 * np.sin(2 * np.pi * time))
    true = Motion(
        time, np.stack([curve, curve], axis=1), ("knee_angle_r", "knee_angle_l"), (True, True)
    )
    moved = replace(true, q=true.q + np.deg2rad([4.0, 0.0]) + 2 * np.pi * np.array([0.0, 1.0]))
    strides = [Stride("r", 0.0, 1.0, math.nan), Stride("r", 1.0, 2.0, math.nan),
               Stride("l", 0.5, 1.5, math.nan)]  # fmt: skip
    found = cut(moved, true, strides)
    right, left = found["knee_angle_r"], found["knee_angle_l"]
    assert right.reference.shape == (2, 101)
    expected = 30 * np.sin(2 * np.pi * PERCENT / 100)
    assert right.reference[1] == pytest.approx(expected, abs=1e-6)
    assert left.reference[0] == pytest.approx(-expected, abs=1e-6)
    assert (right.mae, right.rmse, right.worst[0]) == pytest.approx((4, 4, 4), abs=1e-6)
    assert left.mae == pytest.approx(0, abs=1e-6)  # a whole turn is no error
    assert right.repeatability == pytest.approx((1, 1))
    assert math.isnan(left.repeatability[0])
    assert right.constant_mae() == pytest.approx(np.abs(expected).mean(), abs=1e-6)
    assert right.constant_mae(10.0) == pytest.approx(np.abs(expected - 10).mean(), abs=1e-6)
    moved.q[120, 0] = np.nan
    assert len(cut(moved, true, strides)["knee_angle_r"].reference) == 1


def test_a_prediction_that_does_not_walk_misses_every_event() -> None:
    still = made_walk()
    still = replace(still, q=np.where(still.rotational, still.q[:1], still.q))
    found = evaluate(still, made_walk(), lag=0.0)
    assert found.gait is not None
    strikes = found.gait.events["heel_strike"]
    assert len(strikes.errors_ms) == 0
    assert strikes.missed >= 8
    assert any("the prediction has no whole stride" in note for note in found.notes)
    assert found.gait.cycles["hip_flexion_r"].mae > 5
    json.dumps(found.to_json(), allow_nan=False)
    other = evaluate(made_walk(), still, lag=0.0)
    assert other.gait is None
    assert any("The prediction has some" in note for note in other.notes)


def test_each_is_placed_on_its_own_model(tmp_path: Path) -> None:
    write_motion(tmp_path / "a.mot", made_walk())
    write_motion(tmp_path / "b.mot", made_walk())
    model = default_model()
    scales = np.ones((len(model.bodies), 3))
    model.scaled(1.15 * scales).write(tmp_path / "a.osim")
    found = evaluate(tmp_path / "a.mot", tmp_path / "b.mot")
    assert found.gait is not None
    assert found.gait.placed == "both on the prediction's model"
    assert found.gait.steps["step_length"].errors_mm == pytest.approx(0, abs=1e-3)
    model.write(tmp_path / "b.osim")
    found = evaluate(tmp_path / "a.mot", tmp_path / "b.mot")
    assert found.gait is not None
    assert found.gait.placed == "each on its own model"
    length = found.gait.steps["step_length"]
    assert length.errors_mm == pytest.approx(0.15 * length.true_mm, rel=1e-3)
    assert any("of the same person?" in note for note in found.notes)
    given = evaluate(tmp_path / "a.mot", tmp_path / "b.mot", model=tmp_path / "a.osim")
    assert given.gait is not None
    assert given.gait.steps["step_length"].errors_mm == pytest.approx(0, abs=1e-3)
    (tmp_path / "b.osim").write_text("<junk", encoding="utf-8")
    found = evaluate(tmp_path / "a.mot", tmp_path / "b.mot")
    assert any("b.osim" in text for text in found.warnings)
