"""D3KE from pictures: its transition against formulas by hand, its rows, what it refuses."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from d3ke.errors import D3keError
from d3ke.network.checkpoint import load_weights, save_weights
from d3ke.network.config import D3KEConfig
from d3ke.network.image_network import ImageD3KE
from d3ke.network.scale_groups import read_scale_groups
from d3ke.network.transition import FrameAnswer, rotation_of
from d3ke.skeleton import default_model
from d3ke.training.images import Start, frame_part
from d3ke.training.temporal import with_temporal
from tests.d3ke_skeleton import PREDICTED, SCALES, d3ke_skeleton
from tests.small_training import another_skeleton, same

PUBLISHED = Start("mobilenet_v2", 32, coordinates=PREDICTED, scale_groups=read_scale_groups(SCALES))
LARGEST = 2 * math.pi  # rad: what reaches further bounds nothing


@pytest.fixture(scope="module")
def model() -> ImageD3KE:
    torch.manual_seed(0)
    return Start("mobilenet_v2", 64).network(default_model(), 30.0).eval()


@pytest.fixture(scope="module")
def published() -> ImageD3KE:
    torch.manual_seed(0)
    return PUBLISHED.network(d3ke_skeleton(), 30.0).eval()


def pictures(model: ImageD3KE, count: int = 3) -> Tensor:
    torch.manual_seed(1)
    size = model.config.size
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)


def some_answer(model: ImageD3KE, *shape: int) -> FrameAnswer:
    torch.manual_seed(2)
    return model.transition.of_rows(torch.randn(*shape, model.transition.outputs))


# --- outputs


def test_published_outputs_are_126(published: ImageD3KE) -> None:
    assert published.transition.parts == (6, 51, 69)
    assert published.transition.outputs == published.head.out_channels == 126
    names = published.osim.coordinate_names
    assert tuple(names[i] for i in published.predicted.tolist()) == PREDICTED


def test_the_sigmoid_comes_before_the_average_over_the_picture(published: ImageD3KE) -> None:
    torch.manual_seed(3)
    maps = 3 * torch.randn(2, 126, 4, 4)
    answer = published.transition.of_maps(maps)
    share = (2 * torch.sigmoid(maps.double()) - 1).mean(dim=(2, 3))  # (B, 126)
    ranges = {c.name: c.range for c in published.osim.coordinates}
    for number, name in enumerate(PREDICTED):
        low, high = ranges[name]
        low, high = (low, high) if max(-low, high) <= LARGEST else (-LARGEST, LARGEST)
        by_hand = (low + high) / 2 + (high - low) / 2 * share[:, 57 + number]
        found = answer.q[:, published.osim.coordinate_names.index(name)].double()
        assert torch.allclose(found, by_hand, atol=1e-5), name
    for number, group in enumerate(read_scale_groups(SCALES)):
        for axis, template in group.axes.items():
            body, _, letter = axis.rpartition(".")
            place = (published.osim.body_names.index(body), "xyz".index(letter))
            by_hand = (group.average + group.reach * share[:, 6 + number]) / template
            assert torch.allclose(answer.scales[:, *place].double(), by_hand, atol=1e-5), axis
    late = published.transition.of_rows(maps.mean(dim=(2, 3)))
    assert not torch.allclose(answer.q, late.q, atol=0.05)  # as if it came after the average


def test_the_root_is_the_gram_schmidt_of_averaged_maps(published: ImageD3KE) -> None:
    torch.manual_seed(4)
    maps = torch.randn(2, 126, 3, 3)
    mean = maps[:, :6].mean(dim=(2, 3))
    for found, six in zip(published.transition.of_maps(maps).root, mean, strict=True):
        a1, a2 = six[0::2], six[1::2]  # two columns, row by row
        c1 = a1 / a1.norm()
        c2 = a2 - (c1 @ a2) * c1
        c2 = c2 / c2.norm()
        by_hand = torch.stack([c1, c2, torch.linalg.cross(c1, c2)], dim=1)
        assert torch.allclose(found, by_hand, atol=1e-5)


def test_no_output_is_beyond_its_bounds(model: ImageD3KE) -> None:
    for raw in (-1e4, 1e4):
        answer = model.transition.of_rows(torch.full((1, model.transition.outputs), raw))
        bounds = torch.tensor(list(model.config.bounds.values()))
        q = answer.q[0, model.predicted]
        end = bounds[:, 0] if raw < 0 else bounds[:, 1]
        assert torch.allclose(q, end, atol=1e-4)
        assert torch.allclose(answer.scales, torch.tensor(0.6 if raw < 0 else 1.4))


def test_what_is_not_predicted_keeps_its_prior(model: ImageD3KE) -> None:
    names, predicted = model.osim.coordinate_names, set(model.predicted.tolist())
    answer = some_answer(model, 5)
    for index in set(range(len(names))) - predicted:
        expected = model.config.priors.get(names[index], 0.0)
        assert torch.allclose(answer.q[:, index], torch.tensor(expected)), names[index]


def test_left_and_right_have_one_scale(model: ImageD3KE) -> None:
    names, scales = model.osim.body_names, some_answer(model, 4).scales
    assert torch.equal(scales[:, names.index("femur_r")], scales[:, names.index("femur_l")])
    assert scales[:, names.index("femur_r")].std() > 0.01


@pytest.mark.parametrize("which", ["model", "published"])
def test_a_fresh_network_sees_somebody_upright_who_faces_the_camera(
    which: str, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(which)
    with torch.inference_mode():
        fresh = model.frames(pictures(model))
        neutral = model.transition.of_rows(model.transition.neutral())
    # The camera's x is right, y down, z forward; the pelvis' x is forward, y up, z to its right.
    forward, up, right = [0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]
    facing = torch.tensor([forward, up, right]).T
    assert torch.allclose(neutral.root, facing, atol=1e-6)
    if which == "model":
        assert torch.equal(neutral.scales, torch.ones_like(neutral.scales))
    assert torch.allclose(fresh.root, facing.expand(3, 3, 3), atol=0.35)  # random weights, a tenth
    pose = model.skeleton(neutral.q, neutral.scales, torch.eye(4))
    head = pose.joints[:, 1].argmax()
    assert (facing @ pose.joints[head])[1] < 0  # the highest joint is above in the picture
    bounds = torch.tensor(list(model.config.bounds.values()))
    inside = (bounds[:, 0] < -0.05) & (bounds[:, 1] > 0.05)
    near_zero = neutral.q[model.predicted].abs() < 0.1 * (bounds[:, 1] - bounds[:, 0])
    assert inside.sum() > 20
    assert bool((near_zero | ~inside).all())


def test_a_6d_rotation_of_a_rotation_is_itself() -> None:
    rotation = torch.linalg.qr(torch.randn(5, 3, 3, generator=torch.Generator().manual_seed(0)))[0]
    rotation = rotation * rotation.det()[:, None, None]
    assert torch.allclose(rotation_of(rotation[:, :, :2].flatten(1)), rotation, atol=1e-6)


def test_frames_do_not_influence_each_other(model: ImageD3KE) -> None:
    images = pictures(model)
    with torch.inference_mode():
        together, alone = model.frames(images), model.frames(images[1:2])
    for whole, one in zip(together, alone, strict=True):
        assert torch.allclose(whole[1:2], one, atol=1e-5)


# --- rows


@pytest.mark.parametrize("which", ["model", "published"])
def test_rows_hold_what_the_published_network_sees_in_its_order(
    which: str, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(which)
    answer = some_answer(model, 2, 3)
    rows = model.rows(answer)
    assert rows.shape == (2, 3, model.row_width())
    for b, t in ((0, 0), (1, 2)):
        turn = answer.root[b, t]
        pose = model.skeleton(answer.q[b, t], answer.scales[b, t])  # in ground, at its origin
        pelvis = pose.bodies[model.osim.body_names.index("pelvis")]
        turned = turn @ pelvis[:3, :3].T
        middle = pose.joints[0]
        expected = [
            ((pose.joints - middle) @ turned.T).flatten(),
            ((pose.markers - middle) @ turned.T).flatten(),
            answer.scales[b, t].flatten(),
            torch.stack([turn[i, j] for i in range(3) for j in range(3)]),  # row by row
            answer.q[b, t, model.predicted],
        ]
        assert torch.allclose(rows[b, t], torch.cat(expected), atol=1e-5)


def test_rows_are_as_wide_as_the_skeleton_says(published: ImageD3KE) -> None:
    assert published.row_width() == 3 * (58 + 65 + 58) + 9 + 69


# --- with a temporal network


@pytest.mark.parametrize("name", ["transformer", "tcn", "lstm"])
def test_windows_have_an_answer_for_the_middle_and_some_for_all(
    model: ImageD3KE, name: str
) -> None:
    whole = with_temporal(model, name, 9, 16, 30.0).eval()
    rows = whole.rows(some_answer(model, 2, 9))
    with torch.inference_mode():
        answer = whole.windows(rows)
    assert answer.centre.q.shape == (2, len(model.osim.coordinates))
    assert answer.centre.scales.shape == (2, len(model.osim.bodies), 3)
    assert (answer.frames is None) == (name == "tcn")
    if answer.frames is not None:
        assert answer.frames.root.shape == (2, 9, 3, 3)
    neutral = whole.transition.of_rows(whole.transition.neutral())
    assert torch.allclose(answer.centre.root[0], neutral.root, atol=0.35)


def test_a_frame_network_has_no_windows(model: ImageD3KE) -> None:
    assert model.temporal is None
    with pytest.raises(D3keError, match="no temporal part"):
        model.windows(torch.zeros(1, 9, model.row_width()))


def test_a_temporal_network_leaves_the_frame_part_as_it_is(model: ImageD3KE) -> None:
    whole = with_temporal(model, "lstm", 9, 16, 30.0)
    again = with_temporal(whole, "lstm", 9, 16, 30.0)
    other = with_temporal(whole, "lstm", 27, 16, 30.0)
    assert same(frame_part(whole).state_dict(), model.state_dict())
    assert same(again.state_dict(), whole.state_dict())
    faster = with_temporal(whole, "lstm", 9, 16, 50.0)
    assert not same(other.state_dict(), whole.state_dict())
    assert not same(faster.state_dict(), whole.state_dict())
    assert faster.config.rate_hz == 50


# --- state and refusals


@pytest.mark.parametrize("temporal", ["none", "transformer", "tcn", "lstm"])
def test_the_state_dict_holds_weights_alone(published: ImageD3KE, temporal: str) -> None:
    config = replace(published.config, temporal=temporal, window=9, width=16)
    names = set(ImageD3KE(config, published.osim).state_dict())
    assert {name.split(".")[0] for name in names} <= {"trunk", "head", "temporal"}
    constants = ("skeleton", "transition", "coordinates", "mean", "std", "places")
    assert not [name for name in names if name.split(".")[-1] in constants]


def test_weights_come_back_and_are_refused_for_another_skeleton(
    model: ImageD3KE, tmp_path: Path
) -> None:
    path = tmp_path / "best.safetensors"
    save_weights(path, model, {})
    again = load_weights(path)
    assert isinstance(again, ImageD3KE)
    assert again.config.encoder == "mobilenet_v2"
    assert same(again.state_dict(), model.state_dict())
    with safe_open(path, framework="pt") as file:
        assert set(file.keys()) == set(model.state_dict())
    with pytest.raises(D3keError, match="trained for another skeleton") as told:
        load_weights(path, another_skeleton())
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("bits", "part"), [(16, 0.51), (8, 0.29)])
def test_weights_of_fewer_bits_are_smaller_and_near(
    model: ImageD3KE, tmp_path: Path, bits: int, part: float
) -> None:
    whole, small = tmp_path / "whole.safetensors", tmp_path / "small.safetensors"
    save_weights(whole, model, {})
    save_weights(small, model, {}, bits=bits)
    assert small.stat().st_size < part * whole.stat().st_size
    again = load_weights(small).state_dict()
    for name, value in model.state_dict().items():
        if not value.is_floating_point():
            assert torch.equal(again[name], value)
            continue
        rows = value.flatten(1) if value.dim() > 1 else value[:, None]
        step = rows.abs().amax(dim=1, keepdim=True) / 127 if bits == 8 and value.dim() > 1 else 0
        off = (again[name].reshape(rows.shape) - rows).abs()
        assert (off <= 0.501 * step + 2**-11 * rows.abs() + 2**-25).all()  # half a step, and fp16's


def test_what_does_not_exist_is_refused(model: ImageD3KE) -> None:
    config, osim = model.config, model.osim

    def build(**changes: object) -> ImageD3KE:
        return ImageD3KE(replace(config, **changes), osim)  # type: ignore[arg-type]

    with pytest.raises(D3keError, match=r"'gru' is not known. Use transformer, tcn, lstm, none"):
        build(temporal="gru")
    with pytest.raises(D3keError, match="window of 100 frames"):
        build(temporal="tcn", window=100)
    with pytest.raises(D3keError, match="100 px: give a multiple of 32"):
        build(size=100)
    with pytest.raises(D3keError, match="'vgg' is not known"):
        build(encoder="vgg")
    with pytest.raises(D3keError, match=r"knee_angle_x: .* has no such coordinate"):
        Start("mobilenet_v2", 32, coordinates=("knee_angle_x",)).network(osim, 30.0)
    with pytest.raises(D3keError, match="pelvis_tilt: a coordinate of the root"):
        Start("mobilenet_v2", 32, coordinates=("pelvis_tilt",)).network(osim, 30.0)


def test_a_list_of_coordinates_is_all_that_is_predicted() -> None:
    chosen = ("knee_angle_l", "hip_flexion_r")
    model = Start("mobilenet_v2", 32, coordinates=chosen).network(default_model(), 30.0)
    names = model.osim.coordinate_names
    assert [names[i] for i in model.predicted.tolist()] == list(chosen)
    low, high = next(c.range for c in model.osim.coordinates if c.name == "knee_angle_l")
    assert model.config.bounds["knee_angle_l"] == (low, high)  # as published: the range itself
    again = D3KEConfig(**model.config.to_dict())
    assert list(again.bounds) == list(chosen)
