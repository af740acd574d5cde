"""What people do: activities, recordings, their splits, and what is wrong with files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from d3ke.errors import D3keError
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import motion_text
from d3ke.skeleton.default import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.motions.library import MotionLibrary, PlannedMotion
from d3ke.synth.motions.programme import PROGRAMME, perform
from d3ke.synth.motions.recordings import person_of, split_of
from d3ke.synth.motions.variation import faded
from d3ke.synth.plans import SPLITS

OSIM = default_model()
SKELETON = SkeletalModel(OSIM)
NAMES = OSIM.coordinate_names
FRAMES, RATE_HZ = 96, 30.0


def made(activity: str, seed: int, frames: int = FRAMES) -> PlannedMotion:
    """An activity of somebody."""
    return perform(np.random.default_rng(seed), activity, NAMES, frames, RATE_HZ)


def degrees(motion: PlannedMotion, name: str) -> np.ndarray:
    """One coordinate over time."""
    return np.degrees(motion.q[:, NAMES.index(name)])


def places(motion: PlannedMotion, body: str) -> np.ndarray:
    """Origin of a body about the pelvis, (T, 3)."""
    bodies = SKELETON.bodies(torch.from_numpy(motion.q))
    return bodies[:, OSIM.body_names.index(body), :3, 3].numpy()


def a_motion(
    folder: Path, name: str, change: Callable[[np.ndarray], None] | None = None, drop: int = 0
) -> None:
    """A walk of 2 s as a .mot, with a change, without its last `drop` coordinates."""
    motion = made("walking", 5, 120)
    q = motion.q.astype(float)
    q[:, NAMES.index("pelvis_ty")] = 0.95
    if change:
        change(q)
    kept = NAMES[: len(NAMES) - drop]
    flags = tuple(c.rotational for c in OSIM.coordinates)[: len(kept)]
    whole = Motion(np.arange(120) / 60.0, q[:, : len(kept)], kept, flags)
    (folder / f"{name}.mot").write_text(motion_text(whole), encoding="utf-8")


@pytest.mark.parametrize("activity", PROGRAMME)
def test_an_activity_is_smooth_and_whole(activity: str) -> None:
    for seed in range(3):
        motion = made(activity, seed)
        assert motion.activity == activity
        assert np.isfinite(motion.q).all()
        assert motion.q[:, [NAMES.index(f"pelvis_t{axis}") for axis in "xyz"]].max() == 0
        assert np.abs(np.diff(np.degrees(motion.q), axis=0)).max() < 60  # a kick: 1,800 deg/s
        assert motion.airborne.min() >= 0


def test_swing_knees_bend_less_in_stiff_knee_gait_on_one_side() -> None:
    for seed in range(8):
        peaks = sorted(
            degrees(made("stiff-knee gait", seed), f"knee_angle_{s}").max() for s in "rl"
        )
        assert peaks[0] < 0.85 * peaks[1]


def test_knees_never_straighten_in_crouch_gait() -> None:
    crouched, straight = (
        [degrees(made(activity, seed), "knee_angle_r").min() for seed in range(8)]
        for activity in ("crouch gait", "walking")
    )
    assert min(crouched) > 10 > max(straight)


def test_a_foot_hangs_in_drop_foot_gait() -> None:
    for seed in range(6):
        drop, healthy = made("drop-foot gait", seed), made("walking", seed)
        lowest = [
            min(degrees(motion, f"ankle_angle_{side}").min() for side in "rl")
            for motion in (drop, healthy)
        ]
        assert lowest[0] < lowest[1] - 4


def test_trunks_sway_in_trendelenburg_gait() -> None:
    sway = [
        np.ptp(degrees(made("Trendelenburg gait", seed), "lumbar_bending")) for seed in range(8)
    ]
    assert np.median(sway) > 12


def test_crossed_arms_cross_before_the_chest() -> None:
    library = MotionLibrary.load(None, OSIM)
    forward, crossed = [], []
    for seed in range(8):
        motion, _ = library.cleared(made("standing, arms crossed", seed))
        right, left, chest = (places(motion, body) for body in ("hand_r", "hand_l", "torso"))
        forward.append((right + left)[:, 0].mean() / 2 - chest[:, 0].mean())
        crossed.append((left - right)[:, 2].mean())
    assert np.median(forward) > 0.12
    assert np.median(crossed) > 0.02  # the right hand is left of the left one


def test_hands_are_over_the_head_with_arms_overhead() -> None:
    over = [
        places(made("standing, arms overhead", seed), "hand_r")[:, 1].mean()
        - places(made("standing, arms overhead", seed), "head")[:, 1].mean()
        for seed in range(6)
    ]
    assert np.median(over) > 0.1


def test_who_turns_round_stays_upright() -> None:
    for seed in range(5):
        motion = made("turning", seed)
        up = SKELETON.bodies(torch.from_numpy(motion.q))[:, 0, 1, 1].numpy()
        heading = np.ptp(np.unwrap(motion.q[:, NAMES.index("pelvis_rotation")]))
        assert heading > np.radians(60)
        assert up.min() > np.cos(np.radians(25))


def test_side_bends_and_beams_cover_trunks_and_pelves_far_from_upright() -> None:
    bends = [
        np.abs(degrees(made("side bending", seed), "lumbar_bending")).max() for seed in range(12)
    ]
    lists = [np.abs(degrees(made("beam stance", seed), "pelvis_list")).max() for seed in range(12)]
    tilts = [np.ptp(degrees(made("pelvic tilt", seed), "pelvis_tilt")) for seed in range(12)]
    assert max(bends) > 35
    assert max(lists) > 10
    assert max(tilts) > 35


def test_one_leg_stands_while_the_other_is_lifted() -> None:
    motion = made("one-leg stance", 3)
    assert motion.stance is not None
    assert motion.stance.any(axis=1).all()
    assert not motion.stance.all()


def test_the_same_seed_draws_the_same_motion() -> None:
    library = MotionLibrary.load(None, OSIM)
    first, second = (library.draw(np.random.default_rng(7), "train", 40, RATE_HZ) for _ in "ab")
    assert first.activity == second.activity
    assert first.q.tobytes() == second.q.tobytes()


def test_limbs_keep_out_of_the_body() -> None:
    library = MotionLibrary.load(None, OSIM)
    unit = torch.ones(len(OSIM.bodies), 3)
    depths = []
    for seed in range(15):
        motion = library.draw(np.random.default_rng(seed), "train", 60, RATE_HZ)
        depths.append(library.clearance.depths(torch.from_numpy(motion.q), unit).max())
    assert np.median(depths) < 0.012
    assert max(depths) < 0.05


def test_hands_in_the_thighs_come_out_and_nothing_else_moves() -> None:
    library = MotionLibrary.load(None, OSIM)
    q = np.zeros((20, len(NAMES)), dtype=np.float32)
    for side in "rl":
        q[:, NAMES.index(f"arm_add_{side}")] = np.radians(9)
        q[:, NAMES.index(f"elbow_flex_{side}")] = np.radians(12)
        q[:, NAMES.index(f"pro_sup_{side}")] = np.radians(90)
    motion = PlannedMotion("procedural", "standing", RATE_HZ, q, np.zeros(20, np.float32))
    unit = torch.ones(len(OSIM.bodies), 3)
    assert library.clearance.depths(torch.from_numpy(q), unit).max() > 0.03
    cleared, depth = library.cleared(motion)
    assert depth < 0.015
    still = [i for i, n in enumerate(NAMES) if not n.startswith(("arm_", "elbow_", "hip_"))]
    assert np.array_equal(cleared.q[:, still], q[:, still])


def test_bystanders_need_no_furniture() -> None:
    library = MotionLibrary.load(None, OSIM)
    rng = np.random.default_rng(3)
    drawn = [library.draw(rng, "train", 30, RATE_HZ, furnished=False) for _ in range(12)]
    assert not any(motion.furniture for motion in drawn)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three walks of three people."""
    made_folder = tmp_path_factory.mktemp("motions")
    for name in ("anna_1", "anna_2", "bert_1"):
        a_motion(made_folder, name)
    return made_folder


def test_recordings_are_read_and_packed_without_loss(folder: Path, tmp_path: Path) -> None:
    library = MotionLibrary.load(folder, OSIM)
    assert [r.name for r in library.recordings] == ["anna_1", "anna_2", "bert_1"]
    library.pack(tmp_path / "pack.npz")
    packed = MotionLibrary.load(tmp_path / "pack.npz", OSIM)
    for one, other in zip(library.recordings, packed.recordings, strict=True):
        assert one.q.tobytes() == other.q.tobytes()
        assert one.airborne.tobytes() == other.airborne.tobytes()
    original = made("walking", 5, 120).q[:, NAMES.index("knee_angle_r")]
    read = library.recordings[0].q[:, NAMES.index("knee_angle_r")]
    assert np.allclose(read, original[: len(read)], atol=2e-4)  # rad, of 65535 steps


def test_recordings_of_one_person_are_in_one_split(folder: Path) -> None:
    library = MotionLibrary.load(folder, OSIM)
    whole = [person for split in SPLITS for person in set(library.sources(split).values())]
    assert sorted(whole) == ["anna", "bert"]


def test_a_longer_clip_than_the_recording_goes_on_smoothly(folder: Path) -> None:
    library = MotionLibrary.load(folder, OSIM)
    motion = library.play(np.random.default_rng(0), library.recordings[0], 300, RATE_HZ)
    jump = np.abs(np.diff(np.degrees(motion.q), axis=0)).max(axis=0)
    own = np.abs(np.diff(np.degrees(library.recordings[0].q), axis=0)).max(axis=0)
    assert len(motion.q) == 300
    assert (jump < 4 * own + 4).all()  # twice as long a step, up to 1.5 times as fast


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folder: None, "no .mot files"),
        (lambda folder: a_motion(folder, "short", drop=4), "without elbow_flex_l, pro_sup_l"),
        (
            lambda folder: a_motion(folder, "gap", _with_gap),
            "knee_angle_r is not a number at 0.500",
        ),
    ],
)
def test_bad_folders_are_refused_in_one_line(
    tmp_path: Path, break_it: Callable[[Path], None], words: str
) -> None:
    break_it(tmp_path)
    with pytest.raises(D3keError, match=words) as caught:
        MotionLibrary.load(tmp_path, OSIM)
    assert "\n" not in str(caught.value)


def _with_gap(q: np.ndarray) -> None:
    q[30, NAMES.index("knee_angle_r")] = np.nan


def test_missing_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="no such folder"):
        MotionLibrary.load(tmp_path / "nothing", OSIM)
    broken = tmp_path / "pack.npz"
    broken.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(D3keError, match="not a readable pack"):
        MotionLibrary.load(broken, OSIM)
    np.savez(broken, schema=np.array(99))
    with pytest.raises(D3keError, match="not a readable pack"):
        MotionLibrary.load(broken, OSIM)


def test_unknown_people_always_go_to_the_same_split() -> None:
    splits = [split_of(f"person{number}") for number in range(400)]
    assert splits == [split_of(f"person{number}") for number in range(400)]
    assert 0.7 < splits.count("train") / 400 < 0.9
    assert min(splits.count("valid"), splits.count("test")) > 15


def test_files_of_one_person_are_known_by_their_names() -> None:
    assert person_of("oc_plugin_walk") == person_of("oc_gait2354_walk")
    assert person_of("nb_hamner_run200") == person_of("oc_hamner_subject02_run")
    assert person_of("nb_arnold_subject01_walk2") == person_of("nb_laiarnold5_dj2")
    assert person_of("cmu_01_02") != person_of("cmu_02_01")
    assert person_of("dm_walk") == person_of("dm_jog")


@pytest.mark.slow
def test_the_recordings_are_split_by_person_with_walking_in_each(
    data_dir: Path, tmp_path: Path
) -> None:
    library = MotionLibrary.load(data_dir / "motions", OSIM)
    seconds = library.seconds()
    total = sum(seconds.values())
    assert 0.75 < seconds["train"] / total < 0.88
    people: set[str] = set()
    for split in SPLITS:
        sources = library.sources(split)
        activities = {r.activity for r in library.recordings if r.name in sources}
        assert any("walk" in activity for activity in activities)
        assert any("walk" not in activity for activity in activities)
        assert not people & set(sources.values())
        people |= set(sources.values())
    library.pack(tmp_path / "pack.npz")
    assert (tmp_path / "pack.npz").stat().st_size < 4 << 20
    rng = np.random.default_rng(0)
    for split in SPLITS:
        own = {*library.sources(split), "procedural"}
        for _ in range(10):
            drawn = library.draw(rng, split, 20, RATE_HZ)
            assert set(drawn.source.split("+")) <= own


def test_short_motions_fade_or_stay_as_they_are() -> None:
    """However long the fade is beside the motion."""
    library = MotionLibrary.load(None, OSIM)
    rng = np.random.default_rng(0)
    first, second = (library.perform(rng, "squat", 36, 30.0) for _ in range(2))
    for seed in range(60):
        motion = faded(first, second, NAMES, np.random.default_rng(seed))
        assert np.isfinite(motion.q).all()
