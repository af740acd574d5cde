"""Where both feet are at any time: rolling in stance, eased from one stance to the next."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial.transform import Rotation
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.motions.contacts import Stance, runs, stances
from d3ke.synth.motions.curves import min_jerk
from d3ke.synth.motions.foot_soles import SIDES, Sole, carried_steps, foot_angles, foot_rotations
from d3ke.synth.motions.planned_motion import PlannedMotion
from d3ke.synth.motions.supports import align
from d3ke.synth.stage import Furniture

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEVEL_RAD = (np.radians(3.0), np.radians(11.0))  # a sole this level lies flat; from there it rolls
OFFSET_RAD = np.radians(10.0)  # a foot that is off by less when it should be flat is put flat
LOOSE_RAD = (np.radians(10.0), np.radians(35.0))  # and from here turns and leans as it likes
PIVOT_RAD = np.radians(14.0)  # a foot that turns more during a stance pivots
TOES_RAD = np.radians(50.0)  # toes that bend this far do not stay on the floor any longer
TOES_RANGE_RAD, TOES_S = (np.radians(-65.0), np.radians(40.0)), 0.025
CLEARANCE_M = 0.012  # of a sole in the middle of a swing
ASIDE_M, CROSSED_M = 0.05, -0.08  # of a foot from the body's way; beyond the latter on purpose
PASSING_M, BESIDE_M = 0.105, (0.22, 0.34)  # feet this near each other pass at this distance
MIDFOOT_M = 0.08  # from the calcaneus' origin
HANDOVER_S = 0.06  # the weight goes from one foot to the other this softly


class Footprints(NamedTuple):
    """Wanted feet.

    frames: (T, 2, 4, 4) of the calcanei in ground; mtp: (T, 2) rad; pelvis: (T, 3) m, so that it
    goes with them; furniture: what they stand on is in place.
    """

    frames: Array
    mtp: Array
    pelvis: Array
    furniture: tuple[Furniture, ...]


class _Foot(NamedTuple):
    """One foot: as planned, `first` and `mtp`, and as wanted, `frames` and `bent`, to be filled.

    first, frames: (T, 4, 4) of the calcaneus; mtp, bent: (T,) rad; level: (T,) m.
    """

    side: str
    sole: Sole
    scales: Tensor
    first: Array
    mtp: Array
    level: Array
    frames: Array
    bent: Array


def plan_feet(
    skeleton: SkeletalModel,
    motion: PlannedMotion,
    scales: Tensor,
    soles: tuple[Sole, Sole],
    bodies: Array,
    path: Array,
    carries: Flags,
    levels: Array,
) -> Footprints:
    """The feet of a motion whose pelvis goes along `path` (T, 3).

    bodies: (T, N, 4, 4) with the pelvis at the origin; carries: (T, 2); levels: (T, 2) m.
    """
    names, coordinates = skeleton.osim.body_names, skeleton.osim.coordinate_names
    found, feet, areas = stances(carries), [], []
    for side, suffix in enumerate(SIDES):
        first = bodies[:, names.index(f"calcn_{suffix}")].copy()
        first[:, :3, 3] += path
        mtp = motion.q[:, coordinates.index(f"mtp_angle_{suffix}")].astype(float)
        foot = _Foot(
            suffix, soles[side], scales, first, mtp, levels[:, side], first.copy(), mtp.copy()
        )
        areas += _stand(skeleton, foot, [s for s in found if s.side == side])
        feet.append(foot)
    middle = [levels[(s.begin + s.end) // 2, s.side] for s in found]
    places = np.reshape(areas, (-1, 3))
    moves, furniture = align(motion, places, np.array(middle))
    right = _sideways(bodies[:, names.index("pelvis"), :3, 2])
    if not any(thing.kind == "beam" for thing in furniture):
        moves += _own_side(found, places[:, :2], path, right)
    for stance, move in zip(found, moves, strict=True):
        feet[stance.side].frames[stance.begin : stance.end, [0, 2], 3] += move
    for side, foot in enumerate(feet):
        _swing(skeleton, foot, [s for s in found if s.side == side])
    _pass(feet, carries, right)
    moved = np.stack([f.frames[:, :3, 3] - f.first[:, :3, 3] for f in feet], axis=1)
    pelvis = path + _common(moved, carries, motion.rate_hz)
    frames = np.stack([foot.frames for foot in feet], axis=1)
    toes = np.stack([foot.bent for foot in feet], axis=1).clip(*TOES_RANGE_RAD)
    toes = gaussian_filter1d(toes, TOES_S * motion.rate_hz, axis=0, mode="nearest")
    return Footprints(frames, toes, pelvis, furniture)


def _stand(skeleton: SkeletalModel, foot: _Foot, found: list[Stance]) -> list[Array]:
    """Let a foot stand still in its stances.

    Returns x and z of the middle of the sole in each, and half its length along x, m.
    """
    if not found:
        return []
    yaw, pitch, roll = foot_angles(foot.first[:, :3, :3])
    standing = np.concatenate([np.arange(s.begin, s.end) for s in found])
    rolled = _rolled(pitch - foot.sole.pitch, standing)
    for stance in found:
        span = slice(stance.begin, stance.end)
        flat = 1 - _eased(np.abs(rolled[span]), *LOOSE_RAD)
        planned = np.unwrap(yaw[span])
        turn = planned + flat * (_steady(planned) - planned)
        lean = roll[span] + flat * (foot.sole.roll - roll[span])
        foot.frames[span, :3, :3] = foot_rotations(turn, rolled[span] + foot.sole.pitch, lean)
        foot.bent[span] = foot.sole.mtp + np.clip(rolled[span], -TOES_RAD, 0)
    points = _points(skeleton, foot)
    areas = []
    for stance in found:
        span = slice(stance.begin, stance.end)
        foot.frames[span, :3, 3] = _rolling(points[span], foot, span)
        frame = span.start + (span.stop - span.start) // 2
        low, high = points[frame].min(axis=0), points[frame].max(axis=0)
        x, _, z = foot.frames[frame, :3, 3] + (low + high) / 2
        areas.append(np.array([x, z, (high[0] - low[0]) / 2]))
    return areas


def _swing(skeleton: SkeletalModel, foot: _Foot, found: list[Stance]) -> None:
    """Lead a foot from stance to stance, over the floor."""
    swings = _swings(found, len(foot.frames)) if found else []
    for begin, end in swings:
        _ease(foot, begin, end)
    lowest = _points(skeleton, foot)[..., 1].min(axis=1)
    for begin, end in swings:
        span = slice(begin, end)
        part = np.linspace(0, 1, end - begin + 2)[1:-1]
        low = foot.level[span] + CLEARANCE_M * np.sin(np.pi * part)
        lack = np.maximum(low - lowest[span] - foot.frames[span, 1, 3], 0)
        ramp = np.minimum(np.minimum(np.arange(end - begin), np.arange(end - begin)[::-1]) / 3, 1)
        early = gaussian_filter1d(maximum_filter1d(lack, 3), 1.0, mode="nearest")
        foot.frames[span, 1, 3] += np.maximum(lack, ramp * early)


def _sideways(across: Array) -> Array:
    """Horizontal x and z of axes (T, 3) that point to the right, (T, 2)."""
    level = across[:, [0, 2]]
    sideways: Array = level / np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-6)
    return sideways


def _own_side(found: list[Stance], centres: Array, path: Array, right: Array) -> Array:
    """Moves (C, 2) of stances that are a little on the wrong side of the body's way."""
    moves = np.zeros_like(centres)
    for row, stance in enumerate(found):
        span = slice(stance.begin, stance.end)
        out = right[span].mean(axis=0) * (1 if stance.side == 0 else -1)
        aside = (centres[row] - path[span][:, [0, 2]].mean(axis=0)) @ out
        if CROSSED_M < aside < ASIDE_M:
            moves[row] = (ASIDE_M - aside) * out
    return moves


def _pass(feet: list[_Foot], carries: Flags, right: Array) -> None:
    """Lead feet in the air round the other one. right: (T, 2)."""
    middles = [f.frames[:, :3, 3] + MIDFOOT_M * f.frames[:, :3, 0] for f in feet]
    apart = middles[0] - middles[1]
    level = apart[:, [0, 2]]
    across = (level * right).sum(axis=1)
    along = np.linalg.norm(level - across[:, None] * right, axis=1)
    near = 1 - _eased(along, *BESIDE_M)
    near *= 1 - _eased(np.abs(apart[:, 1]), *BESIDE_M)
    lack = np.where(across > 2 * CROSSED_M, np.maximum(PASSING_M - across, 0), 0) * near
    free = ~carries
    share = free / np.maximum(free.sum(axis=1, keepdims=True), 1)
    for side, foot in enumerate(feet):
        for begin, end in runs(free[:, side]):
            span = slice(begin, end)
            aside = maximum_filter1d(lack[span] * share[span, side], 3)
            inner = np.minimum(np.arange(end - begin), np.arange(end - begin)[::-1]) / 2
            aside = gaussian_filter1d(aside, 1.0, mode="nearest") * np.minimum(inner, 1)
            out = right[span] * (1 if side == 0 else -1)
            foot.frames[span, 0, 3] += aside * out[:, 0]
            foot.frames[span, 2, 3] += aside * out[:, 1]


def _rolled(pitch: Array, standing: NDArray[np.intp]) -> Array:
    """How far a sole leaves the floor with its heel (negative) or toes, (T,) rad: often not at all.

    pitch: (T,) rad from a level sole; standing: the frames in which the foot carries.
    """
    flat = pitch[standing][np.abs(pitch[standing]) < 1.5 * OFFSET_RAD]
    if len(flat):
        pitch = pitch - np.clip(np.median(flat), -OFFSET_RAD, OFFSET_RAD)
    rolled: Array = pitch * _eased(np.abs(pitch), *LEVEL_RAD)
    return rolled


def _eased(values: Array, low: float, high: float) -> Array:
    """0 up to `low`, 1 from `high` on, smooth between."""
    part = np.clip((values - low) / (high - low), 0, 1)
    eased: Array = part * part * (3 - 2 * part)
    return eased


def _steady(yaw: Array) -> Array:
    """Headings (T,) of a foot in stance: one, unless it pivots."""
    if np.ptp(yaw) < PIVOT_RAD:
        return np.full_like(yaw, np.median(yaw))
    smooth: Array = gaussian_filter1d(yaw, 1.5, mode="nearest")
    return smooth


def _points(skeleton: SkeletalModel, foot: _Foot) -> Array:
    """Points of the sole as the foot is turned, about the calcaneus' origin, (T, P, 3)."""
    osim, frames, mtp = skeleton.osim, foot.frames, foot.bent
    q = torch.zeros(len(mtp), len(osim.coordinates))
    q[:, osim.coordinate_names.index(f"mtp_angle_{foot.side}")] = torch.from_numpy(mtp).float()
    heel, toes = (osim.body_names.index(f"{body}_{foot.side}") for body in ("calcn", "toes"))
    bodies = skeleton.bodies(q, foot.scales).double().numpy()
    turned = np.linalg.inv(bodies[:, heel]) @ bodies[:, toes]
    turned[:, :3, :] = frames[:, :3, :3] @ turned[:, :3, :]
    both = np.tile(np.eye(4), (len(mtp), len(osim.body_names), 1, 1))
    both[:, heel, :3, :3], both[:, toes] = frames[:, :3, :3], turned
    return foot.sole.placed(both)


def _rolling(points: Array, foot: _Foot, span: slice) -> Array:
    """Places of the calcaneus (F, 3) during a stance: what carries does not slide.

    points: (F, P, 3) about the calcaneus.
    """
    lowest = points[..., 1].min(axis=1)
    steps = carried_steps(points, points[..., 1] - lowest[:, None])
    place = np.concatenate([np.zeros((1, 3)), -np.cumsum(steps, axis=0)])
    place += np.median(foot.first[span, :3, 3] - place, axis=0)
    place[:, 1] = foot.level[span] - lowest
    return place


def _swings(found: list[Stance], frames: int) -> list[tuple[int, int]]:
    """Begin and end of what lies before, between and after the stances of one foot."""
    edges = [0, *(edge for stance in found for edge in (stance.begin, stance.end)), frames]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(begin, end) for begin, end in pairs if end > begin]


def _ease(foot: _Foot, begin: int, end: int) -> None:
    """Lead a foot through a swing: as planned, and from where it was to where it will be."""
    before, after = begin - 1, end
    if before < 0:
        before = after
    if after >= len(foot.frames):
        after = before
    part = min_jerk(np.linspace(0, 1, end - begin + 2)[1:-1])
    edges = (before, after)
    off = [foot.frames[edge, :3, 3] - foot.first[edge, :3, 3] for edge in edges]
    turns = [foot.frames[edge, :3, :3] @ foot.first[edge, :3, :3].T for edge in edges]
    vectors = [Rotation.from_matrix(turn).as_rotvec() for turn in turns]
    toes = [foot.bent[edge] - foot.mtp[edge] for edge in edges]
    span = slice(begin, end)
    foot.frames[span, :3, 3] += off[0] + (off[1] - off[0]) * part[:, None]
    turn = Rotation.from_rotvec(vectors[0] + (vectors[1] - vectors[0]) * part[:, None])
    foot.frames[span, :3, :3] = turn.as_matrix() @ foot.frames[span, :3, :3]
    foot.bent[span] += toes[0] + (toes[1] - toes[0]) * part


def _common(moved: Array, carries: Flags, rate_hz: float) -> Array:
    """How far the feet that carry were moved from their plan, (T, 3). moved: (T, 2, 3) m."""
    weights = gaussian_filter1d(carries.astype(float), HANDOVER_S * rate_hz, axis=0, mode="nearest")
    weights += 1e-4
    common: Array = (moved * weights[..., None]).sum(axis=1) / weights.sum(axis=1, keepdims=True)
    return common
