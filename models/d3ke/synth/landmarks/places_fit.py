"""Where BlazePose's landmarks lie on the bodies, how that strays, and how the picture errs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.skeleton.landmark_places import LandmarkPlaces
from d3ke.synth.landmarks.evidence import LandmarkEvidence
from d3ke.synth.landmarks.noise import VIEWS

Array = NDArray[np.float64]

NORMAL_MAD = 1.4826  # standard deviation of a normal variable over its median absolute deviation
ROUNDS = 5  # of reweighting
EM_STEPS = 25
CLEAR = 0.2  # hidden by less than this: in sight
COVERED = 0.7  # hidden by more than this: out of sight
LAGS = (1, 2, 4, 8, 16, 24)  # frames between two errors that are compared
MEMORIES = np.arange(3.0, 40.5, 0.5)  # frames, tried for the slow error
FOOT_LANDMARKS = (27, 28, 29, 30, 31, 32)
START_SD_M = 0.03
LEAST_CLIPS = 12.0  # a view's bias is trusted by half when it comes from so many clips


class PlacesFit(NamedTuple):
    """Where landmarks lie.

    offsets_m, clip_sd_m: (33, 3) in their bodies' frames; own_m: (C, 33, 3) of each clip;
    flat_feet: the greatest share, twice the mean; view_bias (VIEWS, 33, 2), parts of the box.
    """

    offsets_m: Array
    clip_sd_m: Array
    own_m: Array
    flat_feet: float
    view_bias: Array


class ImageNoise(NamedTuple):
    """jitter, slow (33,) parts of the box; memory of the slow error, frames; hidden_gain; spread.

    spread: log standard deviation of how noisy a clip is.
    """

    jitter: Array
    slow: Array
    memory: float
    hidden_gain: float
    spread: float


def fit_places(
    clips: Sequence[LandmarkEvidence], places: LandmarkPlaces, memory: float = 10.0
) -> PlacesFit:
    """Places as the mean of clips' own places, which are told by rays through moving bodies.

    memory: of the slow error, frames; so many frames in two tell as much as one.
    """
    offsets, bias = places.offsets_m, np.zeros((VIEWS, 33, 2))
    share = 0.0
    for _ in range(2):
        share = _flat_share(clips, offsets)
        offsets, sd, own = _fit_offsets(clips, offsets, share, bias, memory)
        bias = _view_bias(clips, offsets, share)
    return PlacesFit(offsets, sd, own, min(1.0, max(0.0, 2 * share)), bias)


def _rows(clip: LandmarkEvidence, share: float, bias: Array) -> tuple[Array, Array]:
    """Linear equations of the offsets: A (T, 33, 2, 3), y (T, 33, 2), m across the ray."""
    frames = (1 - share) * clip.frames + share * clip.level
    ray = clip.image - bias[sector(clip.azimuth)] * clip.box
    turn, shift = frames[..., :3] * clip.size[:, None], frames[..., 3]
    A = turn[..., :2, :] - ray[..., None] * turn[..., 2:, :]
    y = ray * shift[..., 2:] - shift[..., :2]
    return A.astype(np.float64), y.astype(np.float64)


def _fit_offsets(
    clips: Sequence[LandmarkEvidence], offsets: Array, share: float, bias: Array, memory: float
) -> tuple[Array, Array, Array]:
    """Mean and standard deviation of clips' offsets, (33, 3), and these: robust, by EM."""
    own = np.repeat(offsets[None], len(clips), axis=0)  # (C, 33, 3)
    sd, error_sd = np.full((33, 3), START_SD_M), np.full(33, START_SD_M)
    for _ in range(ROUNDS):
        normal, right = np.zeros((len(clips), 33, 3, 3)), np.zeros((len(clips), 33, 3))
        errors: list[Array] = []
        for number, clip in enumerate(clips):
            A, y = _rows(clip, share, bias)
            error = y - np.einsum("tpij,pj->tpi", A, own[number])
            clear = clip.usable & (clip.hidden < CLEAR)
            size2 = np.where(clear, np.nan_to_num((error**2).sum(axis=2)), 0)
            weight = clear / (1 + size2 / (3 * error_sd) ** 2)
            y = np.where(clear[..., None], y, 0)
            A = np.where(clear[..., None, None], A, 0)
            scale = 1 / (2 * memory * error_sd**2)
            normal[number] = np.einsum("tp,tpki,tpkj->pij", weight, A, A) * scale[:, None, None]
            right[number] = np.einsum("tp,tpki,tpk->pi", weight, A, y) * scale[:, None]
            errors.append(np.where(clear[..., None], error, np.nan))
        stacked = np.concatenate(errors)
        error_sd = NORMAL_MAD * np.nanmedian(np.abs(stacked), axis=(0, 2))
        offsets, sd, own = _hierarchy(normal, right, offsets, sd)
    return offsets, sd, own


def _hierarchy(normal: Array, right: Array, mean: Array, sd: Array) -> tuple[Array, Array, Array]:
    """EM for clips' offsets about a common mean, from their normal equations (C, 33, ...)."""
    own = np.repeat(mean[None], len(normal), axis=0)
    known = np.trace(normal, axis1=2, axis2=3) > 0  # (C, 33)
    count = np.maximum(known.sum(axis=0), 1)[:, None]
    for _ in range(EM_STEPS):
        precision = np.eye(3) / np.maximum(sd, 1e-3)[:, None] ** 2  # (33, 3, 3)
        covariance = np.linalg.inv(normal + precision)
        own = (covariance @ (right + (precision @ mean[..., None])[..., 0])[..., None])[..., 0]
        mean = (own * known[..., None]).sum(axis=0) / count
        variance = (own - mean) ** 2 + np.diagonal(covariance, axis1=2, axis2=3)
        sd = np.sqrt((variance * known[..., None]).sum(axis=0) / count)
    return mean, sd, own


def _flat_share(clips: Sequence[LandmarkEvidence], offsets: Array) -> float:
    """By how much feet in the picture are seen flatter than they are, mean over clips.

    From changes within clips: a foot's place is another in each.
    """
    above, below = 0.0, 0.0
    feet = list(FOOT_LANDMARKS)
    none = np.zeros((VIEWS, 33, 2))
    for clip in clips:
        A, y = _rows(clip, 0.0, none)
        error = (y - np.einsum("tpij,pj->tpi", A, offsets))[:, feet]
        A, y = _rows(clip, 1.0, none)
        flatter = (y - np.einsum("tpij,pj->tpi", A, offsets))[:, feet]
        clear = (clip.usable & (clip.hidden < CLEAR))[:, feet, None]
        moved = _centred(error - flatter, clear)
        error = np.clip(_centred(error, clear), -0.1, 0.1)
        above += float((moved * error).sum())
        below += float((moved**2).sum())
    return min(1.0, max(0.0, above / max(below, 1e-9)))


def _centred(values: Array, mask: NDArray[np.bool_]) -> Array:
    """Values (T, P, 2) less their mean over the masked frames, 0 elsewhere."""
    kept = np.where(mask, values, 0)
    middle = kept.sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
    return np.where(mask, kept - middle, 0)


def image_errors(
    clips: Sequence[LandmarkEvidence], offsets: Array, share: float, bias: Array
) -> list[Array]:
    """Each clip's errors in the picture, (T, 33, 2) parts of the box; NaN where not usable.

    offsets: (33, 3), or each clip's own (C, 33, 3).
    """
    found = []
    own = np.broadcast_to(offsets, (len(clips), 33, 3))
    for clip, offset in zip(clips, own, strict=True):
        frames = (1 - share) * clip.frames + share * clip.level
        points = np.einsum("tpij,pj->tpi", frames[..., :3], offset * clip.size) + frames[..., 3]
        expected = points[..., :2] / points[..., 2:] + bias[sector(clip.azimuth)] * clip.box
        error = (clip.image - expected) / clip.box
        found.append(np.where(clip.usable[..., None], error, np.nan))
    return found


def _view_bias(clips: Sequence[LandmarkEvidence], offsets: Array, share: float) -> Array:
    """Median over clips of the error in each sector of views, drawn to 0 where it is unsure."""
    errors = image_errors(clips, offsets, share, np.zeros((VIEWS, 33, 2)))
    sums: list[list[Array]] = [[] for _ in range(VIEWS)]
    for clip, error in zip(clips, errors, strict=True):
        views = sector(clip.azimuth)
        for view in range(VIEWS):
            inside = error[views == view]
            if len(inside) >= 8:
                sums[view].append(_median(inside))
    bias = np.zeros((VIEWS, 33, 2))
    for view, values in enumerate(sums):
        if values:
            stacked = np.stack(values)
            middle = np.nan_to_num(_median(stacked))
            unsure2 = np.nan_to_num(_spread(stacked)) ** 2 * np.pi / 2 / len(values)
            trust = np.maximum(0, 1 - unsure2 / np.maximum(middle**2, 1e-12))
            bias[view] = middle * trust * len(values) / (len(values) + LEAST_CLIPS)
    return bias


def fit_image_noise(clips: Sequence[LandmarkEvidence], errors: Sequence[Array]) -> ImageNoise:
    """Fast and slow errors from how much errors differ over some frames (a variogram).

    Constant errors of a clip don't enter. errors: of each clip, (T, 33, 2).
    """
    pairs = list(zip(clips, errors, strict=True))
    clear = np.stack([_lag_spread(pairs, lag, hidden=False) for lag in LAGS])  # (L, 33)
    lags = np.array(LAGS)[:, None]
    best = (np.inf, 0.0, np.zeros((2, 33)))
    for memory in MEMORIES:
        shape = np.hstack([np.ones_like(lags), 1 - np.exp(-lags / memory)])  # (L, 2)
        parts = np.stack([_fit_two(shape, clear[:, p] ** 2) for p in range(33)], axis=1)
        wrong = float(np.abs(np.log(np.maximum(shape @ parts, 1e-12)) - np.log(clear**2)).sum())
        best = min(best, (wrong, float(memory), parts), key=lambda fit: fit[0])
    _, memory, parts = best
    covered = _lag_spread(pairs, 8, hidden=True)
    hidden = np.concatenate([clip.hidden for clip in clips])
    gain = (np.nanmedian(covered / clear[LAGS.index(8)]) - 1) / hidden[hidden > COVERED].mean()
    spread = _clip_spread(pairs, clear[LAGS.index(2)])
    return ImageNoise(
        np.sqrt(parts[0]), np.sqrt(parts[1]), memory, max(0.0, float(np.nan_to_num(gain))), spread
    )


def _fit_two(shape: Array, wanted: Array) -> Array:
    """Two parts, neither below 0, that make up variances; relative errors count."""
    from scipy.optimize import nnls

    parts: Array = nnls(shape / wanted[:, None], np.ones(len(wanted)))[0]
    return parts


def _lag_spread(pairs: Sequence[tuple[LandmarkEvidence, Array]], lag: int, hidden: bool) -> Array:
    """Standard deviation of one error, from differences of two `lag` frames apart, (33,)."""
    found = []
    for clip, error in pairs:
        if len(error) > lag:
            bound = clip.hidden > COVERED if hidden else clip.hidden < CLEAR
            kept = np.where(bound[..., None], error, np.nan)
            found.append(kept[lag:] - kept[:-lag])
    if not found:
        return np.full(33, np.nan)
    spread: Array = NORMAL_MAD * _median(np.abs(np.concatenate(found)), axis=(0, 2)) / np.sqrt(2)
    return spread


def _clip_spread(pairs: Sequence[tuple[LandmarkEvidence, Array]], usual: Array) -> float:
    """Log standard deviation of how noisy clips are over two frames."""
    levels = []
    for clip, error in pairs:
        kept = np.where((clip.hidden < CLEAR)[..., None], error, np.nan)
        change = np.abs(kept[2:] - kept[:-2]) / usual[:, None]
        if np.isfinite(change).sum() > 500:
            levels.append(np.log(np.nanmedian(change)))
    return float(_spread(np.array(levels))) if len(levels) > 3 else 0.0


def sector(azimuth: NDArray[np.floating]) -> NDArray[np.int64]:
    """The sector of an azimuth, rad; sector 0 is centred on 0."""
    sectors: NDArray[np.int64] = np.round(azimuth * VIEWS / (2 * np.pi)).astype(np.int64) % VIEWS
    return sectors


def _median(values: Array, axis: int | tuple[int, ...] = 0) -> Array:
    """Median over what is finite; NaN where nothing is."""
    empty = ~np.isfinite(values).any(axis=axis)
    filled = np.where(np.expand_dims(empty, axis), 0.0, values)
    middle: Array = np.where(empty, np.nan, np.nanmedian(filled, axis=axis))
    return middle


def _spread(values: Array) -> Array:
    """Robust standard deviation over the first axis."""
    spread: Array = NORMAL_MAD * _median(np.abs(values - _median(values)))
    return spread


def fitted_places(places: LandmarkPlaces, fit: PlacesFit, noise: ImageNoise) -> LandmarkPlaces:
    """The places of a fit; clips' spread without what `spread` adds to it."""
    return replace(
        places,
        offsets_m=fit.offsets_m,
        clip_sd_m=fit.clip_sd_m * np.exp(-(noise.spread**2)),
        jitter_of_box=noise.jitter,
        slow_error_of_box=noise.slow,
    )
