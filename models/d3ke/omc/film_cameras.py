"""Film cameras: the camera that filmed several trials, and the clocks of each.

Every trial first finds a camera of its own. Where one camera fits all of them, it stood still
between them: it then tells the clocks anew, also where a movement alone would not.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from d3ke.errors import D3keError
from d3ke.omc.given_clocks import held_against_motion
from d3ke.omc.reprojection import Alignment
from d3ke.omc.resection import Resection, accepted, resect, resection_of
from d3ke.omc.sync import Sync, Trial, align, error_of, trusted

# One camera for all trials fits each a little worse than its own does; turned by half a degree it
# would be off by a fortieth of the height of a person at 4.5 m.
WORSE, WORSE_OF_HEIGHT = 1.5, 0.003
ROUNDS = 2  # of clocks by the camera, and of the camera by these

Size = tuple[int, int]


class Shot(NamedTuple):
    """A trial that a camera filmed. clock: offset and drift, None to find them."""

    trial: Trial
    clock: tuple[float, float] | None = None


class Found(NamedTuple):
    """A shot's clocks and camera. sync: None where clocks were given; remarks: what to know."""

    alignment: Alignment
    sync: Sync | None
    resection: Resection
    remarks: tuple[str, ...] = ()


Founds = list[Found | D3keError]  # one of each shot, or why it is not told


def found_together(shots: Sequence[Shot], size: Size, accept_above: float) -> Founds:
    """The clocks and the camera of each shot of one camera, or why they are not told.

    size: width, height of the videos, px; accept_above: the greatest median error of landmarks, of
    the body's height.
    """
    found = [_alone(shot, size) for shot in shots]
    moved = ""
    if len(shots) > 1 and any(isinstance(one, Found) for one in found):
        anew = _together(shots, found, size)
        moved = _moved(shots, found, anew)
        found = found if moved else anew
    return [_judged(shot, one, accept_above, moved) for shot, one in zip(shots, found, strict=True)]


def _alone(shot: Shot, size: Size) -> Found | D3keError:
    """The clocks of a shot, and the camera that fits it best."""
    trial = shot.trial
    try:
        if shot.clock is None:
            sync, fit, _ = trusted(trial, align(trial, size))
            part = (trial.seen, trial.moved, fit.alignment)
            return Found(fit.alignment, sync, resection_of([part], fit, trial.height_m))
        offset_s, drift = shot.clock
        still = Alignment.still(trial.seen.pixels.shape[1])
        given = replace(still, offset_s=offset_s, drift=drift)
        remarks = held_against_motion(trial, size, given, None)
        own = _resected([(trial, given)], size)
        return Found(_seen_by(own, given), None, own, remarks)
    except D3keError as error:
        return error


def _together(shots: Sequence[Shot], alone: Founds, size: Size) -> Founds:
    """What one camera tells of all shots: it tells their clocks, and these tell it better."""
    told, camera = alone, _pooled(shots, alone, size)
    for _ in range(ROUNDS):
        told = [_anew(shot, one, size, camera) for shot, one in zip(shots, told, strict=True)]
        camera = _pooled(shots, told, size)
    return [
        one._replace(alignment=_seen_by(camera, one.alignment), resection=camera)
        if isinstance(one, Found)
        else one
        for one in told
    ]


def _pooled(shots: Sequence[Shot], found: Founds, size: Size) -> Resection:
    """The camera of all shots whose clocks are told."""
    told = zip(shots, found, strict=True)
    return _resected(
        [(shot.trial, one.alignment) for shot, one in told if isinstance(one, Found)], size
    )


def _anew(shot: Shot, alone: Found | D3keError, size: Size, first: Resection) -> Found | D3keError:
    """The clocks of a shot as its camera tells them; as they were where it does not."""
    if shot.clock is not None:
        return alone
    try:
        sync, fit, _ = trusted(shot.trial, align(shot.trial, size, first.camera))
    except D3keError as error:
        return alone if isinstance(alone, Found) else error
    return Found(fit.alignment, sync, first)


def _resected(parts: Sequence[tuple[Trial, Alignment]], size: Size) -> Resection:
    """The camera that saw the points of trials, the clocks being known."""
    points, turns, pixels, weights = [], [], [], []
    for trial, alignment in parts:
        time = alignment.omc_time(trial.seen.time)
        rows = np.flatnonzero(trial.moved.covers(time))
        now, seen = trial.moved.at(time[rows]), trial.seen.part(rows)
        points.append(now.places)
        pixels.append(seen.pixels)
        weights.append(seen.weights)
        if now.turns is not None:
            turns.append(now.turns)
    first = parts[0][0]
    return resect(
        np.concatenate(points),
        np.concatenate(pixels),
        np.concatenate(weights),
        size,
        rate_hz=first.seen.rate_hz,
        turns=np.concatenate(turns) if turns else None,
        height_m=first.height_m,
        focal_px=first.seen.focal_px,
        what=first.name,
    )


def _moved(shots: Sequence[Shot], alone: Founds, together: Founds) -> str:
    """Why shots are not of a camera that stood still; nothing where they are."""
    worst, told = 1.0, ""
    for shot, own, one in zip(shots, alone, together, strict=True):
        if not (isinstance(own, Found) and isinstance(one, Found)):
            continue
        good, bad = error_of(shot.trial, own.alignment), error_of(shot.trial, one.alignment)
        most = WORSE * good + WORSE_OF_HEIGHT
        if not bad <= most * worst:
            worst = bad / most
            told = f"landmarks lie {bad:.1%} of the height off one camera, {good:.1%} off its own"
    return told


def _judged(
    shot: Shot, found: Found | D3keError, accept_above: float, moved: str
) -> Found | D3keError:
    """What was found with what to know of it, or why it is of no use."""
    if isinstance(found, D3keError):
        return found
    name = shot.trial.name
    try:
        resection = accepted(found.resection, accept_above, name)
    except D3keError as error:
        return error
    odd = (f"{name}: its camera did not stand still between trials: {moved}",) if moved else ()
    return found._replace(resection=resection, remarks=(*found.remarks, *odd, *resection.warnings))


def _seen_by(found: Resection, clocks: Alignment) -> Alignment:
    """Clocks with the camera that was found, and where it saw landmarks on their bodies."""
    return replace(clocks, camera=found.camera, shifts=found.shifts)
