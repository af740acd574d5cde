"""What people do near one place: sit, reach, bend sideways, turn, throw, kick, balance, drop."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.synth.motions.activities import (
    AIRBORNE,
    GRAVITY_M_S2,
    Curves,
    Habit,
    planted,
    sit_to_stand,
    squat,
    stand,
)
from d3ke.synth.motions.arms import arm_gestures, arm_hold
from d3ke.synth.motions.curves import bumps, min_jerk, sway, waypoints
from d3ke.synth.motions.gait_routines import toes_ahead
from d3ke.synth.motions.routine import MakeRoutine, Routine
from d3ke.synth.motions.stance import SIDES
from d3ke.synth.stage import Furniture

Array = NDArray[np.float64]


def with_chair(rng: Generator, time: Array) -> Routine:
    """Rising from a chair and sitting down."""
    return Routine(sit_to_stand(rng, time + rng.uniform(0, 3)), (_chair(rng),))


def sitting(rng: Generator, time: Array) -> Routine:
    """Sitting on a chair, upright or slumped."""
    habit = Habit.draw(rng, rng.uniform(0.06, 0.18))
    knee = np.full_like(time, rng.uniform(78, 105))
    shank = np.full_like(time, rng.uniform(-4, 18))
    lean = rng.normal(2, 9) + sway(rng, time, 2.5, rate_hz=0.3)
    curves = _planted(rng, time, habit, knee, shank=shank, lean=lean)
    slump = rng.uniform(-5, 20)
    curves["pelvis_tilt"] += slump
    curves["lumbar_extension"] -= slump
    for side in SIDES:
        curves[f"hip_flexion_{side}"] -= slump
    return Routine(curves | arm_gestures(rng, time), (_chair(rng),))


def holding(posture: str) -> MakeRoutine:
    """Standing or squatting with the arms in a posture of arms.POSTURES."""

    def make(rng: Generator, time: Array) -> Routine:
        begun = time + rng.uniform(0, 2)
        curves = squat(rng, begun) if rng.random() < 0.3 else stand(rng, begun)
        return Routine(curves | arm_hold(rng, time, posture))

    return make


def side_bend(rng: Generator, time: Array) -> Routine:
    """Bending to the sides, the pelvis moving the other way."""
    curves = _standing(rng, time)
    amount = _to_and_fro(rng, time)
    curves["lumbar_bending"] += rng.uniform(15, 40) * amount
    list_deg = rng.uniform(-3, 10) * amount
    curves["pelvis_list"] += list_deg
    curves["hip_adduction_r"] -= list_deg
    curves["hip_adduction_l"] += list_deg
    curves["neck_bending"] += rng.uniform(-5, 20) * amount
    curves["lumbar_rotation"] += rng.normal(0, 8) * amount
    follow = np.clip(amount, 0, 1)
    return Routine(curves | arm_gestures(rng, time, follow=follow))


def pelvic_tilt(rng: Generator, time: Array) -> Routine:
    """Tilting the pelvis far forward and back, the trunk staying up."""
    curves = _standing(rng, time, knee_deg=rng.uniform(5, 25))
    tilt = rng.uniform(10, 25) * _to_and_fro(rng, time)
    curves["pelvis_tilt"] += tilt
    curves["lumbar_extension"] -= tilt * rng.uniform(0.7, 1.1)
    for side in SIDES:
        curves[f"hip_flexion_{side}"] -= tilt
    return Routine(curves | arm_gestures(rng, time))


def trunk_twist(rng: Generator, time: Array) -> Routine:
    """Turning the trunk to the sides, the feet planted."""
    curves = _standing(rng, time)
    amount = _to_and_fro(rng, time)
    turn = rng.uniform(8, 28) * amount
    curves["pelvis_rotation"] += turn
    curves["hip_rotation_r"] -= turn
    curves["hip_rotation_l"] += turn
    curves["lumbar_rotation"] += rng.uniform(15, 40) * amount
    curves["neck_rotation"] += rng.uniform(-10, 35) * amount
    return Routine(curves | arm_gestures(rng, time))


def reach(rng: Generator, time: Array) -> Routine:
    """Reaching forward, up, down, across or to the side with one hand or both."""
    amount = bumps(rng, time, 1.0, rise_s=(0.4, 1.2), hold_s=(0.1, 1.0), rest_s=(0.1, 1.0))
    habit = Habit.draw(rng)
    low = rng.uniform(-20, 75)
    lean = habit.lean + low * amount
    knee = habit.knee + max(low, 0) * rng.uniform(0, 0.5) * amount
    curves = _planted(rng, time, habit, knee, lean=lean, shank=0.3 * knee)
    twist = rng.normal(0, 22) * amount
    curves["lumbar_rotation"] += twist
    curves["lumbar_bending"] += rng.normal(0, 10) * amount
    curves |= arm_gestures(rng, time)
    busy = SIDES if rng.random() < 0.4 else (SIDES[rng.integers(2)],)
    target = {
        "arm_flex": rng.uniform(30, 165), "arm_add": rng.uniform(-60, 25),
        "arm_rot": rng.uniform(-20, 40), "elbow_flex": rng.uniform(0, 40),
        "pro_sup": rng.uniform(50, 140), "wrist_flex": rng.uniform(-30, 30),
    }  # fmt: skip
    for side in busy:
        for joint, value in target.items():
            rest = curves[f"{joint}_{side}"]
            curves[f"{joint}_{side}"] = rest + (value - rest) * amount
    if low < 10 and rng.random() < 0.35:
        _rise_on_toes(curves, rng.uniform(12, 35) * amount)
    return Routine(curves)


def turn_on_the_spot(rng: Generator, time: Array) -> Routine:
    """Turning round in small steps."""
    curves = _standing(rng, time)
    stride_hz, rate = rng.uniform(0.6, 1.1), rng.choice([-1, 1]) * rng.uniform(30, 110)
    heading = rate * time
    phase, part = rng.random() + stride_hz * time, 0.35
    stance = np.zeros((len(time), 2), dtype=bool)
    curves["pelvis_rotation"] += heading
    for index, side in enumerate(SIDES):
        cycle = np.mod(phase + 0.5 * index, 1.0)
        swung = np.clip((cycle - (1 - part)) / part, 0, 1)
        stance[:, index] = swung <= 0
        lift = np.sin(np.pi * swung)
        curves[f"hip_flexion_{side}"] += rng.uniform(12, 28) * lift
        curves[f"knee_angle_{side}"] += rng.uniform(25, 50) * lift
        # The foot stands for most of a cycle, turns in its swing; on average it goes with the hips.
        behind = (min_jerk(swung) - cycle + 0.5 * (1 - part)) * rate / stride_hz
        curves[f"hip_rotation_{side}"] += behind * (1 if side == "r" else -1)
    return Routine(curves | arm_gestures(rng, time), stance=stance)


def throw(rng: Generator, time: Array) -> Routine:
    """Throwing with one arm: over the shoulder or from below."""
    curves = _standing(rng, time, stagger_deg=rng.uniform(8, 20))
    side = SIDES[int(rng.random() < 0.15)]
    sign = 1.0 if side == "r" else -1.0
    period = rng.uniform(2.2, 3.5)
    phase = np.mod(time + rng.uniform(0, period), period)
    wound = waypoints(phase, [0.2, 0.9, 1.05, 1.25], [0, 1, 1, 0])
    thrown = waypoints(phase, [1.0, 1.25, 1.5, 2.1], [0, 1, 1, 0])
    above = rng.random() < 0.7
    cocked = (40, -85, -80, 95) if above else (-55, -8, 0, 15)
    released = (85, 5, 30, 25) if above else (75, -2, 10, 10)
    curves |= arm_gestures(rng, time)
    for joint, back, front in zip(
        ("arm_flex", "arm_add", "arm_rot", "elbow_flex"), cocked, released, strict=True
    ):
        rest = curves[f"{joint}_{side}"]
        at = rest + (back + rng.normal(0, 8) - rest) * np.clip(wound, 0, 1)
        curves[f"{joint}_{side}"] = at + (front + rng.normal(0, 8) - at) * thrown
    curves[f"wrist_flex_{side}"] = -35 * wound + 40 * thrown
    twist = sign * (-rng.uniform(15, 40) * wound + rng.uniform(15, 40) * thrown)
    curves["lumbar_rotation"] += twist
    curves["lumbar_extension"] += rng.uniform(0, 12) * wound - rng.uniform(5, 30) * thrown
    return Routine(curves)


def kick(rng: Generator, time: Array) -> Routine:
    """Kicking with one leg while the other stands."""
    curves = _standing(rng, time, knee_deg=rng.uniform(4, 20))
    side = SIDES[rng.integers(2)]
    other = "l" if side == "r" else "r"
    period = rng.uniform(1.6, 2.8)
    phase = np.mod(time + rng.uniform(0, period), period)
    back = waypoints(phase, [0.1, 0.5, 0.6, 0.8], [0, 1, 1, 0])
    front = waypoints(phase, [0.55, 0.85, 0.95, 1.5], [0, 1, 1, 0])
    curves[f"hip_flexion_{side}"] += -rng.uniform(15, 35) * back + rng.uniform(30, 85) * front
    curves[f"knee_angle_{side}"] += rng.uniform(60, 100) * back + rng.uniform(5, 25) * front
    curves[f"ankle_angle_{side}"] += -rng.uniform(10, 30) * np.maximum(back, front)
    curves[f"hip_adduction_{side}"] -= rng.uniform(0, 12) * back
    turn = (1 if side == "r" else -1) * rng.uniform(5, 18)
    curves["lumbar_rotation"] -= turn * (front - back)
    curves["lumbar_extension"] -= rng.uniform(0, 20) * front
    curves |= arm_gestures(rng, time)
    curves[f"arm_flex_{other}"] = curves[f"arm_flex_{other}"] + 35 * (front - back)
    stance = np.ones((len(time), 2), dtype=bool)
    stance[:, SIDES.index(side)] = (back < 0.02) & (front < 0.02)
    return Routine(curves, stance=stance)


def one_leg_stance(rng: Generator, time: Array) -> Routine:
    """Standing on one leg, or marching: one leg carries, the other is lifted."""
    habit = Habit.draw(rng)
    curves = _planted(rng, time, habit, habit.knee + np.maximum(0, sway(rng, time, 4)))
    if rng.random() < 0.4:
        wave, sharp = np.sin(2 * np.pi * rng.uniform(0.5, 1.2) * time), rng.uniform(0.8, 2)
        lifts = {"r": np.maximum(0, wave) ** sharp, "l": np.maximum(0, -wave) ** sharp}
    else:
        free = SIDES[rng.integers(2)]
        lifts = {free: bumps(rng, time, 1.0, rise_s=(0.3, 1.2), hold_s=(0, 2.5))}
    stance = np.ones((len(time), 2), dtype=bool)
    for side, lift in lifts.items():
        _lift(rng, curves, side, lift)
        stance[:, SIDES.index(side)] = lift < 0.03
    return Routine(curves | arm_gestures(rng, time), stance=stance)


def beam_stand(rng: Generator, time: Array) -> Routine:
    """Balancing on one leg on a beam, arms out, trunk and pelvis in search of balance."""
    habit = Habit.draw(rng, 0.03)
    curves = _planted(rng, time, habit, habit.knee + 5 + np.maximum(0, sway(rng, time, 6)))
    wobble = rng.uniform(4, 16)
    curves["lumbar_bending"] += sway(rng, time, wobble, rate_hz=0.6)
    curves["pelvis_list"] += sway(rng, time, 0.5 * wobble, rate_hz=0.6)
    free = SIDES[rng.integers(2)]
    _lift(rng, curves, free, 0.75 + 0.25 * np.sin(time * rng.uniform(0.5, 2.0)))
    toes_ahead(curves)
    curves |= arm_hold(rng, time, "sideways")
    for side in SIDES:
        curves[f"arm_add_{side}"] += sway(rng, time, 1.5 * wobble, rate_hz=0.8)
    height = rng.uniform(0.03, 0.30)
    beam = Furniture("beam", (0.0, 0.0, 0.0), 0.0, (3.0, height, rng.uniform(0.10, 0.16)))
    stance = np.ones((len(time), 2), dtype=bool)
    stance[:, SIDES.index(free)] = False
    return Routine(curves, (beam,), stance=stance, levels=np.full((len(time), 2), height))


def drop_jump(rng: Generator, time: Array) -> Routine:
    """Dropping from a box, landing on both feet and jumping up at once."""
    habit = Habit.draw(rng)
    box, rise = rng.uniform(0.2, 0.45), rng.uniform(0.0, 0.06)
    up_s = np.sqrt(2 * rise / GRAVITY_M_S2)
    drop_s = up_s + np.sqrt(2 * (rise + box) / GRAVITY_M_S2)
    ground_s, jump_s = rng.uniform(0.25, 0.45), rng.uniform(0.25, 0.5)
    leave = rng.uniform(0.25, 0.7) * time[-1] * 0.5 + 0.2
    land = leave + drop_s
    again = land + ground_s
    down = again + jump_s
    absorb = rng.uniform(45, 95)
    times = [leave - 0.35, leave - 0.12, leave, land - 0.05, land + 0.55 * ground_s, again]
    knees = [habit.knee, rng.uniform(15, 45), 14, 22, absorb, 6]
    times += [(again + down) / 2, down, down + 0.22, down + 1.0]
    knees += [rng.uniform(5, 25), 18, rng.uniform(40, 90), habit.knee]
    curves = _planted(rng, time, habit, np.maximum(waypoints(time, times, knees), 0))
    curves |= arm_gestures(rng, time, follow=waypoints(time, [land, again, down + 0.5], [0, 1, 0]))
    first, second = np.clip(time - leave, 0, drop_s), np.clip(time - again, 0, jump_s)
    height = box + GRAVITY_M_S2 * (up_s * first - 0.5 * first**2)
    flown = 0.5 * GRAVITY_M_S2 * second * (jump_s - second)
    curves[AIRBORNE] = np.where(time < leave, 0, np.where(time < land, height, flown))
    in_air = ((time >= leave) & (time < land)) | ((time >= again) & (time < down))
    pointed = waypoints(time, [leave - 0.08, leave, land - 0.02, land + 0.06], [0, 1, 0.8, 0])
    pointed += waypoints(time, [again - 0.1, again, down - 0.02, down + 0.06], [0, 1, 0.8, 0])
    for side in SIDES:
        ankle = curves[f"ankle_angle_{side}"]
        curves[f"ankle_angle_{side}"] = ankle + (-rng.uniform(15, 35) - ankle) * pointed
    on_box = np.repeat((time < leave)[:, None], 2, axis=1)
    speed = np.where(time < again, 0.48 / drop_s, rng.uniform(0, 0.25))
    size = (rng.uniform(0.36, 0.5), box, rng.uniform(0.45, 0.7))
    return Routine(
        curves,
        (Furniture("box", (0.0, 0.0, 0.0), 0.0, size),),
        stance=np.repeat(~in_air[:, None], 2, axis=1),
        levels=on_box * box,
        flight_m_s=speed,
    )


def _planted(
    rng: Generator,
    time: Array,
    habit: Habit,
    knee: Array,
    shank: Array | None = None,
    lean: Array | None = None,
) -> Curves:
    """Both feet on the floor; each coordinate is an array of its own, to be added to."""
    curves = planted(rng, time, habit, knee, shank=shank, lean=lean)
    return {name: curve.copy() for name, curve in curves.items()}


def _standing(
    rng: Generator, time: Array, knee_deg: float = 0.0, stagger_deg: float = 0.0
) -> Curves:
    """Standing with knees bent by `knee_deg` more than usual, one foot ahead."""
    habit = Habit.draw(rng)
    curves = _planted(rng, time, habit, habit.knee + knee_deg + np.maximum(0, sway(rng, time, 2)))
    if stagger_deg:
        front = SIDES[rng.integers(2)]
        for side in SIDES:
            share = 1.0 if side == front else -0.9
            curves[f"hip_flexion_{side}"] += share * stagger_deg
            curves[f"knee_angle_{side}"] += 0.4 * stagger_deg
            curves[f"ankle_angle_{side}"] += (0.4 - share) * stagger_deg
    return curves


def _lift(rng: Generator, curves: Curves, side: str, lift: Array) -> None:
    """Raise one leg forward, or its foot backward. lift: (T,), 0..1."""
    if rng.random() < 0.7:
        thigh = rng.uniform(25, 100)
        knee = thigh * rng.uniform(0.5, 1.1)
    else:
        thigh, knee = rng.uniform(-20, 15), rng.uniform(45, 110)
    curves[f"hip_flexion_{side}"] += thigh * lift
    curves[f"knee_angle_{side}"] += knee * lift
    curves[f"hip_adduction_{side}"] -= rng.uniform(0, 12) * lift
    curves[f"ankle_angle_{side}"] -= rng.uniform(-8, 28) * lift
    curves["pelvis_list"] += (1 if side == "r" else -1) * rng.normal(2, 4) * lift
    curves["lumbar_bending"] += rng.normal(0, 5) * lift


def _rise_on_toes(curves: Curves, amount: Array) -> None:
    """Heels off the floor by `amount` (T,) deg."""
    for side in SIDES:
        curves[f"ankle_angle_{side}"] -= amount


def _to_and_fro(rng: Generator, time: Array) -> Array:
    """Between -1 and 1, with holds. (T,)."""
    right = bumps(rng, time, 1.0, rise_s=(0.5, 1.2), hold_s=(0, 0.8), rest_s=(0.0, 0.6))
    left = bumps(rng, time, 1.0, rise_s=(0.5, 1.2), hold_s=(0, 0.8), rest_s=(0.0, 0.6))
    both: Array = np.clip(right - left, -1, 1)
    return both


def _chair(rng: Generator) -> Furniture:
    """A chair; its seat's height is where it is sat on."""
    return Furniture(
        "chair", (0.0, 0.0, 0.0), 0.0, (rng.uniform(0.38, 0.44), 0.0, rng.uniform(0.4, 0.5))
    )
