"""What a training step is given: several sets as one, shared batches, broken samples."""

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from d3ke.dataset.augmentation import Augmentation
from d3ke.dataset.reading import DataSet, FrameDataset, Shuffled
from d3ke.errors import D3keError
from d3ke.network.config import bounds_of
from d3ke.network.image_network import ImageD3KE
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.training.config import FrameConfig
from d3ke.training.frames import FrameStage
from d3ke.training.processes import Processes
from d3ke.training.samples import Broken, Frames, Loaded, Loading, Watch, collated, shuffled_batches
from tests.d3ke_skeleton import PREDICTED, d3ke_skeleton
from tests.small_training import START, STILL, small_set

B, T = 2, 4
ONE = Processes(0, 1, "cpu")


# --- batches


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_set(tmp_path_factory.mktemp("sets") / "one")


@pytest.fixture(scope="module")
def frames(data: Path) -> Frames:
    return Frames([FrameDataset(DataSet.open(data), "train", 32)] * 2)


def test_several_sets_are_one(frames: Frames, data: Path) -> None:
    one = FrameDataset(DataSet.open(data), "train", 32)
    assert len(frames) == 2 * len(one) == 32
    loaded = [frames[number] for number in range(32)]
    assert not any(isinstance(sample, Broken) for sample in loaded)
    for number in (0, 7, 15):
        first, second = loaded[number], loaded[16 + number]
        assert torch.equal(first[1].q, one[number].q)  # type: ignore[union-attr]
        assert torch.equal(second[1].q, one[number].q)  # type: ignore[union-attr]
    assert loaded[6][0] == "one/train000001-clip00, frame 0"
    again = frames[32 + 7]  # of the next epoch
    assert torch.equal(again[1].q, loaded[7][1].q)  # type: ignore[union-attr]


def test_several_sets_are_augmented_by_their_own_numbers(data: Path) -> None:
    one = FrameDataset(DataSet.open(data), "train", 32, Augmentation(), seed=1)
    both = Frames([one, one])
    for epoch in (0, 1):
        for place in (3, 16 + 3):
            found = both[32 * epoch + place]
            expected = one[16 * epoch + 3]
            assert torch.equal(found[1].image, expected.image)  # type: ignore[union-attr]


def keys_of(frames: Frames, loading: Loading, first: int, count: int) -> list[tuple[str, ...]]:
    batches = shuffled_batches(frames, loading, Silent(), first)
    return [batch.keys for batch in islice(batches, count)]


def test_every_frame_comes_once_an_epoch_and_a_resumed_order_is_the_same(frames: Frames) -> None:
    whole = keys_of(frames, Loading(3, 8, 0), 0, 8)
    names = sorted(key for batch in whole[:4] for key in batch)
    assert names == sorted(key for batch in whole[4:] for key in batch)
    assert len(set(names)) == 16  # two sets of the same name
    assert whole[:4] != whole[4:]
    assert keys_of(frames, Loading(3, 8, 0), 5, 3) == whole[5:]
    assert keys_of(frames, Loading(4, 8, 0), 0, 8) != whole


def test_processes_share_each_batch(frames: Frames) -> None:
    whole = keys_of(frames, Loading(3, 8, 0), 1, 6)
    parts = [keys_of(frames, Loading(3, 4, 0, rank, 2), 1, 6) for rank in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == whole


def test_a_batch_that_processes_cannot_share_is_refused() -> None:
    assert Processes(1, 2, "cpu").share(6) == 3
    with pytest.raises(D3keError, match="--batch 7: 2 processes cannot share it evenly"):
        Processes(0, 2, "cpu").share(7)
    with pytest.raises(D3keError, match="Give a multiple of 4"):
        Processes(0, 4, "cpu").share(1)


def test_broken_samples_are_told_once_and_stop_where_they_are_many() -> None:
    progress = Silent()
    watch = Watch(250, progress)
    for number in (1, 2, 1):
        watch.passed(Loaded(None, [Broken(f"frame {number}", f"{number}.jpg: not a picture.")]))
    assert progress.warnings == [
        "left out (1 so far): 1.jpg: not a picture.",
        "left out (2 so far): 2.jpg: not a picture.",
    ]
    with pytest.raises(D3keError, match="3 of 250 samples cannot be read, more than one in a hun"):
        watch.passed(Loaded(None, [Broken("frame 3", "3.jpg")]))


def test_a_set_of_nothing_but_broken_samples_is_refused_however_small() -> None:
    with pytest.raises(D3keError, match="1 of 1 samples cannot be read"):
        Watch(1, Silent()).passed(Loaded(None, [Broken("frame 1", "1.jpg")]))


def test_whole_samples_of_a_batch_stay_in_order(frames: Frames) -> None:
    samples = [frames[0], Broken("x", "y"), frames[2]]
    loaded = collated(samples)
    assert loaded.batch is not None
    assert loaded.batch.keys == tuple(s[0] for s in (frames[0], frames[2]))
    assert loaded.batch.frames.image.shape == (2, 3, 32, 32)
    assert loaded.broken == [Broken("x", "y")]
    assert collated([Broken("x", "y")]).batch is None


# --- what of a network learns


def test_a_frame_stage_freezes_what_it_is_told_to(tmp_path: Path) -> None:
    model: ImageD3KE = START.network(default_model(), 30.0)
    config = FrameConfig(size=32, batch=4, precision="fp32", augmentation=STILL)
    norms = [part for part in model.trunk.modules() if isinstance(part, nn.BatchNorm2d)]

    def stage(**changes: Any) -> FrameStage:
        found = FrameStage(model, replace(config, **changes), lambda _: iter(()), [], {})
        found.before(0.0)
        return found

    learns = [p.requires_grad for p in stage().network().parameters()]
    assert all(learns)
    assert all(norm.training for norm in norms)
    learns = [p.requires_grad for p in stage(freeze_norm=True).network().parameters()]
    assert all(learns)
    assert not any(norm.training for norm in norms)
    names = [n for n, p in stage(only="head").network().named_parameters() if p.requires_grad]
    assert names == ["head.weight", "head.bias"]
    assert not any(norm.training for norm in norms)


def test_bounds_of_named_coordinates_are_their_ranges() -> None:
    osim = d3ke_skeleton()
    bounds = bounds_of(osim, PREDICTED)
    assert tuple(bounds) == PREDICTED
    assert max(high for _, high in bounds.values()) <= 2 * math.pi


def test_shuffled_numbers_are_those_of_the_temporal_stage_too() -> None:
    whole = list(islice(Shuffled(10, 4, 0), 30))
    assert list(islice(Shuffled(10, 4, 12), 18)) == whole[12:]
