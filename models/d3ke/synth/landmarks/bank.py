"""A bank of motions to cut training windows from: recorded, procedural and mixed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from d3ke.errors import D3keError
from d3ke.motion.names import to_names
from d3ke.motion.opensim_files import read_motion
from d3ke.progress import Progress
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import sole_places
from d3ke.synth.motions.activities import (
    AIRBORNE,
    Activity,
    bend,
    hop,
    jump,
    lunge,
    one_leg,
    sit_to_stand,
    squat,
    stand,
)
from d3ke.synth.motions.curves import min_jerk
from d3ke.synth.motions.gait import run, walk
from d3ke.synth.motions.pelvis_turn import heading_last

Array = NDArray[np.float32]

RATE_HZ = 60.0
CLIP_S = 7.0
LONGEST_S = 6.0  # a longer recording counts as one of this length
FITTED = ("cmu_", "dm_")
SOLE_LANDMARKS = ("heel_r", "foot_r", "heel_l", "foot_l")
ACTIVITIES: tuple[tuple[Activity, float], ...] = (
    (stand, 0.15),
    (squat, 0.16),
    (sit_to_stand, 0.14),
    (jump, 0.13),
    (hop, 0.06),
    (walk, 0.20),
    (run, 0.04),
    (lunge, 0.06),
    (one_leg, 0.06),
    (bend, 0.05),
)


@dataclass(frozen=True)
class MotionBank:
    """Clips laid end to end at RATE_HZ. q: (F, K) rad; airborne: (F,) m; start, length: (C,).

    `weight` (C,) says how often a clip is drawn.
    """

    q: Tensor
    airborne: Tensor
    start: Tensor
    length: Tensor
    weight: Tensor

    def window(self, clip: Tensor, begin: Tensor, step: Tensor, frames: int) -> tuple[Tensor, ...]:
        """Windows of `frames` frames by linear interpolation.

        clip: (B,) index; begin: (B,) 0..1 place in the clip; step: (B,) bank frames a frame.
        Returns q (B, T, K) and airborne (B, T). Clips too short are played forth and back.
        """
        last = (self.length[clip] - 1).unsqueeze(1)
        room = (last.squeeze(1) - step * (frames - 1)).clamp(min=0)
        place = (begin * room).unsqueeze(1) + step.unsqueeze(1) * torch.arange(frames)
        folded = place % (2 * last)
        place = torch.where(folded > last, 2 * last - folded, folded)
        low = place.floor().long().clamp(max=(last - 1).long())
        part = (place - low).unsqueeze(2)
        at = self.start[clip].unsqueeze(1) + low
        q = self.q[at] * (1 - part) + self.q[at + 1] * part
        part = part.squeeze(2)
        return q, self.airborne[at] * (1 - part) + self.airborne[at + 1] * part


def build_bank(
    skeleton: SkeletalModel,
    names: Sequence[str],
    motions: Path,
    seed: int,
    clips: int,
    progress: Progress,
) -> MotionBank:
    """Procedural clips (65 %), recordings in `motions` (22 %) and mixed postures (13 %)."""
    rng = np.random.default_rng([seed, 1])
    recorded = _recorded(motions, names, skeleton)
    progress.start("Motions", clips)
    parts = _shared(recorded[True], 0.15) + _shared(recorded[False], 0.07)
    procedural = []
    for _ in range(clips):
        procedural.append((*_procedural(rng, names), 0.65 / clips))
        progress.advance()
    pool = np.concatenate([q for q, *_ in procedural + parts])
    mixed = [(*_mixed(rng, pool, names), 0.13 / (clips // 4)) for _ in range(clips // 4)]
    progress.finish()
    return _stack(parts + procedural + mixed)


def _shared(clips: Sequence[tuple[Array, Array]], share: float) -> list[tuple[Array, Array, float]]:
    """Clips with weights that sum to `share`, by length up to LONGEST_S."""
    seconds = [min(len(q) / RATE_HZ, LONGEST_S) for q, _ in clips]
    return [
        (q, air, share * length / sum(seconds))
        for (q, air), length in zip(clips, seconds, strict=True)
    ]


def _stack(parts: Sequence[tuple[Array, Array, float]]) -> MotionBank:
    lengths = torch.tensor([len(q) for q, *_ in parts])
    return MotionBank(
        q=torch.from_numpy(np.concatenate([q for q, *_ in parts])),
        airborne=torch.from_numpy(np.concatenate([air for _, air, _ in parts])),
        start=torch.cumsum(lengths, 0) - lengths,
        length=lengths,
        weight=torch.tensor([weight for *_, weight in parts]),
    )


def _procedural(rng: Generator, names: Sequence[str]) -> tuple[Array, Array]:
    """One clip of a random activity: q (T, K) rad, airborne (T,) m."""
    chances = np.array([chance for _, chance in ACTIVITIES])
    activity = ACTIVITIES[rng.choice(len(chances), p=chances / chances.sum())][0]
    time = np.arange(round(CLIP_S * RATE_HZ)) / RATE_HZ
    curves = activity(rng, time)
    airborne = curves.pop(AIRBORNE)
    q = np.zeros((len(time), len(names)), dtype=np.float32)
    for name, curve in curves.items():
        q[:, names.index(name)] = np.radians(curve)
    return heading_last(q, names), airborne.astype(np.float32)


def _mixed(rng: Generator, pool: Array, names: Sequence[str]) -> tuple[Array, Array]:
    """Minimum-jerk moves between postures taken from anywhere in the bank."""
    frames = round(CLIP_S * RATE_HZ)
    q = np.empty((frames, len(names)), dtype=np.float32)
    at, posture = 0, pool[rng.integers(len(pool))]
    while at < frames:
        move, hold = int(rng.integers(20, 90)), int(rng.integers(0, 40))
        nearest = pool[rng.integers(len(pool), size=6)]
        target = nearest[np.argmin(np.abs(nearest - posture).mean(axis=1))]
        eased = min_jerk(np.linspace(0, 1, move))[:, None]
        path = np.concatenate([posture + (target - posture) * eased, np.tile(target, (hold, 1))])
        taken = min(len(path), frames - at)
        q[at : at + taken] = path[:taken]
        at, posture = at + taken, target
    q[:, names.index("pelvis_rotation")] = 0
    return q, np.zeros(frames, dtype=np.float32)


def _recorded(
    folder: Path, names: Sequence[str], skeleton: SkeletalModel
) -> dict[bool, list[tuple[Array, Array]]]:
    """Every .mot of `folder` at RATE_HZ with the height of its lower sole over the floor.

    Apart: from markers in a laboratory (true), and animation data fitted to joint centres, whose
    knees never straighten (false); the names of the latter's files begin with FITTED.
    """
    paths = sorted(folder.glob("*.mot"))
    if not paths:
        raise D3keError(f"{folder}: no .mot files. Pass the folder of recorded motions.")
    clips: dict[bool, list[tuple[Array, Array]]] = {True: [], False: []}
    for path in paths:
        motion = to_names(read_motion(path), names)
        time = np.arange(motion.time[0], motion.time[-1], 1 / RATE_HZ)
        q = np.stack([np.interp(time, motion.time, column) for column in motion.q.T], axis=1)
        q = np.nan_to_num(q).astype(np.float32)
        height = sole_heights(skeleton, torch.from_numpy(q)).amin(dim=1).clamp(0, 0.6).numpy()
        q[:, [names.index(f"pelvis_t{axis}") for axis in "xyz"]] = 0
        clip = (q, np.asarray(height, dtype=np.float32))
        clips[not path.name.startswith(FITTED)].append(clip)
    return clips


def sole_heights(skeleton: SkeletalModel, q: Tensor) -> Tensor:
    """Heights of heels and toes over the ground's origin. q: (F, K). Returns (F, 4), m."""
    bodies, places = sole_places(skeleton.osim.body_names, SOLE_LANDMARKS)
    index, offsets = torch.tensor(bodies), torch.tensor(places, dtype=q.dtype)
    heights: Tensor = skeleton.stations(skeleton.bodies(q), index, offsets, None)[..., 1]
    return heights
