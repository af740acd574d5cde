"""Backbones: torchvision's image networks by name, without their last pooling and classifier.

- fully convolutional, stride 32: a crop of S px gives maps of S / 32
- ResNets stride about the middle where they halve the picture for the last time but one: the
  shortcut takes the odd pixels, so that no side of the picture is favoured
Source: Sarandi et al. 2020 (MeTRAbs) and Bittner et al. 2023 (D3KE) for the centred stride.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from d3ke.errors import D3keError

STRIDE = 32  # px of the crop, a cell of the maps
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of RGB in [0, 1]
CLASSIFIER = ("fc.", "classifier.", "conv_1x1.")  # weights that a backbone has no use for


class Backbone(NamedTuple):
    """build: torchvision's constructor; channels: of the maps; weights: torchvision's ImageNet."""

    build: Callable[..., nn.Module]
    channels: int
    weights: str


BACKBONES: dict[str, Backbone] = {
    "resnext50": Backbone(torchvision.models.resnext50_32x4d, 2048, "IMAGENET1K_V2"),
    "resnext101": Backbone(torchvision.models.resnext101_32x8d, 2048, "IMAGENET1K_V2"),
    "resnext101_64x4d": Backbone(torchvision.models.resnext101_64x4d, 2048, "IMAGENET1K_V1"),
    "resnet50": Backbone(torchvision.models.resnet50, 2048, "IMAGENET1K_V2"),
    "resnet101": Backbone(torchvision.models.resnet101, 2048, "IMAGENET1K_V2"),
    "mobilenet_v2": Backbone(torchvision.models.mobilenet_v2, 1280, "IMAGENET1K_V2"),
}


class Trunk(nn.Module):
    """A backbone: pictures u1 (B, 3, S, S) RGB to maps (B, channels, S / 32, S / 32)."""

    mean: Tensor
    std: Tensor

    def __init__(self, name: str) -> None:
        super().__init__()
        chosen = backbone(name)
        self.channels = chosen.channels
        network = chosen.build(weights=None)
        if isinstance(network, torchvision.models.MobileNetV2):
            self.features = network.features
        else:
            self.features = nn.Sequential()
            for part, module in list(network.named_children())[:-2]:  # not avgpool and fc
                self.features.add_module(part, module)
            first = self.features.layer3[0]
            first.downsample = CentredStride(*first.downsample)
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(MEAN).view(shape) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(shape) * 255, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Maps of pictures."""
        shown = (images.float() - self.mean) / self.std
        maps: Tensor = self.features(shown.contiguous(memory_format=torch.channels_last))
        return maps

    def load_classifier(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of a classifier as torchvision names them.

        Raises D3keError where they are of another network.
        """
        prefix = "features."
        mine = {
            key.removeprefix(prefix): value
            for key, value in weights.items()
            if not key.startswith(CLASSIFIER)
        }
        try:
            self.features.load_state_dict(mine)
        except RuntimeError as error:
            raise D3keError(
                "these weights are of another backbone. Give torchvision's own file for it."
            ) from error


class CentredStride(nn.Sequential):
    """A shortcut that begins at the second row and column of pixels."""

    def forward(self, maps: Tensor) -> Tensor:
        """maps: (B, C, h, w), h and w even."""
        shortcut: Tensor = nn.Sequential.forward(self, maps[..., 1:, 1:])  # type: ignore[no-untyped-call]
        return shortcut


def backbone(name: str) -> Backbone:
    """The backbone of that name. Raises D3keError for an unknown one."""
    if name not in BACKBONES:
        raise D3keError(f"backbone {name!r} is not known. Use {', '.join(BACKBONES)}.")
    return BACKBONES[name]


def check_size(size: int) -> None:
    """Raises D3keError for a side of a crop that a backbone cannot halve five times, px."""
    if size < STRIDE or size % STRIDE:
        raise D3keError(f"pictures of {size} px: give a multiple of {STRIDE}, as 128, 160 or 256.")


def imagenet_weights(name: str) -> dict[str, Tensor]:
    """ImageNet weights of a backbone, from where torchvision keeps them: asks the network.

    Raises D3keError where they cannot be had.
    """
    try:
        found: dict[str, Tensor] = torchvision.models.get_weight(
            f"{_enum_name(name)}.{backbone(name).weights}"
        ).get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise D3keError(
            f"--pretrained: no ImageNet weights of {name} could be had ({error}). Give a file that "
            "you have (--backbone-weights), or train from scratch."
        ) from error
    return found


def _enum_name(name: str) -> str:
    built = backbone(name).build.__name__
    return next(
        known for known in dir(torchvision.models) if known.lower() == f"{built}_weights".lower()
    )


def read_backbone_weights(path: Path) -> dict[str, Tensor]:
    """Weights in a file: .safetensors, or torch's own (.pth), of which nothing is executed.

    Raises D3keError for a file that is neither.
    """
    try:
        found: Any
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise D3keError(f"{path}: no such file. Check its name.") from error
    except Exception as error:  # torch's reader of pickles trips over words and noise in any way
        raise D3keError(
            f"{path}: not a file of weights alone, so it was not read. Give a .safetensors, or a "
            ".pth that holds tensors and nothing else."
        ) from error
    named = isinstance(found, Mapping) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    )
    if not named or not found:
        raise D3keError(f"{path}: not a table of tensors by name. Give a backbone's state dict.")
    return dict(found)
