"""The rest fit: which coordinates and body scales the skeleton has inside a body at rest."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.bodies.least_squares import levenberg_marquardt

ROUNDS = 12  # of Levenberg-Marquardt; later ones move no joint by 0.01 mm
STEP = 1e-6  # rad, or part of a scale: of the finite differences, in double precision

# Groups of body scales, left and right alike: bodies, axes.
SCALE_GROUPS: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = (
    (("pelvis", "sacrum"), (0,)),
    (("pelvis", "sacrum"), (1,)),
    (("pelvis", "sacrum"), (2,)),
    (("femur_r", "femur_l"), (1,)),
    (("femur_r", "femur_l"), (0, 2)),
    (("tibia_r", "tibia_l"), (1,)),
    (("tibia_r", "tibia_l"), (0, 2)),
    (("talus_r", "calcn_r", "toes_r", "talus_l", "calcn_l", "toes_l"), (0,)),
    (("talus_r", "calcn_r", "toes_r", "talus_l", "calcn_l", "toes_l"), (1, 2)),
    (("torso",), (0,)),
    (("torso",), (1,)),
    (("torso",), (2,)),
    (("head",), (0, 1, 2)),
    (("humerus_r", "humerus_l"), (1,)),
    (("humerus_r", "humerus_l"), (0, 2)),
    (("ulna_r", "radius_r", "ulna_l", "radius_l"), (1,)),
    (("ulna_r", "radius_r", "ulna_l", "radius_l"), (0, 2)),
    (("hand_r", "hand_l"), (0, 1, 2)),
)


class RestFit(NamedTuple):
    """The skeletons in B bodies at rest, in double precision.

    q: (B, K) rad and m; scales: (B, N, 3); bodies: (B, N, 4, 4) frames in the space of the mesh;
    offsets_m: (B, P, 3) from each target to the point of the skeleton.
    """

    q: Tensor
    scales: Tensor
    bodies: Tensor
    offsets_m: Tensor


@dataclass(frozen=True, eq=False)
class RestProblem:
    """What is fitted: P points of a skeleton, joint centres first and then markers; and priors.

    skeleton: in double precision. joints: indices of its joints; markers: of its markers.
    sigma_m: (P,) how far off a point may be. mean, sigma: (K + G,) of coordinates and log scales;
    an infinite sigma leaves one free.
    """

    skeleton: SkeletalModel
    joints: Tensor
    markers: Tensor
    sigma_m: Tensor
    mean: Tensor
    sigma: Tensor

    def fit(self, targets: Tensor, size: Tensor) -> RestFit:
        """Least squares for B bodies at once.

        targets: (B, P, 3) m, y up and roughly facing x. size: (B,) stature over the model's own.
        """
        grouped = _scale_matrix(self.skeleton.osim)
        mean = self.mean.repeat(len(targets), 1)
        mean[:, -grouped.shape[1] :] += size.log().unsqueeze(1)
        start = mean.clone()
        slides = [self.skeleton.osim.coordinate_names.index(f"pelvis_t{axis}") for axis in "xyz"]
        start[:, slides] = targets[:, : len(self.joints)].mean(dim=1)

        def residuals(x: Tensor) -> Tensor:
            near = (self._points(*_parts(grouped, x)) - targets) / self.sigma_m.unsqueeze(1)
            return torch.cat([near.flatten(-2), (x - mean) / self.sigma], dim=-1)

        x = levenberg_marquardt(residuals, start, ROUNDS, STEP)
        q, scales = _parts(grouped, x)
        offsets = self._points(q, scales) - targets
        return RestFit(q, scales, self.skeleton.bodies(q, scales), offsets)

    def _points(self, q: Tensor, scales: Tensor) -> Tensor:
        bodies = self.skeleton.bodies(q, scales)
        joints = self.skeleton.joint_centres(bodies, scales)[..., self.joints, :]
        markers = self.skeleton.markers(bodies, scales)[..., self.markers, :]
        return torch.cat([joints, markers], dim=-2)


def _parts(grouped: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates (..., K) and body scales (..., N, 3)."""
    groups = grouped.shape[1]
    scales = (x[..., -groups:] @ grouped.T).exp()
    return x[..., :-groups], scales.unflatten(-1, (-1, 3))


def _scale_matrix(osim: OsimModel) -> Tensor:
    """Which log scale moves which axis of which body, (3 N, G)."""
    matrix = torch.zeros(len(osim.body_names), 3, len(SCALE_GROUPS), dtype=torch.float64)
    for group, (bodies, axes) in enumerate(SCALE_GROUPS):
        for body in bodies:
            matrix[osim.body_names.index(body), list(axes), group] = 1.0
    return matrix.flatten(0, 1)
