"""What training minimises and how fast: each term by hand, with masks; the recipes' rates."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
import roma
import torch
from torch import Tensor

from d3ke.dataset.augmentation import Augmentation
from d3ke.errors import D3keError
from d3ke.network.d3ke import Answer
from d3ke.network.losses import D3KELoss, LossWeights, Target, range_weights
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.training.config import FrameConfig, TemporalConfig, with_recipe
from d3ke.training.frames import in_picture
from d3ke.training.processes import Processes
from d3ke.training.schedule import Schedule
from tests.d3ke_skeleton import MARKER_WEIGHTS, PREDICTED, d3ke_skeleton

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
    some = Answer(*(part[:, ::2] for part in answer if part is not None)), Target(**named)  # type: ignore[arg-type]  # four of its fields have to be tensors
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
    assert rates.rate(99) == pytest.approx(
        1e-3 * (5e-3) ** (49 / 51)
    )  # the 50th epoch, 49 of 51 falls later
    assert not any(rates.starts_afresh(step) for step in range(100))


def test_a_shorter_training_goes_through_the_same_rates() -> None:
    rates = with_recipe(FrameConfig(steps=30, learning_rate=1e-3), "paper").rates()
    assert rates.rate(0) == pytest.approx(1e-3)
    assert rates.rate(29) == pytest.approx(2e-6)
    assert rates.rate(500) == rates.rate(29)


def test_an_unknown_schedule_is_told() -> None:
    with pytest.raises(D3keError, match=r"'steps' is not known. Use cosine, published_frame"):
        Schedule("steps", 1.0, 10).rate(0)
