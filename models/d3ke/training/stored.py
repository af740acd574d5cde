"""Stored answers: what a frame network said of all frames of clips, beside the truth.

The temporal stage learns from them alone: pictures are looked at once.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader

from d3ke.dataset.reading import DataSet, FrameDataset
from d3ke.errors import D3keError
from d3ke.files import replacing
from d3ke.network.image_network import ImageD3KE
from d3ke.network.losses import Target, about_first
from d3ke.network.transition import FrameAnswer
from d3ke.progress import Progress
from d3ke.training.frames import target_of
from d3ke.training.samples import Broken, FrameBatch, Frames, Watch, collated
from d3ke.training.saving import told_of

BATCH = 64  # pictures at a time
MOST_OF_GPU = 0.25  # of the memory that is free


@dataclass(frozen=True, eq=False)
class StoredAnswers:
    """F frames of clips, one clip after the other. L clips.

    rows: (F, C) as ImageD3KE.rows. q (F, K), root (F, 3, 3), scales (F, N, 3): the answers.
    known: (F,) false where the picture could not be read: the answer is then of a neighbour.
    true_q, q_mask: (F, K); true_root: (F, 3, 3); true_scales: (F, N, 3); joints: (F, J, 3),
    markers: (F, M, 3) about the first joint, m, in the crop's camera; joints_mask, markers_mask.
    first: (L + 1,) where each clip begins, and the end. subjects: of each clip.
    """

    rows: Tensor
    q: Tensor
    root: Tensor
    scales: Tensor
    known: Tensor
    true_q: Tensor
    q_mask: Tensor
    true_root: Tensor
    true_scales: Tensor
    joints: Tensor
    markers: Tensor
    joints_mask: Tensor
    markers_mask: Tensor
    first: Tensor
    subjects: tuple[str, ...]

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.rows)

    @property
    def answers(self) -> FrameAnswer:
        """What the frame network said, (F, ...)."""
        return FrameAnswer(self.q, self.root, self.scales)

    def near(self, device: str) -> "StoredAnswers":
        """The same in a GPU's memory, where they take a part of it at most that leaves room.

        A processor takes longer to gather windows than a GPU to learn from them.
        """
        if not device.startswith("cuda"):
            return self
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "subjects"}
        size = sum(tensor.nbytes for tensor in tensors.values())
        if size > MOST_OF_GPU * torch.cuda.mem_get_info()[0]:
            return self
        return replace(self, **{name: tensor.to(device) for name, tensor in tensors.items()})

    def clip_of(self, frame: Tensor) -> Tensor:
        """Which clip each frame is of."""
        return torch.searchsorted(self.first, frame, right=True) - 1

    def windows(self, centres: Tensor, length: int) -> Tensor:
        """Frames (B, length) of the windows about centres (B,); a clip's ends are repeated."""
        clip = self.clip_of(centres)
        around = torch.arange(length, device=centres.device) - length // 2
        wanted = centres[:, None] + around
        low, high = self.first[clip][:, None], self.first[clip + 1][:, None] - 1
        return torch.minimum(torch.maximum(wanted, low), high)

    def target(self, frames: Tensor) -> Target:
        """The truth of frames (B, T), of which those of a row are of one person."""
        return Target(
            q=self.true_q[frames],
            root=self.true_root[frames],
            scales=self.true_scales[frames[:, 0]],
            valid=self.known[frames],
            joints=self.joints[frames],
            markers=self.markers[frames],
            q_mask=self.q_mask[frames],
            joints_mask=self.joints_mask[frames],
            markers_mask=self.markers_mask[frames],
        )

    def save(self, path: Path, key: str) -> None:
        """Write it. key: what it depends on."""
        tensors = {
            f.name: getattr(self, f.name).contiguous() for f in fields(self) if f.name != "subjects"
        }
        about = {"key": key, "subjects": json.dumps(self.subjects)}
        with told_of(path), replacing(path) as temporary:
            save_file(tensors, temporary, metadata=about)

    @classmethod
    def load(cls, path: Path, key: str) -> "StoredAnswers | None":
        """What `save` wrote with the same key, else None."""
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata()
                if about["key"] != key:
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return cls(**tensors, subjects=tuple(json.loads(about["subjects"])))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            return None


def stored_answers(
    model: ImageD3KE,
    sets: Sequence[DataSet],
    split: str,
    progress: Progress,
    device: str = "cpu",
    precision: str = "fp32",
    workers: int = 0,
) -> StoredAnswers:
    """What the frame network says of the clips of a split.

    Raises D3keError where there are none, or many samples are broken.
    """
    chosen = [
        FrameDataset(data, split, model.config.size, kind="clip")
        for data in with_clips(sets, split)
    ]
    frames = Frames(chosen)
    clips = [clip for one in chosen for clip in one.clips]
    progress.start(f"Looking at {split}", len(frames))
    model.eval()
    parts: list[dict[str, Tensor]] = []
    with torch.inference_mode():
        for known, batch in _whole(frames, workers, progress):
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                answer = model.frames(batch.frames.image.to(device))
            parts.append(_part(model, answer, batch, known))
            progress.advance(len(known))
    progress.finish()
    ends = torch.tensor([0, *(clip["frames"] for clip in clips)]).cumsum(0)
    return StoredAnswers(
        **{name: torch.cat([part[name] for part in parts]) for name in parts[0]},
        first=ends,
        subjects=tuple(clip["subject"] for clip in clips),
    )


def with_clips(sets: Sequence[DataSet], split: str) -> list[DataSet]:
    """The sets that have clips of consecutive frames in a split. Raises D3keError without any."""
    chosen = [
        data
        for data in sets
        if any(c["split"] == split and c["kind"] == "clip" for c in data.manifest.clips)
    ]
    if not chosen:
        sets[0].sequences(split, "clip")  # which says so
    return chosen


def key_of(model: ImageD3KE, sets: Sequence[DataSet], split: str, precision: str) -> str:
    """What stored answers depend on: weights, data, precision."""
    config = replace(model.config, temporal="", window=0, width=0).to_dict()
    digest = hashlib.sha256(f"{split} {precision} {json.dumps(config, sort_keys=True)}".encode())
    for data in sets:
        for record in data.manifest.shards:
            digest.update(record["sha256"].encode())
    for name, value in model.state_dict().items():
        if not name.startswith("temporal."):
            digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def _part(
    model: ImageD3KE, answer: FrameAnswer, batch: FrameBatch, known: Tensor
) -> dict[str, Tensor]:
    """The fields of a batch's frames, on the CPU."""
    answer = FrameAnswer(*(part.float() for part in answer))
    target = target_of(batch.frames)
    assert target.joints is not None
    assert target.markers is not None
    points = about_first(target.joints[:, 0], target.markers[:, 0])
    masks = {n: getattr(target, n)[:, 0] for n in ("q_mask", "joints_mask", "markers_mask")}
    found = {
        "rows": model.rows(answer),
        **answer._asdict(),
        "known": known,
        "true_q": target.q[:, 0],
        "true_root": target.root[:, 0],
        "true_scales": target.scales,
        **points._asdict(),
        **masks,
    }
    return {name: value.cpu() for name, value in found.items()}


def _whole(frames: Frames, workers: int, progress: Progress) -> Iterator[tuple[Tensor, FrameBatch]]:
    """Batches of all frames in order; in the place of a broken one, the last whole one before."""
    watch = Watch(len(frames), progress)
    loader: DataLoader[Any] = DataLoader(
        frames, batch_size=BATCH, num_workers=workers, collate_fn=_in_place
    )
    for known, loaded in loader:
        batch = watch.passed(loaded)
        if batch is None:
            raise D3keError("a whole batch of samples cannot be read. Prepare the data set again.")
        yield known, batch


def _in_place(samples: list[Any]) -> tuple[Tensor, Any]:
    """Samples as a batch of as many; which of them are whole."""
    known = torch.tensor([not isinstance(sample, Broken) for sample in samples])
    loaded = collated(samples)
    if loaded.batch is None or bool(known.all()):
        return known, loaded
    nearest = (known.cumsum(0) - 1).clamp(min=0)
    keys = tuple(loaded.batch.keys[i] for i in nearest.tolist())
    items = type(loaded.batch.frames)(*(field[nearest] for field in loaded.batch.frames))
    return known, loaded._replace(batch=FrameBatch(keys, items))
