"""A data set of a few made pictures, and trainings of a few steps: seconds on a busy core."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from d3ke.dataset.augmentation import Augmentation
from d3ke.dataset.manifest import Manifest, ShardRecord
from d3ke.dataset.sample import Sample
from d3ke.dataset.shards import SampleName, write_shard
from d3ke.dataset.source import BOXES
from d3ke.files import content_hash
from d3ke.network.checkpoint import load_weights, save_weights
from d3ke.network.image_network import ImageD3KE
from d3ke.skeleton import default_model
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import ClipPlan, SynthConfig
from d3ke.training.config import FrameConfig, TemporalConfig
from d3ke.training.images import Start
from tests.made_people import MadePeople

PEOPLE = SynthConfig(frames=0, seed=5, size=64)
PLANS = (
    ClipPlan("train", 0, "clip", 6),
    ClipPlan("train", 1, "clip", 5),
    ClipPlan("train", 2, "frames", 5),
    ClipPlan("valid", 0, "clip", 4),
    ClipPlan("test", 0, "clip", 3),
)
STILL = Augmentation(0, (1, 1), 0, 0, 0, (1, 1), 0, (1, 1))  # nothing changes
START = Start("mobilenet_v2", size=32)
FRAMES = FrameConfig(
    steps=4,
    batch=4,
    warmup=1,
    save_every=2,
    precision="fp32",
    workers=0,
    size=32,
    augmentation=STILL,
)
WINDOWS = TemporalConfig(
    steps=4,
    batch=4,
    warmup=1,
    save_every=2,
    precision="fp32",
    workers=0,
    window=9,
    width=16,
    positions_every=4,
)
Change = Callable[[Sample], Sample]


def small_set(
    folder: Path,
    plans: Sequence[ClipPlan] = PLANS,
    config: SynthConfig = PEOPLE,
    osim: OsimModel | None = None,
    change: Change = lambda sample: sample,
) -> Path:
    """Write a data set, a shard for each plan, and return its folder.

    change: what becomes of each sample before it is written.
    """
    osim = osim or default_model()
    source = MadePeople(config, osim)
    folder.mkdir(parents=True)
    shards = []
    for plan in plans:
        clip = source.make(plan)
        shards.append(_shard(folder, plan, [change(s) for s in clip.samples], clip.info))
    about: dict[str, Any] = {
        "kind": "synthetic",
        "config": asdict(config),
        "sources": {},
        "licences": {"pictures": "made by the tests"},
        "picture": {"size": config.size, "boxes": BOXES},
    }
    Manifest.of(osim, shards, about).save(folder)
    return folder


def _shard(
    folder: Path, plan: ClipPlan, samples: Sequence[Sample], info: Mapping[str, Any]
) -> ShardRecord:
    path = folder / f"{plan.split}-{plan.number:06d}.tar"
    write_shard(path, samples)
    name = SampleName.of(samples[0].key)
    sequence = {
        "subject": name.subject,
        "clip": name.clip,
        "camera": name.camera,
        "kind": plan.kind,
        "first": 0,
        "frames": len(samples),
        **{about: info[about] for about in ("rate_hz", "activities", "sources")},
    }
    facts = {key: value for key, value in info["subject"].items() if key != "id"}
    return ShardRecord(
        name=path.name,
        split=plan.split,
        samples=len(samples),
        bytes=path.stat().st_size,
        sha256=content_hash(path),
        sequences=(sequence,),
        subjects={plan.subject: facts},
    )


def another_skeleton() -> OsimModel:
    """The default model, but for a word in its file."""
    return OsimModel.from_xml(default_model().xml + "<!-- another -->\n")


def breaking(*keys: str) -> Change:
    """Makes the pictures of the named samples unreadable."""
    return lambda s: replace(s, jpg=b"no picture") if s.key in keys else s


def fresh_weights(folder: Path, seed: int = 0) -> Path:
    """A folder with the weights of a frame network that has learnt nothing."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    save_weights(folder / "best.safetensors", START.network(default_model(), 30.0), {})
    return folder


def image_network(source: Path) -> ImageD3KE:
    """The network of a run, or of a weights file."""
    model = load_weights(source)
    assert isinstance(model, ImageD3KE)
    return model


def part(state: Mapping[str, Tensor], start: str, inside: bool = True) -> dict[str, Tensor]:
    """What of a state dict is, or is not, called so."""
    return {name: value for name, value in state.items() if name.startswith(start) == inside}


def weights(path: Path) -> dict[str, Tensor]:
    """A weights file's numbers."""
    return load_weights(path).state_dict()


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor], atol: float = 0.0) -> bool:
    """Whether two state dicts hold the same numbers."""
    return set(first) == set(second) and all(
        torch.allclose(first[name].double(), second[name].double(), rtol=0, atol=atol)
        for name in first
    )


def log_of(stage: Path) -> list[dict[str, float]]:
    """The rows of a stage's log.csv."""
    names, *rows = (line.split(",") for line in (stage / "log.csv").read_text().splitlines())
    return [dict(zip(names, map(float, row), strict=True)) for row in rows]


def curve(stage: Path) -> list[dict[str, float]]:
    """The log without how fast it went."""
    return [{n: v for n, v in row.items() if not n.endswith("_per_s")} for row in log_of(stage)]
