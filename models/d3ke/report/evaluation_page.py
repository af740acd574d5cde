"""The page of an evaluation: one HTML file with tables, curves, Bland-Altman plots and cycles."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy
from markupsafe import Markup
from numpy.typing import NDArray

from d3ke import __version__
from d3ke.agreement import wrapped
from d3ke.evaluate import Evaluation
from d3ke.evaluate_many import Activity, CoordinateFigures, Judged, ManyEvaluation
from d3ke.gait_pool import GaitPool
from d3ke.pairs import Pair
from d3ke.planes import plane_of
from d3ke.report import evaluation_plots
from d3ke.report.html import templates, write_html
from d3ke.statistics import band

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


class _Coordinate(NamedTuple):
    """A section of the page."""

    name: str
    plane: str
    figures: CoordinateFigures
    band: str
    plots: tuple[Markup, ...]


@dataclass(frozen=True)
class _Table:
    """title: what a row is. rows: name and cells, as text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def write_evaluation_page(
    found: Evaluation | ManyEvaluation, path: Path, title: str = "evaluation"
) -> None:
    """Write the page of an evaluation. Raises D3keError where that cannot be."""
    write_html(path, evaluation_page(found, title))


def evaluation_page(found: Evaluation | ManyEvaluation, title: str = "evaluation") -> str:
    """The page of an evaluation: HTML that needs no other file."""
    one = found if isinstance(found, Evaluation) else None
    many = _as_many(found, title) if isinstance(found, Evaluation) else found
    whole, *parts = many.activities
    pages, still = templates(), whole.still
    coordinates = [_coordinate(name, whole, still) for name in whole.coordinates]
    rmse = {c.name: c.figures.means["rmse"] for c in coordinates}
    gait = whole.gait
    return pages.get_template("evaluation.html").render(
        title=title,
        many=many,
        one=one,
        whole=whole,
        frames=sum(clip.evaluation.best.frames for clip in many.clips),
        means=whole.means_frame("groups").loc["all"].to_dict(),
        banded={
            name: sum(c.band == name and c.name not in still for c in coordinates)
            for name in evaluation_plots.BAND_COLOURS
        },
        coordinates=coordinates,
        summary=evaluation_plots.summary(
            rmse, {c.name: c.figures.own_mean_rmse for c in coordinates}
        ),
        parts=_parts(whole),
        activities=[(activity, _parts(activity)) for activity in parts],
        intervals=any(np.isfinite(c.figures.limits.low_interval[0]) for c in coordinates),
        gait=gait,
        gait_tables=_gait_tables(gait) if gait else (),
        cycle_table=_cycle_table(gait) if gait else None,
        notes=one.notes if one else many.notes,
        warnings=one.warnings if one else many.warnings,
        versions=f"d3ke {__version__}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, SciPy {scipy.__version__}",
    )


def _as_many(found: Evaluation, title: str) -> ManyEvaluation:
    pair = Pair(title, Path(title), Path(title))
    return ManyEvaluation((Judged(pair, found),), {})


def _coordinate(name: str, whole: Activity, still: Sequence[str]) -> _Coordinate:
    figures = whole.coordinates[name]
    series = [s for clip in whole.clips if (s := _series(clip, name)) is not None]
    plots: list[Markup] = []
    if name not in still:
        if len(whole.clips) == 1:
            plots.append(evaluation_plots.curve(*_with_gaps(whole.clips[0], name)))
        pairs = [(predicted, true) for _, predicted, true in series]
        plots.append(evaluation_plots.bland_altman(pairs, figures.limits))
        cycles = whole.gait.curves.get(name) if whole.gait else None
        if cycles:
            plots.append(evaluation_plots.cycle(cycles))
    return _Coordinate(name, plane_of(name), figures, band(figures.means["rmse"]), tuple(plots))


def _with_gaps(clip: Judged, name: str) -> tuple[Array, Array, Array]:
    """Time s, the predicted and the true angle, deg, never a whole turn apart; NaN in gaps."""
    found = clip.evaluation
    index = found.reference.names.index(name)
    true = found.reference.unwrapped().q[:, index]
    error = wrapped(found.predicted.q[:, index] - true)
    return found.reference.time, np.rad2deg(true + error), np.rad2deg(true)


def _series(clip: Judged, name: str) -> tuple[Array, Array, Array] | None:
    """The same without gaps; None where the clip lacks the coordinate."""
    if name not in clip.evaluation.best.coordinates:
        return None
    time, predicted, true = _with_gaps(clip, name)
    seen = ~np.isnan(predicted + true)
    return time[seen], predicted[seen], true[seen]


def _parts(activity: Activity) -> tuple[_Table, ...]:
    names = {"joints": "joint", "planes": "plane", "groups": "group"}
    return tuple(_means(activity.means_frame(of), title) for of, title in names.items())


def _means(frame: "pd.DataFrame", title: str) -> _Table:
    columns = {"mae_deg": "MAE", "mean_pose_mae_deg": "mean pose", "own_mean_mae_deg": "own mean"}
    rows = tuple(
        (str(name), tuple(_cell(row[column]) for column in columns))
        for name, row in frame.iterrows()
    )
    return _Table(title, tuple(columns.values()), rows)


def _gait_tables(gait: GaitPool) -> tuple[_Table, ...]:
    found = gait.to_json()
    events = ("events", "missed", "extra", "mae_ms", "bias_ms", "sd_ms")
    steps = ("steps", "reference_mm", "mae_mm", "bias_mm", "sd_mm", "own_mean_mae_mm")
    return (
        _records("event", found["events"], events),
        _records("step", found["steps"], steps),
    )


def _cycle_table(gait: GaitPool) -> _Table:
    columns = ("cycles", "MAE", "RMSE", "CMC", "mean pose", "own mean")
    rows = tuple(
        (
            name,
            (
                _cell(found.cycles),
                _cell(found.mae),
                _cell(found.rmse),
                "-" if np.isnan(found.cmc) else f"{found.cmc:.2f}",
                _cell(found.mean_pose),
                _cell(found.own_mean),
            ),
        )
        for name, found in gait.cycles().items()
    )
    return _Table("coordinate", columns, rows)


def _records(title: str, records: dict[str, dict[str, Any]], columns: Sequence[str]) -> _Table:
    words = {"mae": "MAE", "sd": "SD", "own_mean_mae": "own mean"}
    shown = []
    for column in columns:
        name, _, unit = column.rpartition("_")
        shown.append(f"{words.get(name, name)}, {unit}" if unit in {"ms", "mm"} else column)
    rows = tuple(
        (name.replace("_", " "), tuple(_cell(record[column]) for column in columns))
        for name, record in records.items()
    )
    return _Table(title, tuple(shown), rows)


def _cell(value: float | None) -> str:
    if value is None or np.isnan(value):
        return "-"
    return str(value) if isinstance(value, int) else f"{value:z.1f}"
