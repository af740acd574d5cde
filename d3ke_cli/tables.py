"""Tables of errors, as text."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from d3ke_cli import evaluation_tables

if TYPE_CHECKING:
    from d3ke.answer_errors import Figure
    from d3ke.evaluate import Evaluation
    from d3ke.evaluate_data import DataEvaluation, Difference, Estimate
    from d3ke.evaluate_many import ManyEvaluation
    from d3ke.evaluate_markers import MarkerEvaluation

SUM = "sum"  # the unit of the published body-scale error: of three axes' scales
COORDINATE = "coordinate"  # a kind of figure
NOT_TOLD_APART = "not told apart"


def table_of(
    found: "Evaluation | ManyEvaluation | MarkerEvaluation | DataEvaluation",
) -> str:
    """The errors as text, in degrees or millimetres."""
    from d3ke.evaluate import Evaluation
    from d3ke.evaluate_many import ManyEvaluation
    from d3ke.evaluate_markers import MarkerEvaluation

    if isinstance(found, Evaluation):
        return evaluation_tables.angles(found)
    if isinstance(found, ManyEvaluation):
        return evaluation_tables.many(found)
    if isinstance(found, MarkerEvaluation):
        return evaluation_tables.markers(found)
    return _networks(found)


def _networks(found: "DataEvaluation") -> str:
    """What networks score as text: a line a figure, then what tells them apart."""
    out = f", {found.left_out} left out" if found.left_out else ""
    lines = [
        f"Errors over {found.frames} frames{' of clips' if found.clips_only else ''} of "
        f"{found.people} people ({found.split}{out}); mean pose: what the mean of train scores.",
        "In brackets: 95 % of draws of as many people, each with all frames.",
    ]
    for coordinates in (False, True):
        lines += ["", _scores(found, coordinates)]
    for difference in found.differences:
        lines += ["", _difference(found.figures, difference)]
    return "\n".join(lines)


def _scores(found: "DataEvaluation", coordinates: bool) -> str:
    """A line a coordinate, or a line each other figure."""
    rows = {}
    for place, figure in enumerate(found.figures):
        if (figure.kind == COORDINATE) == coordinates:
            row = {one.label: _estimate(one.estimates[place], figure) for one in found.scores}
            if found.baseline is not None:
                row = {"mean pose": _number(found.baseline[place], figure), **row}
            rows[_titled(figure)] = row
    return _strings(rows)


def _difference(figures: "Iterable[Figure]", difference: "Difference") -> str:
    """A line a figure; a coordinate's is in the JSON alone."""
    first, second = difference.first.label, difference.second.label
    rows = {}
    for figure, estimate in zip(figures, difference.estimates, strict=True):
        if figure.kind != COORDINATE:
            less = f"{first if estimate.value < 0 else second} errs less"
            verdict = less if estimate.told_apart else NOT_TOLD_APART
            rows[_titled(figure)] = {"difference": _estimate(estimate, figure), "": verdict}
    return f"{first} minus {second}, of the same people:\n{_strings(rows)}"


def _titled(figure: "Figure") -> str:
    return figure.name if figure.unit == SUM else f"{figure.name}, {figure.unit}"


def _estimate(estimate: "Estimate", figure: "Figure") -> str:
    value, low, high = (_number(number, figure) for number in estimate)
    return value if low == "-" else f"{value} [{low}, {high}]"


def _number(value: float, figure: "Figure") -> str:
    if math.isnan(value):
        return "-"
    return f"{value:z.3f}" if figure.unit == SUM else f"{value:z.1f}"


def _strings(rows: "dict[str, dict[str, str]]") -> str:
    import pandas as pd

    return pd.DataFrame.from_dict(rows, orient="index").to_string()
