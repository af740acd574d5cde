"""Temporal networks over stored answers: from a window's rows of numbers to its middle frame.

- raw outputs for the middle frame, and for every frame where a network has a say on them
- StridedTransformer: post-norm blocks, no dropout; the last ones thin the frames out to one
- Tcn: batch-normed residual levels, each of which makes one frame of three
- Lstm: both directions; each frame has an answer, the middle one's is the window's
- a convolution of width 1 is a Linear, one as wide as its stride a Linear of frames side by side
Source: Bittner et al. 2023 (D3KE); Li et al. 2022 (strided transformer); Pavllo et al. 2019 (TCN).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.network.temporal import positions

STRIDES = {9: (9,), 27: (3, 9), 81: (3, 3, 9), 243: (3, 9, 9)}  # by window, frames
TRANSFORMER_WIDTH, BLOCKS, HEADS = 256, 3, 8
TCN_WIDTH, TCN_DROPOUT, MOMENTUM = 1024, 0.25, (0.1, 0.001)  # batch norm's, first and last
LSTM_WIDTH, LSTM_LAYERS, LSTM_DROPOUT = 512, 3, 0.1
START = 0.1  # of the usual random weights, for output layers that begin at a given answer


class SequenceOutput(NamedTuple):
    """Raw outputs of windows.

    centre: (B, outputs) of the middle frame; frames: (B, window, outputs) of all, or None where a
    network says nothing of the others.
    """

    centre: Tensor
    frames: Tensor | None


class SequenceNetwork(nn.Module):
    """What the temporal networks share. Each is called with rows (B, window, inputs)."""

    def __init__(self, window: int, width: int, multiple: int = 1) -> None:
        super().__init__()
        if window not in STRIDES:
            raise D3keError(f"a window of {window} frames: give {', '.join(map(str, STRIDES))}.")
        if width < 0 or width % multiple:
            raise D3keError(
                f"a temporal network {width} wide: give a multiple of {multiple}, or 0 for the "
                "published width."
            )

    def output_layers(self) -> list[nn.Linear]:
        """The layers that give raw outputs."""
        raise NotImplementedError

    @torch.no_grad()
    def start_at(self, bias: Tensor) -> None:
        """Begin with nearly the same raw outputs (outputs,) whatever the rows."""
        for layer in self.output_layers():
            layer.weight.mul_(START)
            layer.bias.copy_(bias)

    def set_bn_momentum(self, share: float, least: float = 0.0) -> None:
        """Set the momentum of batch norms, if any, for this share [0, 1] of a training.

        least: below which it never falls: in a short training statistics would stay those of its
        beginning.
        """
        first, last = MOMENTUM
        for part in self.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.momentum = max(least, first * (last / first) ** share)


class StridedTransformer(SequenceNetwork):
    """Attention over all frames, then over ever fewer of them; 3.37 M parameters as published."""

    places: Tensor

    def __init__(self, inputs: int, outputs: int, window: int, width: int) -> None:
        super().__init__(window, width, HEADS)
        width = width or TRANSFORMER_WIDTH
        places = positions(window, width, torch.empty(0))
        self.register_buffer("places", places, persistent=False)
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(PostNormBlock(width) for _ in range(BLOCKS))
        self.strided = nn.ModuleList(
            PostNormBlock(width, stride, bias=False) for stride in STRIDES[window]
        )
        self.of_frames, self.of_centre = nn.Linear(width, outputs), nn.Linear(width, outputs)

    def forward(self, rows: Tensor) -> SequenceOutput:
        """rows: (B, window, inputs)."""
        frames = self.enter(rows) + self.places
        for block in self.blocks:
            frames = block(frames)
        left = frames
        for block in self.strided:
            left = block(left + self.places[: left.shape[1]])
        return SequenceOutput(self.of_centre(left).squeeze(1), self.of_frames(frames))

    def output_layers(self) -> list[nn.Linear]:
        """For the middle frame and for all."""
        return [self.of_centre, self.of_frames]


class PostNormBlock(nn.Module):
    """Attention and a two-layer perceptron, each normalised after it is added: every s-th frame.

    The published block drops frames in its last layer. Only attention's keys and values cross
    frames, so the rest is computed for those that stay, to the same numbers.
    """

    def __init__(self, width: int, stride: int = 1, *, bias: bool = True) -> None:
        super().__init__()
        self.stride = stride
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width, bias=bias),
            nn.ReLU(),
            nn.Linear(2 * width, width, bias=bias),
        )
        self.after_attention, self.after_mlp = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (B, T, width). Returns (B, T / stride, width)."""
        kept = frames[:, self.stride // 2 :: self.stride]
        kept = self.after_attention(kept + self.attend(kept, frames))
        mixed: Tensor = self.after_mlp(kept + self.mlp(kept))
        return mixed

    def attend(self, kept: Tensor, frames: Tensor) -> Tensor:
        """What kept frames (B, t, width) take from all frames (B, T, width): (B, t, width)."""
        query, key, value = (
            part.unflatten(2, (HEADS, -1)).transpose(1, 2)  # (B, heads, t or T, width / heads)
            for part in (self.query(kept), *self.key_value(frames).chunk(2, dim=2))
        )
        seen = nn.functional.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return mixed


class Tcn(SequenceNetwork):
    """Convolutions over three frames at a time, until one is left."""

    def __init__(self, inputs: int, outputs: int, window: int, width: int) -> None:
        super().__init__(window, width)
        width = width or TCN_WIDTH
        self.enter = NormedLinear(3 * inputs, width)
        self.levels = nn.ModuleList(Level(width) for _ in range(round(math.log(window, 3)) - 1))
        self.of_centre = nn.Linear(width, outputs)

    def forward(self, rows: Tensor) -> SequenceOutput:
        """rows: (B, window, inputs)."""
        frames = self.enter(in_threes(rows))
        for level in self.levels:
            frames = level(frames)
        return SequenceOutput(self.of_centre(frames).squeeze(1), None)

    def output_layers(self) -> list[nn.Linear]:
        """For the middle frame alone."""
        return [self.of_centre]


class Level(nn.Module):
    """One frame of three, added to the middle one of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.three, self.one = NormedLinear(3 * width, width), NormedLinear(width, width)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (B, 3 T, width). Returns (B, T, width)."""
        mixed: Tensor = frames[:, 1::3] + self.one(self.three(in_threes(frames)))
        return mixed


class NormedLinear(nn.Module):
    """Linear, batch norm, ReLU, dropout of each frame: (B, T, inputs) -> (B, T, width)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width, bias=False)  # batch norm has a bias
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(TCN_DROPOUT)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (B, T, inputs)."""
        normed = self.norm(self.linear(frames).flatten(0, 1)).unflatten(0, (-1, frames.shape[1]))
        dropped: Tensor = self.dropout(normed.relu())
        return dropped


def in_threes(frames: Tensor) -> Tensor:
    """Three frames after each other as one: (B, 3 T, C) -> (B, T, 3 C)."""
    beside: Tensor = frames.unflatten(1, (-1, 3)).flatten(2)
    return beside


class Lstm(SequenceNetwork):
    """Long short-term memory forwards and backwards in time; `width` is of one direction."""

    def __init__(self, inputs: int, outputs: int, window: int, width: int) -> None:
        super().__init__(window, width)
        width = width or LSTM_WIDTH
        self.lstm = nn.LSTM(
            inputs, width, LSTM_LAYERS, batch_first=True, dropout=LSTM_DROPOUT, bidirectional=True
        )
        self.of_frames = nn.Linear(2 * width, outputs)

    def forward(self, rows: Tensor) -> SequenceOutput:
        """rows: (B, window, inputs)."""
        frames = self.of_frames(self.lstm(rows)[0])
        return SequenceOutput(frames[:, frames.shape[1] // 2], frames)

    def output_layers(self) -> list[nn.Linear]:
        """One for all frames."""
        return [self.of_frames]


# (inputs, outputs, window, width) -> network; a width of 0 is the published one.
SEQUENCE: dict[str, Callable[[int, int, int, int], SequenceNetwork]] = {
    "transformer": StridedTransformer,
    "tcn": Tcn,
    "lstm": Lstm,
}
