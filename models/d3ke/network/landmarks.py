"""The light frame encoder: BlazePose landmarks in place of a picture.

- A frame is seen through a virtual camera turned to the mid-hip, as a crop would show it, so that
  perspective is exact and the answer does not depend on where in the picture the person stands.
- Lengths are parts of the window's median box, so the person's distance drops out.
- Metric ("world") landmarks enter as bones: their errors are errors of bones.
- Gravity, known from a level camera or its pitch, enters in the virtual camera's frame.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from d3ke.network.mirror import mirror_landmarks
from d3ke.vision.world_landmarks import world_regression

HIPS = (23, 24)
LANDMARKS = 33
NEIGHBOURS = 5  # frames that a frame's features are mixed of
MIN_BOX = 1e-3  # of the focal length: keeps an empty window finite
BONE_GAIN, BOX_GAIN = 4.0, 3.0  # bring features to about unit variance


class LandmarkWindow(NamedTuple):
    """What the encoder sees of a window of frames.

    landmarks: (B, T, 33, 6) x and y over the focal length, visibility, world x, y, z in metres;
    down: (B, 3) gravity's direction in the camera; valid: (B, T), false for padding and gaps.
    """

    landmarks: Tensor
    down: Tensor
    valid: Tensor

    def mirrored(self) -> "LandmarkWindow":
        """What a mirrored picture would show."""
        flipped = self.down * self.down.new_tensor([-1, 1, 1])
        return LandmarkWindow(mirror_landmarks(self.landmarks), flipped, self.valid)


class LandmarkEncoder(nn.Module):
    """Features of each frame from landmarks, mixed over a few neighbours: (B, T, width)."""

    bones_from_landmarks: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        bones = world_regression().bones_from_landmarks
        self.register_buffer("bones_from_landmarks", bones, persistent=False)
        inputs = 3 * LANDMARKS + 3 * len(bones) + 6
        self.mix = nn.Conv1d(inputs, width, NEIGHBOURS, padding=NEIGHBOURS // 2)

    def forward(self, window: LandmarkWindow) -> tuple[Tensor, Tensor]:
        """Returns features (B, T, width) and the virtual cameras (B, T, 3, 3), x_view = R x_cam."""
        views = aim(window.landmarks[:, :, HIPS, :2].mean(dim=2))
        features = torch.cat(
            [
                _image_features(window, views),
                BONE_GAIN * (self.bones_from_landmarks @ window.landmarks[..., 3:]).flatten(2),
                1 - window.landmarks[..., 2],
                (views @ window.down[:, None, :, None]).squeeze(-1),
            ],
            dim=2,
        )
        features = features * window.valid.unsqueeze(2)
        mixed: Tensor = self.mix(features.transpose(1, 2)).transpose(1, 2)
        return mixed, views


def aim(points: Tensor) -> Tensor:
    """Rotations that turn the camera's z axis to image points without roll of their own.

    points: (..., 2) over the focal length. Returns (..., 3, 3), x_view = R x_cam.
    """
    forward = nn.functional.normalize(
        torch.cat([points, torch.ones_like(points[..., :1])], dim=-1), dim=-1
    )
    x, y, z = forward.unbind(-1)
    share = 1 / (1 + z)  # Rodrigues' formula about (y, -x, 0)
    rows = [1 - x * x * share, -x * y * share, -x, -x * y * share, 1 - y * y * share, -y, x, y, z]
    views: Tensor = torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
    return views


def _image_features(window: LandmarkWindow, views: Tensor) -> Tensor:
    """Image landmarks about the mid-hip, the mid-hip's path and the box's growth. (B, T, 69)."""
    points = window.landmarks[..., :2]
    rays = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)
    seen = rays @ views.transpose(-1, -2)  # (B, T, 33, 3)
    seen = seen[..., :2] / seen[..., 2:].clamp(min=0.1)
    box = (seen.amax(dim=2) - seen.amin(dim=2)).amax(dim=2)  # (B, T)
    usual = _median(box, window.valid).clamp(min=MIN_BOX)  # (B, 1)
    hips = points[:, :, HIPS].mean(dim=2)  # (B, T, 2)
    home = torch.stack([_median(axis, window.valid) for axis in hips.unbind(2)], dim=2)
    relative = BOX_GAIN * seen.flatten(2) / usual.unsqueeze(2)
    path = (hips - home) / usual.unsqueeze(2)
    growth = torch.log(box.clamp(min=MIN_BOX) / usual).unsqueeze(2)
    return torch.cat([relative, path, growth], dim=2)


def _median(values: Tensor, valid: Tensor) -> Tensor:
    """Median over valid frames, (B, T) -> (B, 1)."""
    count = valid.sum(dim=1, keepdim=True)
    ordered = values.masked_fill(~valid, torch.inf).sort(dim=1).values  # ONNX has no nanmedian
    middle = ordered.gather(1, (count - 1).clamp(min=0) // 2)
    return torch.where(count > 0, middle, 0.0)
