"""A network for pictures over a whole clip: crops in batches, then the temporal network.

- the backbone computes in bfloat16 where that is native, all else in float32
- the pictures are decoded again, after the person was found, so that no clip has to fit in memory
"""

import copy
import math
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from d3ke.errors import D3keError
from d3ke.network.backbones import Trunk
from d3ke.network.crops import Crops, crops_of, cut_out, person_boxes
from d3ke.network.image_network import ImageD3KE
from d3ke.network.inference import (
    Regression,
    clamped,
    observed,
    rotations_at,
    values_at,
)
from d3ke.network.transition import FrameAnswer
from d3ke.progress import Progress, Silent
from d3ke.vision.ahead import ahead
from d3ke.vision.camera import Camera
from d3ke.vision.container import Image
from d3ke.vision.person import PersonTrack
from d3ke.vision.video import Video

Array = NDArray[np.float64]

BATCHES = {"cpu": 16, "cuda": 64}  # frames at a time
WINDOWS = 32  # at a time
JITTER = 0.1  # of an interval, by which time stamps may come early
NATIVE = ("avx512_bf16", "amx_bf16")  # instructions of CPUs that compute in bfloat16


class Computing(NamedTuple):
    """On what, and how. bf16: whether the backbone computes in it; batch: frames at a time."""

    device: str = "cpu"
    bf16: bool = False
    batch: int = BATCHES["cpu"]


def computing(device: str, precision: str = "auto") -> Computing:
    """How to compute on a device. precision: bf16, fp32, or auto: bf16 where it is native."""
    bf16 = native_bf16(device) if precision == "auto" else precision == "bf16"
    return Computing(device, bf16, BATCHES[device])


def native_bf16(device: str) -> bool:
    """Whether a device computes in bfloat16 rather than emulate it."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    told = getattr(torch.cpu, "get_capabilities", None)  # an older torch can't tell
    return told is not None and any(told().get(name) for name in NATIVE)


def regress_images(
    model: ImageD3KE,
    video: Video,
    track: PersonTrack,
    camera: Camera,
    how: Computing | None = None,
    progress: Progress | None = None,
) -> Regression:
    """Coordinates, pelvis orientation and body scales of the person of a track in a video.

    Raises D3keError where the video is no longer the one of the track.
    """
    when, found = looked_at(model, video, track, camera, how, progress)
    return found._replace(
        q=values_at(track.time, when, found.q), root=rotations_at(track.time, when, found.root)
    )


def looked_at(
    model: ImageD3KE,
    video: Video,
    track: PersonTrack,
    camera: Camera,
    how: Computing | None = None,
    progress: Progress | None = None,
    rate_hz: float = math.inf,
) -> tuple[Array, Regression]:
    """Times (G,) s at which a network looked at the person of a track, and what it said then.

    rate_hz: how often it looks at most.
    Raises D3keError where the video is no longer the one of the track.
    """
    how, progress = how or Computing(), progress or Silent()
    shown = np.flatnonzero(track.seen)
    shown = shown[at_most(track.time[shown], rate_hz)]
    crops = crops_of(camera, person_boxes(track)[shown], model.config.size)
    network = FrameNetwork(model, how)
    progress.start("frames", len(shown))
    parts = []
    pictures = _pictures(video, track.frames[shown].tolist(), camera, crops)
    for batch in ahead(_batches(pictures, how.batch)):
        parts.append(network(batch))
        progress.advance(len(batch))
    progress.finish()
    answer = _joined(parts)
    time = track.time[shown]
    if model.temporal is not None:
        time, crops, answer = over_time(model, time, crops, answer, how.device)
    return time, Regression(
        q=clamped(model, answer.q.numpy().astype(np.float64)),
        root=crops.turns.transpose(0, 2, 1) @ answer.root.numpy().astype(np.float64),
        scales=answer.scales.numpy().astype(np.float64).mean(axis=0),
        observed=observed(model),
    )


def at_most(time: Array, rate_hz: float) -> list[int]:
    """Which of these times, rising, to take so that they come at most at a rate."""
    taken: list[int] = []
    for place, now in enumerate(time.tolist()):
        if not taken or now - time[taken[-1]] >= (1 - JITTER) / rate_hz:
            taken.append(place)
    return taken


class FrameNetwork:
    """The part of a network that sees pictures, made ready to run: (B, 3, S, S) u1 to answers.

    Its normalisation is folded into its convolutions. Answers come on the CPU.
    Raises D3keError where not even one picture fits into a GPU's memory.
    """

    def __init__(self, model: ImageD3KE, how: Computing) -> None:
        self.model, self.how = model.to(how.device).eval(), how
        self.trunk = folded(model.trunk).to(memory_format=torch.channels_last)
        if how.bf16:  # once, for autocast would convert the weights at each batch
            self.trunk.features.to(torch.bfloat16)

    def __call__(self, pictures: Tensor) -> FrameAnswer:
        """The answers to a batch; where it does not fit into memory, to one half after another."""
        try:
            return self._answer(pictures)
        except torch.OutOfMemoryError as error:
            if len(pictures) == 1:
                raise D3keError(
                    "the GPU's memory is full. End what else runs there, or use --device cpu."
                ) from error
        middle = len(pictures) // 2
        return _joined([self(pictures[:middle]), self(pictures[middle:])])

    def _answer(self, pictures: Tensor) -> FrameAnswer:
        device, bf16 = self.how.device, self.how.bf16
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            with torch.autocast(device, torch.bfloat16, enabled=bf16):
                maps = self.trunk(pictures.to(device))
            answer = self.model.transition.of_maps(self.model.head(maps.float()))
            return FrameAnswer(*(part.cpu() for part in answer))


def folded(trunk: Trunk) -> Trunk:
    """A copy whose normalisation is part of the convolutions before it: a quarter faster."""
    copied = copy.deepcopy(trunk).eval()
    for module in list(copied.modules()):
        children = list(module.named_children())
        for (name, first), (after, second) in pairwise(children):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(first, second))
                setattr(module, after, nn.Identity())
    return copied


def over_time(
    model: ImageD3KE, time: Array, crops: Crops, answer: FrameAnswer, device: str
) -> tuple[Array, Crops, FrameAnswer]:
    """What the temporal network makes of frames' answers: times (G,), and crops and answers then.

    time: (F,) s. The frames come at the rate that the network was trained with; before the first
    and after the last one these stand still.
    """
    grid = np.arange(time[0], time[-1] + 0.5 / model.config.rate_hz, 1 / model.config.rate_hz)
    even = FrameAnswer(
        q=_float(values_at(grid, time, answer.q.numpy())),
        root=_float(rotations_at(grid, time, answer.root.numpy())),
        scales=_float(values_at(grid, time, answer.scales.numpy())),
    )
    there = Crops(
        values_at(grid, time, crops.focal_px), rotations_at(grid, time, crops.turns), crops.size
    )
    with torch.inference_mode():
        rows = model.rows(FrameAnswer(*(part.to(device) for part in even)))
        parts = [model.windows(windows).centre for windows in _windows(rows, model.config.window)]
    return grid, there, _joined([FrameAnswer(*(part.cpu() for part in one)) for one in parts])


def _windows(rows: Tensor, length: int) -> Iterator[Tensor]:
    """Batches (B, length, C) of the windows about each of the rows (G, C)."""
    before = length // 2
    first, last = rows[:1].expand(before, -1), rows[-1:].expand(length - 1 - before, -1)
    around = torch.cat([first, rows, last]).unfold(0, length, 1).transpose(1, 2)
    yield from around.split(WINDOWS)


def _pictures(video: Video, numbers: list[int], camera: Camera, crops: Crops) -> Iterator[Image]:
    """What the crops show of the frames of these numbers."""
    found = 0
    for frame in video.chosen(numbers):
        yield cut_out(frame.image, camera, crops, found)
        found += 1
    if found != len(numbers):
        raise D3keError(f"{video.path}: changed while it was read. Predict it again.")


def _batches(pictures: Iterator[Image], count: int) -> Iterator[Tensor]:
    """Pictures (S, S, 3), up to `count` at a time, (B, 3, S, S)."""
    while some := list(islice(pictures, count)):
        yield torch.from_numpy(np.stack(some)).permute(0, 3, 1, 2)


def _joined(parts: list[FrameAnswer]) -> FrameAnswer:
    return FrameAnswer(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _float(values: Array) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
