"""The network: symmetric, bounded, through the skeleton, and only with the weights it was given."""

import copy
import json
from pathlib import Path

import pytest
import roma
import torch

from d3ke.errors import D3keError
from d3ke.network.checkpoint import load_weights, save_weights
from d3ke.network.config import D3KEConfig, default_bounds, default_priors
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.landmarks import LandmarkWindow, aim
from d3ke.network.mirror import LANDMARK_SWAP, coordinate_signs, mirror_root, swap_of
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import landmark_places

FRAMES = 20


@pytest.fixture(scope="module")
def model() -> LandmarkD3KE:
    torch.manual_seed(0)
    osim = default_model()
    config = D3KEConfig(
        skeleton_sha256=osim.sha256,
        width=32,
        blocks=2,
        heads=4,
        feedforward=64,
        bounds=default_bounds(osim),
        priors=default_priors(osim),
    )
    network = LandmarkD3KE(config, osim).eval()
    with torch.no_grad():
        network.frame_head.weight.mul_(20)  # far from the neutral start, or symmetry is trivial
        network.scale_head.weight.mul_(20)
    return network


def random_window(count: int = 3, seed: int = 1) -> LandmarkWindow:
    random = torch.Generator().manual_seed(seed)
    landmarks = 0.3 * torch.randn(count, FRAMES, 33, 6, generator=random)
    down = torch.nn.functional.normalize(torch.randn(count, 3, generator=random), dim=1)
    return LandmarkWindow(landmarks, down, torch.ones(count, FRAMES, dtype=torch.bool))


def test_aim_turns_the_optical_axis_to_the_point_without_roll() -> None:
    points = 0.5 * torch.randn(50, 2)
    rays = torch.nn.functional.normalize(torch.cat([points, torch.ones(50, 1)], 1), dim=1)
    seen = (aim(points) @ rays.unsqueeze(2)).squeeze(2)
    assert torch.allclose(seen, torch.tensor([0.0, 0.0, 1.0]).expand(50, 3), atol=1e-5)
    vectors = roma.rotmat_to_rotvec(aim(points))
    assert vectors[:, 2].abs().max() < 1e-5  # rad: no turn about the optical axis


def test_landmark_swap_exchanges_left_and_right_names() -> None:
    names = landmark_places().names
    for index, twin in enumerate(LANDMARK_SWAP):
        swapped = names[index].translate(str.maketrans("lr", "rl"))
        assert names[index] == names[twin] == "nose" or names[index][-2:] != names[twin][-2:]
        assert names[index][:-2] == names[twin][:-2] or swapped == names[twin] == "nose"


def test_a_mirrored_skeleton_is_the_skeleton_of_the_mirrored_coordinates() -> None:
    osim = default_model()
    skeleton = SkeletalModel(osim, torch.float64)
    low, high = torch.tensor([c.range for c in osim.coordinates], dtype=torch.float64).unbind(1)
    q = low + (high - low) * torch.rand(20, len(low), dtype=torch.float64)
    names = osim.coordinate_names
    q[:, [names.index(f"pelvis_t{axis}") for axis in "xyz"]] = 0
    flipped = q[:, swap_of(names)] * coordinate_signs(names)
    centres = skeleton(q).joints
    mirrored = skeleton(flipped).joints[:, swap_of(osim.joint_names)]
    mirror = centres.new_tensor([1, 1, -1])
    assert torch.allclose(mirrored * mirror, centres, atol=1e-9)  # m, float64: rounding


def test_mirror_root_mirrors_what_the_camera_sees_of_the_pelvis() -> None:
    root = roma.random_rotmat(10)
    points = torch.randn(7, 3)
    seen = points @ root.transpose(-1, -2)
    mirrored = (points * torch.tensor([1, 1, -1])) @ mirror_root(root).transpose(-1, -2)
    assert torch.allclose(mirrored, seen * torch.tensor([-1, 1, 1]), atol=1e-5)


def test_both_ways_gives_the_mirrored_answer_for_the_mirrored_window(model: LandmarkD3KE) -> None:
    window = random_window()
    with torch.inference_mode():
        straight, mirrored = model.both_ways(window), model.both_ways(window.mirrored())
    names = model.osim.coordinate_names
    q = mirrored.q[..., swap_of(names)] * coordinate_signs(names)
    assert torch.allclose(q, straight.q, atol=1e-4)  # rad, float32 through two blocks
    assert torch.allclose(mirror_root(mirrored.root), straight.root, atol=1e-3)
    assert torch.allclose(mirrored.scales, straight.scales, atol=1e-4)


def test_frames_that_are_not_valid_change_nothing(model: LandmarkD3KE) -> None:
    window = random_window()
    valid = window.valid.clone()
    valid[:, 14:] = False
    other = window.landmarks.clone()
    other[:, 14:] = 7.0
    with torch.inference_mode():
        one = model(LandmarkWindow(window.landmarks, window.down, valid))
        two = model(LandmarkWindow(other, window.down, valid))
    assert torch.allclose(one.q[:, :14], two.q[:, :14], atol=1e-5)
    assert torch.allclose(one.scales, two.scales, atol=1e-5)


def test_coordinates_stay_in_their_bounds_and_the_rest_keeps_its_prior(model: LandmarkD3KE) -> None:
    window = random_window()
    with torch.inference_mode():
        q = model(LandmarkWindow(100 * window.landmarks, window.down, window.valid)).q
    names = model.osim.coordinate_names
    for name, (low, high) in model.config.bounds.items():
        column = q[..., names.index(name)]
        assert low - 1e-5 <= column.min()
        assert column.max() <= high + 1e-5
    for name, prior in model.config.priors.items():
        assert torch.allclose(q[..., names.index(name)], torch.tensor(prior), atol=1e-6)


def test_left_and_right_bodies_share_their_scales(model: LandmarkD3KE) -> None:
    with torch.inference_mode():
        scales = model(random_window()).scales
    assert torch.equal(scales, scales[:, swap_of(model.osim.body_names)])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_answers_as_the_cpu_does(model: LandmarkD3KE) -> None:
    window = random_window()
    on_gpu = LandmarkWindow(*(part.to("cuda") for part in window))
    with torch.inference_mode():
        expected = model.both_ways(window).q
        found = copy.deepcopy(model).to("cuda").both_ways(on_gpu).q.cpu()
    assert torch.rad2deg((found - expected).abs()).max() < 0.05  # deg, as design asks in fp32


def test_saved_weights_come_back_and_answer_alike(model: LandmarkD3KE, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_weights(path, model, {"data": "none"})
    again = load_weights(tmp_path)
    with torch.inference_mode():
        assert torch.equal(model(random_window()).q, again(random_window()).q)


def test_no_skeleton_constant_is_in_the_weights(model: LandmarkD3KE) -> None:
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}


def test_weights_for_another_skeleton_are_refused(model: LandmarkD3KE, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_weights(path, model, {})
    told = json.loads(path.with_suffix(".json").read_text())
    told["config"]["skeleton_sha256"] = "0" * 64
    path.with_suffix(".json").write_text(json.dumps(told))
    with pytest.raises(D3keError, match="another skeleton"):
        load_weights(path)


def test_a_pickle_is_refused_unread(model: LandmarkD3KE, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_weights(path, model, {})
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(D3keError, match="never pickles"):
        load_weights(path)


def test_unknown_weights_name_the_known_ones() -> None:
    with pytest.raises(D3keError, match="landmarks"):
        load_weights("no-such-weights")
