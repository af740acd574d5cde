"""Training of a D3KE: batches in, weights with their story out, resumable at any step.

A run is a folder: best and last weights (safetensors + JSON), the skeleton, log.csv, and the
state from which `resume` goes on exactly where a killed training stopped.
"""

import csv
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from d3ke import __version__
from d3ke.errors import D3keError
from d3ke.files import content_hash, replacing
from d3ke.network.checkpoint import load_weights, save_weights, story_of
from d3ke.network.d3ke import D3KE, D3KEConfig, default_bounds, default_priors
from d3ke.network.landmarks import LandmarkWindow
from d3ke.network.losses import D3KELoss, LossWeights, Target, masked_mean, on_circle
from d3ke.network.training_state import load_state, save_state
from d3ke.progress import Progress, Silent
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.landmarks.batches import BatchStream, LandmarkBatch
from d3ke.synth.landmarks.clips import LandmarkClipsConfig, landmark_clips
from d3ke.synth.landmarks.records import read_records
from d3ke.synth.landmarks.windows import MixedBatches, RecordWindows, RecordWindowsConfig

VALIDATION_SEED = 1_000_003  # added to a run's seed: people and procedural motions never trained on
STATE = "resume.safetensors"


@dataclass(frozen=True)
class TrainConfig:
    """How a run is trained. The whole of it is saved with the weights."""

    seed: int = 0
    steps: int = 7_500
    batch: int = 48  # windows
    learning_rate: float = 6e-4
    warmup: int = 300  # steps
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.998  # of the weights, a step
    precision: str = "bf16"
    device: str = "cpu"
    workers: int = 1
    save_every: int = 500  # steps
    validation_batches: int = 6
    positions_every: int = 8  # frames between those whose positions are compared
    loss: LossWeights = field(
        default_factory=lambda: LossWeights(
            joint=2.0, marker=2.0, body=0.3, angle=0.08, root=0.6, velocity=0.06, by_range=False
        )
    )
    clips: LandmarkClipsConfig = field(default_factory=LandmarkClipsConfig)
    records: str | None = None  # hash of the records' folder, set by the run itself
    record_share: float = 0.5  # part of the windows that are cut from records, where there are any


@dataclass
class Run:
    """A training in progress."""

    model: D3KE
    average: D3KE
    optimizer: torch.optim.AdamW
    config: TrainConfig
    folder: Path
    stages: list[dict[str, Any]]  # of the weights that this run started from
    step: int = 0
    best: float = float("inf")


def train_landmarks(
    output: Path,
    data: Path,
    osim: OsimModel,
    config: TrainConfig,
    *,
    records: Path | None = None,
    resume: bool = False,
    init: str | Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train the landmark network on synthetic clips and return its best weights.

    output: the run's folder. data: the folder with `motions` and `anthropometry`. records: what
    BlazePose said of rendered clips, to be mixed in; then their held-out clips say which weights
    are best. init: weights to start from. Raises D3keError where a run is in the way, or there is
    none to resume.
    """
    progress = progress or Silent()
    if records is not None:
        config = replace(config, records=content_hash(records)[:16])
    held_out = _held_out(data, records, osim, config, progress)
    run = _start(output, osim, config, resume, init)
    stream = _stream(data, records, osim, config, progress, run.step)
    ahead = 4 if config.workers else None  # batches
    loader = DataLoader(stream, batch_size=None, num_workers=config.workers, prefetch_factor=ahead)
    loss = D3KELoss(
        SkeletalModel(osim).to(config.device),
        run.model.predicted,
        config.loss,
        config.positions_every,
    )
    progress.start("Training", config.steps)
    progress.advance(run.step)
    started, sums, counted = time.monotonic(), dict[str, float](), 0
    for batch in _first(loader, config.steps - run.step):
        terms = _step(run, loss, _to(batch, config.device))
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + value
        counted += 1
        progress.advance()
        if run.step % config.save_every == 0 or run.step == config.steps:
            pace = counted * config.batch / (time.monotonic() - started)
            row = {"step": run.step, "windows_per_s": pace}
            row |= {name: value / counted for name, value in sums.items()}
            for name, batches in held_out.items():
                errors = validate(run.average, batches, config)
                row |= {f"{name}_{group}": error for group, error in errors.items()}
            _save(run, row, progress)
            started, sums, counted = time.monotonic(), {}, 0
    progress.finish()
    return output / "best.safetensors"


def _stream(
    data: Path,
    records: Path | None,
    osim: OsimModel,
    config: TrainConfig,
    progress: Progress,
    first: int,
) -> BatchStream:
    """What is trained on, from batch `first` on: modelled errors, mixed with real ones."""
    cut = round(config.record_share * config.batch) if records else 0
    clips = replace(config.clips, batch=config.batch - cut)
    if records is None or cut == 0:
        return landmark_clips(osim, data, config.seed, clips, progress, first)
    windows = RecordWindowsConfig(config.clips.frames, cut, config.clips.focal_sd)
    streams: list[BatchStream] = [
        RecordWindows(osim, read_records(records, "train"), windows, config.seed)
    ]
    if cut < config.batch:
        streams.append(landmark_clips(osim, data, config.seed, clips, progress))
    return MixedBatches(streams, first)


def _held_out(
    data: Path, records: Path | None, osim: OsimModel, config: TrainConfig, progress: Progress
) -> dict[str, BatchStream]:
    """What weights are judged by: people, clothes, cameras and procedural motions never trained on.

    Recorded motions are few, and the modelled stream takes them all: some of the records' motions
    were trained on, so real clips, not these, tell how good weights are.
    """
    seed = config.seed + VALIDATION_SEED
    clips = replace(config.clips, batch=config.batch)
    found: dict[str, BatchStream] = {"valid": landmark_clips(osim, data, seed, clips, progress)}
    if records is not None:
        windows = RecordWindowsConfig(config.clips.frames, config.batch, config.clips.focal_sd)
        found["records"] = RecordWindows(osim, read_records(records, "valid"), windows, seed)
    return found


def validate(model: D3KE, held_out: BatchStream, config: TrainConfig) -> dict[str, float]:
    """Mean absolute error on held-out synthetic people: lower limb, knees, all; deg."""
    names = model.osim.coordinate_names
    legs = [i for i, n in enumerate(names) if n.startswith(("hip_", "knee_", "ankle_"))]
    knees = [i for i, n in enumerate(names) if n.startswith("knee_")]
    groups = {"legs_deg": legs, "knees_deg": knees, "all_deg": model.predicted.tolist()}
    sums = dict.fromkeys(groups, 0.0)
    model.eval()
    with torch.inference_mode():
        for index in range(config.validation_batches):
            batch = _to(held_out.batch(index), config.device)
            error = on_circle(model(batch.window).q - batch.q).abs().rad2deg()
            for group, columns in groups.items():
                mean = masked_mean(error[..., columns].mean(dim=2), batch.window.valid)
                sums[group] += float(mean) / config.validation_batches
    return sums


def _step(run: Run, loss: D3KELoss, batch: LandmarkBatch) -> dict[str, float]:
    """One update of the weights and of their average."""
    config = run.config
    rate = learning_rate(config, run.step)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.model.train()
    kind = torch.bfloat16 if config.precision == "bf16" else torch.float32
    with torch.autocast(config.device, dtype=kind, enabled=config.precision == "bf16"):
        answer = run.model(batch.window)
    target = Target(batch.q, batch.root, batch.scales, batch.window.valid)
    total, terms = loss(answer, target)
    run.optimizer.zero_grad(set_to_none=True)
    total.backward()
    nn.utils.clip_grad_norm_(run.model.parameters(), config.clip_norm)
    run.optimizer.step()
    run.step += 1
    keep = min(config.ema, (1 + run.step) / (10 + run.step))
    with torch.no_grad():
        for mean, value in zip(run.average.parameters(), run.model.parameters(), strict=True):
            mean.lerp_(value, 1 - keep)
    return {name: float(term.detach()) for name, term in {"loss": total, **terms}.items()}


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    part = (step - config.warmup) / max(1, config.steps - config.warmup)
    cosine = 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * min(1.0, part)))))
    return config.learning_rate * (0.01 + 0.99 * cosine)


def _start(
    folder: Path, osim: OsimModel, config: TrainConfig, resume: bool, init: str | Path | None
) -> Run:
    """A fresh run, or the one in `folder` as it was when it stopped."""
    if (folder / STATE).exists() and not resume:
        raise D3keError(f"{folder}: holds a run. Pass --resume to go on, or another folder.")
    torch.manual_seed(config.seed)
    network = D3KEConfig(
        skeleton_sha256=osim.sha256, bounds=default_bounds(osim), priors=default_priors(osim)
    )
    stages: list[dict[str, Any]] = []
    if init is not None:
        source = load_weights(init, osim)
        network, stages = source.config, story_of(init).get("stages", [])
    model, average = D3KE(network, osim), D3KE(network, osim)
    if init is not None:
        model.load_state_dict(source.state_dict())
    average.load_state_dict(model.state_dict())
    model, average = model.to(config.device), average.to(config.device)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        config.learning_rate,
        weight_decay=config.weight_decay,
        betas=(0.9, 0.98),
    )
    run = Run(model, average, optimizer, config, folder, stages)
    if resume:
        _resume(run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise D3keError(
            f"{folder}: no folder for a run ({error.strerror}). Name another."
        ) from error
    osim.write(folder / "skeleton.osim")
    with replacing(folder / "config.json") as temporary:
        temporary.write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
    return run


def _resume(run: Run) -> None:
    """Put a run back where it stopped."""
    path = run.folder / STATE
    if not path.is_file():
        raise D3keError(f"{run.folder}: no run to resume. Leave --resume out to start one.")
    began = json.loads((run.folder / "config.json").read_text(encoding="utf-8"))
    now = json.loads(json.dumps(asdict(run.config)))
    other = [name for name in now if name != "device" and now[name] != began.get(name)]
    if other:
        raise D3keError(
            f"{run.folder}: was begun with another {', '.join(other)}. "
            "Resume with the same options, or train into another folder."
        )
    state = load_state(path)
    run.model.load_state_dict(state.part("model"))
    run.average.load_state_dict(state.part("average"))
    state.into_optimizer(run.optimizer)
    run.step, run.best = state.step, state.best


def _save(run: Run, row: dict[str, float], progress: Progress) -> None:
    """Write the log, the weights, and the state to resume from."""
    _log(run.folder / "log.csv", row)
    judge = "valid" if run.config.records is None else "records"
    error = row[f"{judge}_all_deg"]
    progress.note(
        f"step {run.step}: validation {error:.2f} deg, legs {row[f'{judge}_legs_deg']:.2f} deg"
    )
    story = {
        "d3ke": __version__,
        "data": "synthetic people (d3ke.synth), no real video",
        "licence": "Apache-2.0",
        "stages": [*run.stages, {"what": "landmarks", "train": asdict(run.config), "log": row}],
    }
    if error < run.best:
        run.best = error
        save_weights(run.folder / "best.safetensors", run.average, story)
    save_weights(run.folder / "last.safetensors", run.average, story)
    save_state(run.folder / STATE, run.model, run.average, run.optimizer, run.step, run.best)


def _log(path: Path, row: dict[str, float]) -> None:
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as text:
        writer = csv.DictWriter(text, fieldnames=list(row))
        if fresh:
            writer.writeheader()
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})


def _first(loader: DataLoader[Any], count: int) -> Iterator[LandmarkBatch]:
    """The first `count` batches of an endless loader."""
    for index, batch in enumerate(loader if count > 0 else ()):
        yield batch
        if index + 1 == count:
            return


def _to(batch: LandmarkBatch, device: str) -> LandmarkBatch:
    """The batch on a device."""
    window = LandmarkWindow(*(part.to(device) for part in batch.window))
    return LandmarkBatch(window, *(part.to(device) for part in batch[1:]))
