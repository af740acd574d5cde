"""Training on people made on the fly, and on samples of which some are broken."""

from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from d3ke.dataset.live import SyntheticFrames
from d3ke.errors import D3keError
from d3ke.network.checkpoint import story_of
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.synth.plans import SynthConfig
from d3ke.train import train_frames
from d3ke.training.live import KEY, Keyed, LiveFrames
from d3ke.training.processes import Processes
from tests.made_people import blind_source, made_source
from tests.small_training import (
    FRAMES,
    START,
    breaking,
    curve,
    same,
    small_set,
    weights,
)

ONE = Processes(0, 1, "cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_set(tmp_path_factory.mktemp("data") / "small")


# --- on the fly


PEOPLE = SynthConfig(frames=0, seed=3, size=64, clip_frames=4, lone_frames=2)


# who need no drawing
MADE = partial(SyntheticFrames, pool=4, open_source=made_source)


def test_people_made_on_the_fly_train_a_network(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d3ke.training.live.SyntheticFrames", MADE)
    config = replace(FRAMES, steps=2, validation_frames=3)
    train_frames(tmp_path / "judged", [data], START, config, synth=PEOPLE)
    train_frames(tmp_path / "alone", [], START, config, synth=PEOPLE)
    judged, alone = (weights(tmp_path / n / "frame/last.safetensors") for n in ("judged", "alone"))
    assert same(judged, alone)  # the data set only judges
    assert curve(tmp_path / "judged/frame") != curve(tmp_path / "alone/frame")
    told = story_of(tmp_path / "alone" / "frame")
    assert told["data"] == "synthetic people on the fly, seed 3"
    assert "judged_on" in story_of(tmp_path / "judged" / "frame")


def test_live_batches_go_on_with_people_not_yet_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d3ke.training.live.SyntheticFrames", MADE)

    def scales(first: int, rank: int = 0) -> set[tuple[float, ...]]:
        config = replace(FRAMES, batch=8)
        live = LiveFrames(PEOPLE, default_model(), config, Processes(rank, 2, "cpu"))
        (batch,) = islice(live(first), 1)
        assert batch.keys == (KEY,) * 4
        return {tuple(row.flatten().tolist()) for row in batch.frames.scales}

    assert scales(0) == scales(0)
    assert not scales(0) & scales(1)
    assert not scales(0) & scales(0, rank=1)


def test_what_cannot_be_drawn_is_told_in_a_line_from_a_worker_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = SyntheticFrames(PEOPLE, default_model(), size=32, open_source=blind_source)
    monkeypatch.setattr("d3ke.training.live.SyntheticFrames", lambda *_, **__: frames)
    for workers in (0, 1):
        live = LiveFrames(PEOPLE, default_model(), replace(FRAMES, workers=workers), ONE)
        with pytest.raises(D3keError, match="no EGL here") as told:
            next(live(0))
        assert "\n" not in str(told.value)
    assert isinstance(next(iter(Keyed(frames))), tuple)


# --- broken samples


def test_a_broken_held_out_sample_is_named_once_and_left_out(tmp_path: Path) -> None:
    key = "valid000000-clip00-0-000001"
    folder = small_set(tmp_path / "data", change=breaking(key))
    progress = Silent()
    train_frames(tmp_path / "run", [folder], START, FRAMES, progress=progress)
    (warning,) = progress.warnings  # of three validations
    assert "left out (1 so far)" in warning
    assert key in warning
    assert "valid_all_deg" in curve(tmp_path / "run" / "frame")[0]
