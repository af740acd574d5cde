"""Export of a run: ONNX files that answer as torch does, and say what goes in and comes out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest
import roma
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from d3ke import export_onnx as d3ke_export
from d3ke.errors import D3keError
from d3ke.export_onnx import Graph, export_onnx, onnx_model
from d3ke.network.building import network_of
from d3ke.network.checkpoint import load_weights, save_weights, story_of
from d3ke.network.config import D3KEConfig, default_bounds, default_priors
from d3ke.network.image_network import ImageD3KE
from d3ke.network.inference import on_grid
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.landmarks import LandmarkWindow, _median
from d3ke.network.scale_groups import symmetric_groups
from d3ke.network.sequence import SequenceNetwork
from d3ke.network.transition import FrameAnswer
from d3ke.skeleton import default_model
from tests.command import Command
from tests.scenes import camera_at, scene, squat

SIZE, WINDOW = 64, 9  # px, frames
CLOSE = 1e-4  # rad, of scale, of rotation matrices: float32, and a tenth of what is promised
STORY = {"data": "random numbers", "licence": "CC0-1.0", "stages": [{"what": "frame"}]}


class Exported(NamedTuple):
    """A network and the files that it became."""

    network: ImageD3KE
    files: dict[str, Path]


def random_network(temporal: str) -> ImageD3KE:
    """An image network with random weights whose answers differ from picture to picture."""
    torch.manual_seed(0)
    osim = default_model()
    config = D3KEConfig(
        skeleton_sha256=osim.sha256,
        encoder="mobilenet_v2",
        size=SIZE,
        temporal=temporal,
        window=WINDOW,
        width=16,
        rate_hz=50.0,
        bounds=default_bounds(osim),
        priors=default_priors(osim),
        scale_groups=[group.to_dict() for group in symmetric_groups(osim.body_names)],
    )
    network = network_of(config, osim)
    assert isinstance(network, ImageD3KE)
    assert isinstance(network.temporal, SequenceNetwork)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.momentum = 1.0  # the statistics are those of the next batch
    with torch.no_grad():
        network.frames(random_pictures(16))
        network.windows(network.rows(random_answers(16)))
        heads: list[nn.Conv2d | nn.Linear] = [network.head, *network.temporal.output_layers()]
        for head in heads:
            head.weight.mul_(30)
    return network.eval()


def random_pictures(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8)


def random_answers(count: int) -> FrameAnswer:
    osim = default_model()
    return FrameAnswer(
        q=0.5 * torch.randn(count, WINDOW, len(osim.coordinates)),
        root=roma.random_rotmat((count, WINDOW)),
        scales=1 + 0.1 * torch.randn(count, WINDOW, len(osim.bodies), 3),
    )


def squatting_window(count: int) -> LandmarkWindow:
    """What a camera sees of someone who squats, with a gap, a window for each start."""
    seen = scene(squat(3.0), camera_at())
    _, landmarks, valid = on_grid(seen.track, seen.camera, 30.0)
    frames = len(landmarks) - count
    valid[7:12] = False
    return LandmarkWindow(
        torch.stack([landmarks[first : first + frames] for first in range(count)]),
        torch.tensor([0.0, 1.0, 0.0]).repeat(count, 1),
        torch.stack([valid[first : first + frames] for first in range(count)]),
    )


def random_window(count: int, frames: int) -> LandmarkWindow:
    """Noise; the last window is empty."""
    valid = torch.rand(count, frames) > 0.3
    valid[-1] = False
    down = nn.functional.normalize(torch.randn(count, 3), dim=1)
    return LandmarkWindow(0.3 * torch.randn(count, frames, 33, 6), down, valid)


def session_of(model: str | bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def answered(
    session: onnxruntime.InferenceSession, inputs: Mapping[str, Tensor]
) -> dict[str, NDArray[np.float32]]:
    names = [output.name for output in session.get_outputs()]
    fed = {name: value.numpy() for name, value in inputs.items()}
    return dict(zip(names, session.run(None, fed), strict=True))


def assert_same(
    found: Mapping[str, NDArray[np.float32]], expected: tuple[Tensor, Tensor, Tensor]
) -> None:
    """expected: q, scales, root."""
    assert list(found) == ["q", "scales", "root"]
    for (name, values), wanted in zip(found.items(), expected, strict=True):
        assert values.shape == wanted.shape, name
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, wanted.numpy(), atol=CLOSE, rtol=0, err_msg=name)
        if len(values) > 1:
            assert np.ptp(values, axis=0).max() > 10 * CLOSE, name  # not one answer for all


class RowsGraph(nn.Module):
    """A temporal network without the skeleton before it."""

    def __init__(self, network: ImageD3KE) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        answer = self.network.windows(rows).centre
        return answer.q, answer.scales, answer.root


class Small:
    """Stands in for a model that takes seconds to convert."""

    def __init__(self, graph: Graph, metadata: Mapping[str, str]) -> None:
        self.inputs = list(graph.inputs)

    def SerializeToString(self) -> bytes:
        return b"new"


@pytest.fixture(scope="module")
def image_run(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    network, folder = random_network("transformer"), tmp_path_factory.mktemp("run")
    (folder / "temporal").mkdir()
    save_weights(folder / "temporal" / "best.safetensors", network, STORY)
    done = export_onnx(folder, folder / "onnx" / "net.onnx")
    return Exported(network, done.outputs)


@pytest.fixture(scope="module")
def landmarks_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("landmarks") / "m.onnx"
    assert export_onnx("landmarks", path).outputs == {"window": path}
    return path


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 5])
def test_frames_are_answered_as_torch_does(image_run: Exported, count: int) -> None:
    images = random_pictures(count)
    with torch.inference_mode():
        answer = image_run.network.frames(images)
    found = answered(session_of(str(image_run.files["frame"])), {"images": images})
    assert_same(found, (answer.q, answer.scales, answer.root))


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 5])
def test_windows_of_frame_answers_are_posed_inside(image_run: Exported, count: int) -> None:
    given = random_answers(count)
    with torch.inference_mode():
        centre = image_run.network.windows(image_run.network.rows(given)).centre
    inputs = {f"frames_{name}": value for name, value in given._asdict().items()}
    found = answered(session_of(str(image_run.files["temporal"])), inputs)
    assert_same(found, (centre.q, centre.scales, centre.root))


@pytest.mark.slow
@pytest.mark.parametrize("temporal", ["tcn", "lstm"])
def test_every_temporal_network_exports(temporal: str) -> None:
    network = random_network(temporal)
    graph = RowsGraph(network)
    rows = torch.zeros(2, WINDOW, network.row_width())
    model = onnx_model(Graph(graph, {"rows": rows}, ({0: "batch"},), ""), {})
    session = session_of(model.SerializeToString())
    for count in (1, 5):
        given = network.rows(random_answers(count))
        with torch.inference_mode():
            assert_same(answered(session, {"rows": given}), graph(given))


@pytest.mark.slow
def test_landmark_windows_of_any_length_are_answered_as_torch_does(landmarks_file: Path) -> None:
    network, session = load_weights("landmarks"), session_of(str(landmarks_file))
    assert isinstance(network, LandmarkD3KE)
    told = session.get_modelmeta().custom_metadata_map
    assert told["licence"] == story_of("landmarks")["licence"]
    windows = squatting_window(1), squatting_window(5), random_window(1, 64), random_window(5, 20)
    for window in windows:
        with torch.inference_mode():
            answer = network(window)
        found = answered(session, window._asdict())
        assert_same(found, (answer.q, answer.scales, answer.root))


@pytest.mark.slow
def test_the_metadata_say_what_goes_in_and_comes_out(image_run: Exported) -> None:
    osim, config = image_run.network.osim, image_run.network.config
    for kind, path in image_run.files.items():
        session = session_of(str(path))
        told = session.get_modelmeta().custom_metadata_map
        assert tuple(json.loads(told["coordinates"])) == osim.coordinate_names
        assert tuple(json.loads(told["bodies"])) == osim.body_names
        assert set(json.loads(told["predicted"])) == set(config.bounds)
        assert told["skeleton_sha256"] == osim.sha256
        assert (told["image_size"], told["window"], float(told["rate_hz"])) == ("64", "9", 50.0)
        assert told["licence"] == "CC0-1.0"
        assert json.loads(told["weights"])["stages"] == STORY["stages"]
        assert told[f"{kind}_file"] == path.name
        values = {value.name for value in session.get_inputs() + session.get_outputs()}
        assert json.loads(told["units"]).keys() == values
        assert all(value.shape[0] == "batch" for value in session.get_inputs())


@pytest.mark.slow
def test_a_file_is_whole_and_names_no_machine(image_run: Exported, landmarks_file: Path) -> None:
    source = str(Path(d3ke_export.__file__).parents[1]).encode()
    libraries = str(Path(torch.__file__).parents[1]).encode()
    for path in (*image_run.files.values(), landmarks_file):
        content = path.read_bytes()
        assert source not in content
        assert libraries not in content
        assert list(path.parent.glob(f"{path.name}?*")) == []  # no weights in a file beside


def test_if_one_file_cannot_be_made_none_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_weights(tmp_path / "best.safetensors", random_network("tcn"), STORY)
    target = tmp_path / "out" / "m.onnx"
    target.parent.mkdir()
    target.write_bytes(b"an older one")

    def first_only(graph: Graph, metadata: Mapping[str, str]) -> Small:
        if "images" not in graph.inputs:
            raise D3keError("the disk is full.")
        return Small(graph, metadata)

    monkeypatch.setattr(d3ke_export, "onnx_model", first_only)
    with pytest.raises(D3keError, match="disk is full"):
        export_onnx(tmp_path, target)
    assert [path.name for path in target.parent.iterdir()] == ["m.onnx"]
    assert target.read_bytes() == b"an older one"


def test_the_command_names_its_files(
    d3ke: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(d3ke_export, "onnx_model", Small)
    save_weights(tmp_path / "best.safetensors", random_network("tcn"), STORY)
    done = d3ke("export", tmp_path, "-o", tmp_path / "m.onnx", "--json")
    assert (done.status, done.err) == (0, "")
    files = {"frame": tmp_path / "m.onnx", "temporal": tmp_path / "m_temporal.onnx"}
    assert done.json["output"] == {kind: str(path) for kind, path in files.items()}
    assert all(path.read_bytes() == b"new" for path in files.values())


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["walk.npz", "-o", "m.onnx"], 2, "walk.npz: a prediction has no network. Give the run"),
        (["landmarks", "-o", "walk.mot"], 2, "landmarks: a run becomes an .onnx file. Name one"),
        (["run.safetensors", "-o", "out"], 2, "run.safetensors: a run becomes an .onnx file."),
        (["landmarks", "run", "-o", "m.onnx"], 2, "m.onnx: give one run"),
        (["landmarks", "-o", "m.onnx", "--rate", "50"], 2, "--rate and --filter are for predict"),
        (["resnet", "-o", "m.onnx"], 1, "resnet: no such weights."),
    ],
)
def test_wrong_wishes_are_named(
    d3ke: Command, arguments: list[str], status: int, words: str
) -> None:
    done = d3ke("export", *arguments)
    assert done.status == status
    (line,) = done.errors
    assert words in line


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(d3ke_export, "find_spec", lambda name: None)
    with pytest.raises(D3keError, match=r"onnx and onnxscript. Install: pip install 'd3ke\[onnx\]"):
        export_onnx("landmarks", tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_median_of_a_window_is_the_lower_one_of_its_valid_frames() -> None:
    for frames in (1, 2, 3, 64):
        values, valid = torch.randn(50, frames), torch.rand(50, frames) > torch.rand(50, 1)
        expected = values.masked_fill(~valid, torch.nan).nanmedian(dim=1, keepdim=True).values
        assert torch.equal(_median(values, valid), expected.nan_to_num())
