"""How BlazePose errs: its landmarks as a shrunken, biased, noisy view of the true ones.

Fitted on rendered people with exact labels. World landmarks are regressed towards the common:
a straight knee that faces the camera reads 20 degrees. A network trained with zero-mean noise
would believe that.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from d3ke.skeleton.landmark_places import ASSETS, NOISE_FILE

REGRESSION_FILE = "landmark_world_regression.npz"


@dataclass(frozen=True)
class WorldRegression:
    """From true bones to the bones of BlazePose's metric model (35 bones).

    bones_from_landmarks: (35, 33) and back (33, 35); coefficients: (35, 16, 3); parent: (35,);
    length_m: (35,) nominal; clip_noise, frame_noise: (35, 3, 3) Cholesky factors, per length.
    """

    bones_from_landmarks: Tensor
    landmarks_from_bones: Tensor
    coefficients: Tensor
    parent: Tensor
    length_m: Tensor
    clip_noise: Tensor
    frame_noise: Tensor

    def apply(self, landmarks: Tensor, pelvis: Tensor) -> Tensor:
        """Expected BlazePose bones. landmarks: (..., 33, 3) hip-centred, m; pelvis: (..., 3, 3).

        Both in the frame whose z axis is the line of sight. Returns (..., 35, 3), m.
        """
        bones = self.bones_from_landmarks @ landmarks  # (..., 35, 3)
        expected: Tensor = torch.einsum(
            "...bf,bfd->...bd", self.features(bones, pelvis), self.coefficients
        )
        return expected

    def features(self, bones: Tensor, pelvis: Tensor) -> Tensor:
        """What the regression goes by, (..., 35, 16). bones: (..., 35, 3), m; pelvis as above."""
        axes = pelvis.transpose(-1, -2).flatten(-2)  # forward, up, right
        axes = axes.unsqueeze(-2) * self.length_m[:, None]  # (..., 35, 9)
        length = self.length_m[:, None].expand(*bones.shape[:-1], 1)
        return torch.cat([bones, bones[..., self.parent, :], axes, length], dim=-1)


@cache
def world_regression(folder: Path = ASSETS) -> WorldRegression:
    """The fit that ships with the package, or that of another folder."""
    bones = json.loads((folder / NOISE_FILE).read_text(encoding="utf-8"))["bones"]
    with np.load(folder / REGRESSION_FILE, allow_pickle=False) as arrays:
        table = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return WorldRegression(
        bones_from_landmarks=table["bones_from_landmarks"],
        landmarks_from_bones=torch.linalg.pinv(table["bones_from_landmarks"]),
        coefficients=table["coefficients"],
        parent=table["regression_parent"],
        length_m=torch.tensor([bone["nominal_length_m"] for bone in bones]),
        clip_noise=table["clip_cholesky"],
        frame_noise=table["frame_cholesky"],
    )
