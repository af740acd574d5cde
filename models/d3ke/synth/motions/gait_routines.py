"""Gait as laboratories record it: level, on a treadmill, on stairs, on a beam, impaired."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.synth.motions.activities import AIRBORNE, GRAVITY_M_S2, Curves
from d3ke.synth.motions.arms import arm_hold
from d3ke.synth.motions.curves import periodic, sway
from d3ke.synth.motions.gait import (
    Deviation,
    Table,
    crouch,
    drop_foot,
    run_cycles,
    stiff_knee,
    trunk_sway,
    walk_cycles,
)
from d3ke.synth.motions.routine import Routine
from d3ke.synth.motions.stance import HIP_M, SHANK_M, SIDES, THIGH_M
from d3ke.synth.stage import Furniture

Array = NDArray[np.float64]

STANCE_PART = 0.62  # of a walking cycle (Perry and Burnfield 2010)
RUN_STANCE_PART = 0.36
STEP_UP: dict[str, Table] = {
    "hip_flexion": (
        (0, 58), (10, 54), (25, 38), (40, 20), (55, 8), (63, 10), (75, 42), (88, 66), (95, 63),
    ),
    "knee_angle": (
        (0, 62), (10, 58), (25, 38), (40, 18), (55, 10), (63, 20), (72, 58), (82, 94), (92, 74),
    ),
    "ankle_angle": (
        (0, 10), (15, 15), (30, 9), (50, 5), (58, -6), (64, -16), (72, 0), (85, 12), (94, 10),
    ),
}  # fmt: skip
STEP_DOWN: dict[str, Table] = {
    "hip_flexion": (
        (0, 18), (15, 16), (30, 14), (45, 18), (60, 30), (72, 40), (85, 30), (95, 20),
    ),
    "knee_angle": (
        (0, 8), (10, 18), (20, 20), (35, 28), (50, 58), (60, 82), (68, 90), (80, 52), (92, 12),
    ),
    "ankle_angle": (
        (0, -20), (8, -4), (20, 8), (40, 22), (55, 32), (63, 20), (75, -8), (90, -22),
    ),
}  # fmt: skip


def level_walk(rng: Generator, time: Array) -> Routine:
    """Healthy walking at any speed."""
    return _walk(rng, time, ((trunk_sway, 0.1),))


def treadmill_walk(rng: Generator, time: Array) -> Routine:
    """Walking on a treadmill."""
    return _on_treadmill(rng, time, _walk(rng, time, ()))


def crouch_gait(rng: Generator, time: Array) -> Routine:
    """Walking with knees and hips that never straighten."""
    return _walk(rng, time, ((crouch, 1.0), (trunk_sway, 0.3)))


def stiff_knee_gait(rng: Generator, time: Array) -> Routine:
    """Walking with one knee that hardly bends in swing."""
    return _walk(rng, time, ((stiff_knee, 1.0), (trunk_sway, 0.3)))


def drop_foot_gait(rng: Generator, time: Array) -> Routine:
    """Walking with one foot that hangs in swing."""
    return _walk(rng, time, ((drop_foot, 1.0), (trunk_sway, 0.2)))


def trendelenburg_gait(rng: Generator, time: Array) -> Routine:
    """Walking with the trunk over the stance leg and a pelvis that drops."""
    return _walk(rng, time, ((trunk_sway, 1.0),))


def level_run(rng: Generator, time: Array) -> Routine:
    """Running over ground."""
    curves = run_cycles(rng, time)
    phases = [curves.pop(f"phase_{side}") for side in SIDES]
    stance = np.stack([np.mod(phase, 1.0) < RUN_STANCE_PART for phase in phases], axis=1)
    rate = float(np.median(np.diff(phases[0]))) / (time[1] - time[0])
    in_air = np.mod(phases[0], 0.5) - RUN_STANCE_PART
    left_s = np.clip(in_air, 0, None) / rate
    flight_s = (0.5 - RUN_STANCE_PART) / rate
    height = 0.5 * GRAVITY_M_S2 * left_s * np.clip(flight_s - left_s, 0, None)
    curves[AIRBORNE] = height * rng.uniform(1.0, 1.8)  # legs are drawn up in flight, too
    _keep_apart(rng, curves, (0.06, 0.12))
    _straight_toes(curves)
    return Routine(curves, stance=stance)


def treadmill_run(rng: Generator, time: Array) -> Routine:
    """Running on a treadmill."""
    return _on_treadmill(rng, time, level_run(rng, time))


def treadmill(rng: Generator) -> Furniture:
    """A treadmill; grounding puts it under who walks on it."""
    size = (rng.uniform(1.5, 2.2), rng.uniform(0.12, 0.25), rng.uniform(0.75, 1.0))
    return Furniture("treadmill", (0.0, 0.0, 0.0), 0.0, size)


def stairs_up(rng: Generator, time: Array) -> Routine:
    """Climbing stairs step over step."""
    return _stairs(rng, time, STEP_UP, up=True)


def stairs_down(rng: Generator, time: Array) -> Routine:
    """Descending stairs step over step."""
    return _stairs(rng, time, STEP_DOWN, up=False)


def beam_walk(rng: Generator, time: Array) -> Routine:
    """Walking on a beam, foot before foot, arms out and trunk in search of balance."""
    routine = _walk(rng, time * 0.55, ())
    curves = routine.curves
    wobble = rng.uniform(3, 14)
    curves["lumbar_bending"] += sway(rng, time, wobble, rate_hz=0.7)
    curves["pelvis_list"] += sway(rng, time, 0.5 * wobble, rate_hz=0.7)
    curves["lumbar_rotation"] += sway(rng, time, 0.7 * wobble)
    _straight_ahead(curves, time)
    toes_ahead(curves)
    if rng.random() < 0.8:
        curves |= _wobbling(rng, time, arm_hold(rng, time, "sideways"), 2 * wobble)
    height = rng.uniform(0.03, 0.30)
    beam = Furniture("beam", (0.0, 0.0, 0.0), 0.0, (4.0, height, rng.uniform(0.10, 0.16)))
    levels = np.full((len(time), 2), height)
    return Routine(curves, (beam,), stance=routine.stance, levels=levels)


def _walk(rng: Generator, time: Array, deviations: Sequence[tuple[Deviation, float]]) -> Routine:
    curves = walk_cycles(rng, time, deviations)
    phases = [curves.pop(f"phase_{side}") for side in SIDES]
    stance = np.stack([np.mod(phase, 1.0) < STANCE_PART for phase in phases], axis=1)
    _keep_apart(rng, curves, (0.08, 0.15))
    _straight_toes(curves)
    return Routine(curves, stance=stance)


def _on_treadmill(rng: Generator, time: Array, routine: Routine) -> Routine:
    _straight_ahead(routine.curves, time)
    return Routine(routine.curves, (treadmill(rng),), belt_m_s=1.0, stance=routine.stance)


def _stairs(rng: Generator, time: Array, tables: dict[str, Table], up: bool) -> Routine:
    stride_hz = rng.uniform(0.45, 0.85)
    curves = walk_cycles(rng, time, ())
    for side in SIDES:
        del curves[f"phase_{side}"]
    curves[AIRBORNE] = np.zeros_like(time)
    right = rng.random() + stride_hz * time
    levels, stance = np.zeros((len(time), 2)), np.zeros((len(time), 2), dtype=bool)
    for index, (side, phase) in enumerate(zip(SIDES, (right, right + 0.5), strict=True)):
        for coordinate, table in tables.items():
            curves[f"{coordinate}_{side}"] = rng.normal(1, 0.05) * periodic(phase, table)
        curves[f"mtp_angle_{side}"] = np.zeros_like(time)
        cycle = np.mod(phase, 1.0)
        stance[:, index] = cycle < STANCE_PART
        swung = (cycle - STANCE_PART) / (1 - STANCE_PART)
        # Up, a foot is over the next step's edge early in its swing; down, it leaves its own late.
        risen = np.clip(swung / 0.5, 0, 1) if up else np.clip((swung - 0.5) / 0.5, 0, 1)
        risen = risen**2 * (3 - 2 * risen)
        levels[:, index] = 2 * (np.floor(phase) + risen) - index
    curves["pelvis_tilt"] = curves["pelvis_tilt"] - (6 if up else 0)
    _keep_apart(rng, curves, (0.09, 0.16))
    _straight_ahead(curves, time)
    if not up:
        levels = -levels
    levels = levels - np.floor(levels.min()) + 1
    steps = int(np.ceil(levels.max())) + int(rng.integers(0, 3)) * int(up)
    riser = rng.uniform(0.13, 0.185)
    size = (0.29 * steps, riser * steps, rng.uniform(0.7, 1.4))
    stairs = Furniture("stairs", (0.0, 0.0, 0.0), 0.0 if up else np.pi, size, steps)
    return Routine(curves, (stairs,), stance=stance, levels=levels * riser)


def _straight_ahead(curves: Curves, time: Array) -> None:
    """Take the turning out of a way."""
    trend = np.polyfit(time, curves["pelvis_rotation"], 1)
    curves["pelvis_rotation"] = curves["pelvis_rotation"] - np.polyval(trend, time)


def _keep_apart(rng: Generator, curves: Curves, width_m: tuple[float, float]) -> None:
    """Lead the legs past each other at a distance: hips as abducted as that takes."""
    inward = (curves["hip_adduction_r"] + curves["hip_adduction_l"]).max()
    allowed = np.degrees((2 * HIP_M - rng.uniform(*width_m)) / (SHANK_M + THIGH_M))
    for side in SIDES:
        curves[f"hip_adduction_{side}"] = curves[f"hip_adduction_{side}"] - max(
            (inward - allowed) / 2, 0.0
        )


def toes_ahead(curves: Curves) -> None:
    """Feet along the way, as on a beam."""
    for side in SIDES:
        turn = curves[f"hip_rotation_{side}"]
        curves[f"hip_rotation_{side}"] = turn - turn.mean()


def _straight_toes(curves: Curves) -> None:
    """Toes as the leg carries them: what they do on the floor follows from the heel."""
    for side in SIDES:
        curves[f"mtp_angle_{side}"] = np.zeros_like(curves[AIRBORNE])


def _wobbling(rng: Generator, time: Array, arms: Curves, size: float) -> Curves:
    for side in SIDES:
        arms[f"arm_add_{side}"] = arms[f"arm_add_{side}"] + sway(rng, time, size, rate_hz=0.8)
    return arms
