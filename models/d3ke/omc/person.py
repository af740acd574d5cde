"""Person: whom a laboratory recorded, and the takes of them, as solving needs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.omc.scale_setup import ScaleSetup
from d3ke.skeleton.osim import OsimModel
from d3ke.vision.camera import Camera


class Footage(NamedTuple):
    """What a camera filmed of a take.

    camera: its name. view: in the ground of the takes, None to find it. clock: offset in s and
    drift of the recording's clock to the video's, None to find them. numbers: of the frames that
    count, None for all at the usual rate. rate_hz: at which frames were taken, None where their
    time stamps tell it.
    """

    camera: str
    video: Path
    view: Camera | None = None
    clock: tuple[float, float] | None = None
    numbers: NDArray[np.int64] | None = None
    rate_hz: float | None = None


@dataclass(frozen=True, eq=False)
class Take:
    """A trial: markers, or a motion that was solved already, or both, and who filmed it."""

    name: str
    activity: str
    markers: MarkerData | None
    motion: Motion | None
    footage: tuple[Footage, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Person:
    """A subject.

    name: a word without blanks or dashes. facts: sex, height_m, mass_kg, as far as known.
    model: the laboratory's own, is_scaled: to this subject. static: markers of a still posture;
    recordings: those of all takes. mapping: a file that says which markers are which.
    scale_setup: the laboratory's own.
    """

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    model: OsimModel | None = None
    is_scaled: bool = False
    static: MarkerData | None = None
    recordings: tuple[MarkerData, ...] = ()
    mapping: Path | None = None
    scale_setup: ScaleSetup | None = None

    @property
    def height_m(self) -> float | None:
        """Of the body, where it is known."""
        found = self.facts.get("height_m")
        return None if found is None else float(found)
