"""From a network's raw numbers to coordinates, body scales and pelvis orientation: no weights.

- coordinates and scales lie within their ranges: 2 sigmoid(z) - 1 = tanh(z / 2) of half a range
- of maps, the sigmoid comes before the average over the picture, so that each place has its say
Source: Bittner et al. 2023 (D3KE); 6D rotations: Zhou et al. 2019.
"""

from typing import NamedTuple

import roma
import torch
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.network.config import D3KEConfig
from d3ke.network.scale_groups import ScaleGroup, ScaleMap
from d3ke.skeleton.osim import OsimModel

ROOT = 6  # numbers of a 6D rotation
# The first two columns of an upright pelvis that faces the camera (z right is the picture's left).
FACING = torch.tensor([[0.0, 0.0], [0.0, -1.0], [-1.0, 0.0]])
MOST_NEUTRAL = 0.97  # of a range: what starts nearer its end learns slowly


class FrameAnswer(NamedTuple):
    """What a network says of frames, each for itself.

    q: (..., K) rad, the root's six are 0; root: (..., 3, 3) pelvis in the crop's camera; scales:
    (..., N, 3).
    """

    q: Tensor
    root: Tensor
    scales: Tensor


class BoundedCoordinates(nn.Module):
    """Which coordinates are predicted, within which bounds, and what the rest is."""

    predicted: Tensor
    middle: Tensor
    reach: Tensor
    rest: Tensor

    def __init__(self, config: D3KEConfig, osim: OsimModel) -> None:
        super().__init__()
        if not config.bounds:
            raise D3keError(
                f"{osim.name} has no coordinate to predict: none that turns freely beside the "
                "root's. Name some (--coordinates)."
            )
        names = osim.coordinate_names
        predicted = [names.index(name) for name in config.bounds]
        low, high = torch.tensor(list(config.bounds.values())).reshape(-1, 2).unbind(1)
        rest = [config.priors.get(name, 0.0) for name in names]
        self.register_buffer("predicted", torch.tensor(predicted), persistent=False)
        self.register_buffer("middle", (low + high) / 2, persistent=False)
        self.register_buffer("reach", (high - low) / 2, persistent=False)
        self.register_buffer("rest", torch.tensor(rest), persistent=False)

    def q(self, share: Tensor) -> Tensor:
        """All coordinates (..., K), rad, from where in their ranges the predicted ones are.

        share: (..., K') within (-1, 1).
        """
        angles = self.middle + self.reach * share
        rest = self.rest.expand(*share.shape[:-1], -1)
        return rest.index_copy(share.dim() - 1, self.predicted, angles)

    def neutral(self) -> Tensor:
        """Where in their ranges (K',) the predicted coordinates are 0, or next to it."""
        return (-self.middle / self.reach).clamp(-MOST_NEUTRAL, MOST_NEUTRAL)


class Transition(nn.Module):
    """Raw outputs, 6 + S + K' numbers, to FrameAnswers: root, scales, coordinates."""

    def __init__(
        self, config: D3KEConfig, osim: OsimModel, coordinates: BoundedCoordinates
    ) -> None:
        super().__init__()
        groups = tuple(ScaleGroup.from_dict(group) for group in config.scale_groups)
        self.coordinates = coordinates
        self.scales = ScaleMap(groups, osim.body_names)
        self.parts = (ROOT, len(groups), len(self.coordinates.predicted))

    @property
    def outputs(self) -> int:
        """How many numbers a head has to give."""
        return sum(self.parts)

    def of_maps(self, maps: Tensor) -> FrameAnswer:
        """maps: (B, outputs, h, w). Returns (B, ...)."""
        root, scales, q = maps.float().flatten(2).split(self.parts, dim=1)
        return self._answer(
            root.mean(dim=2), (scales / 2).tanh().mean(dim=2), (q / 2).tanh().mean(dim=2)
        )

    def of_rows(self, rows: Tensor) -> FrameAnswer:
        """rows: (..., outputs). Returns (..., ...)."""
        root, scales, q = rows.float().split(self.parts, dim=-1)
        return self._answer(root, (scales / 2).tanh(), (q / 2).tanh())

    def neutral(self) -> Tensor:
        """Raw outputs of somebody of usual size who stands upright and faces the camera."""
        still = torch.zeros(self.parts[1])
        return torch.cat([FACING.flatten(), still, 2 * torch.atanh(self.coordinates.neutral())])

    def _answer(self, root: Tensor, scales: Tensor, q: Tensor) -> FrameAnswer:
        return FrameAnswer(
            q=self.coordinates.q(q), root=rotation_of(root), scales=self.scales.scales(scales)
        )


def rotation_of(six: Tensor) -> Tensor:
    """Rotations (..., 3, 3) from 6D (..., 6): two columns, row by row (Gram-Schmidt)."""
    rotation: Tensor = roma.special_gramschmidt(six.unflatten(-1, (3, 2)))
    return rotation
