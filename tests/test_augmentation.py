"""Augmentation: the labels stay those of the picture, whatever is done to it."""

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.dataset import augmentation as augment
from d3ke.dataset.augmentation import Aim, Augmentation, aimed, seen_through
from d3ke.dataset.labels import Framing, Mirror, frame_item, labels_of, picture_of
from d3ke.dataset.sample import Sample
from d3ke.dataset.source import BOXES
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.plans import ClipPlan, SynthConfig
from tests.made_people import K, MadePeople

PLAIN = Augmentation(hidden=0, brightness=0, contrast=(1, 1), hue_deg=0, saturation=(1, 1))


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return MadePeople(SynthConfig(4), default_model()).make(ClipPlan("train", 3, "clip", 4)).samples


def shown_at(sample: Sample, aim: Aim, size: int, joint: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where an augmented picture shows a joint's dot, and where its label says it is, px."""
    pixel = sample.crop_camera_matrix @ sample.crop_R @ sample.joints[joint].astype(np.float64)
    image = np.zeros((384, 384, 3), np.uint8)
    x, y = np.round(256 * pixel[:2] / pixel[2]).astype(int)
    cv2.circle(image, (int(x), int(y)), 6 * 256, (255, 255, 255), cv2.FILLED, cv2.LINE_AA, 8)
    camera = aimed(sample.crop_camera_matrix, 256, size, aim)
    seen = seen_through(image, sample.crop_camera_matrix, camera)[..., 0].astype(np.float64)
    label = camera.turn @ sample.crop_R @ sample.joints[joint].astype(np.float64)
    label = camera.camera_matrix @ label
    rows, columns = np.mgrid[:size, :size]
    middle = np.array([(seen * columns).sum(), (seen * rows).sum()]) / max(seen.sum(), 1)
    return middle, label[:2] / label[2]


@pytest.mark.parametrize("size", [64, 256, 300])
def test_labels_land_where_the_picture_shows_them(samples: list[Sample], size: int) -> None:
    rng = np.random.default_rng(4)
    tried = 0
    for joint in range(12):
        seen, label = shown_at(samples[1], augment.draw_aim(rng, Augmentation()), size, joint)
        if (label > 8).all() and (label < size - 9).all():
            assert np.linalg.norm(seen - label) < 0.15  # px: a dot's middle is found that well
            tried += 1
    assert tried > 6


def test_without_augmentation_the_picture_shows_the_box(samples: list[Sample]) -> None:
    sample = samples[0]
    item = frame_item(sample, framing(None), np.random.default_rng(0))
    box = sample.box.astype(np.float64)
    corners = np.array([[0, box[1]], [0, box[1] + box[3]]])  # the box is taller than wide
    corners[:, 0] = box[0] + box[2] / 2
    rays = np.linalg.solve(K, np.append(corners, np.ones((2, 1)), axis=1).T)
    turn = aimed(sample.crop_camera_matrix, 256, 256).turn @ sample.crop_R
    pixels = item.camera_matrix.numpy() @ turn @ rays
    height = (pixels[:2] / pixels[2])[1]
    assert height == pytest.approx([0, 255], abs=4)  # px: the far camera is turned a little


def framing(amount: Augmentation | None) -> Framing:
    return Framing(256, BOXES, amount, Mirror.of(default_model()))


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_labels_are_those_of_one_skeleton(samples: list[Sample], flip: float) -> None:
    """Joints and markers follow from q, scales and root, mirrored or not."""
    skeleton = SkeletalModel(default_model())
    amount = replace(PLAIN, flip=flip)
    for sample in samples:
        item = frame_item(sample, framing(amount), np.random.default_rng(1))
        root = torch.eye(4)
        root[:3, :3], root[:3, 3] = item.root, item.joints[0]  # the pelvis is the first joint's
        pose = skeleton(item.q, item.scales, root)
        assert torch.allclose(pose.joints, item.joints, atol=1e-5)  # m, float32 at 4 m
        assert torch.allclose(pose.markers, item.markers, atol=1e-5)


def test_two_mirrors_change_nothing(samples: list[Sample]) -> None:
    mirror = Mirror.of(default_model())
    labels = labels_of(samples[0], samples[0].crop_R)
    once, twice = labels.mirrored(mirror), labels.mirrored(mirror).mirrored(mirror)
    assert all(np.array_equal(a, b) for a, b in zip(labels, twice, strict=True))
    assert not np.array_equal(labels.joints, once.joints)


def test_a_flip_mirrors_the_picture(samples: list[Sample]) -> None:
    straight, flipped = (
        frame_item(samples[0], framing(replace(PLAIN, flip=f)), np.random.default_rng(2))
        for f in (0.0, 1.0)
    )
    assert torch.equal(straight.image, flipped.image.flip(-1))
    assert torch.allclose(straight.joints[:, 1:].sum(), flipped.joints[:, 1:].sum())


def test_a_smaller_picture_does_not_alias() -> None:
    board = (np.indices((384, 384)).sum(axis=0) % 2 * 255).astype(np.uint8)
    seen = seen_through(np.stack([board] * 3, axis=2), K, aimed(K, 256, 64))
    assert seen.std() < 8  # grey levels; single pixels taken would be black or white


def test_what_lies_beyond_the_picture_is_its_reflection() -> None:
    picture = np.full((384, 384, 3), 40, np.uint8)
    camera = np.array([[500.0, 0, 191.5], [0, 500, 191.5], [0, 0, 1]])
    seen = seen_through(picture, camera, aimed(camera, 256, 256, Aim((0.1, 0.0), 0.75, 0.3)))
    assert (seen == 40).all()


def test_hue_turns_red_into_green() -> None:
    red = np.full((4, 4, 3), (200, 20, 20), np.uint8)
    turn = augment._hue(math.radians(120))
    assert np.allclose(turn @ red[0, 0], (20, 200, 20))
    assert np.allclose(augment._hue(1.0) @ np.full(3, 90.0), 90)
    assert np.allclose(augment._saturation(0.0) @ red[0, 0], augment.LUMA @ red[0, 0])


def test_colours_stay_as_they_are_without_a_change(samples: list[Sample]) -> None:
    image = picture_of(samples[0])
    assert np.array_equal(augment.recoloured(image, np.random.default_rng(0), PLAIN), image)


def test_things_hide_parts_and_the_rest_is_untouched(samples: list[Sample]) -> None:
    image = picture_of(samples[0])[:256, :256]
    for hide in (augment.with_objects, augment.erased):
        shares = []
        for seed in range(40):
            hidden = hide(image, np.random.default_rng(seed))
            shares.append(float((hidden != image).any(axis=2).mean()))
        assert 0.02 < np.mean(shares) < 0.25, hide
        assert max(shares) < 0.6
    assert np.array_equal(image, picture_of(samples[0])[:256, :256])
