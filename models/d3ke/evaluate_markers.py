"""Evaluate markers: how far predicted ones are from measured ones, grounds aligned."""

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.agreement import MAX_GAP_S, best_lag, spoken, turn_about_y
from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.recordings import load_markers

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Source = MarkerData | str | os.PathLike[str]


class MarkerErrors(NamedTuple):
    """Distances in mm between a predicted and a measured marker. frames: where both are seen."""

    frames: int
    mean_mm: float
    rms_mm: float


@dataclass(frozen=True)
class MarkerEvaluation:
    """Markers with the same names, at the best lag; zero_mean_mm at no lag.

    mean_mm: over all places, so that a marker counts as often as it is seen.
    """

    lag_s: float
    frames: int
    mean_mm: float
    zero_mean_mm: float
    markers: dict[str, MarkerErrors]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The figures in mm."""
        return {
            "lag_s": self.lag_s,
            "frames": self.frames,
            "mean_error_mm": self.mean_mm,
            "lag_0": {"mean_error_mm": self.zero_mean_mm},
            "markers": {name: errors._asdict() for name, errors in self.markers.items()},
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
    return MarkerEvaluation(
        lag_s=lag_s,
        frames=int(seen.any(axis=1).sum()),
        mean_mm=float(distances[seen].mean()),
        zero_mean_mm=_mean(1e3 * distances_between(found, true, 0.0)),
        markers={
            name: _errors(column[~np.isnan(column)])
            for name, column in zip(true.names, distances.T, strict=True)
            if not np.isnan(column).all()
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


def _errors(distances: Array) -> MarkerErrors:
    return MarkerErrors(
        len(distances), float(distances.mean()), float(np.sqrt((distances**2).mean()))
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
