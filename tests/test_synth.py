"""Synthetic windows: repeatable, consistent with the skeleton, and like people."""

from pathlib import Path

import numpy as np
import pytest
import torch

from d3ke.errors import D3keError
from d3ke.network.landmarks import HIPS
from d3ke.network.losses import as_frame
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import landmark_places
from d3ke.synth.landmarks.bank import ACTIVITIES, RATE_HZ, sole_heights
from d3ke.synth.landmarks.cameras import draw_views
from d3ke.synth.landmarks.clips import LandmarkClips, LandmarkClipsConfig, landmark_clips
from d3ke.synth.landmarks.occlusion import hidden_landmarks
from d3ke.synth.landmarks.people import People
from d3ke.synth.landmarks.slow_noise import slow_noise
from d3ke.synth.motions.activities import AIRBORNE, squat, stand
from d3ke.synth.motions.stance import SIDES, Stance, standing_legs
from d3ke.vision.world_landmarks import world_regression
from tests.small_data import small_data


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> LandmarkClips:
    data = small_data(tmp_path_factory.mktemp("data") / "small")
    config = LandmarkClipsConfig(frames=24, batch=16, bank_clips=40)
    return landmark_clips(default_model(), data, 0, config, Silent())


def test_the_same_seed_and_index_make_the_same_batch(clips: LandmarkClips) -> None:
    one, two, other = clips.batch(3), clips.batch(3), clips.batch(4)
    assert torch.equal(one.window.landmarks, two.window.landmarks)
    assert not torch.equal(one.q, other.q)


def test_a_stream_can_begin_at_any_batch(clips: LandmarkClips) -> None:
    later = LandmarkClips(clips.osim, clips.bank, clips.people, clips.config, clips.seed, first=2)
    stream = iter(clips)
    next(stream), next(stream)
    assert torch.equal(next(stream).q, next(iter(later)).q)


def test_landmarks_lie_where_the_labels_put_the_body(clips: LandmarkClips) -> None:
    batch = clips.batch(0)
    skeleton, places = SkeletalModel(clips.osim), landmark_places()
    scales = batch.scales.unsqueeze(1).expand(-1, batch.q.shape[1], -1, -1)
    bodies = skeleton.bodies(batch.q, scales, as_frame(batch.root))
    index = torch.tensor(places.body_index(clips.osim.body_names))
    offsets = torch.tensor(places.offsets_m, dtype=torch.float32)
    points = skeleton.stations(bodies, index, offsets, scales)[..., :2]
    seen = batch.window.landmarks[..., :2]
    for upper, lower in ((11, 23), (24, 26), (25, 27)):
        true, image = (
            points[:, :, lower] - points[:, :, upper],
            seen[:, :, lower] - seen[:, :, upper],
        )
        # 0.97: a bone's direction in the picture, but for perspective and BlazePose's errors
        long = true.norm(dim=2) > 0.25
        agreement = torch.cosine_similarity(true, image, dim=2)[long]
        assert agreement.median() > 0.97


def test_world_landmarks_are_centred_between_the_hips(clips: LandmarkClips) -> None:
    world = clips.batch(0).window.landmarks[..., 3:]
    width = (world[:, :, HIPS[0]] - world[:, :, HIPS[1]]).norm(dim=2).mean()
    assert world[:, :, HIPS].mean(dim=2).norm(dim=2).mean() < 0.5 * width


def test_a_straight_knee_that_faces_the_camera_reads_bent() -> None:
    """As measured on renders, 12 degrees; on real video it is 18 to 27."""
    skeleton, places = SkeletalModel(default_model()), landmark_places()
    q = torch.zeros(1, len(skeleton.osim.coordinates))
    index = torch.tensor(places.body_index(skeleton.osim.body_names))
    offsets = torch.tensor(places.offsets_m, dtype=torch.float32)
    facing = torch.tensor([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]]).T
    points = skeleton.stations(skeleton.bodies(q, None, as_frame(facing[None])), index, offsets)
    points = points - points[:, HIPS].mean(dim=1, keepdim=True)
    regression = world_regression()
    bones = regression.apply(points, facing[None])[0]
    knee, ankle = bones[1], bones[2]
    angle = torch.rad2deg(torch.acos(torch.cosine_similarity(knee, ankle, dim=0)))
    assert 8 < angle < 30


def test_hidden_arms_are_those_behind_the_trunk() -> None:
    points = torch.zeros(1, 2, 33, 3)
    points[..., 2] = 4.0
    points[:, :, 11], points[:, :, 12] = torch.tensor([0.2, -0.5, 4]), torch.tensor([-0.2, -0.5, 4])
    points[:, :, 23], points[:, :, 24] = torch.tensor([0.1, 0.0, 4]), torch.tensor([-0.1, 0.0, 4])
    points[:, 0, 15] = torch.tensor([0.0, -0.2, 4.3])  # behind the trunk
    points[:, 1, 15] = torch.tensor([0.0, -0.2, 3.7])  # before it
    hidden = hidden_landmarks(points)
    assert hidden[0, 0, 15] > 0.9
    assert hidden[0, 1, 15] < 0.1


def test_slow_noise_has_unit_variance_from_the_first_frame_and_the_memory_asked_for() -> None:
    noise = slow_noise((4000, 30), 10.0, torch.Generator().manual_seed(0))
    assert torch.allclose(noise.std(dim=0), torch.ones(30), atol=0.06)  # 5 standard errors
    one_later = (noise[:, :-1] * noise[:, 1:]).mean()
    assert float(one_later) == pytest.approx(np.exp(-1 / 10), abs=0.03)


def test_cameras_see_the_person_upright_and_in_front() -> None:
    views = draw_views(500, 0.08, torch.Generator().manual_seed(0))
    assert torch.allclose(torch.linalg.det(views.turn), torch.ones(500), atol=1e-4)
    middle = views.turn @ torch.tensor([0.0, 0.9, 0.0]) + views.shift
    assert middle[:, 2].min() > 1.0
    down = -views.turn[..., 1]
    assert (down[:, 1] > 0.85).all()  # rolled and pitched by less than 30 degrees
    assert torch.rad2deg(torch.acos((down * views.assumed_down).sum(1).clamp(max=1))).median() < 12


@pytest.mark.parametrize("activity", [activity for activity, _ in ACTIVITIES])
def test_activities_are_smooth_and_within_what_joints_can_do(activity: object) -> None:
    assert callable(activity)
    osim = default_model()
    ranges = {c.name: np.degrees(c.range) for c in osim.coordinates if c.rotational}
    rng = np.random.default_rng(1)
    time = np.arange(round(6 * RATE_HZ)) / RATE_HZ
    outside = []
    for _ in range(20):
        curves = activity(rng, time)
        curves.pop(AIRBORNE)
        for name, curve in curves.items():
            assert np.isfinite(curve).all()
            assert np.abs(np.diff(curve)).max() < 40, name  # deg in 1/60 s: faster than a sprint
            if not name.startswith("pelvis"):
                low, high = ranges[name]
                outside.append(np.mean((curve < low - 5) | (curve > high + 5)))
    assert np.mean(outside) < 0.03


def test_people_stand_straight_and_squat_with_level_feet() -> None:
    rng, time = np.random.default_rng(0), np.arange(300) / RATE_HZ
    knees = [np.median(stand(rng, time)["knee_angle_r"]) for _ in range(100)]
    assert np.median(knees) < 5
    pitches = []
    for _ in range(50):
        curves = squat(rng, time)
        for side in SIDES:
            thigh = curves["pelvis_tilt"] + curves[f"hip_flexion_{side}"]
            foot = thigh - curves[f"knee_angle_{side}"] + curves[f"ankle_angle_{side}"]
            pitches.append(np.abs(np.median(foot)))
    assert np.median(pitches) < 4  # deg


def test_sole_heights_are_those_of_the_neutral_model() -> None:
    skeleton = SkeletalModel(default_model())
    q = torch.zeros(1, len(skeleton.osim.coordinates))
    q[:, skeleton.osim.coordinate_names.index("pelvis_ty")] = 0.95
    heights = sole_heights(skeleton, q)
    assert heights.shape == (1, 4)
    assert heights.abs().max() < 0.08  # the neutral model stands about 0.95 m under its pelvis


def test_people_vary_as_the_tables_say(tmp_path: Path) -> None:
    people = People.from_ansur(small_data(tmp_path / "small") / "anthropometry")
    names = default_model().body_names
    scales = people.draw(np.random.default_rng(0), 4000, names)
    femur = scales[:, names.index("femur_r"), 1]
    assert np.median(femur) == pytest.approx(0.99, abs=0.02)  # half at 1.03, half at 0.95
    assert np.array_equal(scales[:, names.index("femur_r")], scales[:, names.index("femur_l")])


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="ANSUR"):
        landmark_clips(default_model(), tmp_path, 0, LandmarkClipsConfig(), Silent())


def test_standing_feet_stay_flat_where_they_are() -> None:
    skeleton = SkeletalModel(default_model())
    names, bodies = skeleton.osim.coordinate_names, skeleton.osim.body_names
    knee = np.linspace(0, 110, 12)
    tilt = -0.25 * knee
    stance = Stance(ankle_m=(0.10, 0.15), toe_out=(5.0, 15.0), knee_out=(0.0, 8.0))
    legs = standing_legs(stance, tilt, knee, np.minimum(0.31 * knee, 38))
    q = torch.zeros(len(knee), len(names))
    for name, curve in {"pelvis_tilt": tilt, **legs}.items():
        q[:, names.index(name)] = torch.tensor(np.radians(curve), dtype=torch.float32)
    placed = skeleton.bodies(q)
    for side, toe_out, sideways in (("r", -5.0, 0.10), ("l", 15.0, -0.15)):
        foot = placed[:, bodies.index(f"calcn_{side}")]
        ankle = placed[:, bodies.index(f"talus_{side}"), 2, 3]
        pitch = torch.rad2deg(torch.asin(foot[:, 1, 0]))
        turned = torch.rad2deg(torch.atan2(-foot[:, 2, 0], foot[:, 0, 0]))
        assert pitch.abs().max() < 3  # deg: the model's ankle axis is oblique
        assert (turned - toe_out).abs().max() < 9  # its knee turns the shank by up to 14 deg
        assert (ankle - sideways).abs().max() < 0.03  # m, for the same reason
