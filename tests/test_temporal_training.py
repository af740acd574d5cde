"""The temporal stage: stored answers, windows of them, what it minimises."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from d3ke.dataset.reading import DataSet, FrameDataset
from d3ke.network.d3ke import Answer
from d3ke.network.image_network import ImageD3KE
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.synth.plans import ClipPlan
from d3ke.train import train_temporal
from d3ke.training.images import open_sets
from d3ke.training.processes import Processes
from d3ke.training.stored import StoredAnswers, key_of, stored_answers
from d3ke.training.temporal import TemporalStage, with_temporal
from tests.small_training import (
    START,
    WINDOWS,
    breaking,
    fresh_weights,
    image_network,
    small_set,
)

ONE = Processes(0, 1, "cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_set(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh_weights(tmp_path_factory.mktemp("fresh") / "frame")


@pytest.fixture(scope="module")
def frame_model(fresh: Path) -> ImageD3KE:
    return image_network(fresh)


@pytest.fixture(scope="module")
def answers(frame_model: ImageD3KE, data: Path) -> StoredAnswers:
    return stored_answers(frame_model, open_sets([data]), "train", Silent())


# --- stored answers


def test_stored_answers_are_what_the_frame_network_says(
    frame_model: ImageD3KE, answers: StoredAnswers, data: Path
) -> None:
    clips = FrameDataset(DataSet.open(data), "train", 32, kind="clip")
    assert answers.frames == len(clips) == 11
    assert answers.first.tolist() == [0, 6, 11]
    assert answers.subjects == ("train000000", "train000001")
    assert bool(answers.known.all())
    for number in (0, 8):
        item = clips[number]
        with torch.inference_mode():
            said = frame_model.frames(item.image[None])
        assert torch.allclose(answers.q[number], said.q[0], atol=1e-4)
        assert torch.allclose(answers.rows[number], frame_model.rows(said)[0], atol=1e-4)
        assert torch.equal(answers.true_q[number], item.q)
        assert torch.equal(answers.true_root[number], item.root)
        assert torch.allclose(answers.joints[number], item.joints - item.joints[0])


def test_windows_never_cross_a_clip(answers: StoredAnswers) -> None:
    windows = answers.windows(torch.arange(11), 9)
    assert windows.shape == (11, 9)
    clip = answers.clip_of(torch.arange(11))
    assert clip.tolist() == [0] * 6 + [1] * 5
    assert bool((answers.clip_of(windows) == clip[:, None]).all())
    assert torch.equal(windows[:, 4], torch.arange(11))
    assert windows[4].tolist() == [0, 1, 2, 3, 4, 5, 5, 5, 5]  # an end is repeated
    assert windows[6].tolist() == [6, 6, 6, 6, 6, 7, 8, 9, 10]


def test_stored_answers_are_used_again_until_weights_change(
    fresh: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def looking(*arguments: Any) -> StoredAnswers:
        looked.append(arguments[2])
        return stored_answers(*arguments)

    monkeypatch.setattr("d3ke.train.stored_answers", looking)
    short = replace(WINDOWS, steps=1)
    train_temporal(tmp_path / "run", [data], short, init=fresh)
    assert looked == ["train", "valid"]
    (tmp_path / "run" / "temporal" / "resume.safetensors").unlink()
    train_temporal(tmp_path / "run", [data], short, init=fresh)
    assert looked == ["train", "valid"]
    other = fresh_weights(tmp_path / "other", seed=1)
    (tmp_path / "run" / "temporal" / "resume.safetensors").unlink()
    train_temporal(tmp_path / "run", [data], short, init=other)
    assert looked == ["train", "valid"] * 2


def test_answers_that_are_no_file_of_ours_are_made_anew(
    answers: StoredAnswers, tmp_path: Path
) -> None:
    path = tmp_path / "answers.safetensors"
    answers.save(path, "a key")
    again = StoredAnswers.load(path, "a key")
    assert again is not None
    assert torch.equal(again.rows, answers.rows)
    assert again.subjects == answers.subjects
    assert StoredAnswers.load(path, "another key") is None
    path.write_bytes(path.read_bytes()[:1000])
    assert StoredAnswers.load(path, "a key") is None
    assert StoredAnswers.load(tmp_path / "nix", "a key") is None


def test_a_key_follows_weights_data_and_precision_but_not_the_temporal_part(
    frame_model: ImageD3KE, data: Path
) -> None:
    sets = open_sets([data])
    key = key_of(frame_model, sets, "train", "fp32")
    assert key_of(with_temporal(frame_model, "lstm", 9, 16, 30.0), sets, "train", "fp32") == key
    others = {
        key_of(frame_model, sets, "valid", "fp32"),
        key_of(frame_model, sets, "train", "bf16"),
        key_of(frame_model, sets * 2, "train", "fp32"),
        key_of(START.network(default_model(), 30.0), sets, "train", "fp32"),
    }
    assert len(others - {key}) == 4


def test_a_broken_picture_is_not_known_and_has_its_neighbour_s_answer(
    frame_model: ImageD3KE, tmp_path: Path
) -> None:
    keys = ("train000000-clip00-0-000003", "train000000-clip00-0-000000")
    folder = small_set(
        tmp_path / "broken",
        [ClipPlan("train", 0, "clip", 120), ClipPlan("valid", 0, "clip", 2)],
        change=breaking(keys[0]),
    )
    progress = Silent()
    found = stored_answers(frame_model, open_sets([folder]), "train", progress)
    assert found.frames == 120
    assert found.known.logical_not().nonzero().flatten().tolist() == [3]
    assert torch.equal(found.q[3], found.q[2])
    assert not torch.equal(found.q[4], found.q[2])
    (warning,) = progress.warnings
    assert "left out (1 so far)" in warning
    assert keys[0] in warning
    stage = temporal_stage(frame_model, found)
    target = stage.batch(found, torch.tensor([1, 3])).centre
    assert target.valid.tolist() == [[True], [False]]


def temporal_stage(frame_model: ImageD3KE, answers: StoredAnswers, **changes: Any) -> TemporalStage:
    config = replace(WINDOWS, **changes)
    model = with_temporal(frame_model, config.network, config.window, config.width, 30.0)
    return TemporalStage(model, config, answers, answers, {}, ONE)


def test_a_temporal_loss_is_the_middle_s_and_the_mean_of_all(
    frame_model: ImageD3KE, answers: StoredAnswers
) -> None:
    stage = temporal_stage(frame_model, answers, positions_every=1)
    batch = stage.batch(answers, torch.tensor([2, 7, 9]))
    network = stage.network().eval()
    with torch.no_grad():
        total, terms = stage.loss(network, batch)
    model = stage.model
    assert isinstance(model, ImageD3KE)
    with torch.inference_mode():
        said = model.windows(batch.rows)
    assert said.frames is not None
    weight = stage.config.loss
    centre = sum(getattr(weight, name) * terms[name] for name in terms)
    degrees = (said.centre.q - batch.centre.q[:, 0])[:, model.predicted].abs().rad2deg()
    importance = stage._centre.importance
    assert float(terms["angle"]) == pytest.approx(float((importance * degrees).mean()), rel=1e-4)
    middle = (said.frames.q[:, 4], batch.target.q[:, 4], batch.centre.q[:, 0])
    assert torch.equal(middle[1], middle[2])
    alone = stage._frames(Answer(*said.frames), batch.target)[0]
    assert float(total) == pytest.approx(float(centre) + float(alone), rel=1e-5)


def test_temporal_batches_go_on_where_they_stopped_and_are_shared(
    frame_model: ImageD3KE, answers: StoredAnswers
) -> None:
    stage = temporal_stage(frame_model, answers)
    whole = [batch.names for batch in islice(stage.batches(0), 9)]
    assert [batch.names for batch in islice(stage.batches(5), 4)] == whole[5:]
    names = [name for names in whole for name in names][:33]
    assert sorted(names[:11]) == sorted(names[11:22]) == sorted(names[22:])
    halves = []
    for rank in (0, 1):
        stage.processes = Processes(rank, 2, "cpu")
        halves.append([batch.names for batch in islice(stage.batches(0), 9)])
    assert [a + b for a, b in zip(*halves, strict=True)] == whole
