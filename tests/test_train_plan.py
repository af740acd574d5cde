"""What a person's wish for a training means: recipes, epochs, what is bounded and looked at."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
import torch

from d3ke.dataset.live import SyntheticFrames
from d3ke.dataset.reading import DataSet
from d3ke.errors import D3keError
from d3ke.network.config import D3KEConfig, default_bounds
from d3ke.network.losses import on_circle
from d3ke.network.transition import BoundedCoordinates
from d3ke.skeleton import default_model
from d3ke.synth.plans import SynthConfig
from d3ke.train_images import ImageTraining
from d3ke.training.errors_of import angle_errors
from d3ke.training.live import LiveFrames
from d3ke.training.processes import Processes
from d3ke.training.stored import key_of
from tests.made_people import made_source
from tests.small_training import FRAMES, START, small_set

CLIP_FRAMES, ALL_FRAMES = 11, 16  # of the small set's train split


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_set(tmp_path_factory.mktemp("data") / "small")


@pytest.mark.parametrize(("network", "epochs"), [("transformer", 50), ("lstm", 50), ("tcn", 80)])
def test_the_paper_s_epochs_are_gone_through(data: Path, network: str, epochs: int) -> None:
    plan = ImageTraining(data=(data,), recipe="paper", temporal=network, batch=4)
    assert plan.frame().steps == 30 * ALL_FRAMES // 4
    assert plan.temporal_config().steps == -(-epochs * CLIP_FRAMES // 4)
    assert replace(plan, steps=7).frame().steps == 7


def test_epochs_are_of_frames_and_of_clips(data: Path) -> None:
    plan = ImageTraining(data=(data,), epochs=3, batch=4)
    assert plan.frame().steps == 3 * ALL_FRAMES // 4
    assert plan.temporal_config().steps == -(-3 * CLIP_FRAMES // 4)


def test_the_paper_bounds_coordinates_by_their_very_ranges(data: Path) -> None:
    osim = default_model()
    ranges = {coordinate.name: coordinate.range for coordinate in osim.coordinates}
    plan = ImageTraining(data=(data,), recipe="paper", backbone="mobilenet_v2", size=32)
    found = plan.start().network(osim, 30.0).config.bounds
    assert found == {name: ranges[name] for name in default_bounds(osim)}
    ours = replace(plan, recipe="d3ke+").start().network(osim, 30.0).config.bounds
    assert all(ours[n][0] < low and ours[n][1] > high for n, (low, high) in found.items())


def test_a_skeleton_without_anything_to_predict_is_told() -> None:
    osim = default_model()
    with pytest.raises(D3keError, match="no coordinate to predict"):
        BoundedCoordinates(D3KEConfig(osim.sha256), osim)


def test_untrusted_labels_are_not_judged() -> None:
    osim = default_model()
    model = START.network(osim, 30.0)
    q, true = torch.zeros(1, len(osim.coordinates)), torch.full((1, len(osim.coordinates)), 0.1)
    known = torch.ones_like(q, dtype=torch.bool)
    knee = osim.coordinate_names.index("knee_angle_r")
    true[0, knee], known[0, knee] = 2.0, False
    expected = float(on_circle(torch.tensor(0.1)).rad2deg())
    assert float(angle_errors(model, q, true, known)["all_deg"]) == pytest.approx(expected)
    assert float(angle_errors(model, q, true)["all_deg"]) > expected


def test_answers_are_stored_for_a_config_too(data: Path) -> None:
    model, sets = START.network(default_model(), 30.0), [DataSet.open(data)]
    before = key_of(model, sets, "train", "fp32")
    model.config = replace(model.config, window=81, temporal="tcn")
    assert key_of(model, sets, "train", "fp32") == before  # no frame's answer follows from these
    model.config = replace(model.config, priors={"pro_sup_r": 0.2})
    assert key_of(model, sets, "train", "fp32") != before


def test_a_batch_of_live_frames_is_joined_from_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    made = partial(SyntheticFrames, pool=4, open_source=made_source)
    monkeypatch.setattr("d3ke.training.live.SyntheticFrames", made)
    people = SynthConfig(frames=0, seed=3, size=64, clip_frames=4, lone_frames=2)
    one = Processes(0, 1, "cpu")
    frames: Iterator[torch.Tensor] = (
        batch.frames.q
        for batch in LiveFrames(people, default_model(), replace(FRAMES, batch=16), one)(0)
    )
    whole = torch.cat(list(islice(frames, 2)))
    alone = LiveFrames(people, default_model(), replace(FRAMES, batch=2), one)(0)
    assert torch.equal(whole, torch.cat([batch.frames.q for batch in islice(alone, 16)]))
