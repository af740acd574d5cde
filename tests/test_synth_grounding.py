"""Feet on the floor: they neither slide nor sink, and furniture is where it is needed."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.skeleton.default import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.motions.foot_soles import both_soles
from d3ke.synth.motions.grounding import Grounded, ground
from d3ke.synth.motions.planned_motion import PlannedMotion
from d3ke.synth.motions.programme import PROGRAMME, perform
from tests.contact_errors import ContactErrors, contact_errors, floor_height
from tests.sole_points import shoe_soles

OSIM = default_model()
SKELETON = SkeletalModel(OSIM)
NAMES, BODIES = OSIM.coordinate_names, OSIM.body_names
SOLE_BODIES, SOLES = shoe_soles(OSIM)
FRAMES, RATE_HZ = 96, 30.0
SHARE = 0.95  # of stances that must stand still


def grounded(
    activity: str, seed: int, size: float = 1.0
) -> tuple[PlannedMotion, Grounded, torch.Tensor]:
    """An activity on the floor, by somebody of a size."""
    motion = perform(np.random.default_rng(seed), activity, NAMES, FRAMES, RATE_HZ)
    scales = torch.full((len(BODIES), 3), size)
    return motion, ground(SKELETON, motion, scales, SOLE_BODIES, SOLES), scales


def errors(result: Grounded, scales: torch.Tensor) -> ContactErrors:
    """How the feet stand."""
    soles = both_soles(SKELETON, scales, SOLE_BODIES, SOLES.astype(float))
    bodies = result.bodies.double().numpy()
    return contact_errors(soles, bodies, result.contact, result.levels, result.belt_step)


def sole_points(result: Grounded) -> NDArray[np.float64]:
    """All points of both soles in ground, by the plain formula, (T, S, 3)."""
    frames = result.bodies[:, list(SOLE_BODIES)].double().numpy()
    points: NDArray[np.float64] = (
        np.einsum("tsij,sj->tsi", frames[..., :3, :3], SOLES) + frames[..., :3, 3]
    )
    return points


def body(result: Grounded, name: str) -> NDArray[np.float32]:
    """Origin of a body in ground, (T, 3)."""
    return result.bodies[:, BODIES.index(name), :3, 3].numpy()


@pytest.mark.parametrize("activity", PROGRAMME)
def test_feet_neither_slide_nor_sink(activity: str) -> None:
    found = []
    for seed in range(2):
        _, result, scales = grounded(activity, seed, size=0.93 + 0.1 * seed)
        found.append(errors(result, scales))
    worst = np.maximum(
        np.concatenate([e.floating for e in found]), np.concatenate([e.sliding for e in found])
    )
    assert (worst <= 0.010).mean() >= SHARE
    assert worst.max() < 0.03
    assert max(e.sinking.max() for e in found) < 0.003


def test_the_figures_know_a_foot_that_slides_floats_and_sinks() -> None:
    _, result, scales = grounded("standing", 0)
    moved = result.bodies.clone()
    moved[:, :, 0, 3] += torch.linspace(0, 0.05, FRAMES)[:, None]
    assert errors(result._replace(bodies=moved), scales).sliding.max() > 0.04
    moved = result.bodies.clone()
    moved[:, :, 1, 3] += 0.03
    assert errors(result._replace(bodies=moved), scales).floating.max() > 0.025
    moved = result.bodies.clone()
    moved[:, :, 1, 3] -= 0.02
    assert errors(result._replace(bodies=moved), scales).sinking.max() > 0.015


def test_labels_are_the_pose_that_is_shown() -> None:
    _, result, scales = grounded("walking", 1)
    again = SKELETON.bodies(result.q, scales)
    assert torch.allclose(again, result.bodies, atol=1e-6)  # m


def test_no_point_of_a_sole_is_below_the_floor() -> None:
    for activity in ("walking", "squat", "jump", "turning", "kicking"):
        _, result, _ = grounded(activity, 4)
        assert sole_points(result)[..., 1].min() > -0.003


def test_grounding_adds_no_jitter() -> None:
    rotations = [i for i, c in enumerate(OSIM.coordinates) if c.rotational]
    for activity in ("standing", "squat", "sit to stand", "reaching", "side bending", "lunge"):
        motion, result, _ = grounded(activity, 2)
        bends = [
            np.abs(np.diff(np.degrees(q[:, rotations]), n=2, axis=0)).max()
            for q in (result.q.numpy(), motion.q)
        ]
        assert bends[0] < bends[1] + 4  # deg a frame squared; measured: 3.1, a lunge


def test_the_same_motion_is_grounded_to_the_same_bytes() -> None:
    first, second = (grounded("crouch gait", 3)[1] for _ in "ab")
    assert first.q.numpy().tobytes() == second.q.numpy().tobytes()


def test_people_walk_forward_at_walking_speeds() -> None:
    speeds = []
    for seed in range(10):
        _, result, _ = grounded("walking", seed)
        way = body(result, "pelvis")[-1] - body(result, "pelvis")[0]
        speeds.append(np.linalg.norm(way[[0, 2]]) / ((FRAMES - 1) / RATE_HZ))
    assert min(speeds) > 0.25
    assert max(speeds) < 2.3
    assert max(speeds) - min(speeds) > 0.6


def test_on_a_treadmill_people_stay_and_feet_go_with_the_belt() -> None:
    _, result, _ = grounded("treadmill walking", 1)
    assert np.ptp(body(result, "pelvis")[:, 0]) < 0.35
    speed = -result.belt_step[0] * RATE_HZ
    assert 0.3 < speed < 2.3
    heel = body(result, "calcn_r")
    steps = np.diff(heel[:, 0])[result.contact[1:, 0] & result.contact[:-1, 0]]
    assert np.median(steps) == pytest.approx(result.belt_step[0], abs=0.003)
    assert [thing.kind for thing in result.furniture] == ["treadmill"]


def test_someone_seated_sits_on_the_chair() -> None:
    for seed in range(4):
        _, result, _ = grounded("sitting", seed)
        (chair,) = result.furniture
        hips = (body(result, "femur_r") + body(result, "femur_l")).mean(axis=0) / 2
        ahead, aside = hips[0] - chair.place[0], hips[2] - chair.place[2]
        along = np.cos(chair.heading) * ahead - np.sin(chair.heading) * aside
        assert abs(along) < chair.size[0] / 2
        assert 0.3 < chair.size[1] < 0.6
        assert 0.06 < hips[1] - chair.size[1] < 0.13


def test_the_chair_is_left_out_where_nobody_sits_down() -> None:
    motion = perform(np.random.default_rng(0), "sit to stand", NAMES, FRAMES, RATE_HZ)
    knees = motion.q[:, [NAMES.index(f"knee_angle_{s}") for s in "rl"]].mean(axis=1)
    upright = int(knees.argmin())
    span = slice(max(upright - 2, 0), upright + 3)
    short = PlannedMotion(
        motion.source, motion.activity, RATE_HZ, motion.q[span], motion.airborne[span],
        furniture=motion.furniture,
    )  # fmt: skip
    assert np.degrees(knees[span].max()) < 60
    scales = torch.ones(len(BODIES), 3)
    assert ground(SKELETON, short, scales, SOLE_BODIES, SOLES).furniture == ()


@pytest.mark.parametrize(
    "activity", ["stairs up", "stairs down", "beam stance", "beam walking", "treadmill running"]
)
def test_feet_stand_on_the_furniture(activity: str) -> None:
    for seed in range(3):
        _, result, _ = grounded(activity, seed)
        points = sole_points(result)
        under = floor_height(result.furniture, points[..., 0], points[..., 2])
        for side, suffix in enumerate("rl"):
            own = [BODIES[b].endswith(f"_{suffix}") for b in SOLE_BODIES]
            for frame in np.flatnonzero(result.contact[:, side]):
                heights, below = points[frame, own, 1], under[frame, own]
                carrying = heights < heights.min() + 0.006
                assert below[carrying].max() == pytest.approx(heights.min(), abs=0.012)


def test_feet_go_round_the_edges_of_steps() -> None:
    for activity in ("stairs up", "stairs down"):
        depths = []
        for seed in range(4):
            _, result, _ = grounded(activity, seed)
            points = sole_points(result)
            under = floor_height(result.furniture, points[..., 0], points[..., 2])
            depths.append((under - points[..., 1]).max(axis=1))
        assert np.percentile(np.concatenate(depths), 95) < 0.03


def test_who_drops_from_a_box_lands_beside_it() -> None:
    for seed in range(3):
        _, result, _ = grounded("drop jump", seed)
        (box,) = result.furniture
        points = sole_points(result)
        first, last = points[0], points[-1]
        assert first[:, 1].min() == pytest.approx(box.size[1], abs=0.01)
        assert last[:, 1].min() == pytest.approx(0, abs=0.01)
        assert last[:, 0].min() > box.place[0] + box.size[0] / 2


def test_jumps_reach_the_height_of_their_flight() -> None:
    motion, result, _ = grounded("jump", 2)
    top = int(motion.airborne.argmax())
    lowest = sole_points(result)[top, :, 1].min()
    assert lowest == pytest.approx(motion.airborne[top], abs=0.02)
    assert not result.contact[top].any()
