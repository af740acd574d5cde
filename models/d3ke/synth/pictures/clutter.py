"""Things that stand around: behind people, beside them, and now and then before them."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.synth.pictures.furniture import BACK_M
from d3ke.synth.stage import Floats, Furniture, FurnitureKind

Array = NDArray[np.float64]

# Chosen by the project; not measured.
COUNTS = {
    "home": (1, 5), "laboratory": (2, 7), "corridor": (0, 3), "hall": (0, 4), "open air": (0, 3),
    "photograph": (0, 2),
}  # fmt: skip
KINDS: dict[str, tuple[FurnitureKind, ...]] = {
    "home": ("chair", "chair", "box", "box"),
    "laboratory": ("treadmill", "chair", "box", "box", "stairs", "beam"),
    "corridor": ("chair", "box"),
    "hall": ("chair", "box", "beam"),
    "open air": ("box", "beam"),
    "photograph": ("box", "chair"),
}
OCCLUDER_SHARE = 0.15
HIDDEN_M = (0.08, 0.65)  # how high up the person an occluder hides them
UPRIGHT_M = 0.9  # height of the pelvis of somebody who stands
CLEAR_M, SIGHT_M = 0.75, 0.3  # that a thing keeps from the person, and from the line of sight
TRIES = 6
REACH_M = 6.0  # how far from the person things stand in the open air


class Ground(NamedTuple):
    """Where there is room. path: (T, 3) of the pelvis; eye: (3,); room, middle: of Surroundings."""

    path: Floats
    eye: Array
    furniture: tuple[Furniture, ...]
    room: tuple[float, float, float]
    middle: tuple[float, float, float]
    walled: bool


def clutter(rng: Generator, place: str, ground: Ground) -> tuple[Furniture, ...]:
    """Things that nobody in the clip needs."""
    found: list[Furniture] = []
    for _ in range(int(rng.integers(*COUNTS[place]))):
        kind = KINDS[place][rng.integers(len(KINDS[place]))]
        for _ in range(TRIES):
            thing = _placed(_thing(rng, kind, ground.walled), _spot(rng, ground))
            if _is_free(thing, ground, found):
                found.append(thing)
                break
    if rng.random() < OCCLUDER_SHARE:
        found += [thing for thing in (_occluder(rng, ground),) if thing is not None]
    return tuple(found)


def _thing(rng: Generator, kind: FurnitureKind, indoors: bool) -> Furniture:
    """A thing of some size, at the origin."""
    between = rng.uniform
    if kind == "chair":
        size = between(0.4, 0.5), between(0.4, 0.5), between(0.4, 0.55)
    elif kind == "stairs":
        size = between(0.6, 0.9), between(0.3, 0.6), between(0.6, 1.0)
    elif kind == "treadmill":
        size = between(1.5, 2.0), between(0.12, 0.25), between(0.7, 0.9)
    elif kind == "beam":
        size = between(1.5, 3.0), between(0.05, 0.3), between(0.08, 0.15)
    elif indoors and rng.random() < 0.3:  # shelves
        size = between(0.3, 0.6), between(1.2, 2.0), between(0.5, 1.2)
    else:
        size = between(0.25, 0.8), between(0.2, 0.9), between(0.25, 1.4)
    return Furniture(kind, (0.0, 0.0, 0.0), float(between(-np.pi, np.pi)), size, 3)


def _placed(thing: Furniture, spot: Array) -> Furniture:
    place = float(spot[0]), 0.0, float(spot[1])
    return Furniture(thing.kind, place, thing.heading, thing.size, thing.steps)


def _spot(rng: Generator, ground: Ground) -> Array:
    """A place x, z: anywhere in the room, or about the person."""
    if ground.walled:
        half = np.array([ground.room[0], ground.room[2]]) / 2 - 0.3
        return np.array([ground.middle[0], ground.middle[2]]) + rng.uniform(-half, half)
    middle = ground.path.mean(axis=0)[[0, 2]].astype(np.float64)
    away = middle - ground.eye[[0, 2]]
    away /= max(float(np.linalg.norm(away)), 1e-6)
    aside = np.array([-away[1], away[0]])
    spot: Array = middle + rng.uniform(-0.5, 1) * REACH_M * away + rng.uniform(-4, 4) * aside
    return spot


def _is_free(thing: Furniture, ground: Ground, others: list[Furniture]) -> bool:
    """Whether a thing stands in nobody's way and before nobody."""
    spot, half = _flat(thing)
    for other in (*ground.furniture, *others):
        there, wide = _flat(other)
        if np.linalg.norm(there - spot) < half + wide:
            return False
    path = ground.path[:, [0, 2]].astype(np.float64)
    if np.linalg.norm(path - spot, axis=1).min() < half + CLEAR_M:
        return False
    return bool(_gap_to_sight(spot, ground.eye[[0, 2]], path) > half + SIGHT_M)


def _flat(thing: Furniture) -> tuple[Array, float]:
    """Where a thing stands, x, z, and the radius that it takes."""
    return np.array([thing.place[0], thing.place[2]]), 0.5 * float(
        np.hypot(thing.size[0], thing.size[2])
    )


def _gap_to_sight(spot: Array, eye: Array, path: Array) -> float:
    """Distance of a spot (2,) from the lines of sight between an eye (2,) and a path (T, 2)."""
    lines = path - eye
    share = ((spot - eye) * lines).sum(axis=1) / np.maximum((lines**2).sum(axis=1), 1e-9)
    nearest = eye + np.clip(share, 0, 1)[:, None] * lines
    return float(np.linalg.norm(nearest - spot, axis=1).min())


def _occluder(rng: Generator, ground: Ground) -> Furniture | None:
    """A box or chair between the camera and the person that hides feet or legs, never more."""
    path = ground.path[:, [0, 2]].astype(np.float64)
    eye = ground.eye[[0, 2]]
    gaps = np.linalg.norm(path - eye, axis=1)
    distance = float(gaps.min())
    spread = float(np.linalg.norm(path - path.mean(axis=0), axis=1).max())
    if distance - spread < 1.6:
        return None
    share = rng.uniform(0.4, 1 - 1.0 / distance) if distance > 1.8 else 0.4
    low = min(1.0, float(ground.path[:, 1].min()) / UPRIGHT_M)
    hidden = rng.uniform(*HIDDEN_M) * low
    height = float(ground.eye[1] + share * (hidden - ground.eye[1]))
    line = (path.mean(axis=0) - eye) * share
    aside = np.array([-line[1], line[0]]) / max(float(np.linalg.norm(line)), 1e-6)
    spot = eye + line + rng.normal(0, 0.25) * aside
    width = float(rng.uniform(0.12, 1.0))
    heading = float(np.arctan2(-line[1], line[0])) + float(rng.normal(0, 0.4))
    if height < 0.1 or np.linalg.norm(spot - eye) < 0.5:
        return None
    if np.linalg.norm(path - spot, axis=1).min() < 0.6 + width / 2:
        return None
    place = float(spot[0]), 0.0, float(spot[1])
    if 0.35 < height - BACK_M < 0.5:  # a chair's height is its seat's
        return Furniture("chair", place, heading, (0.45, height - BACK_M, 0.45))
    return Furniture("box", place, heading, (float(rng.uniform(0.15, 0.45)), height, width))
