"""How fast a training step is against the bare backbone, and what a window's step costs.

python -m tests.benchmarks.training [--backbone resnext50] [--size 256] [--batch 16] [--device cpu]
    [--seconds 20] [--compile]
The step is everything but reading the data: backbone, head, transition, skeleton, losses, backward,
clipping, optimiser, average of the weights. The limit is forward and backward of torchvision's own
network on the same pictures in the same numbers. Both take turns, so that noise hits both.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from d3ke.dataset.labels import FrameItem
from d3ke.network.backbones import backbone
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.training.config import FrameConfig
from d3ke.training.frames import FrameStage
from d3ke.training.images import Start
from d3ke.training.loop import Training
from d3ke.training.samples import FrameBatch

ROUNDS = 5


def main() -> None:
    words = arguments()
    torch.manual_seed(0)
    batch = made_batch(words.batch, words.size)
    step = whole_step(words, batch)
    trunk = bare_step(words, batch.frames.image)
    for work in (step, trunk):
        work()
    paces: dict[str, list[float]] = {"step": [], "trunk": []}
    for _ in range(ROUNDS):
        for name, work in (("step", step), ("trunk", trunk)):
            paces[name].append(pace(work, words.batch, words.seconds / (2 * ROUNDS), words.device))
    ratio = statistics.median(a / b for a, b in zip(*paces.values(), strict=True))
    whole, bare = (statistics.median(values) for values in paces.values())
    print(
        f"{words.backbone} {words.size} px, batch {words.batch}, bf16, {words.device}: step "
        f"{whole:.1f} frames/s, bare trunk {bare:.1f}, ratio {ratio:.2f} (median of {ROUNDS})"
    )


def made_batch(count: int, size: int) -> FrameBatch:
    """Noise, with labels that could be true."""
    osim = default_model()
    q = 0.1 * torch.randn(count, len(osim.coordinates))
    scales = torch.ones(count, len(osim.bodies), 3)
    pose = SkeletalModel(osim)(q, scales)
    ahead = torch.tensor([0.0, 0.0, 4.0])
    K = torch.tensor([[size, 0, size / 2], [0, size, size / 2], [0, 0, 1.0]])
    joints, markers = pose.joints + ahead, pose.markers + ahead
    frames = FrameItem(
        image=torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
        q=q,
        q_mask=torch.ones_like(q, dtype=torch.bool),
        scales=scales,
        root=torch.eye(3).repeat(count, 1, 1),
        joints=joints,
        markers=markers,
        markers_mask=torch.ones(markers.shape[:2], dtype=torch.bool),
        camera_matrix=K.repeat(count, 1, 1),
    )
    return FrameBatch(tuple(f"frame {index}" for index in range(count)), frames)


def whole_step(words: argparse.Namespace, batch: FrameBatch) -> Callable[[], object]:
    """A training's own step on a batch that is there already."""
    model = Start(words.backbone, words.size).network(default_model(), 30.0).to(words.device)
    config = replace(
        FrameConfig(),
        device=words.device,
        batch=words.batch,
        size=words.size,
        compile=words.compile,
    )
    stage = FrameStage(model, config, lambda first: iter(()), [], {})
    training = Training(stage, Path(words.folder), [], False, Silent())
    ready = stage.on_device(batch)

    def step() -> object:
        stage.before(0.0)
        return training.step(ready)

    return step


def bare_step(words: argparse.Namespace, images: torch.Tensor) -> Callable[[], object]:
    """Forward and backward of torchvision's network without its classifier."""
    network = backbone(words.backbone).build(weights=None)
    for name in ("fc", "classifier"):
        if hasattr(network, name):
            setattr(network, name, torch.nn.Identity())
    network = network.to(words.device).to(memory_format=torch.channels_last).train()
    shown = (images.float() / 255).to(words.device).contiguous(memory_format=torch.channels_last)

    def step() -> object:
        network.zero_grad(set_to_none=True)
        with torch.autocast(words.device, torch.bfloat16):
            features = network(shown)
        features.float().mean().backward()
        return features

    return step


def pace(work: Callable[[], object], count: int, seconds: float, device: str) -> float:
    """Frames a second."""
    done, began = 0, time.monotonic()
    while time.monotonic() - began < seconds or not done:
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        done += count
    return done / (time.monotonic() - began)


def arguments() -> argparse.Namespace:
    import tempfile

    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone", default="resnext50")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--compile", action="store_true")
    parser.set_defaults(folder=tempfile.mkdtemp())
    return parser.parse_args()


if __name__ == "__main__":
    main()
