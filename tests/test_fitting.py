"""The parts of a clip's fit: slopes against central differences, the solver against NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.fitting.body_points import BodyPoints
from d3ke.fitting.chain import Chain, Rows
from d3ke.fitting.terms import Seen, Shared, balance_rows, floor_rows, image_rows
from d3ke.skeleton import default_model
from d3ke.skeleton.landmark_places import landmark_places, sole_places

Array = NDArray[np.float64]

OSIM = default_model()
FREE = [*OSIM.coordinate_names[:6], "hip_flexion_r", "knee_angle_r", "ankle_angle_l", "arm_add_l"]
SOLES = ("heel_r", "foot_l")
STANDS = np.array([[True, False], [True, True], [False, True]])
STEP = 1e-5  # rad and m: central differences are right to 1e-9


def body_points() -> BodyPoints:
    """Landmarks, two soles, and all centres of mass, as a fit has them."""
    places, (under, soles) = landmark_places(), sole_places(OSIM.body_names, SOLES)
    bodies = [*places.body_index(OSIM.body_names), *under, *range(len(OSIM.bodies))]
    centers = [body.mass_center for body in OSIM.bodies]
    return BodyPoints(OSIM, FREE, bodies, np.vstack([places.offsets_m, soles, centers]))


POINTS = body_points()
LANDMARKS, FEET, BODIES = slice(0, 33), slice(33, 35), slice(35, None)
MASSES = np.array([[body.mass_kg for body in OSIM.bodies]])


def postures() -> Array:
    random = np.random.default_rng(0)
    q = 0.4 * random.normal(size=(3, len(OSIM.coordinate_names)))
    q[:, 4] = 0.95 + 0.02 * random.normal(size=3)
    return q


def shared() -> Shared:
    """Landmarks where they are on average: their straying's own turn is left to the next round."""
    return Shared(np.array([0.1, -0.2]), 0.05, np.zeros((33, 3)), np.ones(2) / 50)


def seen() -> Seen:
    """By a camera 4 m before the person, upright: x right, y down, z away."""
    rotation = np.array([[0.0, 0, -1], [0, -1, 0], [-1, 0, 0]])
    rays = np.random.default_rng(2).normal(size=(3, 33, 2)) / 10
    return Seen(rotation, np.array([0, 1, 4.0]), rays, np.ones((3, 33)))


def image(q: Array, of_all: Shared) -> Rows:
    return image_rows(POINTS(q).part(LANDMARKS), seen(), of_all)


def floor(q: Array, of_all: Shared) -> Rows:
    return floor_rows(POINTS(q).part(FEET), STANDS, of_all)


def balance(q: Array, of_all: Shared) -> Rows:
    points = POINTS(q)
    center = points.part(BODIES).mean(MASSES)
    return balance_rows(center, points.part(FEET), STANDS, np.ones(3), of_all)


def depth(q: Array, of_all: Shared) -> Array:
    """Of the middle landmark, (3, 1) m: off the picture is told in metres there."""
    points = POINTS(q).part(LANDMARKS)
    placed = points.places + np.einsum("tpij,pj->tpi", points.turns, of_all.landmarks)
    deep: Array = np.median(placed @ seen().rotation[2] + seen().shift[2], axis=1)[:, None]
    return deep


def metres(q: Array, _: Shared) -> Array:
    return np.ones((len(q), 1))


Term = Callable[[Array, Shared], Rows]
Unit = Callable[[Array, Shared], Array]
TERMS: dict[str, tuple[Term, Unit]] = {
    "image": (image, depth),
    "floor": (floor, metres),
    "balance": (balance, metres),
}


@pytest.mark.parametrize("name", TERMS)
def test_slopes_of_what_a_fit_is_held_to(name: str) -> None:
    term, unit = TERMS[name]
    q, of_all = postures(), shared()
    rows, here = term(q, of_all), unit(q, of_all)

    def slope(ahead: tuple[Array, Shared], back: tuple[Array, Shared]) -> Array:
        rise: Array = term(*ahead).off / unit(*ahead) - term(*back).off / unit(*back)
        return rise / (2 * STEP)

    for number, place in enumerate(POINTS.free):
        step = np.zeros(q.shape)
        step[:, place] = STEP
        found = slope((q + step, of_all), (q - step, of_all))
        np.testing.assert_allclose(rows.slopes[..., number] / here, found, atol=1e-7)
    for number, unit_step in enumerate(STEP * np.eye(len(of_all.flat()))):
        found = slope((q, of_all.moved(unit_step)), (q, of_all.moved(-unit_step)))
        np.testing.assert_allclose(rows.shared[..., number] / here, found, atol=1e-7)


def test_points_move_as_their_slopes_say() -> None:
    q = postures()
    slopes = POINTS(q).slopes
    for number, place in enumerate(POINTS.free):
        ahead, back = q.copy(), q.copy()
        ahead[:, place] += STEP
        back[:, place] -= STEP
        moved = (POINTS(ahead).places - POINTS(back).places) / (2 * STEP)
        np.testing.assert_allclose(slopes[:, :, number], moved, atol=1e-7)


def test_the_chain_is_solved_as_one_least_squares() -> None:
    frames, unknowns, of_all, count = 5, 3, 2, 4
    random = np.random.default_rng(3)
    rows = Rows(
        random.normal(size=(frames, count)),
        random.normal(size=(frames, count, unknowns)),
        random.normal(size=(frames, count, of_all)),
        random.uniform(0.5, 2, size=(frames, count)),
    )
    steps = random.normal(size=(frames - 1, count))
    step_slopes = random.normal(size=(frames, count, unknowns))
    step_weights = random.uniform(0.5, 2, size=(frames - 1, count))
    values, shared_values = random.normal(size=(frames, unknowns)), random.normal(size=of_all)
    variance, kept = np.array([0.5, 1.0, 2.0]), np.array([0.9, 0.5, 0.1, 0.7])
    chain = Chain(frames, unknowns, of_all)
    for part in (slice(0, 2), slice(2, 5)):
        chain.add(part, Rows(*(each[part] for each in rows)))
    chain.add_steps(0, steps[:2], step_slopes[:3], step_weights[:2])
    chain.add_steps(2, steps[2:], step_slopes[2:], step_weights[2:])
    chain.add_wandering(values, variance, kept)
    chain.add_shared(shared_values, np.array([0.3, 3.0]))

    lines, right = [], []  # every residual as a row of one dense system, over its deviation

    def line(off: float, weight: float, shares: dict[int, Array], by_all: Array) -> None:
        row = np.zeros(frames * unknowns + of_all)
        for frame, slopes in shares.items():
            row[frame * unknowns : (frame + 1) * unknowns] += slopes
        row[frames * unknowns :] = by_all
        lines.append(np.sqrt(weight) * row)
        right.append(-np.sqrt(weight) * off)

    none = np.zeros(of_all)
    for t in range(frames):
        for r in range(count):
            line(rows.off[t, r], rows.weights[t, r], {t: rows.slopes[t, r]}, rows.shared[t, r])
            if t < frames - 1:
                shares = {t: -step_slopes[t, r], t + 1: step_slopes[t + 1, r]}
                line(steps[t, r], step_weights[t, r], shares, none)
        for f in range(unknowns):  # the first value is N(0, v), each later one kept x + N(0, ...)
            own = np.eye(unknowns)[f]
            if t == 0:
                line(values[0, f], 1 / variance[f], {0: own}, none)
                continue
            fresh = variance[f] * (1 - kept[t - 1] ** 2)
            apart = values[t, f] - kept[t - 1] * values[t - 1, f]
            line(apart, 1 / fresh, {t - 1: -kept[t - 1] * own, t: own}, none)
    for number, sd in enumerate((0.3, 3.0)):
        line(shared_values[number], 1 / sd**2, {}, np.eye(of_all)[number])
    dense = np.linalg.lstsq(np.array(lines), np.array(right), rcond=None)[0]
    own, by_all = chain.solved()
    np.testing.assert_allclose(own.ravel(), dense[:-of_all], atol=1e-10)
    np.testing.assert_allclose(by_all, dense[-of_all:], atol=1e-10)
