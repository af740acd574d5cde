"""Networks to be judged and data sets to judge them on, as small as can be."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from d3ke.dataset.reading import DataSet, FrameDataset
from d3ke.dataset.shards import write_shard
from d3ke.network.checkpoint import save_weights
from d3ke.network.config import D3KEConfig, default_bounds, default_priors
from d3ke.network.image_network import ImageD3KE
from d3ke.network.losses import as_frame
from d3ke.network.scale_groups import symmetric_groups
from d3ke.network.transition import FrameAnswer
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel

OSIM = default_model()


def fresh(seed: int, temporal: str = "none", size: int = 64) -> ImageD3KE:
    """A network with weights that differ with the seed, and answers that differ with the frame."""
    torch.manual_seed(seed)
    config = D3KEConfig(
        skeleton_sha256=OSIM.sha256,
        encoder="mobilenet_v2",
        temporal=temporal,
        width=16,
        window=9,
        size=size,
        bounds=default_bounds(OSIM),
        priors=default_priors(OSIM),
        scale_groups=tuple(group.to_dict() for group in symmetric_groups(OSIM.body_names)),
    )
    model = ImageD3KE(config, OSIM)
    nn.init.normal_(model.head.weight, std=0.01)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0  # the norms of noise: fresh ones make every picture the same
    with torch.no_grad():
        model.train().frames(torch.randint(256, (4, 3, size, size), dtype=torch.uint8))
    return model.eval()


def saved(model: Any, run: Path, stage: str = "frame") -> str:
    (run / stage).mkdir(parents=True)
    save_weights(run / stage / "best.safetensors", model, {})
    return str(run)


def turned_by(first: NDArray[Any], second: NDArray[Any]) -> float:
    """The angle between two rotations, deg, from the trace."""
    cosine = (np.trace(first.T.astype(float) @ second.astype(float)) - 1) / 2
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


def by_hand(data: DataSet, split: str, answer: FrameAnswer) -> dict[str, float]:
    """All figures but groups, in plain loops over FrameItems."""
    frames = FrameDataset(data, split, size=64)
    people = [frames.place(n)[0]["subject"] for n in range(len(frames))]
    found: dict[str, list[float]] = {}
    pose = SkeletalModel(OSIM)(answer.q, answer.scales, as_frame(answer.root))
    for n in range(len(frames)):
        item = frames[n]
        for name, points, true in (
            ("joints", pose.joints[n], item.joints),
            ("markers", pose.markers[n], item.markers),
        ):
            moved = (points - pose.joints[n, 0]).tolist()
            apart = list(map(math.dist, moved, (true - item.joints[0]).tolist()))
            found.setdefault(name, []).append(1e3 * sum(apart) / len(apart))
        found.setdefault("pelvis", []).append(turned_by(answer.root[n].numpy(), item.root.numpy()))
        own = [answer.scales[i] for i, person in enumerate(people) if person == people[n]]
        for name, scales in (
            ("body", answer.scales[n]),
            ("body, person's", torch.stack(own).mean(dim=0)),
        ):
            error = abs(scales - item.scales).tolist()
            found.setdefault(name, []).append(sum(sum(row) for row in error) / len(error))
            for axis in range(3):
                mean = 100 * sum(row[axis] for row in error) / len(error)
                found.setdefault(f"{name} {'xyz'[axis]}", []).append(mean)
        for name, apart_rad in zip(
            OSIM.coordinate_names, (answer.q[n] - item.q).tolist(), strict=True
        ):
            turn = (math.degrees(apart_rad) + 180) % 360 - 180
            found.setdefault(name, []).append(abs(turn))
    return {name: sum(values) / len(values) for name, values in found.items()}


def rewritten(data: DataSet, folder: Path, change: Any) -> Path:
    """A data set whose samples are changed: by `change`, from a sample to a sample."""
    folder.mkdir()
    records = []
    for record in data.manifest.shards:
        samples = [change(sample) for sample in data.shards[record["name"]]]
        write_shard(folder / record["name"], samples)
        size = (folder / record["name"]).stat().st_size
        records.append({**record, "bytes": size})
    replace(data.manifest, shards=tuple(records)).save(folder)
    return folder
