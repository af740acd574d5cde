"""The network of a config."""

from d3ke.network.config import LANDMARKS, D3KEConfig
from d3ke.network.d3ke import D3KE
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
