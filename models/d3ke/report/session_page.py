"""The page of a session: one HTML file that says how a person's recordings became labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from d3ke import __version__
from d3ke.omc.story import FilmStory, PersonStory, TakeStory
from d3ke.omc.trust import LARGEST_ERROR_M
from d3ke.report.html import templates, write_html
from d3ke.report.plots import BLUE, GRID, ORANGE, RED, plot

MOST_MARKERS = 24  # in a plot: the worst ones
DOUBTFUL = 0.5  # part of the moments in which a coordinate is trusted, below which it is named
LIMIT_MM = LARGEST_ERROR_M * 1000
MOST_MM = 100  # of a plot's height: what is beyond is far off, however far
FACTS = {"height_m": "{:.2f} m", "mass_kg": "{:.1f} kg"}


class _Film(NamedTuple):
    story: FilmStory
    match: Markup | None


class _Take(NamedTuple):
    story: TakeStory
    residuals: Markup | None
    markers: Markup | None
    doubtful: tuple[str, ...]
    films: tuple[_Film, ...]


def write_session_page(person: PersonStory, path: Path) -> None:
    """Write the page of a person. Raises D3keError where that cannot be."""
    write_html(path, session_page(person))


def session_page(person: PersonStory) -> str:
    """The page of a person: HTML that needs no other file."""
    pages = templates()
    shares = [share for take in person.takes for share in take.trusted.values()]
    return pages.get_template("session.html").render(
        person=person,
        facts=[words.format(person.facts[f]) for f, words in FACTS.items() if person.facts.get(f)],
        takes=[_take(take) for take in person.takes],
        segments=_segments(person) if person.segments else None,
        frames=sum(film.frames for take in person.takes for film in take.films),
        error_mm=_rms([mm for take in person.takes for mm in take.of_marker_mm.values()]),
        trusted=float(np.mean(shares)) if shares else 0.0,
        version=__version__,
    )


def _take(take: TakeStory) -> _Take:
    measured = bool(take.of_marker_mm)
    return _Take(
        take,
        _residuals(take) if measured else None,
        _markers(take) if measured else None,
        tuple(name for name, share in take.trusted.items() if share < DOUBTFUL),
        tuple(_Film(film, _match(film) if film.match.x else None) for film in take.films),
    )


def _residuals(take: TakeStory) -> Markup:
    with plot(5.2, 2.6) as (axes, svg):
        axes.plot(*take.worst_mm, color=ORANGE, linewidth=0.9, label="the worst marker")
        axes.plot(*take.residuals_mm, color=BLUE, linewidth=1.4, label="all, RMS")
        axes.axhline(LIMIT_MM, color=RED, linewidth=0.9, linestyle="--", label="trusted below")
        axes.set(title="Markers off the skeleton", xlabel="time, s", ylabel="mm")
        axes.set_ylim(0, max(1.2 * LIMIT_MM, 1.1 * min(_highest(take.worst_mm.y), MOST_MM)))
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.28), ncols=3, fontsize=8)
    return svg()


def _markers(take: TakeStory) -> Markup:
    worst = sorted(take.of_marker_mm.items(), key=lambda pair: -pair[1])[:MOST_MARKERS]
    names, sizes = zip(*reversed(worst), strict=True)
    with plot(5.2, 0.9 + 0.16 * len(worst)) as (axes, svg):
        colours = [RED if size > LIMIT_MM else BLUE for size in sizes]
        axes.barh(range(len(names)), sizes, color=colours, height=0.7)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.grid(visible=False, axis="y")
        most = len(worst) < len(take.of_marker_mm)
        axes.set(title="The worst markers, RMS" if most else "Each marker, RMS", xlabel="mm")
    return svg()


def _segments(person: PersonStory) -> Markup:
    parts = person.segments[::-1]
    rows = range(len(parts))
    with plot(5.2, 1.4 + 0.28 * len(parts)) as (axes, svg):
        axes.errorbar(
            [1000 * part.adults_m for part in parts],
            rows,
            xerr=[2000 * part.sd_m for part in parts],
            fmt="none",
            ecolor=GRID,
            elinewidth=7,
            label="19 of 20 adults of this height",
        )
        axes.plot([1000 * p.length_m for p in parts], rows, "o", color=BLUE, label="as scaled")
        axes.set_yticks(rows, [part.name for part in parts])
        axes.grid(visible=False, axis="y")
        axes.set(title="Lengths beside what is usual", xlabel="mm")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.22), ncols=2, fontsize=8)
    return svg()


def _match(film: FilmStory) -> Markup:
    with plot(10.5, 1.9) as (axes, svg):
        axes.plot(*film.match, color=BLUE, linewidth=1.2)
        axes.axvline(film.offset_s, color=ORANGE, linewidth=1.2)
        axes.set(
            title="How well the motion in the video and that of the markers agree",
            xlabel="offset of the markers' clock, s",
        )
    return svg()


def _rms(values: Sequence[float]) -> float | None:
    return float(np.sqrt(np.mean(np.square(values)))) if values else None


def _highest(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return max(known, default=0.0)
