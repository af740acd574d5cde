"""Networks for pictures over clips: the crops are training's, the answers do not depend on how."""

import copy
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.network.backbones import Trunk
from d3ke.network.config import D3KEConfig, default_bounds, default_priors
from d3ke.network.crops import crops_of, cut_out, person_boxes
from d3ke.network.image_inference import (
    Computing,
    FrameNetwork,
    at_most,
    computing,
    folded,
    looked_at,
    native_bf16,
    regress_images,
)
from d3ke.network.image_network import ImageD3KE, WindowAnswer
from d3ke.network.inference import Regression
from d3ke.network.scale_groups import symmetric_groups
from d3ke.network.transition import FrameAnswer
from d3ke.skeleton import default_model
from d3ke.synth.pictures.phones import PhoneCamera, crop_camera
from d3ke.vision.camera import Camera
from d3ke.vision.person import PersonTrack
from d3ke.vision.video import Video
from tests.made_clips import write_clip
from tests.scenes import Scene, camera_at, scene, squat

Array = NDArray[np.float64]

LENS = (0.05, -0.02, 3e-3, -2e-3, 0.0)
SIZE = 64  # px, of the crops
WINDOW = 27


def config_of(temporal: str = "none", encoder: str = "mobilenet_v2") -> D3KEConfig:
    osim = default_model()
    groups = [group.to_dict() for group in symmetric_groups(osim.body_names)]
    return D3KEConfig(
        osim.sha256,
        encoder,
        temporal,
        width=16,
        window=WINDOW,
        bounds=default_bounds(osim),
        priors=default_priors(osim),
        size=SIZE,
        scale_groups=groups,
    )


def opinionated(trunk: Trunk) -> None:
    """Normalisation as a training leaves it: of coloured noise, the maps about 1 apart."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (16, 3, 8, 8), generator=random)
    trunk.train()
    for part in trunk.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
            assert part.weight is not None
            part.weight.data.uniform_(0.8, 1.2, generator=random)
            part.bias.data.uniform_(-0.2, 0.2, generator=random)
    with torch.no_grad():
        trunk(coarse.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3))
    trunk.eval()


@pytest.fixture(scope="module")
def model() -> ImageD3KE:
    torch.manual_seed(0)
    network = ImageD3KE(config_of(), default_model())
    opinionated(network.trunk)
    network.head.weight.data.mul_(10)
    return network.eval()


class Echo(ImageD3KE):
    """A network whose temporal part says of a window what its middle frame said."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(config_of("lstm"), default_model())
        opinionated(self.trunk)
        self.head.weight.data.mul_(10)
        self.seen: list[Tensor] = []

    def windows(self, rows: Tensor) -> WindowAnswer:
        self.seen.append(rows)
        middle = rows[:, WINDOW // 2]
        bodies, angles = 3 * len(self.osim.bodies), len(self.predicted)
        scales, root, q = middle[:, -bodies - 9 - angles :].split((bodies, 9, angles), dim=1)
        whole = self.coordinates.rest.repeat(len(rows), 1)
        whole[:, self.predicted] = q
        answer = FrameAnswer(whole, root.unflatten(1, (3, 3)), scales.unflatten(1, (-1, 3)))
        return WindowAnswer(answer, None)


@pytest.fixture(scope="module")
def seen() -> Scene:
    return scene(squat(1.0), camera_at(distortion=LENS))


@pytest.fixture(scope="module")
def video(seen: Scene, tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Coloured noise that changes from frame to frame."""
    random = np.random.default_rng(0)
    width, height = seen.track.size
    coarse = random.integers(0, 256, (len(seen.time), height // 40, width // 40, 3), np.uint8)
    frames = [np.repeat(np.repeat(image, 40, axis=0), 40, axis=1) for image in coarse]
    return Video(write_clip(tmp_path_factory.mktemp("clips") / "noise.mp4", frames))


def run(
    model: ImageD3KE, video: Video, what: Scene, track: PersonTrack | None = None, batch: int = 8
) -> Regression:
    how = Computing("cpu", bf16=False, batch=batch)
    return regress_images(model, video, track or what.track, what.camera, how)


def test_crop_cameras_are_those_of_synthetic_data_sets() -> None:
    random = np.random.default_rng(1)
    K = Camera.from_fov((1280, 720), 60.0).K
    still = np.eye(3)[None], np.zeros((1, 3))
    phone = PhoneCamera(K, np.array(LENS), (1280, 720), *still)
    boxes = np.concatenate([random.uniform(0, 500, (20, 2)), random.uniform(20, 200, (20, 2))], 1)
    crops = crops_of(phone.at(0), boxes, 384, margin=1.5)
    for index, box in enumerate(boxes):
        theirs, turn = crop_camera(phone, 0, box.astype(np.float32), 384, 1.5)
        np.testing.assert_allclose(crops.camera_matrix(index), theirs, rtol=1e-6)
        np.testing.assert_allclose(crops.turns[index], turn, atol=1e-7)


@pytest.mark.parametrize("side_px", [48.0, 400.0], ids=["enlarged", "made smaller"])
def test_a_crop_shows_a_ray_where_its_camera_says(side_px: float) -> None:
    camera = replace(Camera.from_fov((1280, 720), 70.0), distortion=np.array(LENS))
    box = np.array([[900.0, 80.0, 0.5 * side_px, side_px]])
    crops = crops_of(camera, box, 128)
    aside = np.array([0.15, -0.2, 1.0]) * [1 / crops.focal_px[0] * 128, 128 / crops.focal_px[0], 1]
    ray = crops.turns[0].T @ aside
    across, down = camera.project(ray)
    rows, columns = np.mgrid[:720, :1280]
    blob = np.exp(-((columns - across) ** 2 + (rows - down) ** 2) / (side_px / 40) ** 2)
    image = np.repeat(np.round(250 * blob).astype(np.uint8)[..., None], 3, axis=2)
    found = cut_out(image, camera, crops, 0)[..., 0].astype(np.float64)
    found_at = np.array([(found * grid).sum() for grid in np.mgrid[:128, :128][::-1]]) / found.sum()
    expected = (crops.camera_matrix(0) @ aside)[:2]
    np.testing.assert_allclose(found_at, expected, atol=0.1)  # px


def test_what_the_camera_did_not_film_is_black() -> None:
    camera = Camera.from_fov((320, 240), 60.0)
    white = np.full((240, 320, 3), 255, np.uint8)
    crops = crops_of(camera, np.array([[0.0, 60.0, 40.0, 120.0]]), 64)
    found = cut_out(white, camera, crops, 0)
    assert (found[:, :18] == 0).all()  # a third of the box's 120 px lies beyond the left edge
    assert (found[:, 26:] == 255).all()


def test_boxes_hold_the_landmarks_and_end_with_the_picture(seen: Scene) -> None:
    boxes, points = person_boxes(seen.track), seen.track.landmarks[..., :2].astype(float)
    middle = slice(2, -2)  # the ends' medians are over fewer frames
    low, high = boxes[middle, :2], boxes[middle, :2] + boxes[middle, 2:]
    assert (low < points[middle].min(axis=1) + 2).all()
    assert (high > points[middle].max(axis=1) - 2).all()
    crown = points[middle, [7, 8], 1].mean() - low[:, 1].mean()
    tall = np.ptp(points[middle, :, 1], axis=1).mean()
    assert 0.05 * tall < crown < 0.1 * tall  # a head above its ears, and some skin
    aside = seen.track.landmarks.copy()
    aside[..., 0] -= points[..., 0].mean()
    cut = person_boxes(replace(seen.track, landmarks=aside))
    assert (cut[:, 0] == 0).all()
    assert (cut[:, 2] < boxes[:, 2]).all()


def test_a_frame_gone_astray_does_not_move_the_box(seen: Scene) -> None:
    astray = seen.track.landmarks.copy()
    astray[12, :, :2] += 150
    found = person_boxes(replace(seen.track, landmarks=astray))
    np.testing.assert_allclose(found, person_boxes(seen.track), atol=15)  # px, of 150


def test_frames_without_the_person_have_no_box(seen: Scene) -> None:
    there = np.ones(30, bool)
    there[[0, 10, 11, 12, 13, 14, 15, 16]] = False
    landmarks = np.where(there[:, None, None], seen.track.landmarks, np.nan)
    boxes = person_boxes(replace(seen.track, seen=there, landmarks=landmarks))
    assert (np.isfinite(boxes).all(axis=1) == there).all()


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnext50"])
def test_a_folded_backbone_gives_the_same_maps(name: str) -> None:
    torch.manual_seed(0)
    trunk = Trunk(name)
    opinionated(trunk)
    images = torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8)
    with torch.inference_mode():
        plain, fast = trunk(images), folded(trunk)(images)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded(trunk).modules())
    assert any(isinstance(part, nn.BatchNorm2d) for part in trunk.modules())
    assert plain.std() > 1e-3
    torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-4 * float(plain.abs().max()))


def test_the_answer_is_the_networks_turned_into_the_camera(
    model: ImageD3KE, video: Video, seen: Scene
) -> None:
    found = run(model, video, seen)
    crops = crops_of(seen.camera, person_boxes(seen.track), SIZE)
    shown = [cut_out(frame.image, seen.camera, crops, frame.index) for frame in video]
    with torch.inference_mode():
        answer = model.frames(torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2))
    root = crops.turns.transpose(0, 2, 1) @ answer.root.numpy()
    assert np.ptp(found.q, axis=0).max() > np.radians(0.1)  # it does see differences
    np.testing.assert_allclose(found.q, answer.q.numpy(), atol=1e-4)  # rad
    np.testing.assert_allclose(found.root, root, atol=1e-4)
    np.testing.assert_allclose(found.scales, answer.scales.mean(dim=0).numpy(), atol=1e-5)
    names = np.array(default_model().coordinate_names)
    assert set(names[found.observed]) == set(default_bounds(default_model()))


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_how_many_frames_at_a_time_changes_nothing(
    model: ImageD3KE, video: Video, seen: Scene, batch: int
) -> None:
    one, other = run(model, video, seen), run(model, video, seen, batch=batch)
    np.testing.assert_allclose(other.q, one.q, atol=1e-4)  # rad
    np.testing.assert_allclose(other.root, one.root, atol=1e-4)
    np.testing.assert_allclose(other.scales, one.scales, atol=1e-5)


def test_frames_without_the_person_are_bridged(model: ImageD3KE, video: Video, seen: Scene) -> None:
    there = np.ones(30, bool)
    there[[0, 10, 11]] = False
    track = replace(seen.track, seen=there)
    found, whole = run(model, video, seen, track), run(model, video, seen)
    np.testing.assert_allclose(found.q[there], whole.q[there], atol=0.02)  # boxes change a little
    np.testing.assert_allclose(found.q[10], (2 * found.q[9] + found.q[12]) / 3, atol=1e-9)
    np.testing.assert_allclose(found.q[0], found.q[1])
    np.testing.assert_allclose(np.linalg.det(found.root), 1, atol=1e-6)


def test_a_temporal_network_that_says_what_it_saw_changes_nothing(
    video: Video, seen: Scene
) -> None:
    echo = Echo().eval()
    found = run(echo, video, seen)
    rows = torch.cat([windows[:, WINDOW // 2] for windows in echo.seen])
    first, last = echo.seen[0][0], echo.seen[-1][-1]
    assert len(rows) == 30
    assert (first[: WINDOW // 2 + 1] == rows[0]).all()
    assert (first[WINDOW // 2 + 1 :] == rows[1 : WINDOW // 2 + 1]).all()
    assert (last[WINDOW // 2 :] == rows[-1]).all()
    echo.temporal = None
    alone = run(echo, video, seen)
    np.testing.assert_allclose(found.q, alone.q, atol=1e-4)  # rad
    np.testing.assert_allclose(found.root, alone.root, atol=1e-4)
    np.testing.assert_allclose(found.scales, alone.scales, atol=1e-4)


def test_a_temporal_network_sees_frames_at_its_own_rate(video: Video, seen: Scene) -> None:
    echo = Echo().eval()
    slow = replace(seen.track, time=seen.track.time * 2)  # 15 Hz
    found = run(echo, video, seen, slow)
    assert sum(len(windows) for windows in echo.seen) == 59
    echo.temporal = None
    np.testing.assert_allclose(found.q, run(echo, video, seen, slow).q, atol=1e-4)


@pytest.mark.parametrize("name", ["transformer", "tcn", "lstm"])
def test_every_temporal_network_answers_clips_shorter_than_its_window(
    video: Video, seen: Scene, name: str
) -> None:
    torch.manual_seed(0)
    network = ImageD3KE(config_of(name), default_model()).eval()
    found = run(network, video, seen, replace(seen.track, seen=np.arange(30) < 5))
    assert all(np.isfinite(values).all() for values in found[:3])


def test_bfloat16_is_near(model: ImageD3KE, video: Video, seen: Scene) -> None:
    exact = run(model, video, seen)
    how = Computing("cpu", bf16=True)
    near = regress_images(model, video, seen.track, seen.camera, how)
    spread = exact.q.std(axis=0).max()
    assert near.q.dtype == exact.q.dtype
    assert 0 < np.sqrt(np.square(near.q - exact.q).mean(axis=0)).max() < 0.3 * spread


def test_precision_is_as_asked_and_otherwise_as_the_device_has_it() -> None:
    assert computing("cpu", "bf16").bf16
    assert not computing("cpu", "fp32").bf16
    assert computing("cpu").bf16 == native_bf16("cpu")


def test_a_batch_too_large_for_the_memory_is_halved(
    model: ImageD3KE, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = FrameNetwork(model, Computing())
    pictures = torch.randint(0, 256, (7, 3, SIZE, SIZE), dtype=torch.uint8)
    whole, room = network(pictures), 2
    answer = network._answer

    def scarce(pictures: Tensor) -> FrameAnswer:
        if len(pictures) > room:
            raise torch.OutOfMemoryError
        return answer(pictures)

    monkeypatch.setattr(network, "_answer", scarce)
    torch.testing.assert_close(network(pictures).q, whole.q, atol=1e-4, rtol=0)
    room = 0
    with pytest.raises(D3keError, match="memory is full"):
        network(pictures)


def test_looks_come_at_most_at_a_rate() -> None:
    even = np.arange(31) / 30
    jittered = even + np.random.default_rng(0).uniform(-2e-3, 2e-3, 31)
    for time in (even, jittered):
        assert at_most(time, 10.0) == list(range(0, 31, 3))
        assert at_most(time, math.inf) == list(range(31))
    assert at_most(np.array([0.0, 1.0, 1.01, 5.0]), 10.0) == [0, 1, 3]


def test_looking_less_often_says_the_same_of_the_frames_looked_at(
    model: ImageD3KE, video: Video, seen: Scene
) -> None:
    exact = run(model, video, seen)
    when, found = looked_at(model, video, seen.track, seen.camera, rate_hz=5.0)
    places = np.flatnonzero(np.isin(seen.track.time, when))
    assert 2 < len(when) < len(seen.track.time) / 3
    np.testing.assert_allclose(found.q, exact.q[places], atol=1e-4)
    np.testing.assert_allclose(found.root, exact.root[places], atol=1e-4)


def test_a_video_that_lost_frames_since_is_told(
    model: ImageD3KE, video: Video, seen: Scene
) -> None:
    track = replace(seen.track, frames=seen.track.frames + 5)
    with pytest.raises(D3keError, match=r"noise\.mp4: changed while it was read"):
        run(model, video, seen, track)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_answer(model: ImageD3KE, video: Video, seen: Scene) -> None:
    exact = run(model, video, seen)
    how = computing("cuda", precision="fp32")
    found = regress_images(copy.deepcopy(model), video, seen.track, seen.camera, how)
    np.testing.assert_allclose(found.q, exact.q, atol=np.radians(0.05))
    np.testing.assert_allclose(found.root, exact.root, atol=np.radians(0.05))


def test_predicting_from_landmarks_loads_no_networks_for_pictures() -> None:
    command = "import sys, d3ke.predict; sys.exit('torchvision' in sys.modules)"
    folder = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", command], cwd=folder, check=False).returncode == 0
