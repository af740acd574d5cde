"""What a synthetic data set is to hold: its clips, its people, and who is held out."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

SPLITS = ("train", "valid", "test")
HELD_OUT = 0.1  # part of the clips of each of valid and test; of two clips, none
PEOPLE = 1_000_000  # identities of a split, so that nobody is in two


@dataclass(frozen=True)
class SynthConfig:
    """All that a synthetic data set follows from, beside the skeleton.

    frames: in all; size: side of a picture, px; clip_share: part of the frames that lie in clips,
    for the temporal stage; the others are independent, for the frame stage. bystanders: how often
    somebody else is about; exposed: how often a moving person blurs.
    """

    frames: int
    seed: int = 0
    size: int = 384
    rate_hz: float = 30.0
    clip_share: float = 0.5
    clip_frames: int = 128
    lone_frames: int = 32  # independent frames of one person
    bystanders: float = 0.12
    exposed: float = 0.25
    motions: Path | None = None
    wardrobe: Path | None = None
    backgrounds: Path | None = None


class ClipPlan(NamedTuple):
    """One clip, or a handful of independent frames, of one person.

    number: in its split, which with the seed says all; kind: "clip" or "frames".
    """

    split: str
    number: int
    kind: str
    frames: int

    @property
    def person(self) -> int:
        """The identity of who is filmed. Nobody is in two splits; after PEOPLE, all come again."""
        return SPLITS.index(self.split) * PEOPLE + self.number % PEOPLE

    @property
    def subject(self) -> str:
        """The person's name in keys and manifests."""
        return f"{self.split}{self.number:06d}"

    def stream(self, seed: int) -> Generator:
        """Random numbers of this plan alone."""
        return np.random.default_rng([seed, SPLITS.index(self.split), self.number])


def plans(config: SynthConfig) -> list[ClipPlan]:
    """The clips of a data set, split by split; their frames sum to the wish."""
    typical = _typical_frames(config)
    held_out = round(HELD_OUT * config.frames)
    held_out = 0 if config.frames < 3 * typical else max(held_out, round(typical))
    wanted = {"train": config.frames - 2 * held_out, "valid": held_out, "test": held_out}
    found: list[ClipPlan] = []
    for split, frames in wanted.items():
        for plan in endless(config, split):
            if frames <= 0:
                break
            found.append(plan._replace(frames=min(plan.frames, frames)))
            frames -= plan.frames
    return found


def endless(config: SynthConfig, split: str, first: int = 0) -> Iterator[ClipPlan]:
    """Plans of a split without end, from number `first` on; clips are evenly strewn."""
    share = _clip_rate(config)
    number = first
    while True:
        is_clip = math.floor((number + 1) * share) > math.floor(number * share)
        kind, frames = ("clip", config.clip_frames) if is_clip else ("frames", config.lone_frames)
        yield ClipPlan(split, number, kind, frames)
        number += 1


def clips_only(config: SynthConfig, split: str, count: int) -> list[ClipPlan]:
    """The first `count` clips of a split, each of `clip_frames`."""
    chosen = (plan for plan in endless(config, split) if plan.kind == "clip")
    return list(islice(chosen, count))


def _clip_rate(config: SynthConfig) -> float:
    """How many of the plans are clips."""
    clips = config.clip_share / config.clip_frames
    lone = (1 - config.clip_share) / config.lone_frames
    return clips / (clips + lone)


def _typical_frames(config: SynthConfig) -> float:
    rate = _clip_rate(config)
    return rate * config.clip_frames + (1 - rate) * config.lone_frames
