"""SkeletalModel: gradients, batches, the root, stations, markers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from d3ke.errors import D3keError
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.opensim_skeleton import random_coordinates
from tests.small_models import joint, two_bodies

SKELETON = SkeletalModel(default_model(), torch.float64)
POSES = 5


@pytest.fixture(scope="module")
def q() -> Tensor:
    rng = np.random.default_rng(4)
    poses = np.stack([random_coordinates(default_model(), rng) for _ in range(POSES)])
    return torch.tensor(poses)


@pytest.fixture(scope="module")
def scales() -> Tensor:
    return 0.7 + 0.6 * torch.rand(POSES, 22, 3, generator=torch.Generator().manual_seed(5)).double()


def passes_gradcheck(function: Callable[..., Any], *inputs: Tensor) -> bool:
    """Whether gradients are central differences, along random directions."""
    inputs = tuple(value.clone().requires_grad_() for value in inputs)
    return torch.autograd.gradcheck(function, inputs, fast_mode=True)


def test_gradients_of_the_default_skeleton_pass_gradcheck(q: Tensor, scales: Tensor) -> None:
    root = SKELETON.bodies(q)[:, 0]
    assert passes_gradcheck(lambda *a: tuple(SKELETON(*a)), q, scales, root)
    assert passes_gradcheck(lambda *a: tuple(SKELETON(*a)), q, scales)
    assert passes_gradcheck(SKELETON.bodies, q)
    assert passes_gradcheck(SKELETON.root_coordinates, root)


@pytest.mark.parametrize("kind", ["EllipsoidJoint", "PlanarJoint", "FreeJoint"])
def test_gradients_of_other_joints_pass_gradcheck(kind: str) -> None:
    osim = OsimModel.from_xml(two_bodies(joint(kind, 6 if kind == "FreeJoint" else 3)))
    skeleton = SkeletalModel(osim, torch.float64)
    generator = torch.Generator().manual_seed(6)
    q = torch.rand(2, len(osim.coordinates), generator=generator, dtype=torch.float64)
    scales = 0.7 + torch.rand(2, 2, 3, generator=generator, dtype=torch.float64)
    assert passes_gradcheck(skeleton.bodies, q, scales)


@pytest.mark.parametrize(
    "name", ["opensim-core/Rajagopal2015_right_leg_9musc", "opencap-core/LaiUhlrich2022"]
)
def test_gradients_through_couplers_pass_gradcheck(data_dir: Path, name: str) -> None:
    osim = OsimModel.from_file(data_dir / "osim" / f"{name}.osim")
    skeleton = SkeletalModel(osim, torch.float64)
    q = torch.tensor(random_coordinates(osim, np.random.default_rng(7)))
    scales = torch.full((len(osim.bodies), 3), 1.1, dtype=torch.float64)
    assert passes_gradcheck(skeleton.bodies, q, scales)


def test_unit_scales_change_nothing(q: Tensor) -> None:
    torch.testing.assert_close(SKELETON(q, torch.ones(22, 3).double()), SKELETON(q))


def test_single_precision_is_within_a_hundredth_of_a_millimetre(q: Tensor, scales: Tensor) -> None:
    single = SkeletalModel(default_model())
    poses = single(q.float(), scales.float())
    for found, expected in zip(poses, SKELETON(q, scales), strict=True):
        # 1e-5 m: half a dozen float32 products of lengths up to 2 m
        torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


def test_leading_dimensions_broadcast(q: Tensor, scales: Tensor) -> None:
    grid = SKELETON(q[:, None], scales[None])
    assert grid.bodies.shape == (POSES, POSES, 22, 4, 4)
    assert grid.joints.shape == (POSES, POSES, 22, 3)
    assert grid.markers.shape == (POSES, POSES, 91, 3)
    for found, expected in zip(grid, SKELETON(q[2], scales[3]), strict=True):
        torch.testing.assert_close(found[2, 3], expected)


def test_a_root_takes_the_place_of_the_root_joint(q: Tensor, scales: Tensor) -> None:
    bodies = SKELETON.bodies(q, scales)
    moved = q.clone()
    moved[:, :6] += 1.0
    torch.testing.assert_close(SKELETON.bodies(moved, scales, bodies[:, 0]), bodies)


def test_the_root_joint_gives_its_coordinates_back(q: Tensor, scales: Tensor) -> None:
    q = q.clone()
    q[:, 1] *= 0.9  # pelvis_list, the middle turn, is known within a quarter turn
    root = SKELETON.bodies(q, scales)[:, 0]
    torch.testing.assert_close(SKELETON.root_coordinates(root), q[:, :6])


@pytest.mark.parametrize("name", ["opencap-core/LaiUhlrich2022", "nimblephysics/gait2392_simbody"])
def test_root_joints_of_other_models_give_their_coordinates_back(data_dir: Path, name: str) -> None:
    if "gait2392" in name:
        pytest.importorskip("opensim", reason="the model is in an old format")
    osim = OsimModel.from_file(data_dir / "osim" / f"{name}.osim")
    skeleton = SkeletalModel(osim, torch.float64)
    q = torch.zeros(3, len(osim.coordinates), dtype=torch.float64)
    q[:, :6] = torch.rand(3, 6, generator=torch.Generator().manual_seed(8)).double()
    torch.testing.assert_close(skeleton.root_coordinates(skeleton.bodies(q)[:, 0]), q[:, :6])


def test_a_free_joint_off_its_body_gives_its_coordinates_back() -> None:
    text = two_bodies("").replace("PinJoint", "FreeJoint")
    named = "".join(f'<Coordinate name="q{i}"/>' for i in range(6))
    text = text.replace('<Coordinate name="base_angle"><range>-2 2</range></Coordinate>', named)
    text = text.replace("/bodyset/base</socket_child", "off</socket_child").replace(
        "</coordinates>",
        '</coordinates><frames><PhysicalOffsetFrame name="off"><socket_parent>/bodyset/base'
        "</socket_parent><translation>0.1 0.2 0.3</translation><orientation>1 0 2</orientation>"
        "</PhysicalOffsetFrame></frames>",
    )
    text = text.replace(
        text[text.index('<Body name="tip"') : text.rindex("</objects></BodySet>")], ""
    )
    osim = OsimModel.from_xml(text)
    skeleton = SkeletalModel(osim, torch.float64)
    q = torch.tensor([0.3, -0.4, 0.5, 1.0, 2.0, -3.0], dtype=torch.float64)
    scale = torch.tensor([[0.8, 1.2, 1.3]], dtype=torch.float64)
    root = skeleton.bodies(q, scale)[0]
    torch.testing.assert_close(skeleton.root_coordinates(root, scale[0]), q)


def test_a_root_that_cannot_leave_its_place_is_refused() -> None:
    skeleton = SkeletalModel(OsimModel.from_xml(two_bodies(joint("PinJoint", 1))))
    with pytest.raises(D3keError, match="carrying does not leave its body free"):
        skeleton.root_coordinates(torch.eye(4))


def test_markers_are_stations_that_grow_with_their_bodies(q: Tensor, scales: Tensor) -> None:
    markers = default_model().markers
    index = torch.tensor([default_model().body_names.index(m.body) for m in markers])
    places = torch.tensor([m.location for m in markers], dtype=torch.float64)
    pose = SKELETON(q, scales)
    stations = SKELETON.stations(pose.bodies, index, places, scales)
    torch.testing.assert_close(stations, pose.markers)
    each = places.expand(POSES, -1, -1)
    torch.testing.assert_close(SKELETON.stations(pose.bodies, index, each, scales), pose.markers)


def test_markers_may_be_fixed_to_ground() -> None:
    marker = (
        '<MarkerSet name="markerset"><objects><Marker name="corner"><socket_parent_frame>/ground'
        "</socket_parent_frame><location>1 2 3</location></Marker></objects></MarkerSet>"
    )
    osim = OsimModel.from_xml(two_bodies(joint("PinJoint", 1), rest=marker))
    pose = SkeletalModel(osim)(torch.ones(4, 2), torch.full((2, 3), 2.0))
    torch.testing.assert_close(pose.markers, torch.tensor([[1.0, 2.0, 3.0]]).expand(4, 1, 3))


def test_constants_are_not_weights() -> None:
    assert not SKELETON.state_dict()
    assert not list(SKELETON.parameters())


def test_a_model_moves_to_another_precision(q: Tensor) -> None:
    single = SkeletalModel(default_model()).to(torch.float64)
    assert single.bodies(q).dtype == torch.float64


def test_autocast_leaves_the_skeleton_exact(q: Tensor, scales: Tensor) -> None:
    single = SkeletalModel(default_model())
    expected = single(q.float(), scales.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = single(q.float(), scales.float())
    for given, want in zip(found, expected, strict=True):
        assert torch.equal(given, want)


@pytest.mark.cuda
def test_a_gpu_gives_the_same_frames(q: Tensor, scales: Tensor) -> None:
    poses = SkeletalModel(default_model(), torch.float64).cuda()(q.cuda(), scales.cuda())
    for found, expected in zip(poses, SKELETON(q, scales), strict=True):
        torch.testing.assert_close(found.cpu(), expected)
