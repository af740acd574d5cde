"""The page: one HTML file that shows clips, their video beside the skeleton and the curves.

It needs no other file and no network, and says so to the browser. What moves is drawn there from
the numbers themselves (templates/*.js), as SVG: 30 bones and a floor need no library.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from d3ke import __version__
from d3ke.prediction import Prediction
from d3ke.progress import Progress
from d3ke.report.html import TEMPLATES, templates, write_html
from d3ke.report.overlay import Drawing
from d3ke.report.page_clip import PageClip, clip_of_prediction
from d3ke.report.page_video import small_video
from d3ke.vision.video import Video

SCRIPTS = ("page_skeleton.js", "page_curves.js", "page_player.js", "page.js")
# Coordinates by the beginnings of their names, in the order in which the page shows them.
GROUPS = {
    "Legs": ("hip_", "knee_", "ankle_", "subtalar_", "mtp_"),
    "Trunk and head": ("lumbar_", "neck_", "L5_", "L4_", "L3_", "L2_", "L1_"),
    "Arms": ("arm_", "elbow_", "pro_sup", "wrist_"),
    "Pelvis in ground": ("pelvis_",),
}
PELVIS, OTHERS, PRIOR = "Pelvis in ground", "Other coordinates", "Not measured"


class Plot(NamedTuple):
    """Curves that belong together. lines: the side and the coordinate's number of each."""

    title: str
    unit: str
    lines: tuple[tuple[str, int], ...]


class Group(NamedTuple):
    """Plots under one title."""

    title: str
    plots: tuple[Plot, ...]
    measured: bool


def write_page(path: Path, clips: Sequence[PageClip]) -> None:
    """Write the page of one clip or several. Raises D3keError where that cannot be."""
    write_html(path, page(clips))


def write_prediction_page(
    path: Path, prediction: Prediction, clip: Path, targets: Mapping[str, Path], progress: Progress
) -> None:
    """Write the page of a prediction, and of its clip with the skeleton drawn on it.

    targets: the files that are written with it, by format. Raises D3keError for a clip that cannot
    be read, and where the page cannot be written.
    """
    shown = clip_of_prediction(prediction, {what: file.name for what, file in targets.items()})
    video = small_video(Video(clip), Drawing(prediction), progress)
    write_page(path, [replace(shown, video=video)])


def page(clips: Sequence[PageClip]) -> str:
    """The page: HTML that needs no other file."""
    pages = templates()
    pages.filters["number"] = _shown
    return pages.get_template("page.html").render(
        title=clips[0].name if len(clips) == 1 else f"{len(clips)} clips",
        clips=clips,
        data=[_data(clip) for clip in clips],
        videos=[_text(clip.video) if clip.video else None for clip in clips],
        unmeasured=[_unmeasured(clip) for clip in clips],
        style=Markup(_asset("page.css")),
        script=Markup("\n".join(map(_asset, SCRIPTS))),
        version=__version__,
    )


def groups_of(clip: PageClip) -> tuple[Group, ...]:
    """The coordinates of a clip as plots, left and right of one in the same.

    The pelvis is placed so that the body covers the picture's, and counts as measured.
    """
    plots: dict[tuple[str, bool], dict[str, list[tuple[str, int]]]] = {}
    for index, name in enumerate(clip.motion.names):
        group = next((g for g, starts in GROUPS.items() if name.startswith(starts)), OTHERS)
        if not clip.observed[index] and group != PELVIS:
            group = PRIOR
        side = name[-1] if name[-2:] in {"_r", "_l"} else "m"
        stem = name if side == "m" else name[:-2]
        turns = clip.motion.rotational[index]
        plots.setdefault((group, turns), {}).setdefault(stem, []).append((side, index))
    return tuple(
        Group(
            title,
            tuple(
                Plot(stem, "\N{DEGREE SIGN}" if turns else "m", tuple(lines))
                for turns in (True, False)
                for stem, lines in plots.get((title, turns), {}).items()
            ),
            measured=title != PRIOR,
        )
        for title in (*GROUPS, OTHERS, PRIOR)
        if (title, True) in plots or (title, False) in plots
    )


def _unmeasured(clip: PageClip) -> list[str]:
    return [plot.title for g in groups_of(clip) if not g.measured for plot in g.plots]


def _data(clip: PageClip) -> dict[str, Any]:
    """What the scripts draw from."""
    motion, units = clip.motion, np.where(clip.motion.rotational, 180 / math.pi, 1.0)
    beside = clip.reference and clip.reference.motion.q * units
    return {
        "name": clip.name,
        "time": [round(float(time), 6) for time in motion.time],
        "bones": [line._asdict() for line in clip.stick.lines],
        "points": _numbers(clip.stick.points),
        "values": _numbers(motion.q * units),
        "spread": None if clip.spread is None else _numbers(clip.spread * units),
        "reference": None if beside is None else _numbers(beside),
        "groups": [
            {"title": group.title, "measured": group.measured, "plots": _plots(group)}
            for group in groups_of(clip)
        ],
        "stances": [stance._asdict() for stance in clip.stances],
        "seen_from_deg": clip.seen_from_deg,
    }


def _plots(group: Group) -> list[dict[str, Any]]:
    return [
        {
            "title": plot.title,
            "unit": plot.unit,
            "lines": [{"side": side, "column": column} for side, column in plot.lines],
        }
        for plot in group.plots
    ]


def _numbers(values: NDArray[np.floating[Any]]) -> str:
    """Little-endian float32 in base64: a third of JSON's length, and it has NaN."""
    return _text(np.ascontiguousarray(values, "<f4").tobytes())


def _shown(value: Any) -> str:
    """A figure of the clip's quality, three digits of it; nothing where there is none."""
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else ""
    return "" if value is None else str(value)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
