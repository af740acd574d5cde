"""Training windows without pixels: motions, people, cameras, and BlazePose's own errors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from torch import Tensor

from d3ke.network.landmarks import HIPS, LandmarkWindow, aim
from d3ke.network.mirror import coordinate_signs, swap_of
from d3ke.progress import Progress
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import landmark_places
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.bank import RATE_HZ, SOLE_LANDMARKS, MotionBank, build_bank
from d3ke.synth.cameras import CameraViews, draw_views
from d3ke.synth.landmark_batches import BatchStream, LandmarkBatch
from d3ke.synth.noise import slow_noise, spread
from d3ke.synth.occlusion import hidden_landmarks
from d3ke.synth.people import People
from d3ke.vision.world_landmarks import world_regression

NETWORK_RATE_HZ = 30.0  # landmarks faster than this cost time and add little


@dataclass(frozen=True)
class LandmarkClipsConfig:
    """What the windows are like. Angles in degrees, lengths in metres."""

    frames: int = 64
    batch: int = 48
    bank_clips: int = 1600
    speed: tuple[float, float] = (0.65, 1.5)
    amplitude: tuple[float, float] = (0.85, 1.2)
    slow_deg: float = 1.5
    short_share: float = 0.1  # part of the windows that is shorter than `frames`
    turn_deg: tuple[float, float, float] = (4.0, 6.0, 2.0)  # rigid error of world landmarks
    world_scale_sd: float = 0.06
    noise_spread: float = 0.3  # log standard deviation of how noisy a clip is
    bias_spread: float = 0.25  # how far the world bias of a clip strays from the fitted one
    focal_sd: float = 0.08  # of the assumed focal length, as a part
    flat_feet: float = 0.7  # feet in the picture are seen up to this much flatter than they are


ALWAYS_SURE = (*range(13), *HIPS)  # BlazePose hardly ever doubts head, shoulders and hips

# Standard deviation of a clip's constant offset, deg: what differs between people and marker sets.
OFFSETS_DEG = {
    "pelvis_tilt": 3.0, "pelvis_list": 1.5, "hip_flexion": 2.0, "hip_adduction": 2.0,
    "hip_rotation": 4.0, "knee_angle": 1.0, "ankle_angle": 2.0, "subtalar_angle": 3.0,
    "mtp_angle": 3.0, "lumbar_extension": 3.0, "lumbar_bending": 2.0, "lumbar_rotation": 2.0,
    "neck_flexion": 5.0, "neck_bending": 3.0, "neck_rotation": 3.0, "arm_flex": 4.0,
    "arm_add": 4.0, "arm_rot": 7.0, "elbow_flex": 4.0, "pro_sup": 8.0, "wrist_flex": 5.0,
    "wrist_dev": 4.0,
}  # fmt: skip


class LandmarkClips(BatchStream):
    """An endless stream of LandmarkBatch, from batch `first` on."""

    def __init__(
        self,
        osim: OsimModel,
        bank: MotionBank,
        people: People,
        config: LandmarkClipsConfig,
        seed: int,
        first: int = 0,
    ) -> None:
        self.osim, self.bank, self.people = osim, bank, people
        self.config, self.seed, self.first = config, seed, first
        self.skeleton = SkeletalModel(osim)
        names = osim.coordinate_names
        self.swap, self.signs = swap_of(names), coordinate_signs(names)
        self.offsets = torch.tensor(
            [np.radians(OFFSETS_DEG.get(name.removesuffix("_r").removesuffix("_l"), 0.0))
             for name in names], dtype=torch.float32,
        )  # fmt: skip
        ranges = torch.tensor([c.range for c in osim.coordinates], dtype=torch.float32)
        self.low, self.high = ranges.unbind(1)
        self.translations = [names.index(f"pelvis_t{axis}") for axis in "xyz"]
        self.feet = [i for i, n in enumerate(names) if n.startswith(("ankle_", "mtp_"))]
        self.places = landmark_places()
        self.body_index = torch.tensor(self.places.body_index(osim.body_names))
        self.soles = [self.places.names.index(name) for name in SOLE_LANDMARKS]

    def batch(self, index: int) -> LandmarkBatch:
        """Batch `index` of this seed."""
        random = torch.Generator().manual_seed((self.seed * 1_000_003 + index) % 2**63)
        rng = np.random.default_rng([self.seed, 2, index])
        config = self.config
        people = self.people.draw(rng, config.batch, self.osim.body_names)
        scales = torch.from_numpy(people).float()
        q, airborne = self._motion(random)
        root, bodies = self._root_path(q, airborne, scales)
        views = draw_views(config.batch, config.focal_sd, random)
        bodies = views.in_camera(bodies, root)  # (B, T, N, 4, 4)
        flat = views.in_camera(self._with_flat_feet(q, scales), root)
        window = self._observe(bodies, flat, scales, views, random)
        pelvis = bodies[:, :, self.osim.body_names.index("pelvis"), :3, :3]
        return LandmarkBatch(window, q, pelvis, scales)

    def _motion(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Cut, retimed, mirrored, stretched and shifted motions: q (B, T, K), airborne (B, T)."""
        config, count = self.config, self.config.batch
        clip = torch.multinomial(self.bank.weight, count, replacement=True, generator=random)
        begin = torch.rand(count, generator=random)
        low, high = np.log(config.speed)
        speed = torch.exp(low + (high - low) * torch.rand(count, generator=random))
        step = speed * RATE_HZ / NETWORK_RATE_HZ
        q, airborne = self.bank.window(clip, begin, step, config.frames)
        mean = q.mean(dim=1, keepdim=True)
        low, high = config.amplitude
        size = low + (high - low) * torch.rand(count, 1, 1, generator=random)
        q = mean + size * (q - mean)
        q = self._mix_arms(q, random)
        offset = self.offsets * torch.randn(count, 1, len(self.offsets), generator=random)
        wander = slow_noise((count, config.frames, q.shape[2]), 20.0, random)
        q = q + offset + np.radians(config.slow_deg) * wander * (self.offsets > 0)
        mirrored = torch.rand(count, 1, 1, generator=random) < 0.5
        q = torch.where(mirrored, q[..., self.swap] * self.signs, q)
        q = torch.maximum(torch.minimum(q, self.high), self.low)
        q[..., self.translations] = 0
        return q, airborne / speed.unsqueeze(1) ** 2

    def _mix_arms(self, q: Tensor, random: torch.Generator) -> Tensor:
        """Give some motions the arms of another."""
        names = self.osim.coordinate_names
        arms = [i for i, n in enumerate(names) if n.startswith(("arm_", "elbow_", "pro_", "wrist"))]
        taken = torch.rand(len(q), 1, 1, generator=random) < 0.25
        other = q[torch.randperm(len(q), generator=random)]
        q = q.clone()
        q[..., arms] = torch.where(taken, other[..., arms], q[..., arms])
        return q

    def _root_path(self, q: Tensor, airborne: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
        """Where the pelvis goes so that the lower foot stands still on the floor.

        Returns its path (B, T, 3) in ground and the bodies (B, T, N, 4, 4) about the pelvis.
        """
        size = scales.unsqueeze(1).expand(-1, q.shape[1], -1, -1)
        bodies = self.skeleton.bodies(q, size)
        offsets = torch.tensor(self.places.offsets_m[self.soles], dtype=torch.float32)
        index = self.body_index[self.soles]
        soles = self.skeleton.stations(bodies, index, offsets, size)  # (B, T, 4, 3)
        lowest = soles[..., 1].amin(dim=2)
        carries = torch.softmax(-soles[..., 1] / 0.02, dim=2)  # 2 cm decide which foot carries
        motion = -(soles.diff(dim=1) * carries[:, 1:, :, None]).sum(dim=2)
        motion = motion * (airborne[:, 1:, None] < 0.01)
        path = torch.cat([torch.zeros_like(motion[:, :1]), motion.cumsum(dim=1)], dim=1)
        path[..., 1] = airborne - lowest
        return path, bodies

    def _observe(
        self,
        bodies: Tensor,
        flat: Tensor,
        scales: Tensor,
        views: CameraViews,
        random: torch.Generator,
    ) -> LandmarkWindow:
        """What BlazePose would say of bodies (B, T, N, 4, 4) in the camera.

        flat: the same bodies with level feet, which is what a network expects to see.
        """
        count, frames = bodies.shape[:2]
        places = self.places
        noisy = spread(count, self.config.noise_spread, random)[:, None, None, None]
        stray = torch.tensor(places.clip_sd_m, dtype=torch.float32) * torch.randn(
            count, 1, 33, 3, generator=random
        )
        offsets = torch.tensor(places.offsets_m, dtype=torch.float32) + stray * noisy
        size = scales.unsqueeze(1).expand(-1, frames, -1, -1)
        offsets = offsets.expand(-1, frames, -1, -1)
        points = self.skeleton.stations(bodies, self.body_index, offsets, size)
        level = self.skeleton.stations(flat, self.body_index, offsets, size)
        share = self.config.flat_feet * torch.rand(count, 1, 1, 1, generator=random)
        seen_points = points + share * (level - points)
        hidden = hidden_landmarks(points)  # (B, T, 33)
        image = seen_points[..., :2] / seen_points[..., 2:].clamp(min=0.3)
        box = (image.amax(dim=2) - image.amin(dim=2)).amax(dim=2).median(dim=1).values
        image = image + self._image_noise(hidden, random) * noisy * box[:, None, None, None]
        world = self._world(bodies, points, hidden, noisy, random)
        seen = _visibility(hidden, random)
        landmarks = torch.cat([image * views.focal_error[:, None, None, None], seen, world], dim=3)
        valid = _some_short(count, frames, self.config.short_share, random)
        return LandmarkWindow(landmarks, views.assumed_down, valid)

    def _with_flat_feet(self, q: Tensor, scales: Tensor) -> Tensor:
        """Bodies (B, T, N, 4, 4) about the pelvis with the feet square to the shanks."""
        square = q.clone()
        square[..., self.feet] = 0
        return self.skeleton.bodies(square, scales.unsqueeze(1).expand(-1, q.shape[1], -1, -1))

    def _image_noise(self, hidden: Tensor, random: torch.Generator) -> Tensor:
        """Image error as a part of the box, (B, T, 33, 2)."""
        shape = (*hidden.shape, 2)
        jitter = torch.tensor(self.places.jitter_of_box, dtype=torch.float32)[:, None]
        slow = torch.tensor(self.places.slow_error_of_box, dtype=torch.float32)[:, None]
        error = jitter * torch.randn(shape, generator=random)
        error = error + slow * slow_noise(shape, 10.0, random)
        return error * (1 + 1.5 * hidden.unsqueeze(3))

    def _world(
        self, bodies: Tensor, points: Tensor, hidden: Tensor, noisy: Tensor, random: torch.Generator
    ) -> Tensor:
        """World landmarks (B, T, 33, 3): any set whose bones are BlazePose's noisy bones."""
        count, frames = points.shape[:2]
        config, regression = self.config, world_regression()
        centre = points[:, :, HIPS].mean(dim=2, keepdim=True)
        turn = aim(centre[:, :, 0, :2] / centre[:, :, 0, 2:])  # (B, T, 3, 3)
        seen = (points - centre) @ turn.transpose(-1, -2)
        pelvis = self.osim.body_names.index("pelvis")
        expected = regression.apply(seen, turn @ bodies[:, :, pelvis, :3, :3])
        truth = regression.bones_from_landmarks @ seen
        blend = 1 + config.bias_spread * torch.randn(count, 1, 35, 1, generator=random)
        expected = truth * 0.9 + blend.clamp(0, 2) * (expected - truth * 0.9)
        length = regression.length_m[:, None]
        constant = torch.einsum(
            "nij,bnj->bni", regression.clip_noise, torch.randn(count, 35, 3, generator=random)
        )
        slow = slow_noise((count, frames, 35, 3), 12.0, random)
        slow = torch.einsum("nij,btnj->btni", regression.frame_noise, slow)
        doubt = 1 + (regression.bones_from_landmarks.abs() @ hidden.unsqueeze(3)).clamp(max=1)
        bones = expected + length * noisy * (constant.unsqueeze(1) + slow * doubt)
        bones = bones @ _small_turns(config.turn_deg, count, random).transpose(-1, -2)
        bones = bones * spread(count, config.world_scale_sd, random)[:, None, None, None]
        return regression.landmarks_from_bones @ bones


def _visibility(hidden: Tensor, random: torch.Generator) -> Tensor:
    """BlazePose's visibility (B, T, 33, 1): near 1 where seen, anything where hidden."""
    count, frames, _ = hidden.shape
    limbs = torch.ones(33)
    limbs[list(ALWAYS_SURE)] = 0.0
    usual = limbs * (0.02 + 0.12 * torch.rand(count, 1, 33, generator=random))
    doubt = limbs * 0.5 * torch.rand(count, 1, 33, generator=random)
    flicker = 0.02 * limbs * slow_noise(tuple(hidden.shape), 4.0, random)
    seen = 1 - usual * torch.rand(count, frames, 1, generator=random) - doubt * hidden + flicker
    return seen.clamp(0, 1).unsqueeze(3)


def _some_short(count: int, frames: int, share: float, random: torch.Generator) -> Tensor:
    """Which frames are there, (B, T): some windows end early."""
    length = torch.randint(12, frames, (count,), generator=random)
    short = torch.rand(count, generator=random) < share
    length = torch.where(short, length, torch.tensor(frames))
    return torch.arange(frames) < length.unsqueeze(1)


def _small_turns(sd_deg: tuple[float, float, float], count: int, random: torch.Generator) -> Tensor:
    """One small rotation for each clip, (B, 1, 3, 3)."""
    vector = torch.randn(count, 3, generator=random) * torch.deg2rad(torch.tensor(sd_deg))
    turns: Tensor = roma.rotvec_to_rotmat(vector).unsqueeze(1)
    return turns


def landmark_clips(
    osim: OsimModel,
    data: Path,
    seed: int,
    config: LandmarkClipsConfig,
    progress: Progress,
    first: int = 0,
) -> LandmarkClips:
    """The stream of a seed, from the folders `motions` and `anthropometry` of `data`."""
    people = People.from_ansur(data / "anthropometry")
    skeleton = SkeletalModel(osim)
    names = osim.coordinate_names
    bank = build_bank(skeleton, names, data / "motions", seed, config.bank_clips, progress)
    return LandmarkClips(osim, bank, people, config, seed, first)
