"""Procedural gait: walking and running, healthy and not, on Fourier-smooth cycles.

The cycles are rounded means of what textbooks print for level walking and slow running (Perry and
Burnfield 2010; Novacheck 1998); every walker has amplitudes, timing and deviations of its own.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.synth.motions.activities import AIRBORNE, Curves, Habit
from d3ke.synth.motions.arms import arm_gestures, arm_swing
from d3ke.synth.motions.curves import periodic, sway
from d3ke.synth.motions.stance import SIDES

Array = NDArray[np.float64]
Table = Sequence[tuple[float, float]]
Deviation = Callable[[Generator, Curves, Array, Array], None]

WALK: dict[str, Table] = {
    "hip_flexion": (
        (0, 28), (10, 26), (20, 18), (30, 9), (40, 1), (50, -9), (55, -11), (60, -8),
        (70, 8), (80, 24), (86, 30), (94, 29),
    ),
    "knee_angle": (
        (0, 4), (5, 10), (12, 18), (20, 15), (30, 8), (40, 4), (50, 10), (56, 22),
        (65, 52), (72, 62), (80, 50), (88, 22), (95, 4),
    ),
    "ankle_angle": (
        (0, 0), (6, -6), (15, 1), (30, 7), (45, 12), (50, 10), (55, 2), (60, -13),
        (64, -17), (72, -6), (80, 1), (92, 2),
    ),
    "hip_adduction": (
        (0, 0), (8, 4), (18, 6), (40, 4), (50, 1), (60, -4), (72, -5), (88, -1),
    ),
    "hip_rotation": ((0, -2), (15, 2), (45, 1), (62, -3), (80, -1)),
}  # fmt: skip
RUN: dict[str, Table] = {
    "hip_flexion": (
        (0, 34), (10, 30), (20, 15), (30, 0), (38, -8), (48, -4), (60, 16), (72, 38),
        (82, 46), (92, 40),
    ),
    "knee_angle": (
        (0, 15), (8, 28), (16, 40), (26, 30), (36, 15), (46, 35), (58, 78), (66, 92),
        (76, 75), (88, 30), (95, 14),
    ),
    "ankle_angle": (
        (0, 4), (8, 12), (18, 22), (28, 8), (36, -18), (42, -22), (55, -8), (75, 2), (92, 4),
    ),
    "hip_adduction": ((0, 3), (10, 8), (25, 5), (40, -1), (60, -4), (80, -2)),
    "hip_rotation": ((0, 0), (15, 3), (40, -2), (70, -3)),
}  # fmt: skip


def walk(rng: Generator, time: Array) -> Curves:
    """Walking at any speed, straight or turning, with the deviations that clinics see."""
    return _without_phases(walk_cycles(rng, time, DEVIATIONS))


def run(rng: Generator, time: Array) -> Curves:
    """Running, on the spot to fast, with a short flight after each push-off."""
    return _without_phases(run_cycles(rng, time))


def walk_cycles(
    rng: Generator, time: Array, deviations: Sequence[tuple[Deviation, float]]
) -> Curves:
    """Walking, with `phase_r` and `phase_l`: cycles since the contacts of each foot.

    deviations: from healthy gait, and how likely each is.
    """
    stride_hz = rng.uniform(0.55, 1.15)
    reach = np.clip(0.35 + 0.75 * stride_hz + rng.normal(0, 0.15), 0.3, 1.4)
    curves = _cycle(rng, time, WALK, stride_hz, reach)
    for deviation, chance in deviations:
        if rng.random() < chance:
            deviation(rng, curves, curves["phase_r"], curves["phase_l"])
    return _with_arms(rng, time, curves, stride_hz)


def run_cycles(rng: Generator, time: Array) -> Curves:
    """Running, with `phase_r` and `phase_l`: cycles since the contacts of each foot."""
    stride_hz = rng.uniform(1.15, 1.6)
    curves = _cycle(rng, time, RUN, stride_hz, rng.uniform(0.5, 1.4))
    curves["pelvis_tilt"] += -5
    curves["lumbar_extension"] += rng.uniform(-8, 2)
    flight = sum(np.clip(np.sin(2 * np.pi * (curves[f"phase_{s}"] - 0.38)), 0, 1) for s in SIDES)
    curves[AIRBORNE] = rng.uniform(0.0, 0.07) * np.asarray(flight)
    return _with_arms(rng, time, curves, stride_hz)


def _cycle(
    rng: Generator, time: Array, tables: dict[str, Table], stride_hz: float, reach: float
) -> Curves:
    """Both legs through their cycle, pelvis and trunk with them."""
    habit = Habit.draw(rng)
    pace = stride_hz * (1 + 0.05 * sway(rng, time, 1.0, rate_hz=0.2))
    right = np.cumsum(pace) * (time[1] - time[0]) + rng.random()
    phases = {"r": right, "l": right + 0.5 + rng.normal(0, 0.015)}
    curves: Curves = {f"phase_{side}": phase for side, phase in phases.items()}
    curves[AIRBORNE] = np.zeros_like(time)
    for row, (coordinate, table) in enumerate(tables.items()):
        size = reach * rng.normal(1, 0.12) if coordinate != "hip_adduction" else rng.normal(1, 0.35)
        offset = rng.normal(0, (4, 3, 4, 2, 1)[row])
        delay = rng.normal(0, 0.015)
        for side, phase in phases.items():
            curve = size * rng.normal(1, 0.04) * periodic(phase + delay, table) + offset
            curves[f"{coordinate}_{side}"] = curve + rng.normal(0, 1.5)
    for index, side in enumerate(SIDES):
        curves[f"hip_rotation_{side}"] -= habit.stance.toe_out[index]
        curves[f"hip_flexion_{side}"] += -habit.tilt - 4
        curves[f"knee_angle_{side}"] = np.maximum(curves[f"knee_angle_{side}"], 0)
        curves[f"subtalar_angle_{side}"] = rng.normal(0, 4) + sway(rng, time, 2)
        push = np.clip(np.sin(2 * np.pi * (phases[side] - 0.42)), 0, 1)
        curves[f"mtp_angle_{side}"] = -rng.uniform(0, 30) * push
    angle = 2 * np.pi * right
    heading = rng.normal(0, 25) * time * (rng.random() < 0.25)
    turn = rng.uniform(1, 9)
    curves["pelvis_tilt"] = habit.tilt + rng.uniform(0, 2) * np.sin(2 * angle + rng.normal(0, 1))
    drop = rng.uniform(-1, 5) * np.sin(angle + rng.normal(0, 0.4))
    curves["pelvis_list"] = -drop + sway(rng, time, 0.5)
    curves["pelvis_rotation"] = turn * np.cos(angle + rng.normal(0, 0.4)) + heading
    curves["lumbar_extension"] = -habit.lean - habit.tilt + rng.uniform(0, 2) * np.sin(2 * angle)
    curves["lumbar_bending"] = -rng.uniform(0.2, 1.2) * curves["pelvis_list"] + rng.normal(0, 2)
    counter = rng.uniform(0.6, 1.8) * turn
    curves["lumbar_rotation"] = -counter * np.cos(angle + rng.normal(0, 0.3)) + rng.normal(0, 2)
    for coordinate, spread in (("flexion", 8), ("bending", 3), ("rotation", 7)):
        curves[f"neck_{coordinate}"] = rng.normal(0, spread) + sway(rng, time, 3)
    return curves


def _with_arms(rng: Generator, time: Array, curves: Curves, stride_hz: float) -> Curves:
    """Add arms that swing with the legs, or do something else."""
    phase = float(curves["phase_r"][0])
    swings = rng.random() < 0.75
    arms = arm_swing(rng, time, stride_hz, phase) if swings else arm_gestures(rng, time)
    return curves | arms


def _without_phases(curves: Curves) -> Curves:
    return {name: curve for name, curve in curves.items() if not name.startswith("phase_")}


def crouch(rng: Generator, curves: Curves, right: Array, left: Array) -> None:
    """Knees and hips that never straighten."""
    amount = rng.uniform(8, 35)
    for side in SIDES:
        curves[f"knee_angle_{side}"] += amount
        curves[f"hip_flexion_{side}"] += amount * rng.uniform(0.4, 0.7)
        curves[f"ankle_angle_{side}"] += amount * rng.uniform(0.3, 0.6)


def stiff_knee(rng: Generator, curves: Curves, right: Array, left: Array) -> None:
    """A knee that hardly bends in swing."""
    side = SIDES[rng.integers(2)]
    curves[f"knee_angle_{side}"] *= rng.uniform(0.3, 0.75)
    curves[f"hip_adduction_{side}"] -= rng.uniform(0, 8)


def drop_foot(rng: Generator, curves: Curves, right: Array, left: Array) -> None:
    """A foot that hangs in swing, with a higher knee."""
    side, phase = ("r", right) if rng.random() < 0.5 else ("l", left)
    swing = np.clip(np.sin(2 * np.pi * (phase - 0.55)), 0, 1)
    curves[f"ankle_angle_{side}"] -= rng.uniform(8, 25) * swing
    curves[f"hip_flexion_{side}"] += rng.uniform(0, 18) * swing
    curves[f"knee_angle_{side}"] += rng.uniform(0, 20) * swing


def trunk_sway(rng: Generator, curves: Curves, right: Array, left: Array) -> None:
    """The trunk leans over the stance leg (a taught strategy, or Trendelenburg's)."""
    wave = np.sin(2 * np.pi * (right - rng.normal(0.0, 0.03)))
    curves["lumbar_bending"] += rng.uniform(4, 24) * wave
    curves["pelvis_list"] += rng.normal(0, 4) * wave


DEVIATIONS = ((crouch, 0.15), (stiff_knee, 0.08), (drop_foot, 0.08), (trunk_sway, 0.25))
