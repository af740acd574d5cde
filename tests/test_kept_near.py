"""What a GPU would wait for is read once, or kept in its memory."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.training.frames import FrameStage, held_out_frames
from d3ke.training.images import open_sets
from d3ke.training.stored import StoredAnswers, stored_answers
from tests.small_training import FRAMES, START, small_set

LARGEST = 2**40  # bytes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_set(tmp_path_factory.mktemp("data") / "small")


def test_held_out_frames_are_read_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = START.network(default_model(), 30.0).eval()
    frames = held_out_frames(open_sets([data]), 32)
    read: list[int] = []
    give = type(frames).__getitem__

    def counted(self: Any, number: int) -> Any:
        read.append(number)
        return give(self, number)

    monkeypatch.setattr(type(frames), "__getitem__", counted)
    stage = FrameStage(model, replace(FRAMES, batch=3), lambda _: iter(()), frames, {})
    with torch.inference_mode():
        first, second = stage.validate(model), stage.validate(model)
    assert first == second
    assert read == [0, 1, 2, 3]


@pytest.fixture(scope="module")
def stored(data: Path) -> StoredAnswers:
    model = START.network(default_model(), 30.0)
    return stored_answers(model, open_sets([data]), "train", Silent())


def test_stored_answers_go_to_a_gpu_where_they_fit(
    stored: StoredAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []

    def to(self: torch.Tensor, device: str) -> torch.Tensor:
        moved.append(device)
        return self

    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (LARGEST, LARGEST))
    assert torch.equal(stored.near("cuda").rows, stored.rows)
    assert moved == ["cuda"] * 14
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1, LARGEST))
    assert stored.near("cuda") is stored
    assert stored.near("cpu") is stored
    assert len(moved) == 14
