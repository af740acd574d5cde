"""D3KE: from what a camera sees to the coordinates and body scales of an OpenSim model.

- A frame encoder turns each frame into features; a temporal network mixes a window of them.
- Coordinates and scales are bounded by their ranges; the pelvis' orientation is a 6D rotation in
  the virtual camera of its frame (Zhou et al. 2019), for no crop can know more.
- One set of body scales for a window, the same left and right.
- Coordinates that no view shows keep their prior and are not predicted.
Source: Bittner et al. 2023, Sensors 23(1), 341, for the idea and the losses.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import roma
import torch
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.network.landmarks import LandmarkEncoder, LandmarkWindow
from d3ke.network.mirror import coordinate_signs, mirror_root, swap_of
from d3ke.network.temporal import TEMPORAL
from d3ke.skeleton.osim import OsimModel

# Coordinates that a camera at this distance does not show, with what people usually have, rad.
PRIORS = {
    "subtalar_angle": 0.0,
    "mtp_angle": 0.0,
    "pro_sup": 1.5,
    "wrist_flex": 0.0,
    "wrist_dev": 0.0,
    "neck_flexion": 0.0,
    "neck_bending": 0.0,
    "neck_rotation": 0.0,
}
LOG_SCALE_RANGE = 0.5  # scales lie within 1/1.65 and 1.65 of the model's own size
ROOM = 0.05  # bounds are this part of a range wider: a tanh never quite reaches its ends


def default_priors(osim: OsimModel) -> dict[str, float]:
    """The value of each coordinate of `osim` that is not predicted, rad."""
    return {
        name: PRIORS[base]
        for name in osim.coordinate_names
        if (base := name.removesuffix("_r").removesuffix("_l")) in PRIORS
    }


def default_bounds(osim: OsimModel) -> dict[str, tuple[float, float]]:
    """Bounds of each coordinate that can be predicted: all free rotations but the root's, rad."""
    root, priors = osim.joints[0].name, default_priors(osim)
    bounds = {}
    for coordinate in osim.coordinates:
        fixed = coordinate.locked or not coordinate.rotational or coordinate.name in priors
        if coordinate.joint != root and not fixed:
            low, high = coordinate.range
            room = ROOM * (high - low)
            bounds[coordinate.name] = (low - room, high + room)
    return bounds


@dataclass(frozen=True)
class D3KEConfig:
    """All that a D3KE is built from, beside its skeleton."""

    skeleton_sha256: str
    encoder: str = "landmarks"
    temporal: str = "transformer"
    width: int = 256
    blocks: int = 4
    heads: int = 8
    feedforward: int = 768
    window: int = 64  # frames
    stride: int = 16  # frames between windows at inference
    rate_hz: float = 30.0  # of the frames in a window
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # rad, of the predicted
    priors: Mapping[str, float] = field(default_factory=dict)  # rad, of the rest where not 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON would hold it."""
        return asdict(self)


class Answer(NamedTuple):
    """What the network says of a window.

    q: (B, T, K) rad, the root's six are 0; root: (B, T, 3, 3) pelvis in the camera,
    x_cam = root x_pelvis; scales: (B, N, 3).
    """

    q: Tensor
    root: Tensor
    scales: Tensor


class D3KE(nn.Module):
    """The network. Its skeleton's constants are not in the state dict."""

    middle: Tensor
    reach: Tensor
    rest: Tensor
    predicted: Tensor
    scale_group: Tensor

    def __init__(self, config: D3KEConfig, osim: OsimModel) -> None:
        super().__init__()
        _check_skeleton(config, osim)
        if config.temporal not in TEMPORAL:
            known = ", ".join(TEMPORAL)
            raise D3keError(f"temporal network {config.temporal!r} is not known. Use {known}.")
        self.config, self.osim = config, osim
        self.encoder = LandmarkEncoder(config.width)
        self.temporal = TEMPORAL[config.temporal](
            config.width, config.blocks, config.heads, config.feedforward
        )
        self._register_coordinates(osim)
        groups = _scale_groups(osim.body_names)
        self.register_buffer("scale_group", groups, persistent=False)
        self.frame_head = nn.Linear(config.width, len(self.predicted) + 6)
        self.scale_head = nn.Linear(config.width, int(groups.max()) + 1)
        self._start_neutral()

    def forward(self, window: LandmarkWindow) -> Answer:
        """Coordinates, pelvis orientation and body scales of a window."""
        features, views = self.encoder(window)
        features = self.temporal(features, window.valid)
        raw = self.frame_head(features).float()
        angles = self.middle + self.reach * torch.tanh(raw[..., 6:])
        q = self.rest.expand(*raw.shape[:2], -1).index_copy(2, self.predicted, angles)
        in_view = roma.special_gramschmidt(raw[..., :6].unflatten(2, (3, 2)))
        root = views.transpose(-1, -2) @ in_view
        return Answer(q, root, self._scales(features, window.valid))

    def both_ways(self, window: LandmarkWindow) -> Answer:
        """The mean of the answer and of the mirrored answer to the mirrored window."""
        straight, mirrored = self(window), self(window.mirrored())
        names = self.osim.coordinate_names
        q = mirrored.q[..., swap_of(names)] * coordinate_signs(names).to(mirrored.q)
        scales = mirrored.scales[:, swap_of(self.osim.body_names)]
        root = roma.special_procrustes(straight.root + mirror_root(mirrored.root))
        return Answer((straight.q + q) / 2, root, (straight.scales + scales) / 2)

    def _scales(self, features: Tensor, valid: Tensor) -> Tensor:
        weight = valid.unsqueeze(2).to(features.dtype)
        pooled = (features * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        logs = LOG_SCALE_RANGE * torch.tanh(self.scale_head(pooled).float())
        return torch.exp(logs[:, self.scale_group])  # (B, N, 3)

    def _register_coordinates(self, osim: OsimModel) -> None:
        """What is predicted, within which bounds, and what the rest is."""
        names = osim.coordinate_names
        predicted = [names.index(name) for name in self.config.bounds]
        low, high = torch.tensor(list(self.config.bounds.values())).unbind(1)
        rest = [self.config.priors.get(name, 0.0) for name in names]
        self.register_buffer("predicted", torch.tensor(predicted), persistent=False)
        self.register_buffer("middle", (low + high) / 2, persistent=False)
        self.register_buffer("reach", (high - low) / 2, persistent=False)
        self.register_buffer("rest", torch.tensor(rest), persistent=False)

    def _start_neutral(self) -> None:
        """Begin at coordinates of 0, an upright pelvis that faces the camera, scales of 1."""
        with torch.no_grad():
            for head in (self.frame_head, self.scale_head):
                head.weight.mul_(0.1)
                head.bias.zero_()
            neutral = (-self.middle / self.reach).clamp(-0.97, 0.97)
            self.frame_head.bias[6:] = torch.atanh(neutral)
            facing = torch.tensor([[0.0, 0.0], [0.0, -1.0], [-1.0, 0.0]])
            self.frame_head.bias[:6] = facing.flatten()


def _scale_groups(body_names: tuple[str, ...]) -> Tensor:
    """Which output scales which axis of which body, (N, 3): left and right share theirs."""
    twins = [min(index, twin) for index, twin in enumerate(swap_of(body_names))]
    order = {body: rank for rank, body in enumerate(sorted(set(twins)))}
    first = torch.tensor([order[twin] for twin in twins])
    return 3 * first.unsqueeze(1) + torch.arange(3)


def _check_skeleton(config: D3KEConfig, osim: OsimModel) -> None:
    if config.skeleton_sha256 != osim.sha256:
        raise D3keError(
            f"these weights were trained for another skeleton than {osim.name}: "
            "pass the .osim they came with."
        )
