"""Neutral: what a network bends the joints of a person by who stands straight.

Standing still and upright, a person's hips, knees and ankles are at 0, by the definition of the
model's posture. What is said of them then is a constant error of this person in these clothes, and
is taken off everywhere. Turned-out feet, the spine and the arms are no error: they stay.
"""

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from d3ke.errors import D3keError, OptionError
from d3ke.prediction import Prediction

Array = NDArray[np.float64]
Span = tuple[float, float]

CORRECTED = ("hip_flexion", "knee_angle", "ankle_angle")  # gravity straightens them in who stands
SECONDS = re.compile(r"\d+(?:\.\d*)?(?:-\d+(?:\.\d*)?)?")  # 3, 0.5-1.5
AROUND_S = 0.25  # on both sides of a single time
STAND_S = 1.0  # of a clip of standing: the stillest of it
LEAST_S = 0.3  # fewer frames say little of a person's mean
STILL_DEG, STILL_M = 8.0, 0.06  # from the 5th to the 95th percentile: a stander sways less
MOST_DEG = 25.0  # a network's error of a stander; beyond, the joint is bent
UPRIGHT_DEG = 25.0  # of the pelvis


class Neutral(NamedTuple):
    """What is taken off. offsets: (K,) rad, 0 for what is left alone. span_s: when they stood."""

    offsets: Array
    span_s: Span

    def off(self, q: Array) -> Array:
        """Coordinates (T, K) without the offsets."""
        corrected: Array = q - self.offsets
        return corrected

    def told(self, names: tuple[str, ...]) -> dict[str, float]:
        """Degrees by coordinate."""
        degrees = np.degrees(self.offsets)
        return {n: round(float(d), 2) for n, d in zip(names, degrees, strict=True) if d}


def read_neutral(words: str) -> Path | Span:
    """A clip, or seconds of the clip that is predicted: `A-B`, or about `T`.

    Raises OptionError for seconds that are none.
    """
    if not SECONDS.fullmatch(words):
        return Path(words)
    first, _, last = words.partition("-")
    start, end = float(first), float(last or first)
    if not last:
        start = max(0.0, start - AROUND_S)
        return start, start + 2 * AROUND_S
    checked_span((start, end))
    return start, end


def checked_span(span: Span) -> None:
    """Raises OptionError for seconds in which nobody can stand still."""
    start, end = span
    if not 0 <= start < end < math.inf or end - start < LEAST_S:
        raise OptionError(
            f"a neutral pose from {start:g} to {end:g} s: give at least {LEAST_S:g} s, as 0.5-1.5."
        )


def neutral_pose(prediction: Prediction, span_s: Span | None = None) -> Neutral:
    """What to take off, from a person who stands.

    span_s: when they do; by default in the stillest second of the clip.
    Raises D3keError where nobody is seen to stand still and upright then.
    """
    names = prediction.coordinate_names
    corrected = [i for i, n in enumerate(names) if n[:-2] in CORRECTED and n[-2:] in ("_r", "_l")]
    corrected = [place for place in corrected if prediction.observed[place]]
    frames = _stillest(prediction, corrected) if span_s is None else _within(prediction, span_s)
    q = prediction.q[frames]
    start, end = (float(prediction.time[frames][place]) for place in (0, -1))
    problem = _moving(q, names, corrected) or _bent(np.median(q, axis=0), names, corrected)
    if problem:
        raise D3keError(
            f"no neutral pose from {start:.1f} to {end:.1f} s: {problem}. Name seconds in which "
            "the person stands still and straight."
        )
    offsets = np.zeros(len(names))
    offsets[corrected] = np.median(q[:, corrected], axis=0)
    return Neutral(offsets, (start, end))


def _within(prediction: Prediction, span_s: Span) -> NDArray[np.intp]:
    """Frames of a span in which the person is seen. Raises D3keError where there are too few."""
    time, known = prediction.time, np.isfinite(prediction.q).all(axis=1)
    frames = np.flatnonzero((time >= span_s[0]) & (time <= span_s[1]) & known)
    if len(frames) < 2 or np.ptp(time[frames]) < LEAST_S:
        raise D3keError(
            f"no neutral pose from {span_s[0]:g} to {span_s[1]:g} s: the person is seen there for "
            f"less than {LEAST_S:g} s (the clip is {time[-1]:.1f} s long)."
        )
    return frames


def _stillest(prediction: Prediction, corrected: list[int]) -> NDArray[np.intp]:
    """The frames of the stillest second. Raises D3keError where no second is seen."""
    known = np.flatnonzero(np.isfinite(prediction.q).all(axis=1))
    step = float(np.median(np.diff(prediction.time))) if len(prediction.time) > 1 else STAND_S
    length = min(len(known), max(2, round(STAND_S / step)))
    if length < 2 or length * step < LEAST_S:
        raise D3keError(f"no neutral pose: the person is seen for less than {LEAST_S:g} s.")
    windows = sliding_window_view(prediction.q[known][:, corrected], length, axis=0)  # (W, C, n)
    first = int(windows.std(axis=2).sum(axis=1).argmin())
    frames: NDArray[np.intp] = known[first : first + length]
    return frames


def _moving(q: Array, names: tuple[str, ...], corrected: list[int]) -> str | None:
    """What moves too much for one who stands still."""
    spread = np.ptp(np.percentile(q, [5, 95], axis=0), axis=0)
    for place in corrected:
        if spread[place] > math.radians(STILL_DEG):
            return f"{names[place]} moves by {math.degrees(spread[place]):.0f} deg"
    moved = float(spread[3:6].max())
    return f"the pelvis moves by {100 * moved:.0f} cm" if moved > STILL_M else None


def _bent(q: Array, names: tuple[str, ...], corrected: list[int]) -> str | None:
    """What is too far from straight for one who stands upright. q: (K,)."""
    for place, most in [*((p, MOST_DEG) for p in corrected), (0, UPRIGHT_DEG), (1, UPRIGHT_DEG)]:
        if abs(q[place]) > math.radians(most):
            return f"{names[place]} is {math.degrees(q[place]):.0f} deg"
    return None


def spoken(neutral: Neutral, clip: Path | None = None) -> str:
    """What was taken off, as people say it. clip: in which the person stands, if another one."""
    where = "" if clip is None else f" of {clip.name}"
    most = math.degrees(float(np.abs(neutral.offsets).max()))
    start, end = neutral.span_s
    return (
        f"hips, knees and ankles are straight from {start:.1f} to {end:.1f} s{where}: up to "
        f"{most:.0f} deg taken off (--neutral)"
    )
