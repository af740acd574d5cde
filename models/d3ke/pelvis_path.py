"""The path of the pelvis in the camera's frame, from where its landmarks are seen.

- Each frame: the translation that puts the posed body's landmarks on their rays, robust.
- Over time: the path that fits all frames, with the accelerations people have and feet that
  stand still while they stand. Depth is measured far worse than the directions across the view
  and is smoothed more strongly by the same rule. Zero lag, uneven time, gaps.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

Array = NDArray[np.float64]

LANDMARK_SD_M = 0.03  # spread of a landmark about its place on the body (landmark_noise.json)
MIN_LANDMARKS = 4  # fewer seen ones tell neither depth nor direction well
MIN_DEPTH_M = 0.2  # nobody is filmed from nearer
REPROJECTION_STEPS = 6  # of Gauss-Newton with new weights: changes below 0.1 mm after it

ACROSS_SD_M = 0.004  # error of a frame's translation across the view, from frame to frame
DEPTH_SD = 0.02  # the same along the view, as a part of the depth
ACCELERATION_M2_S3 = 1.0  # spectral density of the pelvis' acceleration: 3 m/s2 up to 5 Hz
SLIP_M2_S = 0.0004  # variance of a standing foot's slip for each second: 2 cm in a second
SMOOTHING_STEPS = 4  # of the smoother with new weights for frames that stand out


class Slips(NamedTuple):
    """Points that ought to stand still from one frame to the next.

    points: (T, P, 3) relative to the pelvis, camera's axes, metres. still: (T - 1, P), 0 to 1.
    """

    points: Array
    still: Array


def reprojected_translation(points: Array, rays: Array, weights: Array) -> Array:
    """The translation that brings points onto their rays, frame by frame.

    points: (T, P, 3) metres relative to the pelvis. rays: (T, P, 2), x/z and y/z of the undistorted
    image points. weights: (T, P), 0 where unseen. Returns (T, 3) metres, NaN where too little is
    seen or the answer lies behind the camera. Far-off landmarks count less (Cauchy's weights).
    """
    seen = (weights > 0) & np.isfinite(rays).all(-1) & np.isfinite(points).all(-1)
    enough = seen.sum(1) >= MIN_LANDMARKS
    weights = np.where(seen, weights, 0.0)
    rays, points = np.where(seen[..., None], rays, 0.0), np.where(seen[..., None], points, 0.0)
    translation: Array = _step(rays, points, rays, weights)
    for _ in range(REPROJECTION_STEPS):
        placed = points + translation[:, None]
        predicted = placed[..., :2] / np.maximum(placed[..., 2:], MIN_DEPTH_M)
        error_m = (predicted - rays) * placed[..., 2:]
        robust = weights / (1 + (error_m**2).sum(-1) / (2 * LANDMARK_SD_M) ** 2)
        translation = translation + _step(predicted, placed, rays, robust)
    translation[~enough | (translation[:, 2] < MIN_DEPTH_M)] = np.nan
    return translation


def _step(slopes: Array, placed: Array, rays: Array, weights: Array) -> Array:
    """Least squares of `placed + step` on the rays; `slopes` are the rays of linearisation."""
    across = placed[..., :2] - rays * placed[..., 2:]  # (T, P, 2)
    normal = np.zeros((len(placed), 3, 3))
    right = np.zeros((len(placed), 3))
    for axis in range(2):
        row = np.zeros_like(placed)
        row[..., axis], row[..., 2] = 1.0, -slopes[..., axis]
        normal += np.einsum("tp,tpi,tpj->tij", weights, row, row)
        right -= np.einsum("tp,tpi,tp->ti", weights, row, across[..., axis])
    normal += 1e-9 * np.eye(3)  # frames without landmarks stay solvable; they are dropped later
    return np.linalg.solve(normal, right[..., None])[..., 0].astype(np.float64)


def smoothed_path(time: Array, measured: Array, slips: Slips | None = None) -> Array:
    """The likeliest path through noisy translations.

    time: (T,) seconds, rising. measured: (T, 3) metres, NaN where unknown, but not all. Returns
    (T, 3), all finite; before the first measurement and after the last it stands still.
    """
    known = np.all(np.isfinite(measured), axis=1)
    first, last = np.flatnonzero(known)[[0, -1]]
    inner = slice(first, last + 1)
    if slips is not None:
        slips = Slips(slips.points[inner], slips.still[first:last])
    path = _smoothed(time[inner], measured[inner], known[inner], slips)
    held: Array = path[np.clip(np.arange(len(time)) - first, 0, last - first)]
    return held


def _smoothed(time: Array, measured: Array, known: NDArray[np.bool_], slips: Slips | None) -> Array:
    """The path from a first to a last measurement: beyond, nothing would hold it."""
    if len(time) < 3:
        return measured
    measured = np.where(known[:, None], measured, 0.0)
    precision = _precision(measured, known)
    path, robust = measured, known.astype(float)
    for _ in range(SMOOTHING_STEPS):
        path = _solve(time, measured, precision * robust[:, None, None], slips)
        error = path - measured
        distance2 = np.einsum("ti,tij,tj->t", error, precision, error)
        robust = known / (1 + distance2 / 16)  # Cauchy: four standard deviations count half
    return path


def _precision(measured: Array, known: NDArray[np.bool_]) -> Array:
    """Inverse covariance of each frame's translation: sharp across its ray, blunt along it."""
    depth = np.linalg.norm(measured, axis=1)
    ray = measured / np.maximum(depth, MIN_DEPTH_M)[:, None]
    along = ray[:, :, None] * ray[:, None, :]
    precision: Array = (np.eye(3) - along) / ACROSS_SD_M**2
    precision += along / (DEPTH_SD * np.maximum(depth, MIN_DEPTH_M))[:, None, None] ** 2
    precision *= known[:, None, None]
    return precision


def _solve(time: Array, measured: Array, precision: Array, slips: Slips | None) -> Array:
    """Minimise measurement + acceleration + slip: one symmetric banded system of 3 T unknowns."""
    count = len(time)
    bands = np.zeros((3, count, 3, 3))  # bands[d, k]: block between frames k and k + d
    bands[0] += precision
    right = np.einsum("tij,tj->ti", precision, measured)
    _add_acceleration(bands, time)
    if slips is not None:
        _add_slips(bands, right, time, slips)
    lower = np.zeros((9, 3 * count))
    for block in range(3):
        for i in range(3):
            for j in range(3):
                offset = 3 * block + j - i
                if offset >= 0:
                    lower[offset, i::3][: count - block] = bands[block, : count - block, i, j]
    solution: Array = solveh_banded(lower, right.ravel(), lower=True, check_finite=False)
    return solution.reshape(count, 3)


def _add_acceleration(bands: Array, time: Array) -> None:
    step = np.diff(time)
    before, after = step[:-1], step[1:]
    second = np.stack(
        [2 / (before * (before + after)), -2 / (before * after), 2 / (after * (before + after))]
    )  # (3, T - 2)
    weight = (before + after) / 2 / ACCELERATION_M2_S3
    count = len(time)
    for first in range(3):
        for later in range(first, 3):
            term = weight * second[first] * second[later]
            bands[later - first, first : count - 2 + first] += term[:, None, None] * np.eye(3)


def _add_slips(bands: Array, right: Array, time: Array, slips: Slips) -> None:
    """Ask (points + path) to be the same in neighbouring frames where the points are still."""
    weight = slips.still / (SLIP_M2_S * np.diff(time))[:, None]  # (T - 1, P)
    moved = np.einsum("tp,tpi->ti", weight, np.nan_to_num(np.diff(slips.points, axis=0)))
    block = weight.sum(1)[:, None, None] * np.eye(3)
    bands[0, :-1] += block
    bands[0, 1:] += block
    bands[1, :-1] -= block
    right[:-1] += moved
    right[1:] -= moved
