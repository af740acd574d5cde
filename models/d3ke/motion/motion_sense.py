"""What the numbers of a motion give away: wrong units, jumps of a turn, a body on its side."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from d3ke.motion.motion import Motion
from d3ke.motion.storage import Remark

Array = NDArray[np.float64]

SHOWN = 5  # names in a message
WRAP_RAD = 1.7 * np.pi  # 306 degrees between two frames: no joint does that, a turn cut at 360 does
MANY_TURNS_RAD = 6 * np.pi  # three turns; more says that degrees are called radians
FEW_DEGREES = 3.5  # pi, and a little: all angles below it says that radians are called degrees
LEAST_ANGLES = 10  # for that: one or two coordinates may well stay small
ROOM_M = 100.0  # further from the origin says mm
LYING = 0.5  # cosine of the angle between the pelvis' axis and Y: over 60 degrees all the time
PELVIS = ("pelvis_tilt", "pelvis_list")


def motion_remarks(motion: Motion, in_degrees: bool, uniform: bool) -> Iterator[Remark]:
    """What is odd about a motion. in_degrees: how its file had it. uniform: time should be."""
    turning = [name for name, turns in zip(motion.names, motion.rotational, strict=True) if turns]
    angles = motion.select(turning).q
    yield from _units(motion, angles, in_degrees)
    wrapped = [
        name for name, column in zip(turning, angles.T, strict=True) if _jumps(column, WRAP_RAD)
    ]
    if wrapped:
        text = f"jumps of a whole turn, where OpenSim spins the body: {', '.join(wrapped[:SHOWN])}"
        yield Remark(f"{text}: unwrap the angle", True)
    steps = np.diff(motion.time)
    if uniform and len(steps) and steps.max() > 1.5 * np.median(steps):
        longest = f"up to {steps.max():.3g} s, mostly {np.median(steps):.3g} s"
        yield Remark(f"time steps are uneven ({longest}): a .mot should have uniform time", False)
    if set(PELVIS) <= set(motion.names):
        tilt, bend = (motion.column(name) for name in PELVIS)
        up = np.cos(tilt) * np.cos(bend)  # Y of the pelvis along Y of the ground, Z-X-Y angles
        if np.nanmax(up, initial=-1.0) < LYING and not np.isnan(up).all():
            yield Remark("the pelvis lies on its side or front throughout: is Y up?", False)


def _units(motion: Motion, angles: Array, in_degrees: bool) -> Iterator[Remark]:
    largest = float(np.nanmax(np.abs(angles), initial=0))
    if not in_degrees and largest > MANY_TURNS_RAD:
        text = f"angles up to {largest:.0f} rad: are these degrees? Write inDegrees=yes"
        yield Remark(text, True)
    small = np.rad2deg(largest) < FEW_DEGREES
    if in_degrees and small and angles.shape[1] >= LEAST_ANGLES and largest > 0:
        text = f"no angle is over {np.rad2deg(largest):.1f} deg: are these radians?"
        yield Remark(f"{text} Write inDegrees=no", False)
    coupled = [
        name
        for name in motion.names
        if name.endswith("_beta") and np.nanmax(np.abs(motion.column(name)), initial=0) > 2 * np.pi
    ]
    if coupled:
        text = f"coupled coordinates are radians even in a file of degrees: {', '.join(coupled)}"
        yield Remark(text, True)
    places = [name for name in motion.names if name in {f"pelvis_t{axis}" for axis in "xyz"}]
    far = np.nanmax(np.abs(motion.select(places).q), initial=0)
    if far > ROOM_M:
        yield Remark(f"the pelvis is up to {far:.0f} m away: are these mm?", True)


def _jumps(column: Array, least: float) -> bool:
    known = column[~np.isnan(column)]
    return bool((np.abs(np.diff(known)) > least).any())
