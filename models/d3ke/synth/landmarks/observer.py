"""Landmark observer: what BlazePose would say of a body, drawn from how it usually errs."""

import roma
import torch
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.landmarks.noise import (
    SWAPPED,
    LandmarkNoise,
    Swap,
    azimuth,
    by_view,
    ray_frame,
    twins,
)
from d3ke.synth.landmarks.occlusion import hidden_landmarks
from d3ke.synth.landmarks.slow_noise import slow_noise, spread

TRUE_SCALE = 0.9  # of BlazePose's world, about: what its bones would be without its bias
FLICKER_FRAMES = 4.0  # memory of the visibility


class LandmarkObserver:
    """Draws what BlazePose would say. bias_spread: how far its bias in a clip strays from usual."""

    def __init__(self, skeleton: SkeletalModel, noise: LandmarkNoise, bias_spread: float) -> None:
        """Take the bodies that landmarks lie on, and how they err."""
        self.skeleton, self.noise, self.bias_spread = skeleton, noise, bias_spread
        names = skeleton.osim.body_names
        self.pelvis = names.index("pelvis")
        self.body_index = torch.tensor(noise.places.body_index(names))

    def observe(
        self, bodies: Tensor, flat: Tensor, scales: Tensor, random: torch.Generator
    ) -> Tensor:
        """Landmarks (B, T, 33, 6): image over the focal length, visibility, world m.

        bodies: (B, T, N, 4, 4) in the camera; flat: the same with level feet, which is what a
        network expects to see; scales: (B, N, 3).
        """
        count = len(bodies)
        noise = self.noise
        noisy = spread(count, noise.spread, random)[:, None, None, None]
        points, level = self._points(bodies, flat, scales, noisy, random)
        share = noise.flat_feet * torch.rand(count, 1, 1, 1, generator=random)
        seen_points = points + share * (level - points)
        hidden = hidden_landmarks(points)  # (B, T, 33)
        centred, pelvis = ray_frame(points, bodies[:, :, self.pelvis, :3, :3])
        angle = azimuth(pelvis)  # (B, T)
        image = seen_points[..., :2] / seen_points[..., 2:].clamp(min=0.3)
        error = self._image_noise(hidden, random) * noisy
        error = error + by_view(_tensor(noise.view_bias), angle)
        image = image + error * usual_box(image)[:, None, None, None]
        world = self._world(centred, pelvis, hidden, noisy, random)
        landmarks = torch.cat([image, self._visibility(hidden, random), world], dim=3)
        for name, swap in noise.swaps.items():
            taken = _taken(swap, angle, random)
            landmarks = torch.where(
                taken[:, :, None, None], landmarks[:, :, twins(SWAPPED[name])], landmarks
            )
        return landmarks

    def _points(
        self, bodies: Tensor, flat: Tensor, scales: Tensor, noisy: Tensor, random: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Where this clip's landmarks lie on the bodies, and on those with level feet."""
        count, frames = bodies.shape[:2]
        places = self.noise.places
        stray = _tensor(places.clip_sd_m) * torch.randn(count, 1, 33, 3, generator=random)
        offsets = (_tensor(places.offsets_m) + stray * noisy).expand(-1, frames, -1, -1)
        size = scales.unsqueeze(1).expand(-1, frames, -1, -1)
        return (
            self.skeleton.stations(bodies, self.body_index, offsets, size),
            self.skeleton.stations(flat, self.body_index, offsets, size),
        )

    def _image_noise(self, hidden: Tensor, random: torch.Generator) -> Tensor:
        """Image error as a part of the box, (B, T, 33, 2)."""
        shape, places = (*hidden.shape, 2), self.noise.places
        jitter = _tensor(places.jitter_of_box)[:, None]
        slow = _tensor(places.slow_error_of_box)[:, None]
        error = jitter * torch.randn(shape, generator=random)
        error = error + slow * slow_noise(shape, self.noise.slow_frames, random)
        return error * (1 + self.noise.hidden_gain * hidden.unsqueeze(3))

    def _world(
        self,
        centred: Tensor,
        pelvis: Tensor,
        hidden: Tensor,
        noisy: Tensor,
        random: torch.Generator,
    ) -> Tensor:
        """World landmarks (B, T, 33, 3): any set whose bones are BlazePose's noisy bones."""
        count, frames = centred.shape[:2]
        noise, regression = self.noise, self.noise.world
        expected = regression.apply(centred, pelvis)
        truth = TRUE_SCALE * (regression.bones_from_landmarks @ centred)
        blend = 1 + self.bias_spread * torch.randn(count, 1, 35, 1, generator=random)
        expected = truth + blend.clamp(0, 2) * (expected - truth)
        length = regression.length_m[:, None]
        constant = torch.einsum(
            "nij,bnj->bni", regression.clip_noise, torch.randn(count, 35, 3, generator=random)
        )
        slow = slow_noise((count, frames, 35, 3), noise.world_slow_frames, random)
        slow = torch.einsum("nij,btnj->btni", regression.frame_noise, slow)
        doubt = bone_doubt(noise, hidden)
        bones = expected + length * noisy * (constant.unsqueeze(1) + slow * doubt)
        bones = bones @ _small_turns(noise.turn_deg, count, random).transpose(-1, -2)
        bones = bones * spread(count, noise.world_scale_sd, random)[:, None, None, None]
        return regression.landmarks_from_bones @ bones

    def _visibility(self, hidden: Tensor, random: torch.Generator) -> Tensor:
        """BlazePose's visibility (B, T, 33, 1): near 1 where seen, anything where hidden."""
        usual = self.noise.visibility
        seen, behind = _tensor(usual.seen), _tensor(usual.hidden)
        clip = _tensor(usual.clip_sd) * torch.randn(len(hidden), 1, 33, generator=random)
        flicker = _tensor(usual.frame_sd) * slow_noise(tuple(hidden.shape), FLICKER_FRAMES, random)
        return torch.sigmoid(seen + (behind - seen) * hidden + clip + flicker).unsqueeze(3)


def bone_doubt(noise: LandmarkNoise, hidden: Tensor) -> Tensor:
    """How much worse each bone is known where its ends are hidden, (..., 35, 1), 1 to 2."""
    ends = noise.world.bones_from_landmarks.abs() @ hidden.unsqueeze(-1)
    return 1 + ends.clamp(max=1)


def usual_box(image: Tensor) -> Tensor:
    """Median over a clip of the longer side of the box around image points (B, T, P, 2). (B,)."""
    return (image.amax(dim=2) - image.amin(dim=2)).amax(dim=2).median(dim=1).values


def _taken(swap: Swap, angle: Tensor, random: torch.Generator) -> Tensor:
    """When left is taken for right, (B, T): a Markov chain with the shares of the views."""
    share = by_view(_tensor(swap.share), angle).clamp(max=0.9)
    begin = share / (1 - share) / swap.frames
    chance = torch.rand(share.shape, generator=random)
    taken = torch.empty(share.shape, dtype=torch.bool)
    state = chance[:, 0] < share[:, 0]
    for frame in range(share.shape[1]):
        taken[:, frame] = state
        ends = chance[:, frame] < 1 / swap.frames
        begins = chance[:, frame] < begin[:, frame]
        state = torch.where(state, ~ends, begins)
    return taken


def _small_turns(sd_deg: tuple[float, float, float], count: int, random: torch.Generator) -> Tensor:
    """One small rotation for each clip, (B, 1, 3, 3)."""
    vector = torch.randn(count, 3, generator=random) * torch.deg2rad(torch.tensor(sd_deg))
    turns: Tensor = roma.rotvec_to_rotmat(vector).unsqueeze(1)
    return turns


def _tensor(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
