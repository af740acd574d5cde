"""Openable clips: a synthetic person as files for OpenSim, beside the video that shows them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from d3ke.dataset.source import Film
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import write_markers, write_motion
from d3ke.outputs import replacing_all, with_suffixes
from d3ke.posing import posed
from d3ke.report.overlay import encode
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import ClipPlan
from d3ke.vision.video import Frame

FILES = ("osim", "mot", "trc", "mp4")
LONGER_SIDE_PX = 960  # of the video


def openable_files(stem: Path) -> dict[str, Path]:
    """The files of a clip, by format."""
    return with_suffixes(stem, FILES)


def missing_of(stem: Path) -> list[Path]:
    """Those that are not there."""
    return [path for path in openable_files(stem).values() if not path.is_file()]


def write_openable(
    film_of: Callable[[ClipPlan, int, bool], Film], plan: ClipPlan, osim: OsimModel, stem: Path
) -> None:
    """Write a clip's scaled .osim, .mot, .trc in ground, and .mp4: all or none.

    film_of: makes the film of a plan. Raises D3keError where they cannot be written.
    """
    film = film_of(plan, LONGER_SIDE_PX, True)
    scaled = osim.scaled(film.scales.astype(np.float64), film.info["subject"].get("mass_kg"))
    time = np.arange(len(film.q)) / film.rate_hz
    rotational = tuple(coordinate.rotational for coordinate in osim.coordinates)
    motion = Motion(time, film.q.astype(np.float64), osim.coordinate_names, rotational)
    markers = posed(SkeletalModel(scaled), motion.q).markers.astype(np.float64)
    with replacing_all(openable_files(stem)) as paths:
        scaled.write(paths["osim"])
        write_motion(paths["mot"], motion)
        write_markers(paths["trc"], MarkerData(time, markers, osim.marker_names))
        encode(_timed(film), paths["mp4"], film.rate_hz)


def _timed(film: Film) -> Iterator[Frame]:
    for index, picture in enumerate(film.frames):
        yield Frame(index, index / film.rate_hz, picture)
