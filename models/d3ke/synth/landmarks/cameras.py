"""Where cameras stand when people are filmed, and what is assumed of them."""

from typing import NamedTuple

import numpy as np
import roma
import torch
from torch import Tensor

from d3ke.network.landmarks import aim

# Chosen by the project for phones held or put up in a room; not measured.
DISTANCE_M = (1.8, 6.5)
HEIGHT_M = (0.5, 1.8)
PITCH_SD_DEG, ROLL_SD_DEG = 4.0, 2.0
KNOWN_PITCH_SHARE = 0.3  # part of the cameras whose pitch the user has measured
AIMED_SHARE = 0.5  # part of the cameras that are tilted to the person's middle
OFF_CENTRE = (0.22, 0.03)  # standard deviation of the person's place in the picture over f


class CameraViews(NamedTuple):
    """One camera for each of B clips. x_cam = turn x_ground + shift.

    turn: (B, 3, 3); shift: (B, 3); focal_error: (B,) assumed over true image size;
    assumed_down: (B, 3) where gravity is believed to point, in the camera.
    """

    turn: Tensor
    shift: Tensor
    focal_error: Tensor
    assumed_down: Tensor

    def in_camera(self, bodies: Tensor, root: Tensor) -> Tensor:
        """Body frames (B, T, N, 4, 4) about a pelvis that goes along root (B, T, 3)."""
        turned = self.turn[:, None, None] @ bodies[..., :3, :3]
        places = bodies[..., :3, 3] + root.unsqueeze(2)
        places = places @ self.turn[:, None].transpose(-1, -2) + self.shift[:, None, None]
        upper = torch.cat([turned, places.unsqueeze(-1)], dim=-1)
        return torch.cat([upper, bodies[..., 3:, :]], dim=-2)


def draw_views(count: int, focal_sd: float, random: torch.Generator) -> CameraViews:
    """Random cameras about a person who starts at the ground's origin."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=random)

    def normal(sd: float) -> Tensor:
        return sd * torch.randn(count, generator=random)

    azimuth = uniform(-np.pi, np.pi)
    distance, height = uniform(*DISTANCE_M), uniform(*HEIGHT_M)
    offset = torch.stack([normal(OFF_CENTRE[0]), normal(OFF_CENTRE[1])], dim=1)
    offset = offset.clamp(-0.5, 0.5)
    aimed = torch.atan2(height - 0.95, distance) * (uniform(0, 1) < AIMED_SHARE)
    known = uniform(0, 1) < KNOWN_PITCH_SHARE
    pitch = aimed + normal(np.radians(PITCH_SD_DEG))
    roll = normal(np.radians(ROLL_SD_DEG))
    level = _about((0.0, 1.0, 0.0), azimuth) @ torch.diag(
        torch.tensor([1.0, -1.0, -1.0])
    )  # camera in ground
    turn = (level @ _about((1.0, 0.0, 0.0), -pitch) @ _about((0.0, 0.0, 1.0), roll)).transpose(
        -1, -2
    )
    eye = -distance[:, None] * level[..., 2]
    eye[:, 1] = height
    # Turn the camera aside so that the person stands off the picture's centre.
    turn = aim(-offset) @ turn
    shift = -(turn @ eye.unsqueeze(2)).squeeze(2)
    down = -turn[..., 1]
    assumed = torch.where(known[:, None], down, torch.tensor([0.0, 1.0, 0.0]).expand(count, 3))
    return CameraViews(turn, shift, torch.exp(normal(focal_sd)), assumed)


def _about(axis: tuple[float, float, float], angle: Tensor) -> Tensor:
    """Rotations (B, 3, 3) by angles (B,), rad, about a coordinate axis."""
    turn: Tensor = roma.rotvec_to_rotmat(angle.unsqueeze(1) * torch.tensor(axis))
    return turn
