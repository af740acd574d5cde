"""Sync: which moment of a video is which moment of a laboratory's recording, from motion alone.

- omc time = (1 + drift) video time + offset_s.
- Velocities say which shifts are worth a look; each of these is then fitted to the picture, with a
  camera of its own where none is known, and the one that fits best is taken.
- Nothing is guessed: a movement that repeats itself, or hardly anything that moves, is refused.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.omc.moving_points import Moved, Seen
from d3ke.omc.reprojection import (
    Alignment,
    Fitted,
    Free,
    errors_px,
    fitted,
    height_px,
    known_points,
    shared_frames,
)
from d3ke.omc.resection import (
    ACCEPTED,
    HEIGHT_M,
    QUICK_FRAMES,
    best_view,
)
from d3ke.omc.velocities import LEAST_OVERLAP_S, Scores, velocity_scores
from d3ke.vision.camera import Camera

Array = NDArray[np.float64]

TRIED = 5  # peaks of the velocities' scores
LEAST_PART = 0.4  # of the best shift's evidence: a shift with less is no rival of it
SAME_S = 0.15  # shifts that are nearer to each other after the fit are one
FIRST_S = 60.0  # of a long video at a time, so that clocks have not drifted apart
# Measured on rendered sessions and on pairs of recordings that do not belong together
# (tests/benchmarks/synchronisation.py): gains of true shifts from 2.5, of wrong ones up to 2.7
# but then with another shift as good; a stride off fits worse by a fifth and more.
LEAST_GAIN, USUAL_GAIN = 1.2, 1.5
LEAST_LEAD, USUAL_LEAD = 0.1, 0.12
LEAST_CONFIDENCE = 0.5
MOST_UNSURE_S = 0.03
APART_S, APART_SD = 0.03, 4.0  # between what two parts of a recording say
MISFIT = "the camera does not fit"  # begins a doubt that no other clock would mend
DRIFT_TOLD_SD = 3.0  # a drift below so many standard deviations is none


class Trial(NamedTuple):
    """One recording and one video of it. name: for messages; height_m: of the person."""

    name: str
    seen: Seen
    moved: Moved
    height_m: float = HEIGHT_M


class Sync(NamedTuple):
    """omc time = (1 + drift) video time + offset_s.

    confidence: 0 to 1; uncertainty_s: standard deviation in the middle of the video; offsets_s,
    gains: (L,) the evidence for every shift, for a plot; reason: in words.
    """

    offset_s: float
    drift: float
    confidence: float
    uncertainty_s: float
    offsets_s: Array
    gains: Array
    reason: str


class Aligned(NamedTuple):
    """A trial's clocks and the camera that was fitted with them. sync.reason says why.

    doubt: why it is not to be used, empty where it is.
    """

    sync: Sync
    fit: Fitted
    doubt: str


class _Rival(NamedTuple):
    """A shift that was fitted to the picture. gain: its evidence from velocities."""

    fit: Fitted
    gain: float


def trusted(trial: Trial, found: Aligned) -> Aligned:
    """What was found. Raises D3keError where it is in doubt."""
    if found.doubt:
        misfit = found.doubt.startswith(MISFIT)
        how = "Name its own calibration, or none" if misfit else "Pass --sync SECONDS"
        raise D3keError(f"{trial.name}: not synchronised: {found.doubt}. {how}.")
    return found


def align(
    trial: Trial, size: tuple[int, int], camera: Camera | None = None, lens: Camera | None = None
) -> Aligned:
    """The clocks of a trial, and the camera where none is known, in doubt or not.

    Raises D3keError where the two recordings have too little in common to be compared.
    """
    part, scores = _scores(trial, camera)
    rivals = _rivals(part, scores, size, camera, lens)
    best = rivals[0]
    lead = 1 - best.fit.badness / rivals[1].fit.badness if len(rivals) > 1 else 1.0
    confidence = (1 - math.exp(-best.gain / USUAL_GAIN)) * (1 - math.exp(-lead / USUAL_LEAD))
    fit, doubt = best.fit, _doubt(rivals, lead, confidence)
    if not doubt:
        free = Free(clock=True, view=camera is None, lens=camera is None and lens is None)
        fit = _settled(trial, part, best.fit.alignment, free)
        doubt = ("" if camera is None else _misfit(trial, fit)) or _afterthought(trial, fit)
    uncertainty_s = fit.sd["offset"]
    told = f"fits {lead:.0%} better than any other shift, to {1e3 * uncertainty_s:.1f} ms"
    sync = Sync(
        fit.alignment.offset_s,
        fit.alignment.drift,
        0.0 if doubt else confidence,
        uncertainty_s,
        scores.offsets_s,
        scores.gains,
        doubt or told,
    )
    return Aligned(sync, fit, doubt)


def quick_fit(
    trial: Trial,
    size: tuple[int, int],
    clock: Alignment,
    camera: Camera | None = None,
    lens: Camera | None = None,
) -> Fitted:
    """How a few frames fit at clocks near those given, with a camera or the best one."""
    seen, moved, height_m = trial.seen, trial.moved, trial.height_m
    if camera is None:
        return best_view(seen, moved, clock, size, lens, height_m, clock_free=True)
    start = replace(clock, camera=camera)
    return fitted(seen.thinned(QUICK_FRAMES), moved, start, Free(clock=True), height_m)


def error_of(trial: Trial, alignment: Alignment) -> float:
    """The median distance of landmarks from where they should be, of the person's height."""
    errors = errors_px(trial.seen, trial.moved, alignment)
    known = np.isfinite(errors)
    if not known.any():
        return math.inf
    points = trial.moved.at(alignment.omc_time(trial.seen.time)).places[known]
    return float(np.median(errors[known]) / height_px(alignment.camera, points, trial.height_m))


def _scores(trial: Trial, camera: Camera | None) -> tuple[Trial, Scores]:
    """How well shifts fit velocities, and the part of the video that says most about it."""
    turns = None if camera is None else camera.R[None]
    found = []
    for seen in _minutes(trial.seen):
        pixels = np.where(seen.weights[..., None] > 0, seen.pixels, np.nan)
        scores = velocity_scores(seen.time, pixels, trial.moved.time, trial.moved.places, turns)
        if np.isfinite(scores.gains).any():
            found.append((float(np.nanmax(scores.gains)), trial._replace(seen=seen), scores))
    if not found:
        raise D3keError(
            f"{trial.name}: video and recording share less than {LEAST_OVERLAP_S:g} s of a person "
            f"who is seen. Check that they belong together, or pass --sync SECONDS."
        )
    _, part, scores = max(found, key=lambda one: one[0])
    return part, scores


def _minutes(seen: Seen) -> Iterator[Seen]:
    """A video, or parts of a long one."""
    length_s = seen.time[-1] - seen.time[0]
    count = max(1, round(length_s / FIRST_S))
    edges = seen.time[0] + np.arange(count + 1) / count * length_s
    for first, last in pairwise(edges):
        yield seen.part((seen.time >= first) & (seen.time <= last))


def _rivals(
    trial: Trial,
    scores: Scores,
    size: tuple[int, int],
    camera: Camera | None,
    lens: Camera | None,
) -> list[_Rival]:
    """The shifts worth a look, fitted to the picture, best first, each some way from the others."""
    found = []
    peaks = scores.peaks(TRIED)
    gains = np.interp(peaks, scores.offsets_s, np.nan_to_num(scores.gains))
    for offset_s, gain in zip(peaks, gains, strict=True):
        if gain < LEAST_PART * gains[0]:
            continue
        clock = replace(Alignment.still(trial.seen.pixels.shape[1]), offset_s=float(offset_s))
        fit = quick_fit(trial, size, clock, camera, lens)
        found.append(_Rival(fit, float(gain)))
    apart: list[_Rival] = []
    for rival in sorted(found, key=lambda one: one.fit.badness):
        same = [
            place
            for place, other in enumerate(apart)
            if abs(other.fit.alignment.offset_s - rival.fit.alignment.offset_s) < SAME_S
        ]
        if same:
            other = apart[same[0]]
            apart[same[0]] = other._replace(gain=max(other.gain, rival.gain))
        else:
            apart.append(rival)
    return apart


def _settled(trial: Trial, part: Trial, start: Alignment, free: Free) -> Fitted:
    """The best fit from a shift that a part of the video gave; then of ever longer parts."""
    places = trial.moved.turns is not None
    first, last = part.seen.time[[0, -1]]
    begin, end = trial.seen.time[[0, -1]]
    seen, alignment = part.seen, start
    while True:
        fit = fitted(seen, trial.moved, alignment, free, trial.height_m)
        full = replace(free, drift=True, places=places)
        fit = fitted(seen, trial.moved, fit.alignment, full, trial.height_m)
        alignment = fit.alignment
        if first <= begin and last >= end:
            break
        first, last = first - (last - first) / 2, last + (last - first) / 2
        seen = trial.seen.part((trial.seen.time >= first) & (trial.seen.time <= last))
    if abs(alignment.drift) >= DRIFT_TOLD_SD * fit.sd["drift"]:
        return fit
    # not told: the clocks are taken to run alike, about the middle of what is seen
    shared = shared_frames(trial.seen, trial.moved, alignment)
    middle_s = float(trial.seen.time[shared].mean())
    alike = replace(alignment, offset_s=alignment.offset_s + alignment.drift * middle_s, drift=0.0)
    return fitted(trial.seen, trial.moved, alike, replace(free, places=places), trial.height_m)


def _doubt(rivals: Sequence[_Rival], lead: float, confidence: float) -> str:
    """Why the best shift is not to be believed; nothing where it is."""
    if rivals[0].gain < LEAST_GAIN:
        return "limbs in the video do not move as in the recording, or hardly move"
    if lead < LEAST_LEAD:
        one, two = (rival.fit.alignment.offset_s for rival in rivals[:2])
        return f"the movement repeats itself: offsets of {one:.2f} and {two:.2f} s fit alike"
    if confidence < LEAST_CONFIDENCE:
        return f"the evidence is weak (confidence {confidence:.2f})"
    return ""


def _misfit(trial: Trial, fit: Fitted) -> str:
    """Why a camera that was given cannot be the one; nothing where it fits."""
    seen, moved, alignment = trial.seen, trial.moved, fit.alignment
    shared = shared_frames(seen, moved, alignment)
    points = moved.at(alignment.omc_time(seen.time[shared])).places
    tall_px = height_px(alignment.camera, points, trial.height_m)
    # what is behind the camera is NaN, and fits worse than anything
    errors = np.nan_to_num(errors_px(seen, moved, alignment), nan=np.inf)
    error = float(np.median(errors[known_points(seen, moved, alignment)])) / tall_px
    if error <= ACCEPTED:
        return ""
    return f"{MISFIT}: landmarks lie {error:.0%} of the body's height off"


def _afterthought(trial: Trial, fit: Fitted) -> str:
    """Why a fit is not to be believed: it is not sharp, or its two halves say otherwise."""
    if fit.sd["offset"] > MOST_UNSURE_S:
        return f"too little moves: the offset is known to {1e3 * fit.sd['offset']:.0f} ms only"
    seen, alignment = trial.seen, fit.alignment
    shared = shared_frames(seen, trial.moved, alignment)
    halves = [
        fitted(seen.part(rows), trial.moved, alignment, Free(clock=True), trial.height_m)
        for rows in np.array_split(shared, 2)
    ]
    apart_s = abs(halves[0].alignment.offset_s - halves[1].alignment.offset_s)
    allowed_s = APART_S + APART_SD * math.hypot(*(half.sd["offset"] for half in halves))
    if apart_s > allowed_s:
        return f"its two halves say otherwise by {1e3 * apart_s:.0f} ms"
    return ""
