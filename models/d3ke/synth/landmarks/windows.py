"""Training windows cut from landmark records: BlazePose's real outputs on rendered people."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from d3ke.network.inference import on_grid, rotations_at, values_at
from d3ke.network.landmarks import LandmarkWindow
from d3ke.network.mirror import coordinate_signs, mirror_root, swap_of
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.landmarks.batches import BatchStream, LandmarkBatch, joined
from d3ke.synth.landmarks.cameras import KNOWN_PITCH_SHARE
from d3ke.synth.landmarks.records import LandmarkRecord
from d3ke.vision.camera import Camera

NETWORK_RATE_HZ = 30.0
FAST_SHARE = 0.15  # part of the windows played twice as fast, by leaving out every other frame
UPRIGHT_DEG = 5.0  # a phone rolled more than this is turned upright: nobody films so to measure
JITTER_OF_BOX = 0.001  # added, as a part of the box: the same window never comes twice


@dataclass(frozen=True)
class RecordWindowsConfig:
    """What the windows are like. focal_sd: of the assumed focal length, as a part."""

    frames: int = 64
    batch: int = 24
    focal_sd: float = 0.08


class _Clip(NamedTuple):
    """A record as the network sees it at inference, on its grid of G times.

    landmarks (G, 33, 6); valid (G,); q (G, K); root (G, 3, 3); scales (N, 3); down, level (3,).
    """

    landmarks: Tensor
    valid: Tensor
    q: Tensor
    root: Tensor
    scales: Tensor
    down: Tensor
    level: Tensor


class RecordWindows(BatchStream):
    """An endless stream of windows of records: any cut, mirrored or not, some twice as fast."""

    def __init__(
        self,
        osim: OsimModel,
        records: Iterable[LandmarkRecord],
        config: RecordWindowsConfig,
        seed: int,
        first: int = 0,
    ) -> None:
        """Take the records in which the person was seen at least twice."""
        self.config, self.seed, self.first = config, seed, first
        names = osim.coordinate_names
        self.swap, self.signs = swap_of(names), coordinate_signs(names)
        self.body_swap = swap_of(osim.body_names)
        clips = [_clip(record) for record in records if record.seen.sum() > 1]
        self.length = torch.tensor([len(clip.q) for clip in clips])
        self.start = torch.cumsum(self.length, 0) - self.length
        self.landmarks, self.valid, self.q, self.root = (
            torch.cat([clip[part] for clip in clips]) for part in range(4)
        )
        self.scales, self.down, self.level = (
            torch.stack([clip[part] for clip in clips]) for part in range(4, 7)
        )
        self.box = torch.stack([_box(clip) for clip in clips])

    def batch(self, index: int) -> LandmarkBatch:
        """Batch `index` of this seed."""
        random = torch.Generator().manual_seed((self.seed * 1_000_003 + index) % 2**63)
        config, count = self.config, self.config.batch

        def chance(share: float) -> Tensor:
            return torch.rand(count, generator=random) < share

        clip = torch.multinomial(self.length.float(), count, replacement=True, generator=random)
        length = self.length[clip]
        step = torch.where(chance(FAST_SHARE) & (length > config.frames), 2, 1)
        room = (length - step * (config.frames - 1)).clamp(min=1)
        begin = (torch.rand(count, generator=random) * room).long()
        place = begin[:, None] + step[:, None] * torch.arange(config.frames)  # (B, T)
        inside = place < length[:, None]
        row = self.start[clip][:, None] + torch.minimum(place, length[:, None] - 1)
        landmarks = self.landmarks[row].clone()
        noise = torch.randn(landmarks[..., :2].shape, generator=random)
        landmarks[..., :2] += JITTER_OF_BOX * self.box[clip][:, None, None, None] * noise
        focal = torch.exp(config.focal_sd * torch.randn(count, generator=random))
        landmarks[..., :2] *= focal[:, None, None, None]
        down = torch.where(chance(KNOWN_PITCH_SHARE)[:, None], self.down[clip], self.level[clip])
        window = LandmarkWindow(landmarks, down, self.valid[row] & inside)
        straight = LandmarkBatch(window, self.q[row], self.root[row], self.scales[clip])
        return _chosen(chance(0.5), self._mirrored(straight), straight)

    def _mirrored(self, batch: LandmarkBatch) -> LandmarkBatch:
        """What mirrored films would have given."""
        return LandmarkBatch(
            batch.window.mirrored(),
            batch.q[..., self.swap] * self.signs,
            mirror_root(batch.root),
            batch.scales[:, self.body_swap],
        )


class MixedBatches(BatchStream):
    """A stream whose batches are those of several streams, side by side."""

    def __init__(self, streams: Sequence[BatchStream], first: int = 0) -> None:
        """Batch `i` is made of batch `i` of each stream."""
        self.streams, self.first = streams, first

    def batch(self, index: int) -> LandmarkBatch:
        """Batch `index` of every stream, as one."""
        return joined([stream.batch(index) for stream in self.streams])


def _clip(record: LandmarkRecord) -> _Clip:
    camera = Camera(record.camera_matrix, record.size, "rendered")
    grid, landmarks, valid = on_grid(record.track, camera, NETWORK_RATE_HZ)
    q = values_at(grid, record.time, record.q.astype(np.float64))
    root = rotations_at(grid, record.time, record.root[:, :3, :3].astype(np.float64))
    down = torch.from_numpy(record.down).mean(dim=0)
    clip = _Clip(
        landmarks,
        valid,
        torch.from_numpy(q.astype(np.float32)),
        torch.from_numpy(root.astype(np.float32)),
        torch.from_numpy(record.scales),
        torch.nn.functional.normalize(down, dim=0),
        torch.from_numpy(record.level),
    )
    return _upright(clip)


def _upright(clip: _Clip) -> _Clip:
    """The clip as a phone without so much roll would have filmed it: exact for a pinhole.

    But for `level`: how far the person is above or below the picture's middle is kept, about 1 deg.
    BlazePose looks at people turned upright in any case.
    """
    x, y = float(clip.down[0]), float(clip.down[1])
    roll = math.atan2(x, y)
    if abs(roll) < math.radians(UPRIGHT_DEG):
        return clip
    cos, sin = math.cos(roll), math.sin(roll)
    turn = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    landmarks = clip.landmarks.clone()
    landmarks[..., :2] = landmarks[..., :2] @ turn[:2, :2].T
    landmarks[..., 3:] = landmarks[..., 3:] @ turn.T
    level = torch.stack([torch.tensor(0.0), clip.level[:2].norm(), clip.level[2]])
    return clip._replace(
        landmarks=landmarks, root=turn @ clip.root, down=turn @ clip.down, level=level
    )


def _box(clip: _Clip) -> Tensor:
    """Median size of the person over the focal length."""
    points = clip.landmarks[clip.valid][..., :2]
    return (points.amax(dim=1) - points.amin(dim=1)).amax(dim=1).median()


def _chosen(mask: Tensor, one: LandmarkBatch, other: LandmarkBatch) -> LandmarkBatch:
    """Windows of `one` where mask (B,) is true, else of `other`."""

    def choose(first: Tensor, second: Tensor) -> Tensor:
        return torch.where(mask.view(-1, *[1] * (first.dim() - 1)), first, second)

    window = LandmarkWindow(*map(choose, one.window, other.window))
    return LandmarkBatch(window, *map(choose, one[1:], other[1:]))
