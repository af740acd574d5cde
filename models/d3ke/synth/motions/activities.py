"""Procedural motions: what people do in front of a camera in a movement laboratory.

An activity returns curves in degrees for the coordinates it moves (others stay 0) and, under
AIRBORNE, the height of the lower sole over the floor in metres. Angles of standing, squatting and
landing follow marker-based recordings: people stand with straight knees and level feet, the
pelvis tilts first and the lumbar spine flexes later as a squat deepens.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.synth.motions.arms import arm_gestures, arm_swing
from d3ke.synth.motions.curves import bumps, sway, waypoints
from d3ke.synth.motions.stance import SHANK_M, SIDES, THIGH_M, Stance, standing_legs

Array = NDArray[np.float64]
Curves = dict[str, Array]
Activity = Callable[[Generator, Array], Curves]

AIRBORNE = "airborne"
HAT_MASS, HAT_ARM_M = 0.62, 0.36  # head, arms and trunk: part of body mass, centre above the hip
THIGHS_MASS, SHANKS_MASS = 0.20, 0.09  # Winter 2009, table 4.1
GRAVITY_M_S2 = 9.80665  # standard gravity, 3rd CGPM, 1901


@dataclass(frozen=True)
class Habit:
    """How one person stands and moves, deg."""

    tilt: float
    lean: float
    knee: float
    shank_ratio: float  # forward lean of the shank for each degree of knee flexion
    tilt_share: float  # part of the trunk's lean that the pelvis takes
    tuck: float  # backward tilt of the pelvis at the bottom of a squat
    balance_m: float  # centre of mass ahead of the ankle
    stance: Stance

    @staticmethod
    def draw(rng: Generator, width_m: float = 0.095) -> "Habit":
        """One person's habits, with the feet about `width_m` to each side of the middle."""
        straight = rng.random() < 0.8
        return Habit(
            tilt=rng.normal(-3, 5.5),
            lean=rng.normal(6, 5),
            knee=abs(rng.normal(0, 2.0)) if straight else rng.uniform(0, 14),
            shank_ratio=float(np.clip(rng.normal(0.31, 0.06), 0.15, 0.5)),
            tilt_share=rng.uniform(0.1, 0.9),
            tuck=rng.uniform(0, 22),
            balance_m=rng.normal(0.045, 0.025),
            stance=Stance.draw(rng, width_m),
        )


def stand(rng: Generator, time: Array) -> Curves:
    """Standing with sway, shifting weight and restless arms."""
    habit = Habit.draw(rng)
    knee = habit.knee + np.maximum(0, sway(rng, time, 2.0))
    curves = planted(rng, time, habit, knee)
    shift = sway(rng, time, rng.uniform(0, 5), rate_hz=0.3)
    curves["pelvis_list"] += shift
    curves["hip_adduction_r"] -= shift
    curves["hip_adduction_l"] += shift
    return curves | arm_gestures(rng, time)


def squat(rng: Generator, time: Array) -> Curves:
    """Repeated squats, shallow to deep, even or with more weight on one leg."""
    habit = Habit.draw(rng, rng.uniform(0.08, 0.22))
    depth = rng.uniform(35, 125)
    knee = habit.knee + bumps(rng, time, depth, rise_s=(0.5, 1.6), hold_s=(0, 0.8), rest_s=(0, 2.0))
    curves = planted(rng, time, habit, knee)
    uneven = rng.normal(0, 8) * (rng.random() < 0.4) * knee / 100
    curves["pelvis_list"] += uneven
    curves["hip_adduction_r"] -= uneven
    curves["hip_adduction_l"] += uneven
    curves["knee_angle_r"] -= uneven
    curves["knee_angle_l"] += uneven
    curves["lumbar_bending"] -= uneven * rng.uniform(0, 1)
    return curves | arm_gestures(rng, time, follow=knee / max(depth, 1))


def sit_to_stand(rng: Generator, time: Array) -> Curves:
    """Rising from a chair and sitting down again, with a lean that peaks at seat-off."""
    habit = Habit.draw(rng, rng.uniform(0.07, 0.18))
    risen = bumps(rng, time, 1.0, rise_s=(0.6, 1.5), hold_s=(0.2, 1.2), rest_s=(0.1, 1.2))
    seated = np.clip(1 - risen, 0, 1)
    sat_knee, sat_shank = rng.uniform(78, 108), rng.uniform(-2, 22)
    knee = habit.knee + (sat_knee - habit.knee) * seated
    shank = sat_shank * seated + 4 * habit.shank_ratio * sat_knee * seated * (1 - seated)
    peak = 4 * seated * (1 - seated)
    lean = habit.lean + rng.normal(3, 8) * seated + rng.uniform(18, 50) * peak**0.8
    curves = planted(rng, time, habit, knee, shank=shank, lean=lean)
    slump = rng.uniform(-5, 18) * seated
    curves["pelvis_tilt"] += slump
    curves["lumbar_extension"] -= slump
    for side in SIDES:
        curves[f"hip_flexion_{side}"] -= slump
    return curves | arm_gestures(rng, time)


def bend(rng: Generator, time: Array) -> Curves:
    """Bending forward with nearly straight knees."""
    habit = Habit.draw(rng)
    amount = bumps(rng, time, 1.0, rise_s=(0.6, 1.6), hold_s=(0, 1.0))
    knee = habit.knee + rng.uniform(0, 25) * amount
    lean = habit.lean + rng.uniform(25, 105) * amount
    shank = -rng.uniform(0, 10) * amount
    curves = planted(rng, time, habit, knee, shank=shank, lean=lean, share=rng.uniform(0.4, 0.75))
    twist = rng.normal(0, 12) * amount
    curves["lumbar_rotation"] += twist
    curves["lumbar_bending"] += rng.normal(0, 8) * amount
    return curves | arm_gestures(rng, time, follow=amount)


def jump(rng: Generator, time: Array) -> Curves:
    """Vertical and drop jumps: crouch, take off, fly with pointed feet, land and absorb."""
    habit = Habit.draw(rng)
    crouch, absorb = rng.uniform(45, 105), rng.uniform(35, 95)
    flight_s = rng.uniform(0.22, 0.55)
    tuck = rng.uniform(40, 115) if rng.random() < 0.3 else rng.uniform(3, 25)
    down_s, up_s = rng.uniform(0.3, 0.8), rng.uniform(0.22, 0.38)
    start = rng.uniform(0.2, 1.2)
    takeoff = start + down_s + up_s
    land = takeoff + flight_s
    times = [start, start + down_s, takeoff, takeoff + flight_s / 2, land, land + 0.2, land + 0.9]
    knees = [habit.knee, crouch, 6.0, tuck, 15.0, absorb, habit.knee]
    period = times[-1] + rng.uniform(0.2, 2.0)
    phase = np.mod(time, period)
    knee = np.maximum(waypoints(phase, times, knees), 0)
    curves = planted(rng, time, habit, knee)
    air = (phase > takeoff - 0.06) & (phase < land + 0.04)
    pointed = waypoints(phase, [takeoff - 0.1, takeoff, land, land + 0.07], [0, 1, 0.8, 0])
    point_deg, thighs = -rng.uniform(20, 52), tuck * rng.uniform(0.35, 0.9)
    tucked = waypoints(phase, [takeoff, takeoff + flight_s / 2, land], [0, 1, 0])
    for side in SIDES:
        curves[f"ankle_angle_{side}"] = (
            curves[f"ankle_angle_{side}"] * (1 - pointed) + point_deg * pointed
        )
        rise = thighs - curves[f"hip_flexion_{side}"]
        curves[f"hip_flexion_{side}"] += rise * tucked
    curves["lumbar_extension"] -= rng.uniform(0, 0.45) * tuck * tucked
    since = np.where(air, np.clip(phase - takeoff, 0, flight_s), 0)
    curves[AIRBORNE] = 0.5 * GRAVITY_M_S2 * since * (flight_s - since)
    return curves | arm_gestures(rng, time, follow=_jump_arms(phase, start, takeoff, land))


def hop(rng: Generator, time: Array) -> Curves:
    """Hopping on the spot, small and quick, or with the knees drawn up."""
    habit = Habit.draw(rng)
    rate = rng.uniform(1.0, 2.3)
    flight_part = rng.uniform(0.3, 0.55)
    phase = np.mod(rate * time + rng.random(), 1.0)
    flight_s = flight_part / rate
    in_air = np.clip((phase - (1 - flight_part)) / flight_part, 0, 1)
    on_ground = np.clip(phase / (1 - flight_part), 0, 1)
    arc = 4 * in_air * (1 - in_air)
    tuck = rng.uniform(60, 125) if rng.random() < 0.45 else rng.uniform(0, 25)
    give = rng.uniform(20, 60) * np.sin(np.pi * on_ground) * (in_air <= 0)
    knee = 12 + give + tuck * arc
    curves = planted(rng, time, habit, 12 + give)
    thigh_share, point_deg = rng.uniform(0.45, 0.9), -rng.uniform(15, 50)
    curves["lumbar_extension"] -= rng.uniform(0, 0.45) * tuck * arc
    pointed = np.clip(in_air * 8, 0, 1) * np.clip((1 - in_air) * 6, 0.4, 1)
    for side in SIDES:
        curves[f"knee_angle_{side}"] = knee + rng.normal(0, 3)
        curves[f"hip_flexion_{side}"] += tuck * thigh_share * arc
        ankle = curves[f"ankle_angle_{side}"]
        curves[f"ankle_angle_{side}"] = ankle + (point_deg - ankle) * pointed * (in_air > 0)
    curves[AIRBORNE] = 0.5 * GRAVITY_M_S2 * (flight_s / 2) ** 2 * arc
    return curves | arm_gestures(rng, time)


def lunge(rng: Generator, time: Array) -> Curves:
    """Lunges: front thigh level, back knee near the floor, trunk upright or leaning."""
    habit = Habit.draw(rng)
    depth = bumps(rng, time, 1.0, rise_s=(0.6, 1.5), hold_s=(0, 0.8))
    front, back = SIDES if rng.random() < 0.5 else SIDES[::-1]
    curves = planted(rng, time, habit, np.full_like(time, habit.knee))
    tilt = habit.tilt - rng.uniform(-4, 14) * depth
    lean = habit.lean + rng.uniform(-5, 25) * depth
    front_knee = habit.knee + rng.uniform(60, 100) * depth
    front_thigh = front_knee - rng.uniform(-5, 25) * depth
    back_knee = habit.knee + rng.uniform(55, 110) * depth
    back_thigh = habit.knee * 0.5 - rng.uniform(0, 28) * depth
    curves["pelvis_tilt"] = tilt
    curves["lumbar_extension"] = -lean - tilt
    curves[f"knee_angle_{front}"], curves[f"knee_angle_{back}"] = front_knee, back_knee
    curves[f"hip_flexion_{front}"] = front_thigh - tilt
    curves[f"hip_flexion_{back}"] = back_thigh - tilt
    curves[f"ankle_angle_{front}"] = front_knee - front_thigh
    heel_rise = rng.uniform(30, 75) * depth
    curves[f"ankle_angle_{back}"] = np.clip(back_knee - back_thigh - heel_rise, -40, 38)
    curves[f"mtp_angle_{back}"] = -np.clip(heel_rise * 0.6, 0, 45)
    return curves | arm_gestures(rng, time)


def one_leg(rng: Generator, time: Array) -> Curves:
    """Balancing, kicking, marching: one leg carries, the other moves freely."""
    habit = Habit.draw(rng)
    march = rng.random() < 0.5
    curves = planted(rng, time, habit, habit.knee + np.maximum(0, sway(rng, time, 4)))
    if march:
        rate = rng.uniform(0.5, 1.3)
        wave, sharp = np.sin(2 * np.pi * rate * time), rng.uniform(0.8, 2)
        lifts = {"r": np.maximum(0, wave) ** sharp, "l": np.maximum(0, -wave) ** sharp}
    else:
        free = SIDES[rng.integers(2)]
        lifts = {free: bumps(rng, time, 1.0, rise_s=(0.3, 1.2), hold_s=(0, 2.0))}
    thigh, knee, out = rng.uniform(-25, 105), rng.uniform(0, 115), rng.normal(0, 10)
    for side, lift in lifts.items():
        curves[f"hip_flexion_{side}"] += thigh * lift
        curves[f"knee_angle_{side}"] += max(knee, thigh * 0.4 if march else 0) * lift
        curves[f"hip_adduction_{side}"] += out * lift
        curves[f"ankle_angle_{side}"] += rng.uniform(-30, 10) * lift
        curves["pelvis_list"] += (1 if side == "l" else -1) * rng.normal(-2, 4) * lift
        curves["lumbar_bending"] += rng.normal(0, 5) * lift
    gesture = arm_swing(rng, time, rate) if march and rng.random() < 0.6 else None
    return curves | (gesture or arm_gestures(rng, time))


def _jump_arms(phase: Array, start: float, takeoff: float, land: float) -> Array:
    """How far the arms have swung: back in the crouch, up at take-off, down after landing."""
    return waypoints(phase, [start, takeoff - 0.25, takeoff, land + 0.3], [0, -0.4, 1, 0])


def planted(
    rng: Generator,
    time: Array,
    habit: Habit,
    knee: Array,
    *,
    shank: Array | None = None,
    lean: Array | None = None,
    share: float | None = None,
) -> Curves:
    """Both feet flat on the floor, the centre of mass over them. knee, shank, lean: (T,), deg."""
    shank = np.minimum(habit.shank_ratio * knee, 38) if shank is None else shank
    lean = _balanced_lean(habit, knee, shank) if lean is None else lean
    share = habit.tilt_share if share is None else share
    tilt = habit.tilt - share * (lean - habit.lean) + habit.tuck * np.clip(knee / 110, 0, 1.2) ** 3
    curves: Curves = standing_legs(habit.stance, tilt, knee, shank) | {
        "pelvis_tilt": tilt + sway(rng, time, 1.0),
        "pelvis_list": sway(rng, time, 1.2),
        "pelvis_rotation": sway(rng, time, 2.5),
        "lumbar_extension": -lean - tilt + sway(rng, time, 1.5),
        "lumbar_bending": rng.normal(0, 2) + sway(rng, time, 1.5),
        "lumbar_rotation": rng.normal(0, 2.5) + sway(rng, time, 2.0),
        "neck_flexion": rng.normal(0, 8) + 0.3 * lean + sway(rng, time, 4),
        "neck_rotation": rng.normal(0, 6) + sway(rng, time, 8, rate_hz=0.4),
        "neck_bending": sway(rng, time, 3),
        AIRBORNE: np.zeros_like(time),
    }
    for side in SIDES:
        for joint, size in (("knee_angle", 1.0), ("hip_flexion", 1.5), ("ankle_angle", 2.0)):
            curves[f"{joint}_{side}"] += rng.normal(0, size) + sway(rng, time, 0.7)
        curves[f"subtalar_angle_{side}"] = rng.normal(0, 4) + np.zeros_like(time)
        curves[f"mtp_angle_{side}"] = rng.normal(0, 3) + np.zeros_like(time)
    return curves


def _balanced_lean(habit: Habit, knee: Array, shank: Array) -> Array:
    """The trunk's forward lean that keeps the centre of mass over the feet, deg."""
    knee_x = SHANK_M * np.sin(np.radians(shank))
    hip_x = knee_x - THIGH_M * np.sin(np.radians(knee - shank))
    below = HAT_MASS * hip_x + THIGHS_MASS * (hip_x + knee_x) / 2 + SHANKS_MASS * knee_x / 2
    sine = (habit.balance_m - 0.02 - below) / (HAT_MASS * HAT_ARM_M)
    rest = np.degrees(np.arcsin(np.clip((habit.balance_m - 0.02) / (HAT_MASS * HAT_ARM_M), -1, 1)))
    lean: Array = habit.lean + np.degrees(np.arcsin(np.clip(sine, -0.1, 0.95))) - rest
    return lean
