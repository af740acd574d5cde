"""Given clocks: an offset that somebody told, held against what motion says."""

import numpy as np

from d3ke.errors import D3keError
from d3ke.omc.reprojection import Alignment, Fitted, shared_frames
from d3ke.omc.sync import LEAST_LEAD, Trial, align, quick_fit
from d3ke.vision.camera import Camera

# Of true clocks, motion says up to 11 ms else on rendered sessions, and up to 35 ms on real clips
# (tests/benchmarks/synchronisation.py); a label is a centimetre off at 50 ms and 0.2 m/s.
MOST_APART_S, APART_SD = 0.05, 4.0


def held_against_motion(
    trial: Trial, size: tuple[int, int], given: Alignment, camera: Camera | None
) -> tuple[str, ...]:
    """What should be known of clocks that were given: nothing where motion says the same.

    size: of the video, px; camera: where it is known. Raises D3keError where motion says for sure
    that they are others.
    """
    try:
        seen = align(trial, size, camera)
    except D3keError:  # too little to be compared: nothing is known against them
        return ()
    allowed_s = max(MOST_APART_S, APART_SD * seen.sync.uncertainty_s)
    if _apart_s(trial, given, seen.fit.alignment) <= allowed_s:
        return ()
    apart = f"offset {given.offset_s:.3f} s was given, motion says {seen.sync.offset_s:z.3f} s"
    if seen.doubt:
        if _fits_as_well(trial, size, given, camera, seen.fit):
            return ()
        return (f"{trial.name}: {apart}, but is unsure: {seen.doubt}. Look at its page",)
    raise D3keError(
        f"{trial.name}: {apart}, to {1e3 * seen.sync.uncertainty_s:.0f} ms. Correct the offset, or "
        "leave it out: --sync auto finds it."
    )


def _fits_as_well(
    trial: Trial, size: tuple[int, int], given: Alignment, camera: Camera | None, best: Fitted
) -> bool:
    """Whether the picture fits about as well with the clocks that were given, or nearby."""
    if not len(shared_frames(trial.seen, trial.moved, given)):
        return False
    try:
        fit = quick_fit(trial, size, given, camera)
    except D3keError:  # hardly anything is seen while the recording runs
        return False
    return 1 - best.badness / fit.badness < LEAST_LEAD


def _apart_s(trial: Trial, one: Alignment, other: Alignment) -> float:
    """How far apart two clocks are in the middle of the video, s."""
    middle_s = np.array([trial.seen.time[[0, -1]].mean()])
    return float(abs(one.omc_time(middle_s) - other.omc_time(middle_s))[0])
