"""Evaluate markers: how far predicted ones are from measured ones, grounds aligned."""

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d3ke.agreement import MAX_GAP_S, best_lag, spoken, turn_about_y
from d3ke.errors import D3keError
from d3ke.evaluation_json import means_json, number
from d3ke.motion.markers import MarkerData
from d3ke.recordings import load_markers

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
LEAST_MARKERS = 3  # of a frame that is turned onto another
Source = MarkerData | str | os.PathLike[str]


class MarkerErrors(NamedTuple):
    """Distances in mm between a predicted and a measured marker. frames: where both are seen.

    rigid_mean_mm, scaled_mean_mm: the mean after each frame's best turn and shift, and size; NaN
    where no frame has three markers.
    """

    frames: int
    mean_mm: float
    rms_mm: float
    rigid_mean_mm: float
    scaled_mean_mm: float


@dataclass(frozen=True)
class MarkerEvaluation:
    """Markers with the same names, at the best lag; zero_mean_mm at no lag.

    mean_mm: over all places, so that a marker counts as often as it is seen (MPJPE). rigid_mean_mm,
    scaled_mean_mm: after each frame's best turn and shift, and size (PA-MPJPE). still_mm: those two
    for markers that keep the mean shape of the measured ones and only follow them.
    """

    lag_s: float
    frames: int
    mean_mm: float
    zero_mean_mm: float
    rigid_mean_mm: float
    scaled_mean_mm: float
    still_mm: tuple[float, float]
    markers: dict[str, MarkerErrors]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The figures in mm."""
        return {
            "lag_s": self.lag_s,
            "frames": self.frames,
            "mean_error_mm": self.mean_mm,
            "lag_0": {"mean_error_mm": number(self.zero_mean_mm)},
            "rigid_mean_error_mm": number(self.rigid_mean_mm),
            "scaled_mean_error_mm": number(self.scaled_mean_mm),
            "baselines": {
                "own_mean": {
                    "rigid_mean_error_mm": number(self.still_mm[0]),
                    "scaled_mean_error_mm": number(self.still_mm[1]),
                }
            },
            "markers": {
                name: means_json(errors._asdict()) for name, errors in self.markers.items()
            },
            "warnings": list(self.warnings),
        }

    def to_frame(self) -> "pd.DataFrame":
        """A pandas table in mm, one row a marker."""
        import pandas as pd

        rows = {name: errors._asdict() for name, errors in self.markers.items()}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("marker")


def evaluate_markers(
    prediction: Source, reference: Source, lag: float | str = "auto"
) -> MarkerEvaluation:
    """Compare markers with measured ones, after the best turn about Y and shift of the ground.

    prediction, reference: MarkerData, or a .trc, .c3d or .npz of `d3ke predict`. lag: seconds by
    which the prediction is late, or "auto" to search. Markers are matched by name; case, dots,
    blanks and underscores do not count.
    Raises D3keError: unreadable files, no marker or no time in common.
    """
    warnings: list[str] = []
    found = load_markers(prediction, warnings.append)
    true = load_markers(reference, warnings.append)
    found, true = _with_the_same_names(found, true)
    true = true.resampled(true.rate_hz, MAX_GAP_S)
    lag_s = _lag(found, true) if lag == "auto" else float(lag)
    distances = 1e3 * distances_between(found, true, lag_s)
    seen = ~np.isnan(distances)
    if not seen.any():
        raise D3keError(
            f"no frame has both: the prediction is from {spoken(found.time)}, the reference from "
            f"{spoken(true.time)}. Let both start with the recording."
        )
    moved = found.at(true.time + lag_s, MAX_GAP_S).xyz
    rigid, scaled = (1e3 * aligned_distances(moved, true.xyz, size) for size in (False, True))
    still = np.broadcast_to(mean_shape(true.xyz), true.xyz.shape)
    still = np.where(np.isnan(moved), np.nan, still)
    columns = zip(true.names, distances.T, rigid.T, scaled.T, strict=True)
    return MarkerEvaluation(
        lag_s=lag_s,
        frames=int(seen.any(axis=1).sum()),
        mean_mm=float(distances[seen].mean()),
        zero_mean_mm=_mean(1e3 * distances_between(found, true, 0.0)),
        rigid_mean_mm=_mean(rigid),
        scaled_mean_mm=_mean(scaled),
        still_mm=(
            _mean(1e3 * aligned_distances(still, true.xyz, False)),
            _mean(1e3 * aligned_distances(still, true.xyz, True)),
        ),
        markers={
            name: _errors(plain, turned, grown)
            for name, plain, turned, grown in columns
            if not np.isnan(plain).all()
        },
        warnings=tuple(warnings),
    )


def distances_between(predicted: MarkerData, true: MarkerData, lag_s: float) -> Array:
    """Distances (T, M) in m at the times of the reference, heading and origin aligned.

    Both have the same names. NaN where either is missing.
    """
    moved = predicted.at(true.time + lag_s, MAX_GAP_S).xyz
    both = ~np.isnan(moved + true.xyz).any(axis=2)
    if not both.any():
        return np.full(both.shape, np.nan)
    points, targets = moved[both], true.xyz[both]
    turn = turn_about_y(heading_between(points, targets))
    aligned = (moved - points.mean(axis=0)) @ turn.T + targets.mean(axis=0)
    return np.asarray(np.linalg.norm(aligned - true.xyz, axis=2))


def aligned_distances(moved: Array, true: Array, scaled: bool) -> Array:
    """Distances after each frame's best turn and shift, and size where `scaled`.

    moved, true: (T, M, 3) m. Returns (T, M) m, NaN where either is missing, and in frames with
    fewer than three markers.
    Source: Umeyama 1991; with size it is the alignment behind PA-MPJPE.
    """
    seen = ~np.isnan(moved + true).any(axis=2)
    enough = seen.sum(axis=1) >= LEAST_MARKERS
    seen &= enough[:, None]
    count = np.maximum(seen.sum(axis=1), 1)[:, None, None]
    points, targets = (np.where(seen[..., None], xyz, 0.0) for xyz in (moved, true))
    points, targets = (
        np.where(seen[..., None], xyz - xyz.sum(axis=1, keepdims=True) / count, 0.0)
        for xyz in (points, targets)
    )
    left, stretch, right = np.linalg.svd(np.einsum("tmi,tmj->tij", targets, points))
    handed = np.sign(np.linalg.det(left @ right))
    left[..., -1] *= handed[:, None]  # a turn, no mirror image
    stretch[:, -1] *= handed
    turned = np.einsum("tij,tmj->tmi", left @ right, points)
    if scaled:
        spread = (points**2).sum(axis=(1, 2))
        turned *= (stretch.sum(axis=1) / np.where(spread > 0, spread, 1.0))[:, None, None]
    return np.where(seen, np.linalg.norm(turned - targets, axis=2), np.nan)


def mean_shape(xyz: Array) -> Array:
    """The mean shape (M, 3) of markers (T, M, 3): each frame laid on the one that shows most."""
    first = xyz[int((~np.isnan(xyz).any(axis=2)).sum(axis=1).argmax())]
    laid = np.array([_laid_on(frame, first) for frame in xyz])
    seen = ~np.isnan(laid)
    sums = np.where(seen, laid, 0.0).sum(axis=0)
    return np.asarray(np.where(seen.any(axis=0), sums / np.maximum(seen.sum(axis=0), 1), np.nan))


def _laid_on(frame: Array, target: Array) -> Array:
    """The frame (M, 3), turned and shifted to lie on another; NaN where that cannot be told."""
    both = ~np.isnan(frame + target).any(axis=1)
    if both.sum() < LEAST_MARKERS:
        return np.full(frame.shape, np.nan)
    middle, goal = frame[both].mean(axis=0), target[both].mean(axis=0)
    turn, _ = Rotation.align_vectors(target[both] - goal, frame[both] - middle)
    return np.asarray((frame - middle) @ turn.as_matrix().T + goal)


def heading_between(points: Array, targets: Array) -> float:
    """The turn about Y, in rad, that brings points (P, 3) closest to targets (P, 3)."""
    p, t = points - points.mean(axis=0), targets - targets.mean(axis=0)
    sine = (p[:, 2] * t[:, 0] - p[:, 0] * t[:, 2]).sum()
    cosine = (p[:, 0] * t[:, 0] + p[:, 2] * t[:, 2]).sum()
    return math.atan2(sine, cosine)


def _lag(predicted: MarkerData, true: MarkerData) -> float:
    """The lag of least mean distance."""

    def cost(lag_s: float) -> tuple[float, int]:
        distances = distances_between(predicted, true, lag_s)
        return _mean(distances), int((~np.isnan(distances)).any(axis=1).sum())

    return best_lag(cost)


def _mean(distances: Array) -> float:
    seen = ~np.isnan(distances)
    return float(distances[seen].mean()) if seen.any() else math.nan


def _errors(plain: Array, rigid: Array, scaled: Array) -> MarkerErrors:
    distances = plain[~np.isnan(plain)]
    return MarkerErrors(
        len(distances),
        float(distances.mean()),
        float(np.sqrt((distances**2).mean())),
        _mean(rigid),
        _mean(scaled),
    )


def _with_the_same_names(found: MarkerData, true: MarkerData) -> tuple[MarkerData, MarkerData]:
    """The markers that both have, under the reference's names."""
    ours = {_plain(name): name for name in found.names}
    shared = {name: ours[_plain(name)] for name in true.names if _plain(name) in ours}
    if not shared:
        raise D3keError(
            f"no marker in common: the prediction has {', '.join(found.names[:5])}..., the "
            f"reference {', '.join(true.names[:5])}.... Rename the markers of one."
        )
    theirs = true.select(shared)
    return MarkerData(found.time, found.select(shared.values()).xyz, theirs.names), theirs


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()
