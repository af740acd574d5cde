"""Export: a prediction as the files that OpenSim and other tools read.

- What is written is at a uniform rate and low-passed; the .npz keeps the raw answer.
- Markers are those of the filtered motion, so that .mot and .trc say the same.
- A .mot has no gaps: where the person was out of sight for long it goes straight across, with a
  warning. In .trc, .c3d and .csv the gap stays. Before the first sight and after the last there
  are no rows.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError, OptionError
from d3ke.motion import filters
from d3ke.motion.c3d import write_c3d
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.names import common, to_family
from d3ke.motion.opensim_files import write_markers, write_motion
from d3ke.network.device import one_thread
from d3ke.outputs import STD, replacing_all, stem_of, with_suffixes
from d3ke.posing import posed
from d3ke.prediction import Prediction
from d3ke.progress import Progress, Silent
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.std_file import in_names_of, std_of, write_std

Array = NDArray[np.float64]

LEAST_FILTER_HZ = 0.1  # slower than anybody moves; far below, a filter is singular
FILTER_HZ = 6.0  # usual for gait: Winter, Biomechanics and Motor Control, 4th ed., section 3.4
LONGEST_GAP_S = 0.5  # out of sight for longer, the motion is unknown
RATES_HZ = (1.0, 1000.0)  # of what can be written
# Bodies of a limb's segment, without their side, and the body whose joint ends it.
SEGMENTS = (
    (("femur",), "tibia"),
    (("tibia",), "talus"),
    (("humerus",), "ulna"),
    (("ulna", "radius"), "hand"),
)


@dataclass(frozen=True)
class Sampling:
    """rate_hz: of the files, by default the clip's. filter_hz: cut-off of the low-pass, 0 = off.

    Raises OptionError for a rate or a cut-off that is none.
    """

    rate_hz: float | None = None
    filter_hz: float = FILTER_HZ

    def __post_init__(self) -> None:
        low, high = RATES_HZ
        if self.rate_hz is not None and not low <= self.rate_hz <= high:
            raise OptionError(f"a rate of {self.rate_hz:g} Hz: give one from {low:g} to {high:g}.")
        if self.filter_hz != 0 and not self.filter_hz >= LEAST_FILTER_HZ:
            raise OptionError(
                f"a filter at {self.filter_hz:g} Hz: give a cut-off from {LEAST_FILTER_HZ:g} Hz, "
                "or 0 for none."
            )


class Result(NamedTuple):
    """What can be written: a motion and its markers, both with gaps, on a scaled model.

    std: how far off the motion may be, where that is known.
    """

    motion: Motion
    markers: MarkerData
    osim: OsimModel
    std: Motion | None = None


class Export(NamedTuple):
    """The files that a prediction became, by format, and what to know about them."""

    prediction: Path
    outputs: dict[str, Path]
    warnings: tuple[str, ...]


def export(
    prediction: str | os.PathLike[str],
    output: str | os.PathLike[str],
    formats: Iterable[str] = ("mot", "trc", "osim"),
    model: OsimModel | None = None,
    rate_hz: float | None = None,
    filter_hz: float = FILTER_HZ,
    progress: Progress | None = None,
) -> Export:
    """Write a .npz of `d3ke predict` in other formats.

    output: a folder, or a file whose name all formats share. model: another .osim, whose
    coordinates the motion is to have. rate_hz, filter_hz: see Sampling.
    Raises D3keError for what is no prediction, an unknown format, or a target that cannot be
    written; then nothing is written.
    """
    progress = progress or Silent()
    sampling = Sampling(rate_hz, filter_hz)
    source = Path(prediction)
    targets = with_suffixes(stem_of(Path(output), source.stem), _known(formats))
    found = Prediction.load(source)
    warnings = []
    if "mot" in targets:
        warnings += gap_warnings(found)
    result = sampled(found, sampling)
    if STD in targets and result.std is None:
        raise D3keError(
            f"{source}: holds no uncertainty, for its weights told none. Leave out {STD}, or "
            "predict the clip with others."
        )
    if model is not None:
        result = result._replace(
            motion=to_family(result.motion, model),
            osim=scaled_like(found, model),
            std=result.std and in_names_of(result.std, model),
        )
        warnings += _left_out(found, model)
    for warning in warnings:
        progress.warn(f"{source}: {warning}")
    with replacing_all(targets) as paths:
        write_files(paths, result)
    return Export(source, targets, tuple(warnings))


@one_thread()
def sampled(prediction: Prediction, sampling: Sampling) -> Result:
    """The motion and markers as files hold them: from the first sight to the last, filtered."""
    seen = np.flatnonzero(np.isfinite(prediction.q).all(axis=1))
    rows = slice(seen[0], seen[-1] + 1)
    raw = prediction.motion()
    raw = replace(raw, time=raw.time[rows], q=raw.q[rows])
    rate_hz = sampling.rate_hz or float(prediction.meta["rate_hz"])
    grid = filters.uniform_grid(raw.time, rate_hz)
    if len(raw.time) > 1:
        raw = raw.resampled(raw.rate_hz, LONGEST_GAP_S).lowpassed(sampling.filter_hz)
    motion = raw.at(grid, LONGEST_GAP_S)
    std = std_of(prediction, motion)
    return Result(motion, _markers(prediction, motion), prediction.model(), std)


def bridged(motion: Motion) -> Motion:
    """The motion with straight lines across its gaps."""
    q = motion.q.copy()
    for column in q.T:
        gap = np.isnan(column)
        column[gap] = np.interp(motion.time[gap], motion.time[~gap], column[~gap])
    return replace(motion, q=q)


def longest_gap_s(time: Array) -> float:
    """The longest step between frames at times (T,) that is no gap, s: of slow clips, any usual."""
    return max(LONGEST_GAP_S, filters.HOLE_STEPS * float(np.median(np.diff(time))))


def gap_warnings(prediction: Prediction) -> list[str]:
    """What to know about times without the person, or without frames, between times with."""
    seen = np.flatnonzero(np.isfinite(prediction.q).all(axis=1))
    time = prediction.time
    longest = longest_gap_s(time)
    return [
        f"{'out of sight' if after > before + 1 else 'no frames'} from {time[before]:.2f} to "
        f"{time[after]:.2f} s: the .mot goes straight across, the .trc has a gap"
        for before, after in pairwise(seen)
        if after > before + 1 or time[after] - time[before] > longest
    ]


def scaled_like(prediction: Prediction, model: OsimModel) -> OsimModel:
    """Another model in the size of the prediction's, body by body of the same name.

    Segments get the prediction's length, which the other model's own proportions would change.
    Bodies without a counterpart get the mean of those that have one.
    """
    known = dict(zip(prediction.body_names, prediction.scales, strict=True))
    shared = [known[name] for name in model.body_names if name in known]
    mean = np.mean(shared, axis=0) if shared else np.ones(3)
    scales = np.array([known.get(name, mean) for name in model.body_names])
    ours = _lengths(prediction.model())
    for bodies, length in _lengths(model.scaled(scales)).items():
        if bodies in ours:
            scales[[model.body_names.index(body) for body in bodies]] *= ours[bodies] / length
    return model.scaled(scales, mass_of(model, prediction.meta.get("mass_ratio", 1.0)))


def mass_of(model: OsimModel, ratio: float) -> float | None:
    """The mass in kg of a model's person, its own times `ratio`; None for a model without masses.

    ratio: of the standing heights, squared, so that the body-mass index stays the model's.
    Source: Quetelet 1835, weight grows as the square of the height among adults.
    """
    return ratio * sum(body.mass_kg for body in model.bodies) or None


WRITERS: dict[str, Callable[[Path, Result], None]] = {
    "mot": lambda path, result: write_motion(path, bridged(result.motion)),
    "trc": lambda path, result: write_markers(path, result.markers),
    "osim": lambda path, result: result.osim.write(path),
    "c3d": lambda path, result: write_c3d(path, result.markers),
    "csv": lambda path, result: result.motion.to_frame().to_csv(path),
    STD: lambda path, result: write_std(path, _known_std(result)),
}


def _known_std(result: Result) -> Motion:
    assert result.std is not None  # who writes it has looked
    return result.std


def write_files(paths: Mapping[str, Path], result: Result) -> None:
    """Write each format to its path."""
    for suffix, path in paths.items():
        WRITERS[suffix](path, result)


def _known(formats: Iterable[str]) -> list[str]:
    names = [name.lower().removeprefix(".") for name in formats]
    unknown = [name for name in names if name not in WRITERS]
    if unknown or not names:
        raise OptionError(
            f"format {', '.join(unknown) or 'none'}: choose from {', '.join(WRITERS)}."
        )
    return list(dict.fromkeys(names))


def _markers(prediction: Prediction, motion: Motion) -> MarkerData:
    """The markers of the motion on the prediction's scaled model."""
    osim = prediction.model()
    markers = posed(SkeletalModel(osim), motion.q).markers
    return MarkerData(motion.time, markers.astype(np.float64), osim.marker_names)


def _lengths(osim: OsimModel) -> dict[tuple[str, ...], float]:
    """Lengths of the segments that a model has with every coordinate at zero, m, by their bodies.

    Joints are found by the body that they carry: their own names differ between models.
    """
    centres = posed(SkeletalModel(osim), np.zeros((1, len(osim.coordinates)))).joints[0]
    start_of = {
        joint.child.body: centre for joint, centre in zip(osim.joints, centres, strict=True)
    }
    lengths = {}
    for stems, next_stem in SEGMENTS:
        for side in ("_r", "_l"):
            bodies, after = tuple(stem + side for stem in stems), next_stem + side
            if {*bodies, after} <= start_of.keys():
                span = np.linalg.norm(start_of[after] - start_of[bodies[0]])
                lengths[bodies] = float(span)
    return lengths


def _left_out(prediction: Prediction, model: OsimModel) -> list[str]:
    """What another model cannot show of the prediction."""
    everything = common(to_family(prediction.motion(), model)).names
    coordinates = [name for name in prediction.coordinate_names if name not in everything]
    bodies = [name for name in model.body_names if name not in prediction.body_names]
    warnings = []
    if coordinates:
        warnings.append(f"{model.name} has no coordinate {', '.join(coordinates)}: left out")
    if bodies:
        warnings.append(f"{model.name}: {', '.join(bodies)} scaled as the others are on average")
    return warnings
