"""Train uncertainty: a landmark network learns to say how far off its answers are."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.files import content_hash
from d3ke.network.building import network_of
from d3ke.network.checkpoint import load_weights, read_story, save_weights
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.losses import on_circle
from d3ke.network.mirror import swap_of
from d3ke.network.uncertainty import NORMAL_90, SHARE, conformal_factor
from d3ke.progress import Progress, Silent
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.landmarks.batches import BatchStream
from d3ke.train import stages_of
from d3ke.training.landmarks import held_out_windows, landmark_stream
from d3ke.training.loop import train_stage
from d3ke.training.processes import Processes
from d3ke.training.uncertainty import UncertaintyConfig, UncertaintyStage

Array = NDArray[np.float64]


class Errors(NamedTuple):
    """Of F frames: scores (F, K), error over said size, NaN where not predicted; people (F,)."""

    scores: Array
    people: NDArray[np.int64]


def train_uncertainty(
    output: Path,
    data: Path,
    osim: OsimModel,
    config: UncertaintyConfig,
    *,
    init: str | Path,
    records: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Train the head of the weights `init` on synthetic clips; return the best weights, calibrated.

    The other arguments are those of train_landmarks. What the weights answer stays the same.
    Raises D3keError as it does.
    """
    progress = progress or Silent()
    if records is not None:
        config = replace(config, records=content_hash(records)[:16])
    processes = Processes.joined(config.device)
    held_out = held_out_windows(data, records, osim, config, progress)
    torch.manual_seed(config.seed)
    model = with_head(load_weights(init, osim), config.hidden, init).to(config.device)
    stream = landmark_stream(data, records, osim, config, progress)
    stage = UncertaintyStage(model, config, stream, held_out)
    best = train_stage(stage, output, stages_of(init), resume, progress)
    if processes.first:
        _calibrate(best, list(held_out.values())[-1], config.calibration_batches)
    processes.wait()
    return best


def with_head(model: Any, hidden: int, source: str | Path) -> LandmarkD3KE:
    """A network with a fresh head, and the same answers. Raises D3keError for one of pictures."""
    if not isinstance(model, LandmarkD3KE):
        raise D3keError(f"--init {source}: not a landmark network's weights alone.")
    headed = network_of(replace(model.config, uncertainty=hidden), model.osim)
    assert isinstance(headed, LandmarkD3KE)
    known = {n: v for n, v in model.state_dict().items() if not n.startswith("uncertainty.")}
    headed.load_state_dict(known, strict=False)
    return headed


def factors_of(errors: Errors, names: tuple[str, ...]) -> Array:
    """What makes said sizes standard deviations, (K,): the same left and right, NaN without scores.

    Raises D3keError for too few people.
    """
    factors = np.full(len(names), np.nan)
    for index, twin in enumerate(swap_of(names)):
        scores = errors.scores[:, [index, twin]]
        if np.isfinite(scores).all():
            people = np.stack([errors.people, errors.people], axis=1)
            factors[index] = conformal_factor(scores.ravel(), people.ravel()) / NORMAL_90
    return factors


def _calibrate(path: Path, held_out: BatchStream, batches: int) -> None:
    """Put the factors into a weights file, found on held-out windows, each of another person."""
    model = load_weights(path)
    assert isinstance(model, LandmarkD3KE)
    assert model.uncertainty is not None
    parts = list(_window_errors(model, held_out, batches))
    errors = Errors(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.people for part in parts]),
    )
    factors = factors_of(errors, model.osim.coordinate_names)[model.predicted.numpy()]
    model.uncertainty.factor.copy_(torch.from_numpy(factors))
    told = read_story(path)
    told["calibrated"] = {
        "share": SHARE,
        "on": "held-out windows, before the filter",
        "people": len(np.unique(errors.people)),
    }
    story = {
        name: value for name, value in told.items() if name not in {"schema_version", "config"}
    }
    save_weights(path, model, story)


def _window_errors(model: LandmarkD3KE, held_out: BatchStream, batches: int) -> Iterator[Errors]:
    """Of the frames with the person of held-out windows, seen also in a mirror."""
    first = 0
    for index in range(batches):
        batch = held_out.batch(index)
        with torch.inference_mode():
            answer = model.both_ways(batch.window)
        assert answer.log_sigma is not None
        score = on_circle(answer.q - batch.q).abs() * torch.exp(-answer.log_sigma)
        seen = batch.window.valid
        window = torch.arange(first, first + len(seen))[:, None].expand_as(seen)
        yield Errors(score[seen].double().numpy(), window[seen].numpy())
        first += len(seen)
