"""What networks say of the frames of a data set's split, and what is true of them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import roma
import torch
from torch import Tensor

from d3ke.dataset.labels import Labels, labels_of
from d3ke.dataset.reading import DataSet, FrameDataset
from d3ke.errors import D3keError
from d3ke.network.fused import FusedD3KE
from d3ke.network.image_network import ImageD3KE
from d3ke.network.transition import FrameAnswer
from d3ke.progress import Progress
from d3ke.training.samples import Broken, Frames, Loaded, Watch, collated

BASELINE_FRAMES = 2_000  # of the train split, evenly strewn


class Answers(NamedTuple):
    """What is said of frames. numbers: (F,) in the FrameDataset, rising; answer: (F, ...)."""

    numbers: Tensor
    answer: FrameAnswer

    def of(self, numbers: Tensor) -> FrameAnswer:
        """The answer to some of its frames."""
        places = torch.searchsorted(self.numbers, numbers)
        return FrameAnswer(*(part[places] for part in self.answer))


class Truth(NamedTuple):
    """The labels of F frames, in the cameras of their pictures.

    q, q_mask: (F, K); root: (F, 3, 3); scales: (F, N, 3); joints: (F, J, 3), markers: (F, M, 3) m,
    markers_mask: (F, M).
    """

    q: Tensor
    q_mask: Tensor
    root: Tensor
    scales: Tensor
    joints: Tensor
    markers: Tensor
    markers_mask: Tensor


class Looking(NamedTuple):
    """How frames are looked at. batch: pictures at a time; watch: over broken samples."""

    batch: int
    device: str
    watch: Watch
    progress: Progress


def frame_answers(model: ImageD3KE, frames: FrameDataset, how: Looking) -> Answers:
    """What a frame network says of all frames that can be read.

    Raises D3keError where many cannot.
    """
    source = Frames([frames])
    model = model.to(how.device).eval()
    numbers: list[int] = []
    parts: list[FrameAnswer] = []
    with torch.inference_mode():
        for first in range(0, len(source), how.batch):
            several = range(first, min(first + how.batch, len(source)))
            samples = [source[number] for number in several]
            batch = how.watch.passed(collated(samples))
            numbers += [
                number
                for number, sample in zip(several, samples, strict=True)
                if not isinstance(sample, Broken)
            ]
            if batch is not None:
                parts.append(_on_cpu(model.frames(batch.frames.image.to(how.device))))
            how.progress.advance(len(several))
    if not parts:
        raise D3keError(f"{frames.data.folder}: no sample can be read. Prepare it again.")
    return Answers(torch.tensor(numbers), joined(parts))


def window_answers(model: ImageD3KE, frames: FrameDataset, said: Answers, how: Looking) -> Answers:
    """What a temporal network says of each frame, in the middle of a window of frame answers.

    said: of the frames of clips. What lies beyond an end of the clip is its last frame again;
    in the place of a broken frame is the one before.
    """
    model = model.to(how.device).eval()
    with torch.inference_mode():
        rows = torch.cat(
            [
                model.rows(FrameAnswer(*(part[places].to(how.device) for part in said.answer)))
                for places in torch.arange(len(said.numbers)).split(how.batch)
            ]
        )
        parts = []
        for centres in said.numbers.split(how.batch):
            places = windows_about(frames, said.numbers, centres, model.config.window)
            parts.append(_on_cpu(model.windows(rows[places.to(how.device)]).centre))
            how.progress.advance(len(centres))
    return Answers(said.numbers, joined(parts))


def fused_answers(model: FusedD3KE, by_landmarks: Answers, by_pictures: Answers) -> Answers:
    """What a fusion says of the frames that both of its networks have answered."""
    both = by_landmarks.numbers[torch.isin(by_landmarks.numbers, by_pictures.numbers)]
    led, other = by_landmarks.of(both), by_pictures.of(both)
    q = led.q + model.shares.to(led.q) * (other.q - led.q)
    return Answers(both, led._replace(q=q))


def windows_about(frames: FrameDataset, numbers: Tensor, centres: Tensor, length: int) -> Tensor:
    """The places (B, length) in `numbers` of the frames about `centres` (B,), none of other clips.

    numbers: (F,) of frames that can be read, rising; centres: some of them.
    """
    ends = torch.tensor(frames.ends)
    starts = ends - torch.tensor([clip["frames"] for clip in frames.clips])
    clip = torch.searchsorted(ends, centres, right=True)
    wanted = centres[:, None] + torch.arange(length) - length // 2
    wanted = torch.minimum(wanted, ends[clip, None] - 1)
    nearest = torch.searchsorted(numbers, wanted, right=True) - 1
    return torch.maximum(nearest, torch.searchsorted(numbers, starts[clip])[:, None])


def truth_of(frames: FrameDataset, numbers: Tensor) -> Truth:
    """The labels of frames that can be read."""
    return _stacked(_labels(frames, number) for number in numbers.tolist())


def people_of(frames: FrameDataset, numbers: Tensor) -> list[str]:
    """Whose each frame is."""
    return [frames.place(number)[0]["subject"] for number in numbers.tolist()]


def mean_answer(data: DataSet, progress: Progress) -> FrameAnswer:
    """The mean of the labels of the train split, (1, ...): what a blind network would say.

    Coordinates are averaged on the circle, where they are trusted; of orientations, the rotation
    nearest to the mean is taken.
    Raises D3keError where there is no train split, or many of its samples are broken.
    """
    frames = FrameDataset(data, "train")
    count = min(len(frames), BASELINE_FRAMES)
    watch = Watch(count, progress)
    labels = []
    for number in (place * len(frames) // count for place in range(count)):
        try:
            labels.append(_labels(frames, number))
        except D3keError as error:
            watch.passed(Loaded(None, [Broken(frames.title(number), str(error))]))
    truth = _stacked(labels)
    known = truth.q_mask.double()
    sine, cosine = ((part * known).sum(dim=0) for part in (truth.q.sin(), truth.q.cos()))
    return FrameAnswer(
        q=torch.atan2(sine, cosine)[None].float(),
        root=roma.special_procrustes(truth.root.double().mean(dim=0))[None].float(),
        scales=truth.scales.mean(dim=0)[None],
    )


def _labels(frames: FrameDataset, number: int) -> Labels:
    sample = frames.sample(number)
    return labels_of(sample, sample.crop_R)


def _stacked(labels: Iterable[Labels]) -> Truth:
    columns = zip(Labels._fields, zip(*labels, strict=True), strict=True)
    return Truth(**{name: torch.from_numpy(np.stack(column)) for name, column in columns})


def _on_cpu(answer: FrameAnswer) -> FrameAnswer:
    return FrameAnswer(*(part.float().cpu() for part in answer))


def joined(parts: list[FrameAnswer]) -> FrameAnswer:
    """Answers to frames, one part after the other."""
    return FrameAnswer(*(torch.cat(column) for column in zip(*parts, strict=True)))
