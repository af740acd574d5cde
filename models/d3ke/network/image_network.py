"""D3KE from pictures: a backbone for each frame, a temporal network over what it said.

- one 1x1 convolution from the backbone's maps to root, scales and coordinates
- the temporal network sees the frames' answers, posed through the skeleton, and gives the same
  numbers anew; it is trained on stored answers, apart from the backbone
Source: Bittner et al. 2023, Sensors 23(1), 341.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.network.backbones import Trunk, check_size
from d3ke.network.config import D3KEConfig
from d3ke.network.d3ke import D3KE
from d3ke.network.losses import as_frame
from d3ke.network.sequence import SEQUENCE, SequenceNetwork
from d3ke.network.transition import FrameAnswer, Transition
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

NO_TEMPORAL = "none"


class WindowAnswer(NamedTuple):
    """What a temporal network says of windows.

    centre: (B, ...) of the middle frame; frames: (B, T, ...) of all, or None where it says nothing
    of the others.
    """

    centre: FrameAnswer
    frames: FrameAnswer | None


class ImageD3KE(D3KE):
    """The network that works from pictures."""

    def __init__(self, config: D3KEConfig, osim: OsimModel) -> None:
        super().__init__(config, osim)
        check_size(config.size)
        self.transition = Transition(config, osim, self.coordinates)
        self.skeleton = SkeletalModel(osim)
        self.trunk = Trunk(config.encoder)
        self.head = nn.Conv2d(self.trunk.channels, self.transition.outputs, 1)
        self.temporal = self._temporal()
        self._start_neutral()

    def frames(self, images: Tensor) -> FrameAnswer:
        """images: (B, 3, S, S) u1 RGB of `config.size`. Returns (B, ...)."""
        return self.transition.of_maps(self.head(self.trunk(images)))

    def rows(self, answer: FrameAnswer) -> Tensor:
        """What the temporal network sees of frames (..., T), a row each: (..., T, C).

        Joint centres and markers about the first joint, m; body scales; orientation, row by row;
        predicted coordinates, rad.
        """
        pose = self.skeleton(answer.q, answer.scales, as_frame(answer.root))
        root = pose.joints[..., :1, :]
        parts = [pose.joints - root, pose.markers - root, answer.scales, answer.root]
        flat = [part.flatten(-2) for part in parts]
        return torch.cat([*flat, answer.q[..., self.predicted]], dim=-1)

    def windows(self, rows: Tensor) -> WindowAnswer:
        """rows: (B, window, C). Raises D3keError where there is no temporal network."""
        if self.temporal is None:
            raise D3keError("this network has no temporal part. Train one (--stage temporal).")
        said = self.temporal(rows)
        frames = None if said.frames is None else self.transition.of_rows(said.frames)
        return WindowAnswer(self.transition.of_rows(said.centre), frames)

    def row_width(self) -> int:
        """How many numbers a row has, C."""
        osim = self.osim
        bodies, joints, markers = len(osim.bodies), len(osim.joints), len(osim.markers)
        return 3 * (joints + markers + bodies) + 9 + len(self.predicted)

    def _temporal(self) -> SequenceNetwork | None:
        name, config = self.config.temporal, self.config
        if name == NO_TEMPORAL:
            return None
        if name not in SEQUENCE:
            known = ", ".join([*SEQUENCE, NO_TEMPORAL])
            raise D3keError(f"temporal network {name!r} is not known. Use {known}.")
        make = SEQUENCE[name]
        return make(self.row_width(), self.transition.outputs, config.window, config.width)

    def _start_neutral(self) -> None:
        """Begin with somebody upright who faces the camera, whatever the picture."""
        neutral = self.transition.neutral()
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.copy_(neutral)  # type: ignore[union-attr]
        if self.temporal is not None:
            self.temporal.start_at(neutral)
