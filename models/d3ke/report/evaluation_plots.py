"""Plots of an evaluation: errors in bands, curves, Bland-Altman, gait cycles."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from d3ke.cycles import PERCENT, Cycles
from d3ke.report.plots import BLUE, GRID, INK, ORANGE, RED, SOFT, Drawn, plot
from d3ke.statistics import ACCEPTABLE_DEG, MISLEADING_DEG, Limits, band

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

BAND_COLOURS = {"acceptable": "#1f7a4d", "reasonable": "#b4690e", "misleading": RED, "": SOFT}
INNER, OUTER = "#bfe0cd", "#f5dfc2"  # within 2 and 5 deg
MOST_POINTS = 400  # of a curve, and of a cloud
SIZE = (5.2, 2.5)
LONG_NUMBER = re.compile(r"(\d+\.\d\d)\d+")


def summary(rmse: Mapping[str, float], own_mean: Mapping[str, float]) -> Markup:
    """A bar a coordinate, in the colour of its band; a mark for what a constant would score."""
    names = list(rmse)[::-1]
    with plot(5.6, 0.9 + 0.17 * len(names)) as (axes, svg):
        colours = [BAND_COLOURS[band(rmse[name])] for name in names]
        axes.barh(range(len(names)), [rmse[name] for name in names], color=colours, height=0.7)
        marks = [own_mean[name] for name in names]
        axes.plot(marks, range(len(names)), "|", color=INK, markersize=7, label="its own mean")
        for limit in (ACCEPTABLE_DEG, MISLEADING_DEG):
            axes.axvline(limit, color=SOFT, linewidth=0.9, linestyle="--")
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.grid(visible=False, axis="y")
        axes.set(title="RMSE by coordinate; a constant's is the mark", xlabel="deg")
    return _light(svg)


def curve(time: Array, predicted: Array, true: Array) -> Markup:
    """The predicted angle beside the true one, with 2 and 5 deg on either side. deg."""
    step = max(1, len(time) // MOST_POINTS)
    time, predicted, true = time[::step], predicted[::step], true[::step]
    with plot(*SIZE) as (axes, svg):
        _bands(axes, time, true)
        axes.plot(time, true, color=INK, linewidth=1.2, label="reference")
        axes.plot(time, predicted, color=BLUE, linewidth=1.2, label="prediction")
        axes.set(title="Curves", xlabel="time, s", ylabel="deg")
        axes.margins(x=0)
        _legend(axes)
    return _light(svg)


def bland_altman(series: Sequence[tuple[Array, Array]], limits: Limits) -> Markup:
    """Errors over the mean of both, a series a clip (predicted, true), deg; limits drawn.

    Of several clips each one's mean is a larger dot.
    """
    share = max(1, sum(len(true) for _, true in series) // MOST_POINTS)
    with plot(*SIZE) as (axes, svg):
        axes.axhspan(-MISLEADING_DEG, MISLEADING_DEG, color=OUTER, linewidth=0, zorder=0)
        axes.axhspan(-ACCEPTABLE_DEG, ACCEPTABLE_DEG, color=INNER, linewidth=0, zorder=0)
        for predicted, true in series:
            middle, error = (predicted + true) / 2, predicted - true
            axes.plot(middle[::share], error[::share], ".", color=BLUE, markersize=2.5, alpha=0.35)
        if len(series) > 1:
            means = [((p + t).mean() / 2, (p - t).mean()) for p, t in series]
            axes.plot(*np.transpose(means), "o", color=ORANGE, markersize=4.5, label="clips")
        for value, style in ((limits.bias, "-"), (limits.low, "--"), (limits.high, "--")):
            axes.axhline(value, color=INK, linewidth=1.0, linestyle=style)
            axes.annotate(
                f"{value:z.1f}",
                (1, value),
                xycoords=("axes fraction", "data"),
                xytext=(2, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=INK,
                annotation_clip=False,
            )
        for low, high in (limits.low_interval, limits.high_interval):
            if np.isfinite(low):
                axes.axhspan(low, high, color=GRID, alpha=0.7, linewidth=0)
        axes.set(title="Bland-Altman", xlabel="mean of both, deg", ylabel="error, deg")
        if len(series) > 1:
            _legend(axes)
    return _light(svg)


def cycle(curves: Sequence[Cycles]) -> Markup:
    """Mean curves over the gait cycle, and a standard deviation of the cycles about each.

    curves: of each clip, every clip counts the same.
    """
    with plot(*SIZE) as (axes, svg):
        sides = ("reference", INK), ("predicted", BLUE)
        for field, colour in sides:
            means = np.array([getattr(found, field).mean(axis=0) for found in curves])
            whole = np.concatenate([getattr(found, field) for found in curves])
            mean, spread = means.mean(axis=0), whole.std(axis=0)
            if field == "reference":
                _bands(axes, PERCENT, mean)
            if len(whole) > 1:
                for edge in (mean - spread, mean + spread):
                    axes.plot(PERCENT, edge, color=colour, linewidth=0.6, linestyle=":")
            label = "prediction" if field == "predicted" else field
            axes.plot(PERCENT, mean, color=colour, linewidth=1.4, label=label)
        count = sum(len(found.reference) for found in curves)
        axes.set(
            title=f"Gait cycle, mean of {count}" if count > 1 else "Gait cycle, one",
            xlabel="% of the cycle, from heel strike",
            ylabel="deg",
        )
        axes.margins(x=0)
        _legend(axes)
    return _light(svg)


def _bands(axes: "Axes", x: Array, middle: Array) -> None:
    axes.fill_between(x, middle - MISLEADING_DEG, middle + MISLEADING_DEG, color=OUTER, linewidth=0)
    axes.fill_between(x, middle - ACCEPTABLE_DEG, middle + ACCEPTABLE_DEG, color=INNER, linewidth=0)


def _legend(axes: "Axes") -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.28), ncols=3, fontsize=8)


def _light(svg: Drawn) -> Markup:
    """The plot with two decimals: a hundredth of a point is not seen, and half the bytes."""
    return Markup(LONG_NUMBER.sub(r"\1", svg()))
