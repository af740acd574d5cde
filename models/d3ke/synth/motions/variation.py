"""Variations of a motion: mirrored, slower or faster, longer, fuller, blended into another."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.network.mirror import coordinate_signs, swap_of
from d3ke.synth.landmarks.clips import OFFSETS_DEG
from d3ke.synth.motions.curves import min_jerk, sway
from d3ke.synth.motions.gait_routines import treadmill
from d3ke.synth.motions.pelvis_turn import heading, turned
from d3ke.synth.motions.planned_motion import PlannedMotion
from d3ke.synth.motions.recordings import RATE_HZ, Recording

Array = NDArray[np.float32]

ARMS = ("arm_", "elbow_", "pro_sup", "wrist_")
LEGS = ("hip_", "knee_", "ankle_", "pelvis_tilt", "pelvis_list")
LOOP_RAD = np.radians(9.0)  # legs this much apart on average still make a loop
LOOP_S = 0.2  # a loop's ends are blended over this long
FADE_S = (0.4, 0.9)
UNREST_DEG = {"neck_": 5.0, "pro_sup": 8.0, "wrist_flex": 6.0, "wrist_dev": 4.0, "subtalar": 1.5}


def played(
    recording: Recording,
    names: Sequence[str],
    rng: Generator,
    frames: int,
    rate_hz: float,
    speed: float,
) -> PlannedMotion:
    """A part of a recording at another speed; what is too short is gone through again.

    names: K coordinate names. Flights last longer in slow motion, and so reach higher.
    """
    step = speed * RATE_HZ / rate_hz
    needed = int(np.ceil((frames - 1) * step)) + 2
    q, airborne = recording.q.astype(float), recording.airborne.astype(float)
    if needed > len(q):
        q, airborne = _again(q, airborne, names, needed)
    begin = rng.integers(0, len(q) - needed + 1)
    place = begin + step * np.arange(frames)
    known = np.arange(len(q))
    q = np.stack([np.interp(place, known, column) for column in q.T], axis=1).astype(np.float32)
    slides = [names.index(f"pelvis_t{axis}") for axis in "xyz"]
    path = q[:, [slides[0], slides[2]]].astype(np.float32)
    q[:, slides] = 0
    start = float(heading(q, names)[0])
    q = turned(q, names, -start)
    cosine, sine = np.cos(start), np.sin(start)
    path = path @ np.array([[cosine, sine], [-sine, cosine]], dtype=np.float32)
    return PlannedMotion(
        source=recording.name,
        activity=recording.activity,
        rate_hz=rate_hz,
        q=q,
        airborne=(np.interp(place, known, airborne) / speed**2).astype(np.float32),
        path=path if recording.sliding else None,
        furniture=(treadmill(rng),) if recording.belt else (),
        belt_m_s=1.0 if recording.belt else 0.0,
    )


def mirrored(motion: PlannedMotion, names: Sequence[str]) -> PlannedMotion:
    """Left and right exchanged."""
    signs = coordinate_signs(names).numpy()
    return replace(
        motion,
        q=motion.q[:, swap_of(names)] * signs,
        stance=None if motion.stance is None else motion.stance[:, ::-1],
        levels=None if motion.levels is None else motion.levels[:, ::-1],
        path=None if motion.path is None else motion.path * np.array([1, -1], dtype=np.float32),
    )


def varied(
    motion: PlannedMotion, names: Sequence[str], rng: Generator, amplitude: tuple[float, float]
) -> PlannedMotion:
    """Fuller or smaller about its mean, with an offset and slow wandering."""
    time = np.arange(len(motion.q)) / motion.rate_hz
    q = motion.q.astype(float)
    size = rng.uniform(*amplitude)
    for column, name in enumerate(names):
        if name.startswith(("pelvis_t", "pelvis_rotation")) and name != "pelvis_tilt":
            continue
        mean = q[:, column].mean()
        base = name.removesuffix("_r").removesuffix("_l")
        offset = rng.normal(0, np.radians(OFFSETS_DEG.get(base, 0.0)))
        q[:, column] = mean + size * (q[:, column] - mean) + offset
        q[:, column] += np.radians(sway(rng, time, 0.8, rate_hz=0.5))
    return replace(motion, q=q.astype(np.float32))


def enlivened(motion: PlannedMotion, names: Sequence[str], rng: Generator) -> PlannedMotion:
    """Necks, forearms and wrists that a recording left still move a little."""
    time = np.arange(len(motion.q)) / motion.rate_hz
    q = motion.q.copy()
    for column, name in enumerate(names):
        size = next((s for start, s in UNREST_DEG.items() if name.startswith(start)), 0.0)
        if size and np.ptp(q[:, column]) < np.radians(6.0):
            base = np.pi / 2 if name.startswith("pro_sup") and abs(q[0, column]) < 0.2 else 0.0
            moved = base + np.radians(rng.normal(0, size) + sway(rng, time, size, rate_hz=0.5))
            q[:, column] += moved.astype(np.float32)
    return replace(motion, q=q)


def has_still_arms(motion: PlannedMotion, names: Sequence[str]) -> bool:
    """Whether the shoulders hardly move at all, as where arms were not recorded."""
    shoulders = [i for i, name in enumerate(names) if name.startswith("arm_flex")]
    return bool((np.ptp(motion.q[:, shoulders], axis=0) < np.radians(0.5)).all())


def with_arms_of(
    motion: PlannedMotion, other: PlannedMotion, names: Sequence[str]
) -> PlannedMotion:
    """A motion with another one's arms."""
    arms = [i for i, name in enumerate(names) if name.startswith(ARMS)]
    q = motion.q.copy()
    q[:, arms] = other.q[:, arms]
    return replace(motion, q=q)


def faded(
    first: PlannedMotion, second: PlannedMotion, names: Sequence[str], rng: Generator
) -> PlannedMotion:
    """From one motion into another, while both feet may be on the floor."""
    frames = len(first.q)
    span = max(round(rng.uniform(*FADE_S) * first.rate_hz), 2)
    if frames <= 2 * span:
        return first
    middles = rng.integers(span, frames - span, 8)
    reach = span // 2
    flown = [
        first.airborne[m - reach : m + reach].max() + second.airborne[m - reach : m + reach].max()
        for m in middles
    ]
    middle = int(middles[int(np.argmin(flown))])
    part = min_jerk(np.clip((np.arange(frames) - middle + reach) / (2 * reach), 0, 1))
    apart = heading(first.q, names)[middle] - heading(second.q, names)[middle]
    other = turned(second.q, names, float(apart))
    rotation = names.index("pelvis_rotation")
    whole_turns = np.round((first.q[middle, rotation] - other[middle, rotation]) / (2 * np.pi))
    other[:, rotation] += 2 * np.pi * whole_turns
    share = part[:, None].astype(np.float32)
    later = part[:, None] > 0.5
    stance = None
    if first.stance is not None and second.stance is not None:
        stance = np.where(later, second.stance, first.stance)
    return replace(
        first,
        source=first.source if first.source == second.source else f"{first.source}+{second.source}",
        activity=first.activity if middle > frames / 2 else second.activity,
        q=first.q * (1 - share) + other * share,
        airborne=(first.airborne * (1 - part) + second.airborne * part).astype(np.float32),
        stance=stance,
    )


def within_ranges(
    motion: PlannedMotion, names: Sequence[str], ranges: Sequence[tuple[float, float]]
) -> PlannedMotion:
    """No knee, elbow, wrist, foot, trunk or neck beyond its range. Shoulders may be: overhead."""
    q = motion.q.copy()
    for column, name in enumerate(names):
        if not name.startswith(("arm_", "pelvis_")):
            q[:, column] = q[:, column].clip(*ranges[column])
    return replace(motion, q=q)


def _again(
    q: NDArray[np.float64], airborne: NDArray[np.float64], names: Sequence[str], needed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A motion (F, K) made `needed` frames long: in a loop, or forth and back."""
    last, first = _loop(q, names)
    if last is None:
        place = np.arange(needed) % (2 * len(q) - 2)
        place = np.where(place >= len(q), 2 * len(q) - 2 - place, place)
        return q[place], airborne[place]
    fade = min(round(LOOP_S * RATE_HZ), first)
    part = min_jerk(np.linspace(0, 1, fade + 2)[1:-1])
    long, air = q[:last], airborne[:last]
    carried = [names.index(n) for n in ("pelvis_rotation", "pelvis_tx", "pelvis_tz")]
    while len(long) < needed:
        # The loop goes on from frame `first`; before it, the end is eased into what leads there.
        lead, more = q[first - fade : first].copy(), q[first:last].copy()
        shift = long[-1, carried] - q[first - 1, carried]
        lead[:, carried] += shift
        more[:, carried] += shift
        long = long.copy()
        long[-fade:] += (lead - long[-fade:]) * part[:, None]
        long = np.concatenate([long, more])
        air = np.concatenate([air, airborne[first:last]])
    return long, air


def _loop(q: NDArray[np.float64], names: Sequence[str]) -> tuple[int | None, int]:
    """A late and an early frame at which legs are alike and move alike; None where none are."""
    legs = [i for i, name in enumerate(names) if name.startswith(LEGS)]
    span = 8  # frames compared, so that velocities count
    if len(q) < 5 * span:
        return None, 0
    pose = np.concatenate([q[:-span, legs], q[span:, legs]], axis=1)
    early = np.arange(span, len(q) // 2)
    late = np.arange(len(q) // 2, len(q) - span)
    apart = np.sqrt(((pose[early, None] - pose[None, late]) ** 2).mean(axis=2))
    far_apart = late[None] - early[:, None] > 0.35 * RATE_HZ
    apart = np.where(far_apart, apart - 0.02 * (late[None] - early[:, None]) / len(q), np.inf)
    row, column = np.unravel_index(apart.argmin(), apart.shape)
    if apart[row, column] > LOOP_RAD:
        return None, 0
    return int(late[column]) + 1, int(early[row]) + 1
