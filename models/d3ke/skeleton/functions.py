"""The functions that OpenSim files use, as lines and piecewise polynomials."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.skeleton import document

TINY = 1e-7  # the least distance of two knots (OpenSim, SimmSpline)


@dataclass(frozen=True)
class Line:
    """A sum of coordinates, each times a coefficient, plus a constant."""

    coefficients: tuple[float, ...]
    constant: float

    def value(self, arguments: Sequence[float]) -> float:
        """The function's value."""
        return math.fsum(
            [self.constant, *(c * x for c, x in zip(self.coefficients, arguments, strict=True))]
        )

    def times(self, factor: float) -> "Line":
        """The function multiplied by a number."""
        return Line(tuple(c * factor for c in self.coefficients), self.constant * factor)

    def slope(self, argument: int) -> "Line":
        """The function's derivative by one of its coordinates."""
        return Line((0.0,) * len(self.coefficients), self.coefficients[argument])


@dataclass(frozen=True)
class Piecewise:
    """Polynomials of one coordinate, one for each interval.

    starts: (S - 1,) where the second and later intervals begin. anchors: (S,) the point that each
    polynomial is written about. coefficients: (S, D) from the constant term up.
    """

    starts: tuple[float, ...]
    anchors: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]

    def value(self, arguments: Sequence[float]) -> float:
        """The function's value."""
        (x,) = arguments
        piece = int(np.searchsorted(self.starts, x, side="right"))
        return float(np.polyval(self.coefficients[piece][::-1], x - self.anchors[piece]))

    def times(self, factor: float) -> "Piecewise":
        """The function multiplied by a number."""
        scaled = tuple(tuple(c * factor for c in row) for row in self.coefficients)
        return Piecewise(self.starts, self.anchors, scaled)

    def slope(self, argument: int) -> "Piecewise":
        """The function's derivative by its one coordinate."""
        assert argument == 0
        rows = (tuple(i * c for i, c in enumerate(row))[1:] or (0.0,) for row in self.coefficients)
        return Piecewise(self.starts, self.anchors, tuple(rows))


Function: TypeAlias = Line | Piecewise


def constant(value: float) -> Line:
    """The function that is always `value`."""
    return Line((), value)


def read_function(element: Element, arguments: int) -> Function:
    """The function that an OpenSim element describes, of `arguments` coordinates.

    Raises D3keError: a function that is not supported, or numbers that don't fit together.
    """
    kind = element.tag
    if kind == "MultiplierFunction":
        inner = document.object_property(element, "function")
        if inner is None:
            raise D3keError("a MultiplierFunction has no function inside. Repair the file.")
        return read_function(inner, arguments).times(document.number(element, "scale", 1.0))
    if kind == "Constant":
        return Line((0.0,) * arguments, document.number(element, "value", 0.0))
    if kind == "LinearFunction":
        *slopes, offset = document.numbers(element, "coefficients", (1.0, 0.0))
        if len(slopes) != arguments:
            raise D3keError(
                f"a LinearFunction has {len(slopes)} slopes for {arguments} coordinates. "
                "Give one for each coordinate, then the constant."
            )
        return Line(tuple(slopes), offset)
    if arguments != 1 or kind not in {"PolynomialFunction", *INTERPOLATIONS}:
        raise D3keError(
            f"a function of type {kind} with {arguments} coordinates is not supported. Use "
            "Constant, LinearFunction, PolynomialFunction, SimmSpline, NaturalCubicSpline, "
            "PiecewiseLinearFunction or MultiplierFunction."
        )
    if kind == "PolynomialFunction":
        falling = document.numbers(element, "coefficients", ())
        return Piecewise((), (0.0,), (tuple(reversed(falling)) or (0.0,),))
    x = np.array(document.numbers(element, "x", ()))
    y = np.array(document.numbers(element, "y", ()))
    if len(x) != len(y) or len(x) < 2 or (np.diff(x) < 0).any():
        raise D3keError(
            f"a {kind} has {len(x)} x and {len(y)} y values. "
            "It needs two or more of each, as many x as y, and x must rise."
        )
    return INTERPOLATIONS[kind](x, y)


def simm_spline(x: NDArray[np.float64], y: NDArray[np.float64]) -> Piecewise:
    """A cubic spline through the points, a line beyond them.

    The third derivative at each end is that of the cubic through the four points nearest to it.
    Source: Forsythe, Malcolm, Moler 1977, chapter 4 (SPLINE); OpenSim's SimmSpline.
    """
    count = len(x)
    if count == 2:
        return piecewise_linear(x, y)
    step = np.maximum(np.diff(x), TINY)
    slope = np.diff(y) / step
    # The unknowns are sixths of the second derivatives at the points.
    system, right = _smooth_slopes(step, slope)
    system[0, :2] = -step[0], step[0]
    system[-1, -2:] = step[-1], -step[-1]
    if count > 3:
        right[0] = _third_difference(x[:4], slope[:3]) * step[0] ** 2
        right[-1] = -_third_difference(x[-4:], slope[-3:]) * step[-1] ** 2
    return _cubics(x, y, step, slope, np.linalg.solve(system, right).astype(np.float64))


def natural_cubic_spline(x: NDArray[np.float64], y: NDArray[np.float64]) -> Piecewise:
    """A cubic spline through the points whose ends are straight, a line beyond them."""
    if len(x) == 2:
        return piecewise_linear(x, y)
    step = np.maximum(np.diff(x), TINY)
    slope = np.diff(y) / step
    system, right = _smooth_slopes(step, slope)
    system[0, 0] = system[-1, -1] = 1.0
    return _cubics(x, y, step, slope, np.linalg.solve(system, right).astype(np.float64))


def piecewise_linear(x: NDArray[np.float64], y: NDArray[np.float64]) -> Piecewise:
    """Straight lines between the points, the outer ones going on beyond them."""
    slope = np.diff(y) / np.maximum(np.diff(x), TINY)
    rows = tuple((float(a), float(b)) for a, b in zip(y[:-1], slope, strict=True))
    return Piecewise(tuple(map(float, x[1:-1])), tuple(map(float, x[:-1])), rows)


INTERPOLATIONS = {
    "SimmSpline": simm_spline,
    "NaturalCubicSpline": natural_cubic_spline,
    "PiecewiseLinearFunction": piecewise_linear,
}


def _smooth_slopes(
    step: NDArray[np.float64], slope: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rows that make the slope continuous at every inner point; end rows are left zero."""
    count = len(step) + 1
    system, right = np.zeros((count, count)), np.zeros(count)
    inner = np.arange(1, count - 1)
    system[inner, inner - 1] = step[:-1]
    system[inner, inner] = 2.0 * (step[:-1] + step[1:])
    system[inner, inner + 1] = step[1:]
    right[1:-1] = np.diff(slope)
    return system, right


def _third_difference(x: NDArray[np.float64], slope: NDArray[np.float64]) -> float:
    """The third divided difference of four points, given the three slopes between them."""
    second_late = (slope[2] - slope[1]) / max(TINY, x[3] - x[1])
    second_early = (slope[1] - slope[0]) / max(TINY, x[2] - x[0])
    return float((second_late - second_early) / max(TINY, x[3] - x[0]))


def _cubics(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    step: NDArray[np.float64],
    slope: NDArray[np.float64],
    sixths: NDArray[np.float64],
) -> Piecewise:
    """Cubics between the points from a sixth of the second derivatives; lines outside."""
    first = slope - step * (2.0 * sixths[:-1] + sixths[1:])
    last = slope[-1] + step[-1] * (sixths[-2] + 2.0 * sixths[-1])
    inner = np.stack([y[:-1], first, 3.0 * sixths[:-1], np.diff(sixths) / step], axis=1)
    before = [y[0], first[0], 0.0, 0.0]
    after = [y[-1], last, 0.0, 0.0]
    rows = np.concatenate([[before], inner, [after]])
    anchors = np.concatenate([x[:1], x])
    return Piecewise(
        tuple(map(float, x)), tuple(map(float, anchors)), tuple(tuple(map(float, r)) for r in rows)
    )
