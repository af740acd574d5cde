"""Train: data in, weights with their story out, resumable at any step."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from d3ke.dataset.reading import DataSet
from d3ke.errors import D3keError
from d3ke.files import content_hash
from d3ke.network.building import network_of
from d3ke.network.checkpoint import load_weights, story_of
from d3ke.network.config import D3KEConfig, default_bounds, default_priors
from d3ke.network.image_network import ImageD3KE
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.progress import Progress, Silent
from d3ke.skeleton import default_model
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import SynthConfig
from d3ke.training.config import FrameConfig, TemporalConfig
from d3ke.training.frames import FrameStage, HeldOut, held_out_frames
from d3ke.training.images import (
    Start,
    check_markers,
    frame_part,
    frames_of,
    open_sets,
    rate_of,
    seen_of,
    story_of_sets,
)
from d3ke.training.landmarks import (
    LandmarkConfig,
    LandmarkStage,
    held_out_windows,
    landmark_stream,
)
from d3ke.training.live import LiveFrames, held_out_live
from d3ke.training.loop import train_stage
from d3ke.training.processes import Processes
from d3ke.training.stored import StoredAnswers, key_of, stored_answers
from d3ke.training.temporal import TemporalStage, with_temporal


class Trained(NamedTuple):
    """What became of a training: best weights, and updates made, by stage."""

    weights: dict[str, Path]
    steps: dict[str, int]


def train_landmarks(
    output: Path,
    data: Path,
    osim: OsimModel,
    config: LandmarkConfig,
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
    Processes.joined(config.device)
    held_out = held_out_windows(data, records, osim, config, progress)
    torch.manual_seed(config.seed)
    if init is None:
        network = D3KEConfig(
            skeleton_sha256=osim.sha256, bounds=default_bounds(osim), priors=default_priors(osim)
        )
        model, stages = network_of(network, osim), list[dict[str, Any]]()
    else:
        model, stages = load_weights(init, osim), stages_of(init)
    if not isinstance(model, LandmarkD3KE):
        raise D3keError(
            f"--init {init}: weights of a network that works from pictures, not landmarks alone."
        )
    model.forget_uncertainty()  # of a network that is about to change
    model = model.to(config.device)
    stream = landmark_stream(data, records, osim, config, progress)
    stage = LandmarkStage(model, config, stream, held_out)
    return train_stage(stage, output, stages, resume, progress)


def train_frames(
    output: Path,
    data: Sequence[Path],
    start: Start,
    config: FrameConfig,
    *,
    synth: SynthConfig | None = None,
    init: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Train the frame stage of an image network on data sets; return its best weights.

    output: the run's folder, of which `frame` is the stage's. data: folders that d3ke prepare made.
    synth: learn from people made on the fly instead; the data sets, where there are any, validate.
    init: a run to start from, instead of `start`'s backbone.
    Raises D3keError for data, weights or options that do not fit together.
    """
    progress = progress or Silent()
    sets = open_sets(data)
    osim = sets[0].manifest.model() if sets else default_model()
    check_markers(config.loss.markers, osim)
    torch.manual_seed(config.seed)
    if init is None:
        rate_hz = synth.rate_hz if synth else rate_of(sets)
        model, stages = start.network(osim, rate_hz), list[dict[str, Any]]()
    else:
        model, stages = frame_part(_image_network(init, osim)), stages_of(init)
    config = replace(config, size=model.config.size, data=seen_of(sets, synth))
    processes = Processes.joined(config.device)
    model = model.to(config.device)
    story = {
        **story_of_sets(sets, synth),
        "what": model.config.encoder,
        "backbone_before": start.told() if init is None else "a run of this project",
    }
    batches = (
        LiveFrames(synth, osim, config, processes)
        if synth
        else frames_of(sets, config, processes, progress)
    )
    held_out = _held_out(sets, synth, osim, config)
    if not held_out:
        progress.note("nobody validates: the last weights are kept, whether or not best")
    stage = FrameStage(model, config, batches, held_out, story, progress)
    return train_stage(stage, output / "frame", stages, resume, progress)


def _held_out(
    sets: Sequence[DataSet], synth: SynthConfig | None, osim: OsimModel, config: FrameConfig
) -> HeldOut:
    """What judges the frame stage: the sets' valid splits, else people made for it."""
    if sets:
        return held_out_frames(sets, config.size)
    assert synth is not None
    return held_out_live(synth, osim, config)


def train_temporal(
    output: Path,
    data: Sequence[Path],
    config: TemporalConfig,
    *,
    init: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Train the temporal stage of an image network; return its best weights.

    output: the run's folder, of which `temporal` is the stage's; its `frame` is the network whose
    answers are stored, or that of the run `init`.
    Raises D3keError for data, weights or options that do not fit together.
    """
    progress = progress or Silent()
    source = init if init is not None else output / "frame"
    sets = open_sets(data)
    osim = sets[0].manifest.model()
    check_markers(config.loss.markers, osim)
    frames = _image_network(source, osim)
    processes = Processes.joined(config.device)
    folder = output / "temporal"
    train, held_out = (
        _stored(folder, frames, sets, split, config, processes, progress)
        for split in ("train", "valid")
    )
    config = replace(config, data=key_of(frames, sets, "train", config.frame_precision)[:16])
    torch.manual_seed(config.seed)
    model = with_temporal(frames, config.network, config.window, config.width, rate_of(sets))
    model = model.to(config.device)
    story = {**story_of_sets(sets), "what": config.network}
    stage = TemporalStage(model, config, train, held_out, story, processes)
    return train_stage(stage, folder, stages_of(source), resume, progress)


def _stored(
    folder: Path,
    model: ImageD3KE,
    sets: Sequence[DataSet],
    split: str,
    config: TemporalConfig,
    processes: Processes,
    progress: Progress,
) -> StoredAnswers:
    """A split's answers: from the folder where they are there, else looked at and put there."""
    path = folder / f"answers_{split}.safetensors"
    key = key_of(model, sets, split, config.frame_precision)
    found = StoredAnswers.load(path, key)
    if found is None and processes.first:
        device, precision, workers = config.device, config.frame_precision, config.workers
        model = model.to(device)
        found = stored_answers(model, sets, split, progress, device, precision, workers)
        path.parent.mkdir(parents=True, exist_ok=True)
        found.save(path, key)
    processes.wait()
    found = found or StoredAnswers.load(path, key)
    assert found is not None
    return found


def _image_network(source: str | Path, osim: OsimModel) -> ImageD3KE:
    """The image network of weights. Raises D3keError where they are a landmark network's."""
    loaded = load_weights(source, osim)
    if not isinstance(loaded, ImageD3KE):
        raise D3keError(
            f"{source}: weights of a network that works from landmarks, not pictures alone."
        )
    return loaded


def stages_of(weights: str | Path) -> list[dict[str, Any]]:
    """What weights were trained on before."""
    stages: list[dict[str, Any]] = story_of(weights).get("stages", [])
    return stages
