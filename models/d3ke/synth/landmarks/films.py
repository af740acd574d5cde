"""Landmark films: BlazePose run over rendered clips, just as `d3ke predict` runs it over videos."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from d3ke.synth.landmarks.records import LandmarkRecord
from d3ke.vision.person import SAMPLING_HZ, follow
from d3ke.vision.rules import largest
from d3ke.vision.tracking import Finder, Tracker
from d3ke.vision.video import Frame

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Film(Protocol):
    """A rendered clip through one window, and its truth: d3ke.synth.generator.Film."""

    @property
    def frames(self) -> Iterator[Image]:
        """The pictures, (H, W, 3) each."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""

    @property
    def rate_hz(self) -> float:
        """Pictures a second."""

    @property
    def camera_matrix(self) -> Doubles:
        """The window's, (3, 3)."""

    @property
    def R(self) -> Doubles:
        """From ground to the window's camera, (T, 3, 3)."""

    @property
    def window_turn(self) -> Doubles:
        """From the phone's camera to the window's, (3, 3)."""

    @property
    def q(self) -> Floats:
        """Coordinates, (T, K)."""

    @property
    def scales(self) -> Floats:
        """Body scales, (N, 3)."""

    @property
    def root(self) -> Floats:
        """The pelvis in the window's camera, (T, 4, 4)."""

    @property
    def info(self) -> dict[str, Any]:
        """What is known of the clip beside."""


class Plan(Protocol):
    """A clip to be made: d3ke.synth.plans.ClipPlan."""

    @property
    def subject(self) -> str:
        """The person's name, which no other plan has."""


class Filmer(Protocol):
    """What makes films of plans."""

    def plans(self) -> Sequence[Plan]:
        """The clips to be made."""

    def film(self, plan: Any) -> Film:
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
