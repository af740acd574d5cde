"""Landmark films: BlazePose run over rendered clips, just as `d3ke predict` runs it over videos."""

from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from d3ke.dataset.source import Film
from d3ke.synth.landmarks.records import LandmarkRecord
from d3ke.synth.plans import ClipPlan
from d3ke.vision.person import SAMPLING_HZ, follow
from d3ke.vision.rules import largest
from d3ke.vision.tracking import Finder, Tracker
from d3ke.vision.video import Frame


class Filmer(Protocol):
    """What makes films of plans."""

    def plans(self) -> Sequence[ClipPlan]:
        """The clips to be made."""

    def film(self, plan: ClipPlan) -> Film:
        """A plan's clip."""


def record_film(film: Film, finder: Finder) -> LandmarkRecord:
    """Follow the person of a film at `predict`'s rate and keep what was said beside the truth."""
    step = max(1, round(film.rate_hz / SAMPLING_HZ))
    frames = (
        Frame(index, index / film.rate_hz, image)
        for index, image in islice(enumerate(film.frames), 0, None, step)
    )
    track = follow(frames, film.size, Tracker(finder, largest)).track
    chosen = track.frames
    return LandmarkRecord(
        time=track.time,
        landmarks=track.landmarks,
        presence=track.presence,
        seen=track.seen,
        q=film.q[chosen],
        root=film.root[chosen],
        scales=film.scales,
        camera_matrix=film.camera_matrix,
        size=film.size,
        down=-film.R[chosen][:, :, 1].astype(np.float32),
        level=film.window_turn[:, 1].astype(np.float32),
        info=film.info,
    )
