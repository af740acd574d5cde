"""From a seed to pictures: labels are exact, repeatable, and lie where the picture shows them."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from d3ke.dataset.sample import Sample
from d3ke.dataset.source import Clip
from d3ke.errors import D3keError
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.generator import SyntheticPeople
from d3ke.synth.pictures.gl import open_renderer
from d3ke.synth.plans import ClipPlan, SynthConfig
from d3ke.synth.stage import View
from d3ke.synth.takes import Studio, Take
from d3ke.synth.views import view_of

SIZE = 128
CONFIG = SynthConfig(frames=0, seed=5, size=SIZE, motions=None, bystanders=0.5, exposed=0.5)
LABELS = ("q", "scales", "root", "joints", "markers", "camera_matrix", "R", "t", "crop_R", "box")


@pytest.fixture(scope="module")
def people() -> Iterator[SyntheticPeople]:
    try:
        open_renderer().close()
    except D3keError as error:
        pytest.skip(str(error))
    made = SyntheticPeople(CONFIG, default_model())
    yield made
    made.close()


@pytest.fixture(scope="module")
def clip(people: SyntheticPeople) -> Clip:
    return people.make(ClipPlan("train", 3, "clip", 12))


@pytest.fixture(scope="module")
def lone(people: SyntheticPeople) -> Clip:
    return people.make(ClipPlan("train", 4, "frames", 14))


def in_crop(sample: Sample, points: np.ndarray) -> np.ndarray:
    """Where points (P, 3) of the original camera lie in the picture, (P, 2) px."""
    seen = points @ sample.crop_R.T @ sample.crop_camera_matrix.T
    return np.asarray(seen[:, :2] / seen[:, 2:])


def test_a_plan_gives_as_many_samples_as_it_says(clip: Clip, lone: Clip) -> None:
    assert len(clip.samples) == 12
    assert len(lone.samples) == 14
    assert len({sample.key for sample in (*clip.samples, *lone.samples)}) == 26


def test_pictures_are_square_and_not_empty(clip: Clip, lone: Clip) -> None:
    for sample in (*clip.samples, *lone.samples):
        picture = cv2.imdecode(np.frombuffer(sample.jpg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (SIZE, SIZE, 3)
        assert picture.std() > 2  # grey levels: even a dim room is not one colour


def test_the_joints_lie_in_the_picture(clip: Clip, lone: Clip) -> None:
    for sample in (*clip.samples, *lone.samples):
        pixels = in_crop(sample, sample.joints)
        inside = ((pixels > 0) & (pixels < SIZE)).all(axis=1)
        assert inside.mean() > 0.5  # all of them, unless the phone's picture cuts the person


def test_labels_are_what_the_skeleton_says(clip: Clip) -> None:
    """Forward kinematics of q and scales, seen by the camera, gives joints and markers again."""
    import torch

    skeleton = SkeletalModel(default_model(), torch.float64)
    for sample in clip.samples[::4]:
        q, scales = torch.from_numpy(sample.q), torch.from_numpy(sample.scales)
        pose = skeleton(q.double(), scales.double())
        for points, label in ((pose.joints, sample.joints), (pose.markers, sample.markers)):
            seen = points.numpy() @ sample.R.T + sample.t
            assert np.abs(seen - label).max() < 2e-5  # m: float32 over twelve bodies
        root = sample.R @ pose.bodies[0, :3, :3].numpy()
        assert np.abs(root - sample.root[:3, :3]).max() < 1e-5


def test_a_plan_is_the_same_after_whatever_was_made_before(clip: Clip) -> None:
    other = SyntheticPeople(CONFIG, default_model())
    other.make(ClipPlan("train", 9, "frames", 3))
    again = other.make(ClipPlan("train", 3, "clip", 12))
    other.close()
    for first, second in zip(clip.samples, again.samples, strict=True):
        for name in LABELS:
            assert np.array_equal(getattr(first, name), getattr(second, name)), name
        assert first.jpg == second.jpg  # on the same machine


def test_a_blurred_picture_is_of_the_moment_that_its_labels_are_of() -> None:
    studio = Studio(CONFIG, default_model())
    plan = ClipPlan("train", 3, "clip", 12)
    take = studio.take(studio.actor(plan.person), "train", 12, 30.0, plan.stream(5))
    take = take._replace(exposure_s=1 / 60, others=(take.acted.bones,))
    view = view_of(take, 6, np.eye(3), (64, 64), np.eye(3))
    assert view.before is not None
    for start, end in zip(view.before, view.bones, strict=True):
        assert np.allclose((start + end) / 2, take.acted.bones[6], atol=1e-6)
        moved = take.acted.bones[6] - take.acted.bones[5]
        assert np.allclose(end - start, moved / 2, atol=1e-6)  # half a frame long


def test_another_seed_is_another_person_who_does_something_else(clip: Clip) -> None:
    from dataclasses import replace

    studio = Studio(replace(CONFIG, seed=6), default_model())
    plan = ClipPlan("train", 3, "clip", 12)
    take = studio.take(studio.actor(plan.person), "train", 12, 30.0, plan.stream(6))
    assert not np.allclose(take.actor.adult.scales.numpy(), clip.samples[0].scales)
    assert not np.allclose(take.acted.q[0].numpy(), clip.samples[0].q)


def test_a_film_looks_through_the_window_that_it_states(people: SyntheticPeople) -> None:
    film = people.film(ClipPlan("valid", 1, "clip", 4), 96)
    frames = list(film.frames)
    assert [frame.shape for frame in frames] == [(96, 96, 3)] * 4
    for index in range(4):
        seen = film.joints[index] @ film.R[index].T + film.t[index]
        pixels = seen @ film.camera_matrix.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        assert ((pixels > 0) & (pixels < 96)).all(axis=1).mean() > 0.5
        assert np.allclose(film.root[index, :3, 3], seen[0], atol=0.1)  # the pelvis' first joint


def test_a_whole_film_has_the_phones_shape(people: SyntheticPeople) -> None:
    film = people.film(ClipPlan("valid", 1, "clip", 2), 160, whole=True)
    assert max(film.size) == 160
    assert film.size[0] != film.size[1]
    assert next(film.frames).shape[:2] == film.size[::-1]


def silhouettes(studio: Studio, take: Take, step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Silhouettes of a take through the phone, and its joint centres in them, px."""
    renderer = open_renderer()
    renderer.open(take.stage)
    scale = 384 / max(take.phone.size)
    K = take.phone.camera_matrix.copy()
    K[:2] *= scale
    size = round(take.phone.size[0] * scale), round(take.phone.size[1] * scale)
    for index in range(0, len(take.acted.q), step):
        R, t = take.phone.R[index], take.phone.t[index]
        bones = (take.acted.bones[index], *(other[index] for other in take.others))
        picture = renderer.draw(View(K, size, R, t, bones), masks=True)
        seen = (take.acted.joints[index].numpy() @ R.T + t) @ K.T
        assert picture.silhouette is not None
        yield picture.silhouette, seen[:, :2] / seen[:, 2:]
    renderer.close()


@pytest.mark.slow
def test_joint_centres_lie_inside_the_person(people: SyntheticPeople) -> None:
    """99.5 % of the joint centres within the picture project onto the person."""
    studio, inside = people.studio, []
    for number in range(24):
        plan = ClipPlan("train", 100 + number, "clip", 12)
        rng = plan.stream(CONFIG.seed)
        take = studio.take(studio.actor(plan.person), "train", 12, 30.0, rng)
        for mask, pixels in silhouettes(studio, take, 4):
            columns, rows = np.round(pixels).astype(int).T
            held = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
            inside.append(mask[rows[held], columns[held]])
    assert np.concatenate(inside).mean() >= 0.995
