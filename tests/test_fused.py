"""Two networks as one: what each has its say in, how it is kept, and what it can't be."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.network.building import fused
from d3ke.network.checkpoint import load_weights, save_fusion, save_weights
from d3ke.network.config import D3KEConfig, default_bounds, default_priors
from d3ke.network.fused import FusedD3KE
from d3ke.network.image_network import ImageD3KE
from d3ke.network.inference import Regression
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.scale_groups import symmetric_groups
from d3ke.network.transition import FrameAnswer
from d3ke.result_key import weights_hash
from d3ke.skeleton import default_model
from d3ke.split_answers import Answers, fused_answers
from tests.command import Command
from tests.made_clips import pictures, write_clip
from tests.small_training import another_skeleton, small_set

Array = NDArray[np.float64]

OSIM = default_model()
NAMES = OSIM.coordinate_names
ANKLE, SPINE, KNEE = (
    NAMES.index(name) for name in ("ankle_angle_r", "lumbar_bending", "knee_angle_r")
)
SHARES = {"ankle_angle_r": 0.5, "lumbar_bending": 1.0}
TIME = np.arange(31) / 30


def landmarks_network() -> LandmarkD3KE:
    torch.manual_seed(0)
    config = D3KEConfig(
        OSIM.sha256,
        width=16,
        blocks=1,
        heads=2,
        feedforward=16,
        bounds=default_bounds(OSIM),
        priors=default_priors(OSIM),
    )
    return LandmarkD3KE(config, OSIM).eval()


def pictures_network() -> ImageD3KE:
    torch.manual_seed(1)
    config = D3KEConfig(
        OSIM.sha256,
        "mobilenet_v2",
        "none",
        bounds=default_bounds(OSIM),
        priors=default_priors(OSIM),
        size=32,
        scale_groups=[group.to_dict() for group in symmetric_groups(OSIM.body_names)],
    )
    return ImageD3KE(config, OSIM).eval()


@pytest.fixture(scope="module")
def both() -> FusedD3KE:
    return fused(landmarks_network(), pictures_network(), SHARES)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_set(tmp_path_factory.mktemp("sets") / "small")


def said(count: int, seed: int) -> Regression:
    rng = np.random.default_rng(seed)
    return Regression(
        q=rng.normal(size=(count, len(NAMES))),
        root=np.linalg.qr(rng.normal(size=(count, 3, 3)))[0],
        scales=rng.uniform(0.9, 1.1, (len(OSIM.bodies), 3)),
        observed=rng.random(len(NAMES)) < 0.5,
    )


def test_shares_mix_coordinates_and_the_rest_is_the_landmark_networks(both: FusedD3KE) -> None:
    one, other = said(31, 0), said(31, 1)
    mixed = both.mixed(TIME, one, TIME, other)
    assert np.allclose(mixed.q[:, ANKLE], (one.q[:, ANKLE] + other.q[:, ANKLE]) / 2)
    assert np.allclose(mixed.q[:, SPINE], other.q[:, SPINE])
    rest = [index for index in range(len(NAMES)) if index not in {ANKLE, SPINE}]
    assert np.array_equal(mixed.q[:, rest], one.q[:, rest])
    assert all(a is b for a, b in zip(mixed[1:], one[1:], strict=True))


def test_between_looks_fast_motion_is_the_landmark_networks(both: FusedD3KE) -> None:
    """Both see the same fast motion; what changes slowly is off by pictures, and alone mixed."""
    fast = np.sin(2 * np.pi * 4 * TIME)
    slow = 0.2 + 0.1 * TIME
    looks = np.arange(0, 31, 3)
    one, other = said(31, 0), said(len(looks), 1)
    one.q[:, ANKLE] = fast
    other.q[:, ANKLE] = (fast + slow)[looks]
    mixed = both.mixed(TIME, one, TIME[looks], other)
    assert np.allclose(mixed.q[:, ANKLE], fast + 0.5 * slow)


def test_before_the_first_look_and_after_the_last_the_difference_stays(both: FusedD3KE) -> None:
    one, other = said(31, 0), said(2, 1)
    mixed = both.mixed(TIME, one, TIME[[10, 20]], other)
    for frame, look in ((0, 0), (30, 1)):
        at_look = other.q[look, SPINE] - one.q[10 + 10 * look, SPINE]
        assert mixed.q[frame, SPINE] == pytest.approx(one.q[frame, SPINE] + at_look)


def test_frames_of_a_data_set_are_mixed_where_both_answered(both: FusedD3KE) -> None:
    def answers(numbers: list[int], seed: int) -> Answers:
        found = said(len(numbers), seed)
        scales = np.broadcast_to(found.scales, (len(numbers), *found.scales.shape)).copy()
        parts = (found.q, found.root, scales)
        return Answers(torch.tensor(numbers), FrameAnswer(*map(torch.from_numpy, parts)))

    one, other = answers([1, 2, 4], 0), answers([0, 2, 3, 4], 1)
    found = fused_answers(both, one, other)
    assert found.numbers.tolist() == [2, 4]
    q, led, seen = found.answer.q, one.answer.q[[1, 2]], other.answer.q[[1, 3]]
    assert torch.allclose(q[:, ANKLE], (led[:, ANKLE] + seen[:, ANKLE]) / 2)
    assert torch.equal(q[:, KNEE], led[:, KNEE])
    assert torch.equal(found.answer.root, one.answer.root[[1, 2]])


def test_a_fusion_comes_back_from_its_file(both: FusedD3KE, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    save_weights(tmp_path / "parts" / "led.safetensors", both.landmarks, {})
    save_weights(tmp_path / "parts" / "seen.safetensors", both.pictures, {})
    path = tmp_path / "mine.json"
    save_fusion(path, "parts/led.safetensors", "parts/seen.safetensors", SHARES, {"licence": "own"})
    again = load_weights(path)
    assert isinstance(again, FusedD3KE)
    assert not again.training
    assert weights_hash(again) == weights_hash(both)
    assert json.loads(path.read_text())["licence"] == "own"


def test_results_depend_on_shares_and_both_networks(both: FusedD3KE) -> None:
    hashes = {
        weights_hash(one)
        for one in (
            both,
            both.landmarks,
            fused(both.landmarks, both.pictures, {}),
            fused(both.landmarks, pictures_network(), SHARES | {"lumbar_bending": 0.9}),
        )
    }
    assert len(hashes) == 4
    other = pictures_network()
    other.head.weight.data += 0.01
    assert weights_hash(fused(both.landmarks, other, SHARES)) not in hashes


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"knee": 0.5}, "a share of 0.5 of knee: give numbers from 0 to 1 for what both predict"),
        ({"knee_angle_r": 1.5}, "a share of 1.5 of knee_angle_r"),
        ({"subtalar_angle_r": 0.5}, "of subtalar_angle_r: give numbers"),
        ({"knee_angle_r": "all"}, "a share of all of knee_angle_r"),
    ],
)
def test_shares_of_nothing_are_refused(
    both: FusedD3KE, shares: dict[str, float], words: str
) -> None:
    with pytest.raises(D3keError) as told:
        fused(both.landmarks, both.pictures, shares)
    assert words in str(told.value)


def test_networks_that_do_not_belong_together_are_refused(both: FusedD3KE) -> None:
    with pytest.raises(D3keError, match="works from pictures, this one doesn't"):
        fused(both.landmarks, both.landmarks, {})
    with pytest.raises(D3keError, match="works from landmarks, this one doesn't"):
        fused(both.pictures, both.pictures, {})
    other = another_skeleton()
    config = replace(both.pictures.config, skeleton_sha256=other.sha256)
    with pytest.raises(D3keError, match="different skeletons"):
        fused(both.landmarks, ImageD3KE(config, other), {})


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"schema_version": 1}, "mine.json: no fusion of two networks"),
        ({"schema_version": 1, "fusion": {"landmarks": "landmarks"}}, "no fusion of two networks"),
        ({"schema_version": 1, "fusion": []}, "no fusion of two networks"),
        (
            {"schema_version": 1, "fusion": {"landmarks": "nix", "pictures": "nix", "shares": {}}},
            "nix: no such weights",
        ),
        ({"schema_version": 2}, "not a description of d3ke weights"),
    ],
)
def test_bad_fusions_end_in_one_line(
    told: dict[str, object], words: str, d3ke: Command, tmp_path: Path
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(told))
    clip = write_clip(tmp_path / "clip.mp4", pictures(4, (72, 128)))
    done = d3ke("predict", clip, "-o", tmp_path / "out.mot", "--weights", path)
    assert done.status == 1
    (line,) = done.errors
    assert words in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("export both.json -o m.onnx", "Export them one by one: landmarks, pictures"),
        ("train . -o run --init both.json", "both.json: weights of a network that works from"),
    ],
)
def test_what_takes_one_network_refuses_a_fusion(
    d3ke: Command,
    both: FusedD3KE,
    small: Path,
    arguments: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(small)
    save_weights(small / "seen.safetensors", both.pictures, {})
    save_fusion(small / "both.json", "landmarks", "seen.safetensors", SHARES, {})
    done = d3ke(*arguments.split())
    assert done.status == 1
    (line,) = done.errors
    assert words in line
