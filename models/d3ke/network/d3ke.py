"""D3KE: from what a camera sees to the coordinates and body scales of an OpenSim model.

- A frame encoder turns each frame into features; a temporal network mixes a window of them.
- Coordinates and scales are bounded by their ranges; the pelvis' orientation is a 6D rotation in
  the virtual camera of its frame (Zhou et al. 2019), for no crop can know more.
- Coordinates that no view shows keep their prior and are not predicted.
Source: Bittner et al. 2023, Sensors 23(1), 341.
"""

from typing import Any, NamedTuple

from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.network.config import D3KEConfig
from d3ke.network.transition import BoundedCoordinates
from d3ke.skeleton.osim import OsimModel


class Answer(NamedTuple):
    """What a network says of windows of frames.

    q: (B, T, K) rad, the root's six are 0; root: (B, T, 3, 3) pelvis in the camera,
    x_cam = root x_pelvis; scales: (B, N, 3), or (B, T, N, 3) where each frame has its own;
    log_sigma: (B, T, K) the logarithm of how far off q is, rad, before it is calibrated, NaN where
    not predicted; None where a network does not say.
    """

    q: Tensor
    root: Tensor
    scales: Tensor
    log_sigma: Tensor | None = None


class D3KE(nn.Module):
    """What the networks share. A skeleton's constants are not in the state dict."""

    def __init__(self, config: D3KEConfig, osim: OsimModel) -> None:
        super().__init__()
        if config.skeleton_sha256 != osim.sha256:
            raise D3keError(
                f"these weights were trained for another skeleton than {osim.name}: "
                "pass the .osim they came with."
            )
        self.config, self.osim = config, osim
        self.coordinates = BoundedCoordinates(config, osim)

    @property
    def predicted(self) -> Tensor:
        """Which coordinates are predicted, (K',)."""
        return self.coordinates.predicted

    @property
    def tells_std(self) -> bool:
        """Whether it says how far off its coordinates are."""
        return False

    def told(self) -> dict[str, Any]:
        """What it is built from, as JSON would hold it."""
        return self.config.to_dict()
