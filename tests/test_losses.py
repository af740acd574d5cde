"""Each term of the loss against a formula written out by hand."""

import math

import numpy as np
import pytest
import roma
import torch

from d3ke.network.config import default_bounds
from d3ke.network.d3ke import Answer
from d3ke.network.losses import D3KELoss, LossWeights, Target, on_circle, range_weights
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel

B, T = 2, 6


@pytest.fixture(scope="module")
def setting() -> tuple[SkeletalModel, torch.Tensor, Answer, Target]:
    osim = default_model()
    names = osim.coordinate_names
    predicted = torch.tensor([names.index(name) for name in default_bounds(osim)])
    torch.manual_seed(3)
    q, true_q = 0.4 * torch.randn(2, B, T, len(names))
    root, true_root = roma.random_rotmat(2 * B * T).reshape(2, B, T, 3, 3)
    scales, true_scales = torch.exp(0.1 * torch.randn(2, B, len(osim.bodies), 3))
    valid = torch.ones(B, T, dtype=torch.bool)
    valid[1, 4:] = False
    answer, target = Answer(q, root, scales), Target(true_q, true_root, true_scales, valid)
    return SkeletalModel(osim), predicted, answer, target


def terms_of(setting: tuple[SkeletalModel, torch.Tensor, Answer, Target]) -> dict[str, float]:
    skeleton, predicted, answer, target = setting
    _, terms = D3KELoss(skeleton, predicted, LossWeights())(answer, target)
    return {name: float(term) for name, term in terms.items()}


def test_angle_is_the_weighted_mean_in_degrees(
    setting: tuple[SkeletalModel, torch.Tensor, Answer, Target],
) -> None:
    skeleton, predicted, answer, target = setting
    total, count = 0.0, 0
    ranges = [skeleton.osim.coordinates[i].range for i in predicted.tolist()]
    half = np.array([(high - low) / 2 for low, high in ranges])
    weight = np.exp((half - half.min()) * math.log(2) / (half.max() - half.min()))
    for b in range(B):
        for t in range(T):
            if target.valid[b, t]:
                error = (answer.q - target.q)[b, t, predicted].numpy()
                error = np.abs(np.angle(np.exp(1j * error)))
                total += float(np.degrees(weight * error).mean())
                count += 1
    assert terms_of(setting)["angle"] == pytest.approx(total / count, rel=1e-5)


def test_joint_and_marker_are_relative_to_the_pelvis_in_the_camera(
    setting: tuple[SkeletalModel, torch.Tensor, Answer, Target],
) -> None:
    skeleton, _, answer, target = setting
    joints, markers = [], []
    for b in range(B):
        for t in range(T):
            if not target.valid[b, t]:
                continue
            placed = []
            for result in (answer, target):
                pose = skeleton(result.q[b, t].clone(), result.scales[b])
                pelvis = pose.bodies[skeleton.osim.body_names.index("pelvis")]
                turn = result.root[b, t] @ pelvis[:3, :3].T
                placed.append(
                    [(points - pelvis[:3, 3]) @ turn.T for points in (pose.joints, pose.markers)]
                )
            (j, m), (true_j, true_m) = placed
            joints.append(float((j - true_j).abs().sum(dim=1).mean()))
            markers.append(float((m - true_m).abs().sum(dim=1).mean()))
    terms = terms_of(setting)
    assert terms["joint"] == pytest.approx(np.mean(joints), rel=1e-3)
    assert terms["marker"] == pytest.approx(np.mean(markers), rel=1e-3)


def test_body_sums_the_axes_and_averages_the_bodies(
    setting: tuple[SkeletalModel, torch.Tensor, Answer, Target],
) -> None:
    _, _, answer, target = setting
    expected = float((answer.scales - target.scales).abs().mean()) * 3
    assert terms_of(setting)["body"] == pytest.approx(expected, rel=1e-5)


def test_a_perfect_answer_costs_nothing(
    setting: tuple[SkeletalModel, torch.Tensor, Answer, Target],
) -> None:
    skeleton, predicted, _, target = setting
    perfect = Answer(target.q, target.root, target.scales)
    total, _ = D3KELoss(skeleton, predicted, LossWeights(root=1, velocity=1))(perfect, target)
    assert float(total) == pytest.approx(0, abs=1e-6)


def test_the_total_is_the_weighted_sum(
    setting: tuple[SkeletalModel, torch.Tensor, Answer, Target],
) -> None:
    skeleton, predicted, answer, target = setting
    weights = LossWeights(joint=1, marker=2, body=3, angle=4, root=5, velocity=6)
    total, terms = D3KELoss(skeleton, predicted, weights)(answer, target)
    by_hand = sum(getattr(weights, name) * float(term) for name, term in terms.items())
    assert float(total) == pytest.approx(by_hand, rel=1e-5)


def test_angles_are_compared_on_the_circle() -> None:
    errors = torch.tensor([3.5, -3.5, 0.1, 2 * math.pi])
    assert torch.allclose(
        on_circle(errors), torch.tensor([3.5 - 2 * math.pi, 2 * math.pi - 3.5, 0.1, 0]), atol=1e-6
    )


def test_range_weights_run_from_one_to_two() -> None:
    weights = range_weights(torch.tensor([0.131, 1.0, 4.712]))
    assert weights[0] == 1
    assert weights[2] == 2
    assert weights[1] == pytest.approx(math.exp((1 - 0.131) * math.log(2) / (4.712 - 0.131)))
