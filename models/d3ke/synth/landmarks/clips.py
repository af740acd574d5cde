"""Training windows without pixels: motions, people, cameras, and BlazePose's own errors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from d3ke.network.landmarks import LandmarkWindow
from d3ke.network.mirror import coordinate_signs, swap_of
from d3ke.progress import Progress
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import landmark_places, sole_places
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.landmarks.bank import RATE_HZ, SOLE_LANDMARKS, MotionBank, build_bank
from d3ke.synth.landmarks.batches import BatchStream, LandmarkBatch
from d3ke.synth.landmarks.cameras import draw_views
from d3ke.synth.landmarks.noise import landmark_noise
from d3ke.synth.landmarks.observer import LandmarkObserver
from d3ke.synth.landmarks.people import People
from d3ke.synth.landmarks.slow_noise import slow_noise

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
    bias_spread: float = 0.25  # how far the world bias of a clip strays from the fitted one
    focal_sd: float = 0.08  # of the assumed focal length, as a part


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
        root = osim.joints[0].name  # whose turns have no ends
        free = (-torch.inf, torch.inf)
        ranges = torch.tensor([free if c.joint == root else c.range for c in osim.coordinates])
        self.low, self.high = ranges.unbind(1)
        self.translations = [names.index(f"pelvis_t{axis}") for axis in "xyz"]
        self.feet = [i for i, n in enumerate(names) if n.startswith(("ankle_", "mtp_"))]
        self.places = landmark_places()
        self.body_index = torch.tensor(self.places.body_index(osim.body_names))
        self.observer = LandmarkObserver(self.skeleton, landmark_noise(), config.bias_spread)
        bodies, soles = sole_places(osim.body_names, SOLE_LANDMARKS)
        self.sole_bodies = torch.tensor(bodies)
        self.soles = torch.tensor(soles, dtype=torch.float32)

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
        landmarks = self.observer.observe(bodies, flat, scales, random)
        landmarks[..., :2] *= views.focal_error[:, None, None, None]
        valid = _some_short(config.batch, config.frames, config.short_share, random)
        window = LandmarkWindow(landmarks, views.assumed_down, valid)
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
        soles = self.skeleton.stations(bodies, self.sole_bodies, self.soles, size)  # (B, T, 4, 3)
        lowest = soles[..., 1].amin(dim=2)
        carries = torch.softmax(-soles[..., 1] / 0.02, dim=2)  # 2 cm decide which foot carries
        motion = -(soles.diff(dim=1) * carries[:, 1:, :, None]).sum(dim=2)
        motion = motion * (airborne[:, 1:, None] < 0.01)
        path = torch.cat([torch.zeros_like(motion[:, :1]), motion.cumsum(dim=1)], dim=1)
        path[..., 1] = airborne - lowest
        return path, bodies

    def _with_flat_feet(self, q: Tensor, scales: Tensor) -> Tensor:
        """Bodies (B, T, N, 4, 4) about the pelvis with the feet square to the shanks."""
        square = q.clone()
        square[..., self.feet] = 0
        return self.skeleton.bodies(square, scales.unsqueeze(1).expand(-1, q.shape[1], -1, -1))


def _some_short(count: int, frames: int, share: float, random: torch.Generator) -> Tensor:
    """Which frames are there, (B, T): some windows end early."""
    length = torch.randint(12, frames, (count,), generator=random)
    short = torch.rand(count, generator=random) < share
    length = torch.where(short, length, torch.tensor(frames))
    return torch.arange(frames) < length.unsqueeze(1)


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
