"""Velocities: at which shift of the clocks limbs move in a picture as they moved in the laboratory.

- A distant camera turns velocities in space into velocities in its picture by two rows of a
  rotation, times a scale. Every shift is tried with every direction that cameras look in; no
  shift is tried with a camera upside down, so that up is never taken for down.
- Constant velocities tell nothing about time: they are taken off, landmark by landmark.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import binary_dilation, gaussian_filter1d
from scipy.spatial.transform import Rotation

from d3ke.motion import filters

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

RATE_HZ = 30.0  # of the search; what is finer is found afterwards
SMOOTHING_S = 0.06  # standard deviation: BlazePose jitters by 4 mm a frame, limbs move at 2 m/s
AZIMUTHS, PITCHES_DEG, ROLLS_DEG = 24, (10, -10, -35), (-20, 0, 20)
LEAST_OVERLAP_S, LEAST_OVERLAP = 1.2, 0.3  # and so much of the shorter recording
APART_S = 0.25  # peaks that are nearer to each other are one
EYE = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])  # looks along -Z, upright


class Scores(NamedTuple):
    """How well all shifts fit.

    offsets_s: (L,) time of the laboratory less time of the video; explained: (L,) part of the
    variance of velocities in the picture; gains: (L,) the same as evidence, which grows with the
    time that both recordings share; NaN where that is too short.
    """

    offsets_s: Array
    explained: Array
    gains: Array

    def peaks(self, count: int) -> Array:
        """The offsets of the highest peaks, s, best first, and each some way from the others."""
        left = np.nan_to_num(self.gains, nan=-np.inf)
        found: list[float] = []
        while len(found) < count and np.isfinite(left).any():
            best = float(self.offsets_s[left.argmax()])
            found.append(best)
            left = np.where(np.abs(self.offsets_s - best) < APART_S, -np.inf, left)
            # what falls off the foot of a peak is no peak of its own
            left = _without_slopes(left, self.gains)
        return np.array(found)


def velocity_scores(
    video_time: Array, pixels: Array, omc_time: Array, points: Array, turns: Array | None = None
) -> Scores:
    """Scores of all shifts that leave enough in common.

    video_time: (V,) s; pixels: (V, P, 2), NaN where not seen; omc_time: (S,) s; points: (S, P, 3)
    m in ground, NaN where unknown; turns: (G, 3, 3) the directions tried, x_cam = R x_ground.
    """
    seen_start, seen = _velocities(video_time, pixels)  # (A, P, 2)
    start, moved = _velocities(omc_time, points)  # (B, P, 3)
    shifts = np.arange(-(len(seen) - 1), len(moved))
    size = next_fast_len(len(seen) + len(moved), real=True)
    rows = (directions() if turns is None else turns)[:, :2]
    mixed, spread, total, shared = _moments(seen, moved, size, shifts)
    fit = np.einsum("gij,lij->gl", rows, mixed)
    power = np.einsum("gij,gik,ljk->gl", rows, rows, spread)
    with np.errstate(invalid="ignore", divide="ignore"):
        explained = (np.clip(fit, 0, None) ** 2 / (power * total)).max(axis=0)
    explained = np.clip(np.nan_to_num(explained), 0, 1 - 1e-9)
    overlap_s = shared / RATE_HZ
    shorter_s = min(len(seen), len(moved)) / RATE_HZ
    enough = overlap_s >= max(LEAST_OVERLAP_S, LEAST_OVERLAP * shorter_s)
    gains = np.where(enough, -overlap_s * np.log1p(-explained), np.nan)
    return Scores(shifts / RATE_HZ + start - seen_start, explained, gains)


def directions() -> Array:
    """The cameras that are tried, (G, 3, 3): all round, level, from above, and leaning."""
    turns = [
        Rotation.from_euler("ZXY", [roll, pitch, azimuth], degrees=True).as_matrix()
        for azimuth in np.arange(AZIMUTHS) * 360 / AZIMUTHS
        for pitch in PITCHES_DEG
        for roll in ROLLS_DEG
    ]
    found: Array = EYE @ np.stack(turns)
    return found


def _velocities(time: Array, places: Array) -> tuple[float, Array]:
    """The first time, and smoothed velocities a second (T, P, D) at RATE_HZ; NaN beside gaps."""
    grid = filters.uniform_grid(time, RATE_HZ)
    known = filters.resample(time, places, grid, "linear")
    gap = np.isnan(known.sum(axis=2, keepdims=True))
    reach = int(np.ceil(2 * SMOOTHING_S * RATE_HZ))
    speed = gaussian_filter1d(
        _bridged(known), SMOOTHING_S * RATE_HZ, axis=0, order=1, mode="nearest"
    )
    near = binary_dilation(gap, np.ones((2 * reach + 1, 1, 1), bool), border_value=1)
    speed = np.where(near, np.nan, speed)
    return float(grid[0]), speed * RATE_HZ


def _bridged(values: Array) -> Array:
    """Values (T, ...) with lines across gaps, 0 where nothing is known."""
    columns = values.reshape(len(values), -1).T.copy()
    rows = np.arange(len(values))
    for column in columns:
        known = np.isfinite(column)
        column[:] = np.interp(rows, rows[known], column[known]) if known.any() else 0.0
    filled: Array = columns.T.reshape(values.shape)
    return filled


def _moments(
    seen: Array, moved: Array, size: int, shifts: NDArray[np.int64]
) -> tuple[Array, Array, Array, Array]:
    """Sums over what both share at every shift, over all landmarks, means taken off.

    seen: (A, P, 2), moved: (B, P, 3). Returns covariance (L, 2, 3), (L, 3, 3) of what moved,
    (L,) variance of what is seen, and (L,) how many frames they share.
    """

    def transform(values: Array) -> Array:
        found: Array = rfft(values, size, axis=0)
        return found

    def at_shifts(first: Array, second: Array) -> Array:
        """Sum over time of first(t) second(t + shift), (L, P, ...)."""
        found: Array = irfft(np.conj(first) * second, size, axis=0)[shifts]
        return found

    one, two = np.isfinite(seen.sum(axis=2)), np.isfinite(moved.sum(axis=2))
    u, x = np.where(one[..., None], seen, 0), np.where(two[..., None], moved, 0)
    fu, fx = transform(u), transform(x)
    f1, f2 = transform(one.astype(float)), transform(two.astype(float))
    count = np.maximum(at_shifts(f1, f2).round(), 0)  # (L, P)
    least = np.maximum(count, 1)
    sum_u = at_shifts(fu, f2[..., None])
    sum_x = at_shifts(f1[..., None], fx)
    mixed = at_shifts(fu[..., :, None], fx[..., None, :])
    mixed -= sum_u[..., :, None] * sum_x[..., None, :] / least[..., None, None]
    spread = at_shifts(f1[..., None, None], transform(x[..., :, None] * x[..., None, :]))
    spread -= sum_x[..., :, None] * sum_x[..., None, :] / least[..., None, None]
    total = at_shifts(transform((u**2).sum(axis=2)), f2) - (sum_u**2).sum(axis=2) / least
    return mixed.sum(axis=1), spread.sum(axis=1), total.sum(axis=1), count.max(axis=1)


def _without_slopes(left: Array, gains: Array) -> Array:
    """Values with those removed that rise towards a place removed before."""
    kept = left.copy()
    removed = np.flatnonzero(~np.isfinite(left))
    for edge in removed:
        for step in (-1, 1):
            place = edge + step
            while 0 <= place < len(kept) and np.isfinite(kept[place]):
                if not gains[place] <= gains[place - step]:
                    break
                kept[place] = -np.inf
                place += step
    return kept
