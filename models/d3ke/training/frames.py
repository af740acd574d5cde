"""The frame stage: pictures of people, each for itself, become coordinates."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from d3ke.dataset.labels import FrameItem
from d3ke.dataset.reading import DataSet, FrameDataset
from d3ke.network.d3ke import D3KE, Answer
from d3ke.network.image_network import ImageD3KE
from d3ke.network.losses import D3KELoss, Target
from d3ke.network.transition import FrameAnswer
from d3ke.progress import Progress, Silent
from d3ke.training.config import FrameConfig
from d3ke.training.errors_of import Sums, errors_of
from d3ke.training.samples import FrameBatch, Frames, Watch, collated
from d3ke.training.stage import Losses, Stage, autocast, modes

Batches = Callable[[int], Iterator[FrameBatch]]
HeldOut = Frames | Sequence[tuple[str, FrameItem]]


class FrameStage(Stage[FrameBatch]):
    """An ImageD3KE's backbone and head, trained on frames."""

    unit = "frames"
    judge = "valid_all_deg"

    def __init__(
        self,
        model: ImageD3KE,
        config: FrameConfig,
        batches: Batches,
        held_out: HeldOut,
        story: Mapping[str, Any],
        progress: Progress | None = None,
    ) -> None:
        """batches: endless ones from a number on. held_out: of people never trained on."""
        self.model: D3KE = model
        self.config: FrameConfig = config
        self._batches, self.story = batches, story
        self.held_out = held_out
        self._watch = Watch(len(held_out), progress or Silent())
        self._network = Learning(model, config)
        self._loss = D3KELoss(model.skeleton, model.predicted, config.loss)

    def learning(self, model: D3KE) -> nn.Module:
        """Backbone and head."""
        return model

    def network(self) -> nn.Module:
        """Backbone and head, or the head alone."""
        return self._network

    def batches(self, first: int) -> Iterator[FrameBatch]:
        """Endless batches."""
        return self._batches(first)

    def loss(self, network: nn.Module, batch: FrameBatch) -> Losses:
        """The loss of a batch."""
        with autocast(self.config):
            q, root, scales = network(batch.frames.image)
        return self._loss(as_windows(FrameAnswer(q, root, scales)), target_of(batch.frames))

    def on_device(self, batch: FrameBatch) -> FrameBatch:
        """The batch where it is computed on."""
        to = partial(Tensor.to, device=self.config.device, non_blocking=True)
        return FrameBatch(batch.keys, FrameItem(*map(to, batch.frames)))

    def names(self, batch: FrameBatch) -> Sequence[str]:
        """Keys of the samples."""
        return batch.keys

    def part(self, batch: FrameBatch, chosen: slice) -> FrameBatch:
        """Some of the samples."""
        return FrameBatch(batch.keys[chosen], FrameItem(*(f[chosen] for f in batch.frames)))

    def validate(self, model: D3KE) -> dict[str, float]:
        """Errors on held-out frames, beside those of their own mean posture; of none, nothing."""
        assert isinstance(model, ImageD3KE)
        if not self.held_out:
            return {}
        sums = Sums()
        for batch in self._judged:
            frames = self.on_device(batch).frames
            with autocast(self.config):
                answer = model.frames(frames.image)
            sums.add(errors_of(model, answer, target_of(frames)), frames.q)
        found = {f"valid_{name}": value for name, value in sums.means().items()}
        return found | {f"own_mean_{name}": e for name, e in sums.own_mean(model).items()}

    @cached_property
    def _judged(self) -> list[FrameBatch]:
        """What is looked at in each validation: read once, which takes longer than to judge it."""
        count = min(len(self.held_out), self.config.validation_frames)
        chosen = [place * len(self.held_out) // count for place in range(count)]
        batches = []
        for first in range(0, count, self.config.batch):
            numbers = chosen[first : first + self.config.batch]
            batch = self._watch.passed(collated([self.held_out[number] for number in numbers]))
            if batch is not None:
                batches.append(batch)
        return batches

    def about(self) -> Mapping[str, Any]:
        """What the weights' story tells."""
        return self.story

    def before(self, share: float) -> None:
        """Training mode for what is trained."""
        self._network.start_step()


class Learning(nn.Module):
    """What of an ImageD3KE learns in the frame stage."""

    def __init__(self, model: ImageD3KE, config: FrameConfig) -> None:
        super().__init__()
        self.trunk, self.head, self.transition = model.trunk, model.head, model.transition
        self.head_only = config.only == "head"
        self.frozen_norm = config.freeze_norm or self.head_only
        self.trunk.requires_grad_(not self.head_only)
        self.trunk.to(memory_format=torch.channels_last)
        self.seen: Callable[[Tensor], Tensor] = self.trunk
        if config.compile:
            self.seen = _compiled(self.trunk)

    def start_step(self) -> None:
        """Training mode, but for what is frozen."""
        modes(self, self.frozen_norm)

    def forward(self, images: Tensor) -> FrameAnswer:
        """As ImageD3KE.frames."""
        answer: FrameAnswer = self.transition.of_maps(self.head(self.seen(images)))
        return answer


def _compiled(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network through torch.compile; as it is where that finds no C compiler."""
    torch._dynamo.config.suppress_errors = True
    return torch.compile(network)


def as_windows(answer: FrameAnswer) -> Answer:
    """Frames as windows of one frame."""
    return Answer(answer.q.unsqueeze(1), answer.root.unsqueeze(1), answer.scales)


def target_of(frames: FrameItem) -> Target:
    """The truth of frames, as of windows of one frame; what lies beyond the picture is masked."""
    inside = partial(in_picture, K=frames.camera_matrix, size=frames.image.shape[-1])
    return Target(
        q=frames.q.unsqueeze(1),
        root=frames.root.unsqueeze(1),
        scales=frames.scales,
        valid=torch.ones_like(frames.q[:, :1], dtype=torch.bool),
        joints=frames.joints.unsqueeze(1),
        markers=frames.markers.unsqueeze(1),
        q_mask=frames.q_mask.unsqueeze(1),
        joints_mask=inside(frames.joints).unsqueeze(1),
        markers_mask=(inside(frames.markers) & frames.markers_mask).unsqueeze(1),
    )


def in_picture(points: Tensor, K: Tensor, size: int) -> Tensor:
    """Which points (B, P, 3), m, a camera K (B, 3, 3) shows in pictures of `size` px, (B, P)."""
    seen = points @ K.transpose(1, 2)
    pixels = seen[..., :2] / seen[..., 2:].clamp(min=1e-3)
    within = ((pixels > -0.5) & (pixels < size - 0.5)).all(dim=2)
    shown: Tensor = within & (seen[..., 2] > 0)
    return shown


def held_out_frames(sets: Sequence[DataSet], size: int) -> HeldOut:
    """The frames of the valid splits, as they are; none where no set has one."""
    chosen = [data for data in sets if data.has("valid")]
    return Frames([FrameDataset(data, "valid", size) for data in chosen]) if chosen else ()
