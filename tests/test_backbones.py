"""Backbones: torchvision's networks without classifiers, and weights from files that may lie."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.network.backbones import (
    BACKBONES,
    MEAN,
    STD,
    CentredStride,
    Trunk,
    check_size,
    read_backbone_weights,
)
from d3ke.skeleton import default_model
from d3ke.training.images import Start
from tests.bad_files import pickled

# Parameters of torchvision's classifiers, as its documentation of the weights lists them, less
# those of the last layer: 1000 classes from 2048 or 1280 channels, and a bias each.
PUBLISHED = {
    "resnext50": 25_028_904,
    "resnext101": 88_791_336,
    "resnext101_64x4d": 83_455_272,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "mobilenet_v2": 3_504_872,
}


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def twin(name: str) -> tuple[Trunk, Any]:
    """A trunk with the random weights of torchvision's network, and that network."""
    torch.manual_seed(1)
    torchvisions: Any = BACKBONES[name].build(weights=None).eval()
    for part in torchvisions.modules():
        if isinstance(part, nn.BatchNorm2d):  # as after a training: normalisation that does a bit
            part.get_buffer("running_mean").normal_(0, 0.1)
            part.get_buffer("running_var").uniform_(0.5, 2)
    trunk = Trunk(name)
    trunk.load_classifier(torchvisions.state_dict())
    return trunk.eval(), torchvisions


def pictures(size: int, count: int = 2) -> Tensor:
    torch.manual_seed(2)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)


def normalised(images: Tensor) -> Tensor:
    shape = (1, 3, 1, 1)
    return (images / 255 - torch.tensor(MEAN).view(shape)) / torch.tensor(STD).view(shape)


# --- what they are


@pytest.mark.parametrize("name", BACKBONES)
def test_a_trunk_has_the_parameters_of_torchvision_s_without_the_classifier(name: str) -> None:
    with torch.device("meta"):
        trunk = Trunk(name)
    channels = BACKBONES[name].channels
    assert parameters(trunk) == PUBLISHED[name] - 1000 * (channels + 1)
    with torch.device("meta"):
        assert trunk(pictures(64).to("meta")).shape == (2, channels, 2, 2)


def test_the_published_frame_network_has_23_24_million_parameters() -> None:
    with torch.device("meta"):
        trunk, head = Trunk("resnext50"), nn.Conv2d(2048, 126, 1)
    assert parameters(trunk) == 22_979_904
    assert parameters(head) == 2048 * 126 + 126 == 258_174
    assert round((parameters(trunk) + parameters(head)) / 1e6, 2) == 23.24


@pytest.mark.parametrize("size", [32, 160])
def test_a_cell_of_the_maps_is_32_pixels(size: int) -> None:
    trunk = Trunk("mobilenet_v2").eval()
    with torch.inference_mode():
        assert trunk(pictures(size, 1)).shape == (1, 1280, size // 32, size // 32)


@pytest.mark.parametrize("size", [0, -32, 16, 100, 250])
def test_sizes_that_cannot_be_halved_five_times_are_refused(size: int) -> None:
    with pytest.raises(D3keError, match=f"{size} px: give a multiple of 32"):
        check_size(size)


def test_an_unknown_backbone_is_told_with_the_known_ones() -> None:
    with pytest.raises(D3keError, match=r"'vgg' is not known. Use resnext50, .*mobilenet_v2"):
        Trunk("vgg")


# --- against torchvision


def test_mobilenet_s_trunk_is_torchvision_s() -> None:
    trunk, torchvisions = twin("mobilenet_v2")
    with torch.inference_mode():
        theirs = torchvisions.features(normalised(pictures(64)))
        assert torch.allclose(trunk(pictures(64)), theirs, atol=1e-4 * float(theirs.std()))


def test_a_resnet_s_trunk_is_torchvision_s_but_for_the_centred_shortcut() -> None:
    trunk, theirs = twin("resnet50")
    features: Any = trunk.features
    x = normalised(pictures(64))
    with torch.inference_mode():
        for part in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2"):
            x = getattr(theirs, part)(x)
        ours = nn.Sequential(*list(features)[:6])(normalised(pictures(64)))
        assert torch.allclose(ours, x, atol=1e-4 * float(x.std()))
        mine, first = features.layer3[0], theirs.layer3[0]
        assert isinstance(mine.downsample, CentredStride)
        moved = x.roll((-1, -1), dims=(2, 3))  # where torchvision takes even pixels: the odd ones
        theirs_there = first.downsample(moved)
        assert torch.allclose(mine.downsample(x), theirs_there, atol=1e-4)
        assert not torch.allclose(mine.downsample(x), first.downsample(x), atol=1e-2)
        straight = first.conv3(
            first.relu(first.bn2(first.conv2(first.relu(first.bn1(first.conv1(x))))))
        )
        by_hand = (first.bn3(straight) + theirs_there).relu()  # the main path is as it was
        assert torch.allclose(mine(x), by_hand, atol=1e-3)


@pytest.mark.parametrize("name", ["resnet50", "resnext50"])
def test_only_layer3_s_shortcut_takes_odd_pixels(name: str) -> None:
    trunk = Trunk(name).eval()
    for layer, channels, centred in (
        ("layer2", 256, False),
        ("layer3", 512, True),
        ("layer4", 1024, False),
    ):
        shortcut = getattr(trunk.features, layer)[0].downsample
        maps = torch.rand(1, channels, 8, 8, requires_grad=True)
        shortcut(maps).sum().backward()
        assert maps.grad is not None
        touched = maps.grad.abs().sum(dim=(0, 1)) > 0
        expected = torch.zeros(8, 8, dtype=torch.bool)
        expected[int(centred) :: 2, int(centred) :: 2] = True
        assert torch.equal(touched, expected), layer


# --- weights from files


def test_torchvision_s_own_file_is_read(tmp_path: Path) -> None:
    table = torchvision.models.mobilenet_v2(weights=None).state_dict()
    torch.save(table, tmp_path / "a.pth")
    torch.save(table, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(table, tmp_path / "a.safetensors")
    for name in ("a.pth", "old.pth", "a.safetensors"):
        start = Start("mobilenet_v2", 32, backbone_weights=tmp_path / name)
        trunk = Trunk("mobilenet_v2")
        trunk.load_classifier(read_backbone_weights(tmp_path / name))
        ours = trunk.features.state_dict()
        assert ours
        assert all(torch.equal(ours[key], table[f"features.{key}"]) for key in ours)
        assert start.told() == "ImageNet classification"


class Trap:
    """What pickle would run a program for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["trap.pth", "trap.pt", "trap.safetensors"])
def test_a_pickle_s_program_is_not_run(tmp_path: Path, name: str) -> None:
    touched = tmp_path / "touched"
    for write in (
        lambda path: torch.save({"conv1.weight": Trap(touched)}, path),
        lambda path: path.write_bytes(pickle.dumps(Trap(touched))),
    ):
        write(tmp_path / name)
        with pytest.raises(D3keError, match=f"{name}: not a file of weights alone") as told:
            read_backbone_weights(tmp_path / name)
        assert "\n" not in str(told.value)
        assert not touched.exists()
    pickle.loads(pickle.dumps(Trap(touched)))
    assert touched.exists()  # the trap would have worked


BROKEN: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("words", b"these are no weights\n"),
    ("noise", bytes(range(256)) * 64),
    ("a cut header", b"\x08\x00\x00\x00\x00\x00\x00\x00{}  "),
    ("a zip of nothing", b"PK\5\6" + bytes(18)),
    ("an old pickle", pickled()),
    ("a cut pickle", pickle.dumps({"a": [1.0] * 50})[:40]),
    ("a pickle that ends", b"\x80\x02."),
    ("a pickle of an opcode", b"\x80\x02}q\x00."),
]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(("what", "content"), BROKEN, ids=[what for what, _ in BROKEN])
def test_what_is_no_file_of_weights_is_told_in_a_line(
    tmp_path: Path, what: str, content: bytes, suffix: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(D3keError, match=r"weights\.(pth|safetensors): not a ") as told:
        read_backbone_weights(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "table",
    [{"state_dict": {}}, {"epoch": 3}, {1: torch.zeros(2)}, [torch.zeros(2)], torch.ones(1)],
)
def test_a_table_of_other_things_is_told(tmp_path: Path, table: object) -> None:
    torch.save(table, tmp_path / "a.pth")
    with pytest.raises(D3keError, match=r"a\.pth: not a table of tensors by name"):
        read_backbone_weights(tmp_path / "a.pth")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match=r"nix\.pth: no such file"):
        read_backbone_weights(tmp_path / "nix.pth")


def test_another_backbone_s_weights_are_refused_with_the_file_s_name(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "a.pth")
    start = Start("mobilenet_v2", 32, backbone_weights=tmp_path / "a.pth")
    with pytest.raises(D3keError, match=r"a\.pth: these weights are of another backbone"):
        start.network(default_model(), 30.0)


def test_imagenet_weights_that_cannot_be_had_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(D3keError, match=r"no ImageNet weights of resnext50 .*no route to host"):
        Start("resnext50", 64, pretrained=True).network(default_model(), 30.0)


@pytest.mark.parametrize("name", BACKBONES)
def test_imagenet_weights_have_a_name_in_torchvision(name: str) -> None:
    built = BACKBONES[name].build.__name__
    chosen = torchvision.models.get_model_weights(built)[BACKBONES[name].weights]
    assert chosen.meta["num_params"] == PUBLISHED[name]
