"""Export of a run: its networks as ONNX files, for programs without torch.

- an image network is two graphs: pictures to the answers of frames, and, where it has a temporal
  network, a window of these answers, through the skeleton, to that of the middle frame
- a landmark network is one, over windows of any length, without the mirror: `d3ke predict` takes
  the mean with the answer to the mirrored window, and that of overlapping windows
- what names and numbers mean is in the files' metadata
"""

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from d3ke import __version__
from d3ke.errors import D3keError, OptionError
from d3ke.files import replacing
from d3ke.network.checkpoint import load_weights, shipped_weights, story_of
from d3ke.network.d3ke import D3KE
from d3ke.network.fused import FusedD3KE
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.landmarks import LANDMARKS, LandmarkWindow
from d3ke.network.transition import FrameAnswer
from d3ke.outputs import check_writable, replacing_all
from d3ke.progress import Progress, Silent

if TYPE_CHECKING:
    from onnx import ModelProto

    from d3ke.network.image_network import ImageD3KE

SUFFIX = ".onnx"
PACKAGES = ("onnx", "onnxscript")  # what torch writes ONNX with
OPSET = 18  # read by onnxruntime from 1.14 on (2023)
EXAMPLES = 2  # windows or pictures that a graph is traced with: torch takes 1 for a constant
OUTPUTS = ("q", "scales", "root")
OF_FRAMES = "frames_"  # begins the names of what the frame network gave the temporal one
CAMERA = "x right, y down, z forward (OpenCV's)"
MEANINGS = {
    "images": "RGB crops, u1 from 0 to 255, not normalised",
    "landmarks": "BlazePose's: x and y from the principal point over the focal length, "
    "visibility, world x, y, z in m",
    "down": "gravity's unit vector in the camera: 0, 1, 0 where it is level",
    "valid": "whether the person is seen: false for padding and gaps",
    "q": "coordinates in rad, in their order; the root's are 0",
    "scales": "of the bodies, x, y, z in their own frames; 1 is the model's own size",
    "root": "rotation of the root body, x_camera = root x_body",
}

Axes = Mapping[int, str]


@dataclass(frozen=True)
class Graph:
    """A network to be written. inputs: examples by name. axes: names of those of any length."""

    network: nn.Module
    inputs: Mapping[str, Tensor]
    axes: tuple[Axes, ...]
    about: str


class OnnxExport(NamedTuple):
    """The files that a run became: "frame" and "temporal", or "window" of landmarks."""

    source: str
    outputs: dict[str, Path]


class FrameGraph(nn.Module):
    """Pictures to answers, each for itself."""

    def __init__(self, network: "ImageD3KE") -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """images: (B, 3, S, S). Returns q (B, K), scales (B, N, 3), root (B, 3, 3)."""
        answer = self.network.frames(images)
        return answer.q, answer.scales, answer.root


class TemporalGraph(nn.Module):
    """Answers of a window's frames, posed through the skeleton, to that of the middle one."""

    def __init__(self, network: "ImageD3KE") -> None:
        super().__init__()
        self.network = network

    def forward(self, q: Tensor, scales: Tensor, root: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q: (B, T, K), scales: (B, T, N, 3), root: (B, T, 3, 3). Returns those of FrameGraph."""
        rows = self.network.rows(FrameAnswer(q=q, root=root, scales=scales))
        answer = self.network.windows(rows).centre
        return answer.q, answer.scales, answer.root


class WindowGraph(nn.Module):
    """Landmarks of a window to the answers of its frames, with one set of body scales."""

    def __init__(self, network: LandmarkD3KE) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, landmarks: Tensor, down: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See LandmarkWindow. Returns q (B, T, K), scales (B, N, 3), root (B, T, 3, 3)."""
        answer = self.network(LandmarkWindow(landmarks, down, valid))
        return answer.q, answer.scales, answer.root


def export_onnx(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    progress: Progress | None = None,
) -> OnnxExport:
    """Write a run's networks as OUTPUT (.onnx), and OUTPUT_temporal.onnx where it has one.

    source: a run's folder, a .safetensors file, or the name of shipped weights. All numbers are
    float32. Raises D3keError for what is no run, a target that cannot be written, or where the
    packages that write ONNX are missing; then nothing is written.
    """
    progress = progress or Silent()
    target = Path(output)
    if target.suffix.lower() != SUFFIX:
        raise OptionError(f"{target}: a run becomes an {SUFFIX} file. Name one, such as m{SUFFIX}.")
    check_packages()
    check_writable(target)
    name = os.fspath(source)
    model, story = load_weights(name), story_of(name)
    graphs = graphs_of(model)
    targets = _targets(target, graphs)
    files = {f"{kind}_file": path.name for kind, path in targets.items()}
    progress.start("converting", len(graphs))
    try:
        with replacing_all(targets) as paths:
            for kind, graph in graphs.items():
                data = onnx_model(graph, _metadata(model, story, graph) | files)
                with replacing(paths[kind]) as temporary:
                    temporary.write_bytes(data.SerializeToString())
                progress.advance()
    finally:
        progress.finish()
    return OnnxExport(name, targets)


def is_run(source: Path) -> bool:
    """Whether a name is that of a run or of weights, rather than of a prediction."""
    if source.is_file() or source.is_dir():
        return source.is_dir() or source.suffix == ".safetensors"
    return source.suffix == ".safetensors" or str(source) in shipped_weights()


def check_packages() -> None:
    """Raises D3keError where the packages that write ONNX are missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise D3keError(
            f"{SUFFIX} files need {' and '.join(missing)}. Install: pip install 'd3ke[onnx]'."
        )


def graphs_of(model: D3KE) -> dict[str, Graph]:
    """The graphs that a network becomes."""
    if isinstance(model, LandmarkD3KE):
        return {"window": _window_graph(model)}
    if isinstance(model, FusedD3KE):
        raise D3keError(
            "a fusion of two networks is no graph. Export them one by one: landmarks, pictures."
        )
    # here, for torchvision takes a second to load, and landmarks do without it
    from d3ke.network.image_network import ImageD3KE

    assert isinstance(model, ImageD3KE)
    graphs = {"frame": _frame_graph(model)}
    if model.temporal is not None:
        graphs["temporal"] = _temporal_graph(model)
    return graphs


def onnx_model(graph: Graph, metadata: Mapping[str, str]) -> "ModelProto":
    """A graph as an ONNX model, without the traces of the machine that made it."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own coming changes
        program = torch.onnx.export(
            graph.network.eval(),
            tuple(graph.inputs.values()),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=list(graph.inputs),
            output_names=OUTPUTS,
            dynamic_shapes=graph.axes,
        )
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)
    program.model.producer_name, program.model.producer_version = "d3ke", __version__
    program.model.metadata_props.update(metadata)
    proto: ModelProto = program.model_proto
    return proto


def _frame_graph(model: "ImageD3KE") -> Graph:
    size = model.config.size
    images = torch.zeros(EXAMPLES, 3, size, size, dtype=torch.uint8)
    about = "Each crop for itself; root in the virtual camera that looks at the crop's centre."
    return Graph(FrameGraph(model), {"images": images}, ({0: "batch"},), about)


def _temporal_graph(model: "ImageD3KE") -> Graph:
    shape = EXAMPLES, model.config.window
    inputs = {
        f"{OF_FRAMES}q": torch.zeros(*shape, len(model.osim.coordinates)),
        f"{OF_FRAMES}scales": torch.ones(*shape, len(model.osim.bodies), 3),
        f"{OF_FRAMES}root": torch.eye(3).repeat(*shape, 1, 1),
    }
    about = "Answers of the frame network over a window to that of its middle frame."
    return Graph(TemporalGraph(model), inputs, ({0: "batch"},) * len(inputs), about)


def _window_graph(model: LandmarkD3KE) -> Graph:
    shape = EXAMPLES, model.config.window
    inputs = {
        "landmarks": torch.zeros(*shape, LANDMARKS, 6),
        "down": torch.tensor([0.0, 1.0, 0.0]).repeat(EXAMPLES, 1),
        "valid": torch.ones(*shape, dtype=torch.bool),
    }
    frames = {0: "batch", 1: "frames"}
    about = (
        "Windows of any length, trained with `window` frames; one set of scales a window. "
        "d3ke predict also averages the answer with that to the mirrored window, and those of "
        "overlapping windows."
    )
    return Graph(WindowGraph(model), inputs, (frames, {0: "batch"}, frames), about)


def _targets(target: Path, graphs: Mapping[str, Graph]) -> dict[str, Path]:
    beside = target.with_name(f"{target.stem}_temporal{target.suffix}")
    return {kind: beside if kind == "temporal" else target for kind in graphs}


def _metadata(model: D3KE, story: Mapping[str, Any], graph: Graph) -> dict[str, str]:
    """What a user has to know of a graph, by name: words, or JSON."""
    config, osim = model.config, model.osim
    predicted = set(model.predicted.tolist())
    told = {
        "coordinates": osim.coordinate_names,
        "predicted": [n for i, n in enumerate(osim.coordinate_names) if i in predicted],
        "bodies": osim.body_names,
        "root_body": model.osim.joints[0].child.body,
        "units": {n: MEANINGS[n.removeprefix(OF_FRAMES)] for n in (*graph.inputs, *OUTPUTS)},
        "encoder": config.encoder,
        "temporal": config.temporal,
        "window": config.window,
        "rate_hz": config.rate_hz,
        "image_size": config.size,
        "weights": {key: value for key, value in story.items() if key != "config"},
    }
    return {
        **{key: v if isinstance(v, str) else json.dumps(v) for key, v in told.items()},
        "about": graph.about,
        "camera": CAMERA,
        "d3ke": __version__,
        "licence": str(story.get("licence", "not told")),
        "skeleton": osim.name,
        "skeleton_sha256": config.skeleton_sha256,
    }
