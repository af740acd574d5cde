"""What BlazePose doubts, and where it takes left for right."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from d3ke.synth.landmarks.evidence import LandmarkEvidence
from d3ke.synth.landmarks.noise import SWAPPED, VIEWS, Swap, Visibility
from d3ke.synth.landmarks.places_fit import CLEAR, COVERED, NORMAL_MAD, sector

Array = NDArray[np.float64]

SURE = 1e-3  # visibilities this near to 0 or 1 count as so near: records keep 16 bits
LEAST_FRAMES = 12  # of a clip, for its own median
LEAST_COVERED = 200  # frames, to say anything of a landmark out of sight
PRIOR_FRAMES = 300.0  # without a swap, added to each view: a rare thing needs many frames
LEAST_RUN = 3.0  # frames that a swap lasts at least, on average


def fit_visibility(clips: Sequence[LandmarkEvidence]) -> Visibility:
    """Medians in and out of sight, and spreads between clips and frames, in logits."""
    logits = [_logit(clip.visibility) for clip in clips]
    clear = [
        np.where(clip.usable & (clip.hidden < CLEAR), logit, np.nan)
        for clip, logit in zip(clips, logits, strict=True)
    ]
    own = np.stack([_own_median(logit) for logit in clear])  # (C, 33)
    seen = _median(own)
    # What hiding takes away is told in clips that show the landmark in sight, too.
    loss = np.concatenate(
        [
            np.where(
                clip.usable & (clip.hidden > COVERED),
                (logit - usual) / np.maximum(clip.hidden, CLEAR),
                np.nan,
            )
            for clip, logit, usual in zip(clips, logits, own, strict=True)
        ]
    )
    enough = np.isfinite(loss).sum(axis=0) >= LEAST_COVERED
    rest = np.concatenate([logit - middle for logit, middle in zip(clear, own, strict=True)])
    return Visibility(
        seen=seen,
        hidden=seen + np.where(enough, np.minimum(_median(loss), 0), 0),
        clip_sd=NORMAL_MAD * _median(np.abs(own - seen)),
        frame_sd=NORMAL_MAD * _median(np.abs(rest)),
    )


def fit_swaps(clips: Sequence[LandmarkEvidence]) -> dict[str, Swap]:
    """How often, in which views and for how long left is taken for right."""
    return {name: _fit_swap(clips, name) for name in SWAPPED}


def _fit_swap(clips: Sequence[LandmarkEvidence], name: str) -> Swap:
    taken, apart = np.zeros(VIEWS), np.zeros(VIEWS)
    frames, runs = 0, 0
    for clip in clips:
        view, swapped = sector(clip.azimuth), clip.swapped[name]
        taken += np.bincount(view, swapped, VIEWS)
        apart += np.bincount(view, clip.apart[name], VIEWS)
        frames += int(swapped.sum())
        told = swapped[clip.apart[name]].astype(int)  # what cannot be told ends no run
        runs += int(np.diff(told, prepend=0).clip(min=0).sum())
    return Swap(taken / (apart + PRIOR_FRAMES), max(LEAST_RUN, frames / max(1, runs)))


def _logit(visibility: NDArray[np.float32]) -> Array:
    inside = np.clip(visibility.astype(np.float64), SURE, 1 - SURE)
    logit: Array = np.log(inside / (1 - inside))
    return logit


def _own_median(logit: Array) -> Array:
    few = np.isfinite(logit).sum(axis=0) < LEAST_FRAMES
    return np.where(few, np.nan, np.nanmedian(np.where(few, 0.0, logit), axis=0))


def _median(values: Array) -> Array:
    empty = ~np.isfinite(values).any(axis=0)
    middle: Array = np.nanmedian(np.where(empty, 0.0, values), axis=0)
    return middle
