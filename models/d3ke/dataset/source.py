"""Where clips come from: what prepares a data set, as the rest sees it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from d3ke.dataset.sample import Floats, Sample
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import ClipPlan, SynthConfig

BOXES = 1.5  # a sample's picture shows this many times the person's box


class Clip(Protocol):
    """The samples of a plan, in order, and what is the same for all of them.

    info: split, kind, frames, rate_hz, activities, sources (of motion), and of the subject its id
    and whatever else is known.
    """

    @property
    def samples(self) -> Sequence[Sample]:
        """The samples; those of one clip through one camera follow each other."""

    @property
    def info(self) -> Mapping[str, Any]:
        """What the manifest says of them."""


class Film(Protocol):
    """A clip as a video. frames: (H, W, 3) u1; q: (T, K) in ground; scales: (N, 3)."""

    @property
    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """The pictures, drawn as they are asked for."""

    @property
    def rate_hz(self) -> float:
        """Frames a second."""

    @property
    def q(self) -> Floats:
        """Coordinates, rad or m."""

    @property
    def scales(self) -> Floats:
        """Body scales."""

    @property
    def info(self) -> Mapping[str, Any]:
        """As of a Clip."""


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


OpenSource = Callable[[SynthConfig, OsimModel], ClipSource]


def synthetic_people(config: SynthConfig, osim: OsimModel) -> ClipSource:
    """The source of synthetic people.

    Raises D3keError for a folder that is missing or holds what cannot be used.
    """
    # here, because drawing needs libraries that reading a data set does not
    from d3ke.synth.generator import SyntheticPeople

    return SyntheticPeople(config, osim)
