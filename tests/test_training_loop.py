"""What training is made of: losses by hand, rates, averages, batches, and what stops it."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
import roma
import torch
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)
from torch import Tensor, nn

from d3ke.dataset.augmentation import Augmentation
from d3ke.dataset.reading import DataSet, FrameDataset, Shuffled
from d3ke.errors import D3keError
from d3ke.network.config import bounds_of
from d3ke.network.d3ke import D3KE, Answer
from d3ke.network.image_network import ImageD3KE
from d3ke.network.losses import D3KELoss, LossWeights, Target, range_weights
from d3ke.network.training_state import save_state
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.training.config import FrameConfig, TemporalConfig, TrainConfig, with_recipe
from d3ke.training.frames import FrameStage, in_picture
from d3ke.training.images import Start
from d3ke.training.loop import Training, train_stage
from d3ke.training.processes import Processes
from d3ke.training.samples import Broken, Frames, Loaded, Loading, Watch, collated, shuffled_batches
from d3ke.training.schedule import Schedule
from d3ke.training.stage import Losses, Stage
from tests.d3ke_skeleton import MARKER_WEIGHTS, PREDICTED, d3ke_skeleton
from tests.small_training import START, STILL, log_of, small_set

B, T = 2, 4
ONE = Processes(0, 1, "cpu")


# --- losses


@pytest.fixture(scope="module")
def skeleton() -> SkeletalModel:
    return SkeletalModel(d3ke_skeleton())


@pytest.fixture(scope="module")
def predicted(skeleton: SkeletalModel) -> Tensor:
    names = skeleton.osim.coordinate_names
    return torch.tensor([names.index(name) for name in PREDICTED])


def pose(skeleton: SkeletalModel, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates (B, T, K), root (B, T, 3, 3), scales of each frame (B, T, N, 3)."""
    torch.manual_seed(seed)
    osim = skeleton.osim
    q = 0.3 * torch.randn(B, T, len(osim.coordinates))
    scales = torch.exp(0.1 * torch.randn(B, T, len(osim.bodies), 3))
    return q, roma.random_rotmat(B * T).reshape(B, T, 3, 3), scales


@pytest.fixture(scope="module")
def masked(skeleton: SkeletalModel) -> tuple[Answer, Target]:
    """An answer with scales of its own in each frame, and a truth of which much is not known."""
    q, root, scales = pose(skeleton, 1)
    answer = Answer(q, root, scales)
    q, root, scales = pose(skeleton, 2)
    osim = skeleton.osim
    valid = torch.ones(B, T, dtype=torch.bool)
    valid[0, 3] = False
    target = Target(
        q=q,
        root=root,
        scales=scales[:, 0],
        valid=valid,
        joints=torch.randn(B, T, len(osim.joints), 3),
        markers=torch.randn(B, T, len(osim.markers), 3),
        q_mask=torch.rand(B, T, len(osim.coordinates)) < 0.7,
        joints_mask=torch.rand(B, T, len(osim.joints)) < 0.7,
        markers_mask=torch.rand(B, T, len(osim.markers)) < 0.7,
    )
    return answer, target


def terms(
    skeleton: SkeletalModel, predicted: Tensor, pair: tuple[Answer, Target], **weights: Any
) -> dict[str, float]:
    _, found = D3KELoss(skeleton, predicted, LossWeights(**weights))(*pair)
    return {name: float(term) for name, term in found.items()}


def places(skeleton: SkeletalModel, answer: Answer, b: int, t: int) -> tuple[Tensor, Tensor]:
    """Joint centres and markers of a frame about the first joint, in the camera, m."""
    found = skeleton(answer.q[b, t].clone(), answer.scales[b, t])
    pelvis = found.bodies[skeleton.osim.body_names.index("pelvis")][:3, :3]
    turn = answer.root[b, t] @ pelvis.T
    middle = found.joints[0]
    return (found.joints - middle) @ turn.T, (found.markers - middle) @ turn.T


def marker_weights() -> dict[str, float]:
    weights: dict[str, float] = json.loads(MARKER_WEIGHTS.read_text(encoding="utf-8"))
    return weights


@pytest.mark.parametrize("weighted", [False, True])
def test_positions_are_compared_where_they_are_known(
    skeleton: SkeletalModel, predicted: Tensor, masked: tuple[Answer, Target], weighted: bool
) -> None:
    answer, target = masked
    given = marker_weights() if weighted else {}
    known = [given.get(n, 0.0) if given else 1.0 for n in skeleton.osim.marker_names]
    joint_sum, marker_sum, frames = 0.0, 0.0, 0
    assert target.joints is not None
    assert target.markers is not None
    assert target.joints_mask is not None
    assert target.markers_mask is not None
    for b in range(B):
        for t in range(T):
            if not target.valid[b, t]:
                continue
            joints, markers = places(skeleton, answer, b, t)
            true_joints = target.joints[b, t] - target.joints[b, t, 0]
            true_markers = target.markers[b, t] - target.joints[b, t, 0]
            apart = (joints - true_joints).abs().sum(dim=1)
            joint_sum += float(apart[target.joints_mask[b, t]].mean())
            apart = (markers - true_markers).abs().sum(dim=1) * torch.tensor(known)
            mask = target.markers_mask[b, t]
            # the sum of the mask divides, not that of the weights
            marker_sum += float(apart[mask].sum() / mask.sum())
            frames += 1
    found = terms(skeleton, predicted, masked, markers=given)
    assert found["joint"] == pytest.approx(joint_sum / frames, rel=1e-4)
    assert found["marker"] == pytest.approx(marker_sum / frames, rel=1e-4)


@pytest.mark.parametrize("circle", [False, True])
def test_angles_are_compared_where_they_are_known_on_the_circle_or_off(
    skeleton: SkeletalModel, predicted: Tensor, masked: tuple[Answer, Target], circle: bool
) -> None:
    answer, target = masked
    answer = answer._replace(q=answer.q + 3.0)  # far enough that the other way round is shorter
    assert target.q_mask is not None
    ranges = [skeleton.osim.coordinates[i].range for i in predicted.tolist()]
    half = torch.tensor([(high - low) / 2 for low, high in ranges])
    weight = torch.exp((half - half.min()) * math.log(2) / (half.max() - half.min()))
    frames = []
    for b in range(B):
        for t in range(T):
            if target.valid[b, t]:
                error = (answer.q - target.q)[b, t, predicted]
                if circle:
                    error = torch.atan2(error.sin(), error.cos())
                known = target.q_mask[b, t, predicted]
                frames.append((weight * error.abs())[known].mean() * 180 / math.pi)
    by_hand = float(torch.stack(frames).mean())
    found = terms(skeleton, predicted, (answer, target), circle=circle)["angle"]
    assert found == pytest.approx(by_hand, rel=1e-4)


def test_scales_of_each_frame_are_compared_with_the_clip_s(
    skeleton: SkeletalModel, predicted: Tensor, masked: tuple[Answer, Target]
) -> None:
    answer, target = masked
    bodies = [
        sum(abs(float(answer.scales[b, t, n, a] - target.scales[b, n, a])) for a in range(3))
        for b in range(B)
        for t in range(T)
        for n in range(len(skeleton.osim.bodies))
    ]
    found = terms(skeleton, predicted, masked)["body"]
    assert found == pytest.approx(sum(bodies) / len(bodies), rel=1e-4)


def test_root_and_velocity_by_hand(
    skeleton: SkeletalModel, predicted: Tensor, masked: tuple[Answer, Target]
) -> None:
    answer, target = masked
    known = [(b, t) for b in range(B) for t in range(T) if target.valid[b, t]]
    root = [(answer.root[b, t] - target.root[b, t]).abs().sum() for b, t in known]
    error = (answer.q - target.q)[..., predicted]
    steps = [
        (error[b, t + 1] - error[b, t]).abs().mean() * 180 / math.pi
        for b, t in known
        if (b, t + 1) in known
    ]
    found = terms(skeleton, predicted, masked, circle=False)
    assert found["root"] == pytest.approx(float(torch.stack(root).mean()), rel=1e-4)
    assert found["velocity"] == pytest.approx(float(torch.stack(steps).mean()), rel=1e-4)


def test_positions_may_be_compared_in_every_other_frame(
    skeleton: SkeletalModel, predicted: Tensor, masked: tuple[Answer, Target]
) -> None:
    answer, target = masked
    every = D3KELoss(skeleton, predicted, LossWeights(), every=2)(answer, target)[1]
    parts = [None if p is None or p.dim() < 2 or p.shape[1] != T else p[:, ::2] for p in target]
    named = dict(zip(Target._fields, parts, strict=True)) | {"scales": target.scales}
    some = Answer(*(part[:, ::2] for part in answer)), Target(**named)  # type: ignore[arg-type]  # four of its fields have to be tensors
    half = terms(skeleton, predicted, some)
    assert float(every["joint"]) == pytest.approx(half["joint"], rel=1e-5)
    assert float(every["marker"]) == pytest.approx(half["marker"], rel=1e-5)
    assert float(every["angle"]) == pytest.approx(terms(skeleton, predicted, masked)["angle"])


def test_a_frame_of_which_nothing_is_known_costs_nothing(
    skeleton: SkeletalModel, predicted: Tensor, masked: tuple[Answer, Target]
) -> None:
    answer, target = masked
    nothing = {
        name: torch.zeros_like(mask)
        for name, mask in target._asdict().items()
        if name.endswith("_mask")
    }
    found = terms(skeleton, predicted, (answer, target._replace(**nothing)))
    assert (found["joint"], found["marker"], found["angle"]) == (0, 0, 0)


def test_range_weights_can_be_left_out(skeleton: SkeletalModel, predicted: Tensor) -> None:
    loss = D3KELoss(skeleton, predicted, LossWeights(by_range=False))
    assert torch.equal(loss.importance, torch.ones(len(PREDICTED)))
    ours = D3KELoss(skeleton, predicted, LossWeights()).importance
    assert (float(ours.min()), float(ours.max())) == (1, 2)
    assert range_weights(torch.tensor([0.5])).tolist() == [1]


def test_in_picture_is_as_a_camera_sees() -> None:
    K = torch.tensor([[[100.0, 0, 31.5], [0, 100, 31.5], [0, 0, 1]]])
    points = torch.tensor(
        [[[0.0, 0, 2], [0.62, 0, 2], [0.66, 0, 2], [0, -0.66, 2], [0, 0, -2], [0, 0, 0]]]
    )  # 0.64 m at 2 m are 32 px
    assert in_picture(points, K, 64).tolist() == [[True, True, False, False, False, False]]


# --- recipes and rates


def test_the_paper_s_recipe_has_the_published_figures() -> None:
    frame = with_recipe(FrameConfig(), "paper")
    temporal = with_recipe(TemporalConfig(), "paper")
    for config in (frame, temporal):
        loss = config.loss
        assert (loss.joint, loss.marker, loss.body, loss.angle) == (1, 2, 0.1, 0.06)
        assert (loss.root, loss.velocity, loss.circle, loss.by_range) == (0, 0, False, True)
        assert (config.ema, config.clip_norm, config.warmup) == (0, 0, 0)
        assert config.precision == "fp32"
        assert config.betas == (0.9, 0.999)
    assert (frame.batch, frame.weight_decay, frame.learning_rate) == (64, 1e-3, 5e-4)
    assert (temporal.batch, temporal.weight_decay, temporal.learning_rate) == (128, 0, 1e-3)
    assert temporal.frame_precision == "fp32"
    assert (temporal.window, temporal.positions_every, temporal.amsgrad) == (243, 1, False)
    assert with_recipe(TemporalConfig(network="tcn"), "paper").amsgrad
    augmentation = frame.augmentation
    assert augmentation == Augmentation()
    assert (augmentation.flip, augmentation.shift, augmentation.roll_deg) == (0, 0.1, 20)
    assert augmentation.zoom == (0.75, 1.25)


def test_our_recipe_is_the_default() -> None:
    assert with_recipe(FrameConfig(), "d3ke+") == FrameConfig()
    assert FrameConfig().loss.circle
    assert FrameConfig().ema > 0.99
    with pytest.raises(D3keError, match=r"'best' is not known. Use d3ke\+ or paper"):
        with_recipe(FrameConfig(), "best")


def test_the_published_frame_rate_falls_in_two_phases() -> None:
    steps = 300  # ten an epoch
    rates = with_recipe(FrameConfig(steps=steps), "paper").rates()
    epochs = [rates.rate(10 * epoch) for epoch in range(30)]
    assert epochs[0] == pytest.approx(5e-4)
    assert epochs[27] == pytest.approx(3.33e-5)
    assert epochs[28] == pytest.approx(3.33e-6)
    assert epochs[29] == pytest.approx(1e-6)
    factors = [b / a for a, b in pairwise(epochs[:28])]
    assert factors == pytest.approx([(3.33e-5 / 5e-4) ** (1 / 27)] * 27)
    assert [rates.rate(step) for step in range(10)] == [epochs[0]] * 10  # one rate an epoch
    assert [step for step in range(steps) if rates.starts_afresh(step)] == [280]


def test_the_published_temporal_rate_falls_in_one() -> None:
    rates = with_recipe(TemporalConfig(steps=100), "paper").rates()
    assert rates.rate(0) == pytest.approx(1e-3)
    assert rates.rate(99) == pytest.approx(5e-6)
    assert not any(rates.starts_afresh(step) for step in range(100))


def test_a_shorter_training_goes_through_the_same_rates() -> None:
    rates = with_recipe(FrameConfig(steps=30, learning_rate=1e-3), "paper").rates()
    assert rates.rate(0) == pytest.approx(1e-3)
    assert rates.rate(29) == pytest.approx(2e-6)
    assert rates.rate(500) == rates.rate(29)


def test_an_unknown_schedule_is_told() -> None:
    with pytest.raises(D3keError, match=r"'steps' is not known. Use cosine, published_frame"):
        Schedule("steps", 1.0, 10).rate(0)


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
        by_hand = keep * by_hand + (1 - keep) * float(model.slope)
        assert float(average.slope) == pytest.approx(by_hand, abs=1e-6)
    training.run.move_average()
    assert float(average.get_buffer("count")) == 5  # buffers are not averaged
    assert float(average.slope) != float(model.slope)


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
    assert float(line.model.get_parameter("slope")) == 2


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
    batches = shuffled_batches(frames, loading, first, Silent())
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
