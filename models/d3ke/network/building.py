"""The network of a config."""

from collections.abc import Mapping

from d3ke.errors import D3keError
from d3ke.network.config import LANDMARKS, D3KEConfig
from d3ke.network.d3ke import D3KE
from d3ke.network.fused import FusedD3KE
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.skeleton.osim import OsimModel


def network_of(config: D3KEConfig, osim: OsimModel) -> D3KE:
    """A network with fresh weights.

    Raises D3keError for an unknown part of it, or another skeleton than the config's.
    """
    if config.encoder == LANDMARKS:
        return LandmarkD3KE(config, osim)
    # here, for torchvision takes a second to load, and landmarks do without it
    from d3ke.network.image_network import ImageD3KE

    return ImageD3KE(config, osim)


def fused(
    landmarks: D3KE,
    pictures: D3KE,
    shares: Mapping[str, float],
    widths: Mapping[str, float] | None = None,
) -> FusedD3KE:
    """Two networks as one, see FusedD3KE.

    Raises D3keError for networks of other kinds, of two skeletons, or shares that are none.
    """
    from d3ke.network.image_network import ImageD3KE

    if not isinstance(landmarks, LandmarkD3KE):
        raise D3keError("the first network of a fusion works from landmarks, this one doesn't.")
    if not isinstance(pictures, ImageD3KE):
        raise D3keError("the second network of a fusion works from pictures, this one doesn't.")
    return FusedD3KE(landmarks, pictures, shares, widths)
