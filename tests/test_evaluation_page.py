"""The page of an evaluation: whole in one file, and it shows what was found."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.evaluate import Evaluation, evaluate
from d3ke.evaluate_many import Judged, ManyEvaluation
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import write_motion
from d3ke.pairs import Pair
from d3ke.report.evaluation_page import evaluation_page, write_evaluation_page
from d3ke.report.html import write_html
from tests.command import Command
from tests.made_walks import PELVIS, made_walk

NASTY = "<script>alert(1)</script> & co"
OPEN = {"meta", "br", "img", "use", "path"}  # elements that need no end


class Structure(HTMLParser):
    """Elements that were left open, and the text of each table's rows."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in OPEN:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPEN:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data.strip()

    def row(self, name: str) -> list[str]:
        return next(row for row in self.rows if row and row[0] == name)


def read(page: str) -> Structure:
    structure = Structure()
    structure.feed(page)
    assert structure.open == []
    return structure


def walk(seconds: float) -> Motion:
    """A walk of few coordinates, one of which stands still: each is a plot or three."""
    whole = made_walk(seconds)
    bends = [f"{name}_{side}" for name in ("hip_flexion", "knee_angle") for side in "rl"]
    return whole.select([*PELVIS, *bends, "hip_adduction_r"])


def off(motion: Motion, **shift_deg: float) -> Motion:
    shifts = np.deg2rad([shift_deg.get(name, 0.0) for name in motion.names])
    return replace(motion, q=motion.q + shifts)


@pytest.fixture(scope="module")
def one() -> Evaluation:
    true = walk(4.0)
    return evaluate(off(true, knee_angle_r=7, knee_angle_l=3, hip_flexion_l=1), true, lag=0.0)


@pytest.fixture(scope="module")
def page(one: Evaluation) -> str:
    return evaluation_page(one, "walk")


@pytest.fixture(scope="module")
def many(one: Evaluation) -> ManyEvaluation:
    true = walk(2.0)
    others = [
        Judged(
            Pair(f"clip {n}", Path("a"), Path("b"), f"person {n}", "walk"),
            evaluate(off(true, knee_angle_r=n), true, lag=0.0),
        )
        for n in range(5)
    ]
    first = Judged(Pair(NASTY, Path("a"), Path("b"), "person 9", NASTY), one)
    return ManyEvaluation((first, *others), {"gone": f"no such file {NASTY}"})


def test_the_page_shows_the_figures_in_their_bands(one: Evaluation, page: str) -> None:
    structure = read(page)
    for name, band, rmse in (
        ("knee_angle_r", "misleading", "7.0"),
        ("knee_angle_l", "reasonable", "3.0"),
        ("hip_flexion_l", "acceptable", "1.0"),
    ):
        assert structure.row(name)[1:3] == [band, rmse]
        assert re.search(rf'<td>{name}</td><td class="band {band}">', page)
    # Adduction agrees, but stands still: it is not counted.
    assert re.findall(r"<b>(\d)</b>(\w+)</div>", page)[-3:] == [
        ("2", "acceptable"),
        ("1", "reasonable"),
        ("1", "misleading"),
    ]
    knee = one.best.coordinates["knee_angle_r"]
    assert f"{knee.cmc:.2f}" in structure.row("knee_angle_r")
    assert structure.row("sagittal")[1] == f"{one.best.planes['sagittal']:.1f}"
    assert one.gait is not None
    strikes = one.gait.events["heel_strike"].errors_ms
    assert structure.row("heel strike")[1] == str(len(strikes))
    assert structure.row("pelvis_tx, mm")[1] == "0.0"


def test_curves_cycles_and_bland_altman_are_drawn_where_something_moves(page: str) -> None:
    for title in ("Curves", "Bland-Altman", "Gait cycle, mean of 2"):
        assert f">{title}</text>" in page
    # Adduction is constant in this walk: told, not drawn.
    assert "<h3>hip_adduction_r" not in page
    assert re.search(r"does not move: hip_adduction_r", page)
    assert "<h3>knee_angle_r" in page


def test_the_page_needs_no_other_file(page: str) -> None:
    read(page)
    assert "<script" not in page
    for link in re.findall(r'(?:href|src)="([^"]*)"', page):
        assert link.startswith("#")
    assert "url(http" not in page
    assert len(page) < 1e6


def test_what_files_are_called_is_text(many: ManyEvaluation) -> None:
    page = evaluation_page(many, NASTY)
    assert NASTY not in page
    assert page.count("&lt;script&gt;") >= 4  # title, heading, clip, activity, failure


def test_several_clips_have_their_tables_and_intervals(many: ManyEvaluation) -> None:
    structure = read(evaluation_page(many, "study"))
    assert structure.row("clip 3")[1:3] == ["person 3", "walk"]
    mean = np.mean([7, 0, 1, 2, 3, 4])
    assert structure.row("knee_angle_r")[3].startswith(f"{mean:.1f} [")  # with an interval
    page = evaluation_page(many, "study")
    assert "95 % intervals of the limits, over subjects" in page
    assert "gone: no such file" in page
    assert ">Curves</text>" not in page  # of each clip they would be too many


def test_the_same_evaluation_is_the_same_page(one: Evaluation, page: str) -> None:
    assert evaluation_page(one, "walk") == page


def test_gaps_stay_gaps_in_curves() -> None:
    true = walk(2.0)
    holes = off(true, knee_angle_r=3)
    holes.q[100:150] = np.nan
    read(evaluation_page(evaluate(holes, true, lag=0.0), "gaps"))


def test_the_command_writes_it(d3ke: Command, tmp_path: Path) -> None:
    write_motion(tmp_path / "a.mot", off(walk(2.0), knee_angle_r=3))
    write_motion(tmp_path / "b.mot", walk(2.0))
    page = tmp_path / "page.html"
    pair = (tmp_path / "a.mot", tmp_path / "b.mot")
    done = d3ke("evaluate", *pair, "--lag", "0", "--report", page)
    assert done.status == 0
    assert "<h1>a</h1>" in page.read_text(encoding="utf-8")
    failed = d3ke("evaluate", *pair, "--lag", "0", "--report", tmp_path / "no" / "page.html")
    assert len(failed.errors) == 1
    assert failed.out == ""
    with pytest.raises(D3keError):
        write_evaluation_page(evaluate(*pair, lag=0.0), tmp_path)


def test_a_name_that_is_no_text_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    write_html(tmp_path / "page.html", "walk\udcff")  # as Python reads a file's name in Latin-1
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "walk?"
