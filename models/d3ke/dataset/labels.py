"""Samples as a network is trained with them: a picture, and the labels in its own camera."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from d3ke.dataset.augmentation import (
    STRAIGHT,
    Aim,
    Aimed,
    Augmentation,
    Image,
    aimed,
    changed,
    draw_aim,
    seen_through,
)
from d3ke.dataset.manifest import Manifest
from d3ke.dataset.sample import Flags, Floats, Sample
from d3ke.errors import D3keError
from d3ke.network.mirror import coordinate_signs, swap_of, swap_of_markers
from d3ke.skeleton.osim import OsimModel

LANDMARKS = (33, 7)  # BlazePose's image x, y, z, visibility, world x, y, z


class FrameItem(NamedTuple):
    """A frame. Collates to a batch.

    image: (3, S, S) u1 RGB; q, q_mask: (K,); scales: (N, 3); root: (3, 3) of the pelvis, joints:
    (J, 3), markers: (M, 3) m, all in the picture's virtual camera; markers_mask: (M,);
    camera_matrix: (3, 3) of that camera, px.
    """

    image: Tensor
    q: Tensor
    q_mask: Tensor
    scales: Tensor
    root: Tensor
    joints: Tensor
    markers: Tensor
    markers_mask: Tensor
    camera_matrix: Tensor


class WindowItem(NamedTuple):
    """T consecutive frames, each in the virtual camera of its own picture. Collates to a batch.

    images: (T, 3, S, S) u1, S 0 where pictures were not asked for; q, q_mask: (T, K); scales:
    (N, 3); root: (T, 3, 3); joints: (T, J, 3), markers: (T, M, 3) m; markers_mask: (T, M);
    camera_matrix, crop_R: (T, 3, 3), x_crop = crop_R x_cam; landmarks: (T, 33, 7), NaN where the
    data set has none; time: (T,) s; valid: (T,), False beyond the ends of the clip.
    """

    images: Tensor
    q: Tensor
    q_mask: Tensor
    scales: Tensor
    root: Tensor
    joints: Tensor
    markers: Tensor
    markers_mask: Tensor
    camera_matrix: Tensor
    crop_R: Tensor
    landmarks: Tensor
    time: Tensor
    valid: Tensor


@dataclass(frozen=True, eq=False)
class Mirror:
    """Which coordinate, body, joint, marker is which in a mirror; signs: (K,) of coordinates."""

    coordinates: list[int]
    signs: Floats
    bodies: list[int]
    joints: list[int]
    markers: list[int]

    @staticmethod
    def of(osim: OsimModel) -> "Mirror":
        """The mirror of a skeleton whose sides are alike."""
        return Mirror(
            coordinates=swap_of(osim.coordinate_names),
            signs=coordinate_signs(osim.coordinate_names).numpy(),
            bodies=swap_of(osim.body_names),
            joints=swap_of(osim.joint_names),
            markers=swap_of_markers(osim.marker_names),
        )


@dataclass(frozen=True, eq=False)
class Framing:
    """How stored pictures are shown. size: px; boxes: how many a stored picture shows."""

    size: int
    boxes: float
    augmentation: Augmentation | None
    mirror: Mirror

    @staticmethod
    def of(manifest: Manifest, size: int, augmentation: Augmentation | None) -> "Framing":
        """For a data set's pictures."""
        mirror = Mirror.of(manifest.model())
        return Framing(size, float(manifest.picture["boxes"]), augmentation, mirror)


class Labels(NamedTuple):
    """The labels of a frame, as of FrameItem."""

    q: Floats
    q_mask: Flags
    scales: Floats
    root: Floats
    joints: Floats
    markers: Floats
    markers_mask: Flags

    def mirrored(self, mirror: Mirror) -> "Labels":
        """Of the mirrored picture."""
        aside = np.array([-1, 1, 1], np.float32)
        return Labels(
            q=self.q[mirror.coordinates] * mirror.signs,
            q_mask=self.q_mask[mirror.coordinates],
            scales=self.scales[mirror.bodies],
            # what was right is left, so the pelvis' z turns round beside the camera's x
            root=self.root * np.outer(aside, [1, 1, -1]).astype(np.float32),
            joints=self.joints[mirror.joints] * aside,
            markers=self.markers[mirror.markers] * aside,
            markers_mask=self.markers_mask[mirror.markers],
        )


def frame_item(sample: Sample, framing: Framing, rng: Generator) -> FrameItem:
    """A sample as its framing shows it; what is random about it comes from `rng`."""
    amount = framing.augmentation
    aim = draw_aim(rng, amount) if amount is not None else STRAIGHT
    image, camera = _shown(sample, framing, aim)
    labels = labels_of(sample, camera.turn @ sample.crop_R)
    if aim.flip:
        image, labels = image[:, ::-1], labels.mirrored(framing.mirror)
    if amount is not None:
        image = changed(np.ascontiguousarray(image), rng, amount)
    K = torch.from_numpy(camera.camera_matrix.astype(np.float32))
    arrays: dict[str, Flags | Floats] = labels._asdict()
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return FrameItem(image=_channels_first(image), camera_matrix=K, **tensors)


def window_item(samples: Sequence[Sample], valid: Flags, framing: Framing) -> WindowItem:
    """Samples of consecutive frames as one item. valid: (T,)."""
    shown = [_shown(sample, framing, STRAIGHT) for sample in samples] if framing.size else []
    turns = [camera.turn @ s.crop_R for s, (_, camera) in zip(samples, shown, strict=False)]
    turns = turns or [sample.crop_R for sample in samples]
    cameras = [camera.camera_matrix for _, camera in shown]
    cameras = cameras or [sample.crop_camera_matrix for sample in samples]
    labels = [labels_of(sample, turn) for sample, turn in zip(samples, turns, strict=True)]
    unknown = np.full(LANDMARKS, np.nan, np.float32)
    images = [_channels_first(image) for image, _ in shown]
    nothing = torch.zeros(len(samples), 3, 0, 0, dtype=torch.uint8)
    return WindowItem(
        images=torch.stack(images) if images else nothing,
        q=_stacked([one.q for one in labels]),
        q_mask=torch.from_numpy(np.stack([one.q_mask for one in labels])),
        scales=torch.from_numpy(labels[0].scales),
        root=_stacked([one.root for one in labels]),
        joints=_stacked([one.joints for one in labels]),
        markers=_stacked([one.markers for one in labels]),
        markers_mask=torch.from_numpy(np.stack([one.markers_mask for one in labels])),
        camera_matrix=_stacked(cameras),
        crop_R=_stacked(turns),
        landmarks=_stacked([unknown if s.landmarks is None else s.landmarks for s in samples]),
        time=torch.tensor([sample.time for sample in samples], dtype=torch.float64),
        valid=torch.from_numpy(valid),
    )


def picture_of(sample: Sample) -> Image:
    """A sample's picture, (H, W, 3) RGB. Raises D3keError where its .jpg is broken."""
    image = cv2.imdecode(np.frombuffer(sample.jpg, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise D3keError(f"{sample.key}.jpg: not a picture. Prepare the data set again.")
    return np.asarray(image, np.uint8)


def _shown(sample: Sample, framing: Framing, aim: Aim) -> tuple[Image, Aimed]:
    image = picture_of(sample)
    K = sample.crop_camera_matrix
    camera = aimed(K, len(image) / framing.boxes, framing.size, aim)
    return seen_through(image, K, camera), camera


def labels_of(sample: Sample, R: NDArray[np.float64]) -> Labels:
    """The labels in a camera that is turned from the original one by R (3, 3)."""
    turn = R.astype(np.float32)
    return Labels(
        q=sample.q,
        q_mask=sample.q_mask,
        scales=sample.scales,
        root=turn @ sample.root[:3, :3],
        joints=sample.joints @ turn.T,
        markers=sample.markers @ turn.T,
        markers_mask=sample.markers_mask,
    )


def _channels_first(image: Image) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def _stacked(arrays: Sequence[NDArray[np.floating]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays).astype(np.float32))
