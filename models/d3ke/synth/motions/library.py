"""What people do in synthetic pictures: recorded motions and procedural ones."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator

from d3ke.errors import D3keError
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.motions.clearance import Clearance
from d3ke.synth.motions.planned_motion import PlannedMotion
from d3ke.synth.motions.programme import PROGRAMME, draw_activity, perform
from d3ke.synth.motions.recordings import (
    RATE_HZ,
    Recording,
    read_pack,
    read_recordings,
    write_pack,
)
from d3ke.synth.motions.variation import (
    enlivened,
    faded,
    has_still_arms,
    mirrored,
    played,
    varied,
    with_arms_of,
    within_ranges,
)
from d3ke.synth.plans import SPLITS

__all__ = ["MotionLibrary", "PlannedMotion"]

RECORDED_SHARE = 0.35
LONGEST_S = 8.0  # a longer recording is drawn as often as one of this length
SPEED, AMPLITUDE = (0.65, 1.5), (0.85, 1.15)
OTHER_ARMS, FADES = 0.2, 0.12
TRIES, DEEPEST_M = 4, 0.03
# What a gait's arms are taken from where they were not recorded.
WALKING_ARMS = ("walking", "walking", "standing", "running")

# Activities on the bare floor that may turn into one another.
FREE_STANDING = (
    "standing", "squat", "lunge", "bending", "side bending", "reaching", "trunk twist", "jump",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class MotionLibrary:
    """Motions to draw from. recordings: none where everything is procedural."""

    recordings: tuple[Recording, ...]
    osim: OsimModel
    clearance: Clearance

    @staticmethod
    def load(motions: Path | None, osim: OsimModel) -> "MotionLibrary":
        """From a folder of .mot, a file that `pack` wrote, or nothing.

        Raises D3keError: no such folder, nothing in it, motions of another model or with gaps.
        """
        clearance = Clearance(SkeletalModel(osim))
        if motions is None:
            return MotionLibrary((), osim, clearance)
        read = read_pack if motions.is_file() else read_recordings
        return MotionLibrary(tuple(read(motions, osim)), osim, clearance)

    def pack(self, path: Path) -> None:
        """Write the recordings to one small file for machines without the folder."""
        if not self.recordings:
            raise D3keError(f"{path}: there are no recordings to pack. Load a folder of .mot.")
        write_pack(path, self.recordings, self.osim.coordinate_names)

    def sources(self, split: str) -> Mapping[str, str]:
        """The recordings of a split, by name, and who each shows."""
        return {r.name: r.person for r in self.recordings if r.split == split}

    def seconds(self) -> Mapping[str, float]:
        """How much was recorded in each split, s."""
        totals: Counter[str] = Counter()
        for recording in self.recordings:
            totals[recording.split] += len(recording.q)
        return {split: totals[split] / RATE_HZ for split in SPLITS}

    def draw(
        self, rng: Generator, split: str, frames: int, rate_hz: float, furnished: bool = True
    ) -> PlannedMotion:
        """A motion of a split: recorded ones show only its people, procedural ones are new.

        split: train, valid or test. furnished: whether it may need furniture. Limbs keep out of
        the body; a motion in which they cannot is drawn again.
        """
        for _ in range(TRIES):
            motion = self._any(rng, split, frames, rate_hz)
            while motion.furniture and not furnished:
                motion = self._any(rng, split, frames, rate_hz)
            motion, depth_m = self.cleared(motion)
            if depth_m < DEEPEST_M:
                break
        return motion

    def cleared(self, motion: PlannedMotion) -> tuple[PlannedMotion, float]:
        """A motion whose limbs keep out of the body, and how deep they still are in it, m."""
        unit = torch.ones(len(self.osim.bodies), 3)
        with torch.no_grad():
            q = self.clearance.clear(torch.from_numpy(motion.q), unit)
            depth = float(self.clearance.depths(q, unit).max())
        return replace(motion, q=q.numpy()), depth

    def _any(self, rng: Generator, split: str, frames: int, rate_hz: float) -> PlannedMotion:
        own = [recording for recording in self.recordings if recording.split == split]
        if own and rng.random() < RECORDED_SHARE:
            motion = self._recorded(rng, own, frames, rate_hz)
        else:
            motion = self.perform(rng, draw_activity(rng), frames, rate_hz)
        names = self.osim.coordinate_names
        if rng.random() < 0.5:
            motion = mirrored(motion, names)
        return within_ranges(motion, names, [c.range for c in self.osim.coordinates])

    def perform(self, rng: Generator, activity: str, frames: int, rate_hz: float) -> PlannedMotion:
        """A procedural motion of an activity of PROGRAMME."""
        if activity not in PROGRAMME:
            known = ", ".join(PROGRAMME)
            raise D3keError(f"no activity {activity!r}. There are: {known}.")
        names = self.osim.coordinate_names
        motion = perform(rng, activity, names, frames, rate_hz)
        if activity in FREE_STANDING and rng.random() < FADES:
            other = perform(rng, rng.choice(FREE_STANDING), names, frames, rate_hz)
            motion = faded(motion, other, names, rng)
        return motion

    def play(
        self, rng: Generator, recording: Recording, frames: int, rate_hz: float
    ) -> PlannedMotion:
        """A part of a recording, at a speed and size of its own."""
        names = self.osim.coordinate_names
        speed = float(np.exp(rng.uniform(*np.log(SPEED))))
        motion = played(recording, names, rng, frames, rate_hz, speed)
        return varied(motion, names, rng, AMPLITUDE)

    def _recorded(
        self, rng: Generator, own: list[Recording], frames: int, rate_hz: float
    ) -> PlannedMotion:
        names = self.osim.coordinate_names
        lengths = np.array([min(len(r.q) / RATE_HZ, LONGEST_S) for r in own])
        chances = lengths / lengths.sum()
        recording = own[rng.choice(len(own), p=chances)]
        motion = self.play(rng, recording, frames, rate_hz)
        alone = motion.path is not None or motion.belt_m_s > 0
        if not alone and rng.random() < FADES:
            other = own[rng.choice(len(own), p=chances)]
            if not other.sliding:
                motion = faded(motion, self.play(rng, other, frames, rate_hz), names, rng)
        if has_still_arms(motion, names) or rng.random() < OTHER_ARMS:
            arms = perform(rng, rng.choice(WALKING_ARMS), names, frames, rate_hz)
            motion = with_arms_of(motion, arms, names)
        return enlivened(motion, names, rng)
