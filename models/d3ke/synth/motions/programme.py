"""Which activities there are, how often each is drawn, and how one becomes a planned motion."""

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from d3ke.synth.motions import gait_routines as gait
from d3ke.synth.motions import standing_routines as standing
from d3ke.synth.motions.activities import AIRBORNE, bend, hop, jump, lunge, squat, stand
from d3ke.synth.motions.pelvis_turn import heading_last
from d3ke.synth.motions.planned_motion import PlannedMotion
from d3ke.synth.motions.routine import MakeRoutine, plain

Array = NDArray[np.float64]

PROCEDURAL = "procedural"
SMOOTHING_S = 0.025  # no muscle turns a joint round faster
PROGRAMME: Mapping[str, tuple[MakeRoutine, float]] = {
    "standing": (plain(stand), 0.05),
    "standing, arms crossed": (standing.holding("crossed on the chest"), 0.03),
    "standing, hands clasped": (standing.holding("clasped in front"), 0.025),
    "standing, hands on hips": (standing.holding("hands on the hips"), 0.025),
    "standing, arms overhead": (standing.holding("overhead"), 0.025),
    "standing, arms sideways": (standing.holding("sideways"), 0.015),
    "squat": (plain(squat), 0.08),
    "lunge": (plain(lunge), 0.05),
    "bending": (plain(bend), 0.03),
    "side bending": (standing.side_bend, 0.03),
    "pelvic tilt": (standing.pelvic_tilt, 0.02),
    "trunk twist": (standing.trunk_twist, 0.02),
    "reaching": (standing.reach, 0.04),
    "turning": (standing.turn_on_the_spot, 0.03),
    "one-leg stance": (standing.one_leg_stance, 0.04),
    "beam stance": (standing.beam_stand, 0.02),
    "beam walking": (gait.beam_walk, 0.03),
    "sit to stand": (standing.with_chair, 0.07),
    "sitting": (standing.sitting, 0.03),
    "jump": (plain(jump), 0.05),
    "drop jump": (standing.drop_jump, 0.03),
    "hop": (plain(hop), 0.02),
    "throwing": (standing.throw, 0.025),
    "kicking": (standing.kick, 0.025),
    "walking": (gait.level_walk, 0.10),
    "treadmill walking": (gait.treadmill_walk, 0.04),
    "crouch gait": (gait.crouch_gait, 0.025),
    "stiff-knee gait": (gait.stiff_knee_gait, 0.025),
    "drop-foot gait": (gait.drop_foot_gait, 0.02),
    "Trendelenburg gait": (gait.trendelenburg_gait, 0.025),
    "running": (gait.level_run, 0.02),
    "treadmill running": (gait.treadmill_run, 0.03),
    "stairs up": (gait.stairs_up, 0.03),
    "stairs down": (gait.stairs_down, 0.03),
}


def draw_activity(rng: Generator) -> str:
    """The name of an activity, each as often as the programme says."""
    chances = np.array([chance for _, chance in PROGRAMME.values()])
    return list(PROGRAMME)[rng.choice(len(chances), p=chances / chances.sum())]


def perform(
    rng: Generator, activity: str, names: tuple[str, ...], frames: int, rate_hz: float
) -> PlannedMotion:
    """An activity of the programme by a person with habits of their own.

    names: K coordinate names, in the order of q.
    """
    make, _ = PROGRAMME[activity]
    time = np.arange(frames) / rate_hz
    routine = make(rng, time)
    q = np.zeros((frames, len(names)), dtype=np.float32)
    for name, curve in routine.curves.items():
        if name != AIRBORNE:
            smooth = gaussian_filter1d(curve, SMOOTHING_S * rate_hz, mode="nearest")
            q[:, names.index(name)] = np.radians(smooth)
    q = heading_last(q, names)
    return PlannedMotion(
        source=PROCEDURAL,
        activity=activity,
        rate_hz=rate_hz,
        q=q,
        airborne=np.broadcast_to(routine.curves[AIRBORNE], (frames,)).astype(np.float32),
        furniture=routine.furniture,
        belt_m_s=routine.belt_m_s,
        stance=routine.stance,
        levels=_narrow(routine.levels),
        flight_m_s=_narrow(routine.flight_m_s),
    )


def _narrow(values: Array | None) -> NDArray[np.float32] | None:
    return None if values is None else values.astype(np.float32)
