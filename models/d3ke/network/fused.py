"""D3KE from landmarks and pictures: two networks as one.

The landmark network leads. It takes from the network for pictures a share of what this says of
some coordinates, which BlazePose's 33 points hardly show: no point lies on the spine, and few on
the foot.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.errors import D3keError
from d3ke.network.d3ke import D3KE
from d3ke.network.inference import Regression, values_at
from d3ke.network.landmark_network import LandmarkD3KE

if TYPE_CHECKING:
    from d3ke.network.image_network import ImageD3KE

Array = NDArray[np.float64]

LOOKS_HZ = 10.0  # how often pictures are looked at: what landmarks miss changes slowly


class FusedD3KE(D3KE):
    """A landmark network, one for pictures, and how much of each coordinate is the latter's."""

    shares: Tensor
    widths: Tensor | None

    def __init__(
        self,
        landmarks: LandmarkD3KE,
        pictures: "ImageD3KE",
        shares: Mapping[str, float],
        widths: Mapping[str, float] | None = None,
    ) -> None:
        """shares: from 0 to 1, by coordinate; the others are the landmark network's alone.

        widths: how uncertain each coordinate is beside what the landmark network says alone.

        Raises D3keError for networks of two skeletons, and for shares of what either of them does
        not predict, or that are none.
        """
        super().__init__(landmarks.config, landmarks.osim)
        if pictures.osim.sha256 != landmarks.osim.sha256:
            raise D3keError("the two networks of a fusion have different skeletons.")
        self.landmarks, self.pictures = landmarks, pictures
        both = {*landmarks.config.bounds} & {*pictures.config.bounds}
        for name, share in shares.items():
            if name not in both or not isinstance(share, int | float) or not 0 <= share <= 1:
                raise D3keError(f"a share of {share} of {name}: {self._of_both(both)}")
        of_each = [shares.get(name, 0.0) for name in self.osim.coordinate_names]
        self.register_buffer("shares", torch.tensor(of_each, dtype=torch.float64))
        beside = [(widths or {}).get(name, 1.0) for name in self.osim.coordinate_names]
        measured = torch.tensor(beside, dtype=torch.float64) if widths else None
        self.register_buffer("widths", measured)

    @property
    def tells_std(self) -> bool:
        """Whether it says how far off its coordinates are."""
        return self.widths is not None and self.landmarks.tells_std

    def told(self) -> dict[str, Any]:
        """What it is built from, as JSON would hold it."""
        return {"landmarks": self.landmarks.told(), "pictures": self.pictures.told()}

    def mixed(
        self, time: Array, by_landmarks: Regression, when: Array, by_pictures: Regression
    ) -> Regression:
        """Both answers as one, at the times (T,) s of the first.

        when: (G,) s, of the second. Between them its difference to the first is a straight line,
        so that fast motion stays the landmarks'.
        """
        difference = by_pictures.q - values_at(when, time, by_landmarks.q)
        q = by_landmarks.q + self.shares.cpu().numpy() * values_at(time, when, difference)
        std, widths = by_landmarks.q_std, self.widths
        if std is not None:
            std = None if widths is None else std * widths.cpu().numpy()
        return by_landmarks._replace(q=q, q_std=std)

    @staticmethod
    def _of_both(names: set[str]) -> str:
        return f"give numbers from 0 to 1 for what both predict: {', '.join(sorted(names))}."
