"""The loop: the average, the log, and what memory, numbers, kills and full disks do to it."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.network.d3ke import D3KE
from d3ke.network.training_state import save_state
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.training.config import FrameConfig, TrainConfig, with_recipe
from d3ke.training.images import Start
from d3ke.training.loop import Training, train_stage
from d3ke.training.processes import Processes
from d3ke.training.stage import Losses, Stage
from tests.small_training import log_of

B, T = 2, 4
ONE = Processes(0, 1, "cpu")


# --- the loop, on a stage of one number a sample


class Number(D3KE):
    """A network that is a line through the origin."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        frames = Start("mobilenet_v2", 32).network(default_model(), 30.0)
        self.config, self.osim = frames.config, frames.osim
        self.slope = nn.Parameter(torch.tensor([2.0]))
        self.seen = nn.BatchNorm1d(1, affine=False)
        self.register_buffer("count", torch.zeros(1))


class Line(Stage[Tensor]):
    """Learns the slope of y = 3 x, x one of 0 to 63 in order."""

    unit, judge = "numbers", "valid_all_deg"

    def __init__(self, model: Number, config: TrainConfig) -> None:
        self.model, self.config = model, config
        self.largest = 64
        self.spoilt: set[int] = set()

    def learning(self, model: D3KE) -> nn.Module:
        return model

    def batches(self, first: int) -> Iterator[Tensor]:
        for number in range(first, 10**6):
            yield (torch.arange(self.config.batch) + number * self.config.batch).float() % 64

    def loss(self, network: nn.Module, batch: Tensor) -> Losses:
        if len(batch) > self.largest:
            raise torch.OutOfMemoryError("no memory")
        assert isinstance(network, Number)
        error = (network.slope - 3) * batch / 64
        error = torch.where(torch.isin(batch, torch.tensor(list(self.spoilt))), math.nan, error)
        return error.square().mean(), {"angle": error.abs().mean()}

    def on_device(self, batch: Tensor) -> Tensor:
        return batch

    def names(self, batch: Tensor) -> Sequence[str]:
        return [f"number {int(x)}" for x in batch]

    def part(self, batch: Tensor, chosen: slice) -> Tensor:
        return batch[chosen]

    def validate(self, model: D3KE) -> dict[str, float]:
        assert isinstance(model, Number)
        assert not model.training
        assert torch.is_inference_mode_enabled()
        return {"valid_all_deg": abs(float(model.slope) - 3)}

    def about(self) -> Mapping[str, Any]:
        return {"what": "a line"}


NUMBERS = TrainConfig(
    steps=6, batch=8, learning_rate=0.1, schedule="cosine", warmup=0, save_every=3, weight_decay=0
)


@pytest.fixture(scope="module")
def number() -> Number:
    return Number()


@pytest.fixture
def line(number: Number) -> Line:
    with torch.no_grad():
        number.slope.fill_(2.0)
    return Line(number, NUMBERS)


def test_the_average_is_the_one_written_by_hand(line: Line, tmp_path: Path) -> None:
    line.config = replace(NUMBERS, ema=0.4)
    training = Training(line, tmp_path, [], False, Silent())
    model, average = training.run.learning, training.run.average
    assert isinstance(model, Number)
    assert isinstance(average, Number)
    by_hand = 2.0
    for step, batch in enumerate(islice(line.batches(0), 5), start=1):
        training.step(batch)
        model.get_buffer("count").fill_(step)
        keep = min(0.4, (1 + step) / (10 + step))
        by_hand = keep * by_hand + (1 - keep) * model.slope.item()
        assert average.slope.item() == pytest.approx(by_hand, abs=1e-6)
    training.run.move_average()
    assert float(average.get_buffer("count")) == 5  # buffers are not averaged
    assert average.slope.item() != model.slope.item()


def test_without_an_average_the_weights_themselves_are_kept(line: Line, tmp_path: Path) -> None:
    line.config = replace(NUMBERS, ema=0.0)
    training = Training(line, tmp_path, [], False, Silent())
    training.step(next(line.batches(0)))
    assert isinstance(training.run.average, Number)
    assert isinstance(training.run.learning, Number)
    assert torch.equal(training.run.average.slope, training.run.learning.slope)


def test_tensorboard_shows_what_the_log_says(line: Line, tmp_path: Path) -> None:
    train_stage(line, tmp_path, [], False, Silent())
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    rows = log_of(tmp_path)
    assert [row["step"] for row in rows] == [1, 3, 6]
    assert set(events.Tags()["scalars"]) == set(rows[0])
    for name in rows[0]:
        shown = {event.step: event.value for event in events.Scalars(name)}
        assert shown == {int(r["step"]): pytest.approx(r[name], rel=1e-5) for r in rows}, name


def test_logged_losses_are_means_since_the_last_look(line: Line, tmp_path: Path) -> None:
    line.config = replace(NUMBERS, learning_rate=0.0)
    train_stage(line, tmp_path, [], False, Silent())
    batches = list(islice(line.batches(0), 6))
    losses = [float((batch / 64).square().mean()) for batch in batches]
    means = [losses[0], sum(losses[1:3]) / 2, sum(losses[3:]) / 3]
    assert [row["loss"] for row in log_of(tmp_path)] == pytest.approx(means, rel=1e-5)


def test_an_early_figure_comes_after_a_fiftieth_of_the_steps(line: Line, tmp_path: Path) -> None:
    line.config = replace(NUMBERS, steps=50, save_every=20)
    train_stage(line, tmp_path, [], False, Silent())
    assert [row["step"] for row in log_of(tmp_path)] == [1, 20, 40, 50]


def test_the_optimiser_forgets_between_published_phases(line: Line, tmp_path: Path) -> None:
    line.config = with_recipe(FrameConfig(steps=30, batch=8), "paper")
    training = Training(line, tmp_path, [], False, Silent())
    (state,) = (training.optimizer.state,)
    for batch in islice(line.batches(0), 28):
        training.step(batch)
    (moments,) = state.values()
    assert float(moments["step"]) == 28
    training.step(next(line.batches(28)))
    (moments,) = state.values()
    assert float(moments["step"]) == 1
    assert training.optimizer.param_groups[0]["lr"] == pytest.approx(3.33e-6)


@pytest.mark.parametrize(("largest", "fits"), [(7, "4"), (3, "2"), (1, "1")])
def test_a_batch_that_memory_does_not_hold_is_told_with_one_that_fits(
    line: Line, tmp_path: Path, largest: int, fits: str
) -> None:
    line.largest = largest
    with pytest.raises(D3keError, match=f"--batch 8: out of memory on cpu. --batch {fits} fits"):
        train_stage(line, tmp_path, [], False, Silent())


def test_where_not_even_one_sample_fits_it_is_told(line: Line, tmp_path: Path) -> None:
    line.largest = 0
    with pytest.raises(D3keError, match=r"not even one sample fits\. Use smaller pictures"):
        train_stage(line, tmp_path, [], False, Silent())


def test_nothing_of_a_batch_too_large_is_kept_while_smaller_ones_are_tried(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = 0

    class Activation:
        def __init__(self) -> None:
            nonlocal alive
            alive += 1

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def loss(network: nn.Module, batch: Tensor) -> Losses:
        assert alive == 0
        kept = Activation()
        if len(batch) > 2:
            raise torch.OutOfMemoryError("no memory")
        assert kept
        return network.get_parameter("slope").sum(), {"angle": torch.zeros(())}

    monkeypatch.setattr(line, "loss", loss)
    with pytest.raises(D3keError, match="--batch 2 fits"):
        train_stage(line, tmp_path, [], False, Silent())


def test_a_loss_that_is_no_number_is_told_with_the_sample_s_name(
    line: Line, tmp_path: Path
) -> None:
    line.spoilt = {43}  # of the sixth batch
    with pytest.raises(D3keError, match="no number at step 5: number 43 gives it") as told:
        train_stage(line, tmp_path, [], False, Silent())
    assert "\n" not in str(told.value)
    assert [row["step"] for row in log_of(tmp_path)] == [1, 3]  # what was good is kept


def test_where_all_samples_give_it_the_rate_is_suspected(line: Line, tmp_path: Path) -> None:
    line.spoilt = set(range(8))
    with pytest.raises(D3keError, match=r"a whole batch gives it .*Lower --learning-rate"):
        train_stage(line, tmp_path, [], False, Silent())


def test_a_gradient_that_is_no_number_does_not_spoil_the_weights(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loss(network: nn.Module, batch: Tensor) -> Losses:
        slope = network.get_parameter("slope")
        return (0 * slope).square().sum().sqrt(), {
            "angle": torch.zeros(())
        }  # 0, whose slope is inf

    monkeypatch.setattr(line, "loss", loss)
    line.config = replace(NUMBERS, clip_norm=0.0)
    with pytest.raises(D3keError, match="no number at step 0"):
        train_stage(line, tmp_path, [], False, Silent())
    assert line.model.get_parameter("slope").item() == 2


def test_the_gradient_is_clipped_to_its_norm(line: Line, tmp_path: Path) -> None:
    line.config = replace(NUMBERS, clip_norm=1e-3)
    training = Training(line, tmp_path, [], False, Silent())
    training.step(next(line.batches(1)))
    assert float(line.model.get_parameter("slope").grad) == pytest.approx(-1e-3, rel=1e-3)  # type: ignore[arg-type]


# --- a run's folder


def test_a_kill_between_log_and_state_loses_no_row_and_repeats_none(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = save_state, 0

    def killed(*arguments: Any) -> None:
        nonlocal saved
        saved += 1
        if saved == 2:
            raise KeyboardInterrupt
        save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("d3ke.training.run.save_state", killed)
        with pytest.raises(KeyboardInterrupt):
            train_stage(line, tmp_path, [], False, Silent())
    assert [row["step"] for row in log_of(tmp_path)] == [1, 3]
    train_stage(line, tmp_path, [], True, Silent())
    assert [row["step"] for row in log_of(tmp_path)] == [1, 3, 6]


def test_a_row_that_a_full_disk_cut_short_is_dropped(line: Line, tmp_path: Path) -> None:
    train_stage(line, tmp_path, [], False, Silent())
    before = (tmp_path / "log.csv").read_text()
    (tmp_path / "log.csv").write_text(before + "7,12")
    train_stage(line, tmp_path, [], True, Silent())
    assert (tmp_path / "log.csv").read_text() == before


def test_a_run_killed_before_it_first_saved_begins_anew(line: Line, tmp_path: Path) -> None:
    train_stage(line, tmp_path, [], False, Silent())
    (tmp_path / "resume.safetensors").unlink()
    train_stage(line, tmp_path, [], False, Silent())
    assert [row["step"] for row in log_of(tmp_path)] == [1, 3, 6]


def test_a_run_s_config_is_beside_its_weights(line: Line, tmp_path: Path) -> None:
    train_stage(line, tmp_path, [{"what": "before"}], False, Silent())
    assert json.loads((tmp_path / "config.json").read_text()) == json.loads(
        json.dumps(asdict(NUMBERS))
    )
    told = json.loads((tmp_path / "best.json").read_text())
    assert [stage["what"] for stage in told["stages"]] == ["before", "a line"]
    assert told["licence"] == "Apache-2.0"
