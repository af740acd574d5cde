"""Temporal networks: from features of the frames of a window to an answer for each frame.

WindowTransformer:
- pre-norm blocks, no dropout: the data are endless
- plain softmax attention: on a CPU torch's fused kernel is several times slower backwards
- sinusoidal positions relative to the window's start, so that short windows need no training of
  their own; frames that are not valid are masked as keys
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class WindowTransformer(nn.Module):
    """Self-attention over the frames of a window: (B, T, width) -> (B, T, width)."""

    def __init__(self, width: int, blocks: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, feedforward) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor, valid: Tensor) -> Tensor:
        """features: (B, T, width); valid: (B, T) bool."""
        features = features + positions(features.shape[1], features.shape[2], features)
        hidden = torch.zeros_like(valid, dtype=features.dtype).masked_fill(~valid, -1e4)
        for block in self.blocks:
            features = block(features, hidden[:, None, None])
        normed: Tensor = self.norm(features)
        return normed


class Block(nn.Module):
    """Attention and a two-layer perceptron, each on a normalised copy added back."""

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, feedforward), nn.GELU(), nn.Linear(feedforward, width)
        )

    def forward(self, features: Tensor, hidden: Tensor) -> Tensor:
        """features: (B, T, width); hidden: (B, 1, 1, T), added to the attention's logits."""
        features = features + self.attend(self.before_attention(features), hidden)
        mixed: Tensor = features + self.mlp(self.before_mlp(features))
        return mixed

    def attend(self, features: Tensor, hidden: Tensor) -> Tensor:
        """Multi-head self-attention, (B, T, width)."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, T, width / heads)
            for part in self.query_key_value(features).chunk(3, dim=2)
        )
        logits = query @ key.transpose(2, 3) / math.sqrt(query.shape[3]) + hidden
        seen = torch.softmax(logits, dim=3) @ value
        mixed: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return mixed


class NoTemporal(nn.Module):
    """Each frame for itself."""

    def forward(self, features: Tensor, valid: Tensor) -> Tensor:
        """features: (B, T, width), returned as they are."""
        return features


def positions(frames: int, width: int, like: Tensor) -> Tensor:
    """Sinusoidal position codes (T, width) (Vaswani et al. 2017)."""
    half = torch.arange(0, width, 2, device=like.device, dtype=torch.float32)
    rate = torch.exp(-math.log(10_000.0) / width * half)
    angle = torch.arange(frames, device=like.device).unsqueeze(1) * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1).to(like.dtype)


TEMPORAL: dict[str, Callable[[int, int, int, int], nn.Module]] = {
    "transformer": WindowTransformer,
    "none": lambda width, blocks, heads, feedforward: NoTemporal(),
}
