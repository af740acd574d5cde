"""What a landmark network says of the clips of a data set that holds landmarks."""

from collections.abc import Sequence

import numpy as np
import torch

from d3ke.dataset.reading import FrameDataset
from d3ke.dataset.sample import Flags, Sample
from d3ke.errors import D3keError
from d3ke.network.inference import regress
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.transition import FrameAnswer
from d3ke.split_answers import Answers, Looking, joined
from d3ke.training.samples import Broken, Loaded
from d3ke.vision.blazepose import LANDMARK_COUNT
from d3ke.vision.camera import Camera
from d3ke.vision.person import PersonTrack

LEAST_SEEN = 2  # frames of a clip with landmarks


def landmark_answers(model: LandmarkD3KE, frames: FrameDataset, how: Looking) -> Answers:
    """What the network says of each clip as a whole, in the cameras of its pictures.

    frames: of clips alone. Where gravity points is known from the cameras.
    Clips with too few of them are left out.
    Raises D3keError where no clip has landmarks, or many samples are broken.
    """
    numbers: list[int] = []
    short = []
    parts: list[FrameAnswer] = []
    for clip, end in zip(frames.clips, frames.ends, strict=True):
        samples = {}
        for number in range(end - clip["frames"], end):
            try:
                samples[number] = frames.sample(number)
            except D3keError as error:
                how.watch.passed(Loaded(None, [Broken(frames.title(number), str(error))]))
        how.progress.advance(clip["frames"])
        track = track_of(list(samples.values())) if samples else None
        if track is None or track.seen.sum() < LEAST_SEEN:
            short.append(clip)
            continue
        parts.append(_answer(model, track, list(samples.values()), how.device))
        numbers += samples
    if not parts:
        raise D3keError(
            f"{frames.data.folder}: holds no landmarks, from which these weights work. Name a run "
            "that was trained on pictures."
        )
    if short:
        count = sum(clip["frames"] for clip in short)
        how.progress.warn(f"left out {len(short)} clips ({count} frames): too few landmarks")
    return Answers(torch.tensor(numbers), joined(parts))


def track_of(samples: Sequence[Sample]) -> PersonTrack:
    """The landmarks of a clip's samples, as of a person who was followed through it."""
    nothing = np.full((LANDMARK_COUNT, 7), np.nan, np.float32)
    found = [nothing if sample.landmarks is None else sample.landmarks for sample in samples]
    landmarks = np.stack(found)
    seen: Flags = np.asarray(np.isfinite(landmarks).all(axis=(1, 2)))
    return PersonTrack(
        time=np.array([sample.time for sample in samples]),
        frames=np.array([sample.frame for sample in samples]),
        landmarks=landmarks,
        presence=np.asarray(seen, np.float32),
        boxes=np.stack([sample.box for sample in samples]),
        seen=seen,
        size=_size(samples[0]),
    )


def _answer(
    model: LandmarkD3KE, track: PersonTrack, samples: Sequence[Sample], device: str
) -> FrameAnswer:
    """Of a clip's frames, (T, ...)."""
    first = samples[0]
    camera = Camera(first.camera_matrix, track.size, "the data set", first.distortion)
    down = -np.mean([sample.R[:, 1] for sample in samples], axis=0)  # ground's Y points up
    found = regress(model, track, camera, down / np.linalg.norm(down), device)
    root = np.stack([sample.crop_R for sample in samples]) @ found.root
    scales = np.broadcast_to(found.scales, (len(samples), *found.scales.shape))
    return FrameAnswer(
        *(torch.from_numpy(part.astype(np.float32)) for part in (found.q, root, scales))
    )


def _size(sample: Sample) -> tuple[int, int]:
    """The picture's, of a camera that looks through its middle, px."""
    width, height = (2 * sample.camera_matrix[:2, 2] + 1).round().astype(int).tolist()
    return width, height
