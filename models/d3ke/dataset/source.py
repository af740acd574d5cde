"""Where clips come from: what prepares a data set, as the rest sees it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from d3ke.dataset.sample import Doubles, Floats, Sample
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import ClipPlan, SynthConfig

BOXES = 1.5  # a sample's picture shows this many times the person's box


class Clip(NamedTuple):
    """The samples of a plan, and what is the same for all of them.

    samples: those of one clip through one camera follow each other. info: split, kind, frames,
    rate_hz, activities, sources (of motion), and of the subject its id and whatever else is known.
    """

    samples: list[Sample]
    info: dict[str, Any]


class Film(NamedTuple):
    """A clip as a video: T frames of a camera window, and their truth.

    frames: (H, W, 3) u1 each, drawn as they are asked for; size: their width and height, px;
    camera_matrix (3, 3), R (T, 3, 3), t (T, 3): of the window, x_cam = R x_ground + t;
    window_turn (3, 3): x_window = window_turn x_phone; q (T, K) rad or m, scales (N, 3); root
    (T, 4, 4): the pelvis in the window's camera; joints (T, J, 3), markers (T, M, 3): in ground, m.
    """

    frames: Iterator[NDArray[np.uint8]]
    size: tuple[int, int]
    rate_hz: float
    camera_matrix: Doubles
    R: Doubles
    t: Doubles
    window_turn: Doubles
    q: Floats
    scales: Floats
    root: Floats
    joints: Floats
    markers: Floats
    info: dict[str, Any]


class ClipSource(Protocol):
    """Makes clips, each from its plan alone."""

    def plans(self) -> Sequence[ClipPlan]:
        """What the data set is to hold."""

    def make(self, plan: ClipPlan) -> Clip:
        """The pictures and labels of a plan."""

    def film(self, plan: ClipPlan, longer_side: int, whole: bool = False) -> Film:
        """A plan's clip as a video, through the whole picture or a window about the person."""

    def close(self) -> None:
        """Free what drawing needed."""


Config = TypeVar("Config")
OpenSource = Callable[[Config, OsimModel], ClipSource]  # of what a data set follows from


def synthetic_people(config: SynthConfig, osim: OsimModel) -> ClipSource:
    """The source of synthetic people.

    Raises D3keError for a folder that is missing or holds what cannot be used.
    """
    # here, because drawing needs libraries that reading a data set does not
    from d3ke.synth.generator import SyntheticPeople

    return SyntheticPeople(config, osim)
