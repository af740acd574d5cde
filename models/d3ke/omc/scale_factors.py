"""Scale factors: how much larger a person's bodies are than a model's, by markers' distances."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.network.mirror import swap_of
from d3ke.omc.scale_setup import AXES, Measurement, ScaleSetup
from d3ke.skeleton.joints import Vector3
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

UNLIKE = 1.2  # between two pairs of one measurement: beyond, a marker is swapped or misplaced
SHORT_M = 1e-3  # markers of a model that lie closer measure nothing


class Factors(NamedTuple):
    """scales: (N, 3) of a model's bodies; remarks: what to know of them."""

    scales: Array
    remarks: tuple[str, ...]


class Pair(NamedTuple):
    """Two markers of a model that were recorded: their places in it, and lengths (F,) m.

    One length of a still trial; of a moving one those of its frames, NaN where one is missing.
    """

    name: str
    first: int
    second: int
    lengths: Array


def body_factors(
    osim: OsimModel,
    markers: MarkerData,
    setup: ScaleSetup,
    height_m: float | None = None,
    still: bool = True,
    postures: Array | None = None,
) -> Factors:
    """Scale factors of the bodies, by distances between markers.

    A measurement's factor is the mean, over its pairs, of the recorded distance over the model's in
    its default posture, or in the `postures` that are known: (1, K) of a still trial, (F, K) of the
    frames of a moving one, whose median counts. A measurement without markers gets the person's
    height over the model's, else the mean of the others. Bodies in no measurement keep their size.
    Raises D3keError: no such axis or body, or nothing known.
    Source: OpenSim's ModelScaler.
    """
    measurements = setup.measurements
    if setup.symmetric:
        measurements = tuple(_both_sides(measurements, osim.body_names))
    found = [_recorded(osim, markers, one, still) for one in measurements]
    skeleton = SkeletalModel(osim, torch.float64)
    scales = np.ones((len(osim.bodies), 3))
    if postures is None:
        postures = np.array([[coordinate.default for coordinate in osim.coordinates]])
    first = _ratios(skeleton, postures, scales, found)
    values = _means(first)
    for _ in range(setup.rounds - 1):
        scales = _spread(osim, measurements, values, setup.manual)
        values = values * _means(_ratios(skeleton, postures, scales, found))
    measured = np.array([len(pairs) > 0 for pairs in found], np.bool_)
    remarks = [*_spared(measurements, found), *_unlike(measurements, found, first)]
    if not measured.all():
        missing = [one.name for one, known in zip(measurements, measured, strict=True) if not known]
        values[~measured], source = _without_markers(values[measured], setup, height_m)
        remarks.append(f"{', '.join(missing)}: not measured by markers, scaled {source}")
    scales = _spread(osim, measurements, values, setup.manual)
    remarks += _left_out(osim, measurements, setup.manual)
    return Factors(scales, tuple(remarks))


def _both_sides(
    measurements: Iterable[Measurement], bodies: Sequence[str]
) -> Iterator[Measurement]:
    """The measurements, those of both sides' bodies put together."""
    twin = {body: bodies[other] for body, other in zip(bodies, swap_of(bodies), strict=True)}
    groups: dict[frozenset[tuple[str, str]], list[Measurement]] = {}
    for one in measurements:
        key = frozenset((min(body, twin.get(body, body)), axes) for body, axes in one.bodies)
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        yield Measurement(
            " and ".join(one.name for one in group),
            tuple(pair for one in group for pair in one.pairs),
            tuple(body for one in group for body in one.bodies),
            tuple(pair for one in group for pair in one.spare),
        )


def _recorded(
    osim: OsimModel, markers: MarkerData, measurement: Measurement, still: bool
) -> list[Pair]:
    """The pairs of a measurement that were recorded; the spare ones where none of the others."""
    own = list(_pairs(osim, markers, measurement.pairs, still))
    return own or list(_pairs(osim, markers, measurement.spare, still))


def _pairs(
    osim: OsimModel, markers: MarkerData, names: Iterable[tuple[str, str]], still: bool
) -> Iterator[Pair]:
    for a, b in names:
        if not {a, b} <= set(markers.names) & set(osim.marker_names):
            continue
        places = markers.select((a, b)).xyz
        lengths = np.linalg.norm(places[:, 1] - places[:, 0], axis=1)
        if np.isfinite(lengths).any():
            first, second = osim.marker_names.index(a), osim.marker_names.index(b)
            lengths = np.nanmean(lengths, keepdims=True) if still else lengths
            yield Pair(f"{a}-{b}", first, second, lengths)


def _ratios(
    skeleton: SkeletalModel, postures: Array, scales: Array, found: Sequence[Sequence[Pair]]
) -> list[Array]:
    """Recorded distances over those of the model, by measurement."""
    places = skeleton(torch.from_numpy(postures), torch.from_numpy(scales)).markers.numpy()
    ratios = []
    for pairs in found:
        own = [np.linalg.norm(places[:, p.second] - places[:, p.first], axis=1) for p in pairs]
        both = [(p.lengths, m) for p, m in zip(pairs, own, strict=True) if m.min() > SHORT_M]
        ratios.append(np.array([np.nanmedian(lengths / m) for lengths, m in both]))
    return ratios


def _means(ratios: Iterable[Array]) -> Array:
    return np.array([ratio.mean() if len(ratio) else 1.0 for ratio in ratios])


def _spread(
    osim: OsimModel,
    measurements: Iterable[Measurement],
    values: Array,
    manual: Mapping[str, Vector3],
) -> Array:
    """Measured factors on the bodies' axes, given ones over them. Returns (N, 3)."""
    scales = np.ones((len(osim.bodies), 3))
    places = {body: place for place, body in enumerate(osim.body_names)}
    for measurement, value in zip(measurements, values, strict=True):
        for body, axes in measurement.bodies:
            if body in places:
                scales[places[body], [AXES.index(axis) for axis in axes]] = value
    for body, factors in manual.items():
        if body in places:
            scales[places[body]] = factors
    return scales


def _without_markers(known: Array, setup: ScaleSetup, height_m: float | None) -> tuple[float, str]:
    """The factor of bodies that no markers measure, and where it comes from."""
    if height_m is not None and setup.stature_m is not None:
        factor = height_m / setup.stature_m
        return factor, f"by the height, {factor:.3f}"
    if not len(known):
        raise D3keError(
            "no pair of the measurements' markers is in the recording, and the height is not "
            "known. Map the markers' names to the model's, or give the height."
        )
    return float(known.mean()), f"as the others on average, {known.mean():.3f}"


def _spared(measurements: Sequence[Measurement], found: Sequence[Sequence[Pair]]) -> Iterator[str]:
    for one, pairs in zip(measurements, found, strict=True):
        spare = {f"{a}-{b}" for a, b in one.spare}
        if pairs and pairs[0].name in spare:
            names = ", ".join(pair.name for pair in pairs)
            yield f"{one.name}: measured by {names}, for want of better markers"


def _unlike(
    measurements: Sequence[Measurement],
    found: Sequence[Sequence[Pair]],
    ratios: Sequence[Array],
) -> Iterator[str]:
    """Pairs of one measurement that do not agree on the unscaled model."""
    for one, pairs, ratio in zip(measurements, found, ratios, strict=True):
        if len(ratio) == len(pairs) > 1 and ratio.max() > UNLIKE * ratio.min():
            most, least = pairs[int(ratio.argmax())].name, pairs[int(ratio.argmin())].name
            yield (
                f"{one.name}: {most} says {ratio.max():.2f} and {least} {ratio.min():.2f}: "
                "is one of these markers swapped or misplaced?"
            )


def _left_out(
    osim: OsimModel, measurements: Iterable[Measurement], manual: Mapping[str, Vector3]
) -> Iterator[str]:
    named = {body for one in measurements for body, _ in one.bodies} | set(manual)
    left = [body for body in osim.body_names if body not in named]
    if left:
        yield f"{', '.join(left)}: in no measurement, left at the model's size"
