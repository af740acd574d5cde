"""Plots as SVG inside a page."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, SOFT, GRID = "#1d2733", "#5b6b7c", "#dde4ea"
BLUE, ORANGE, RED = "#2563a8", "#d9822b", "#b3261e"
STYLE: dict[Any, Any] = {  # matplotlib types a key by its name
    "font.size": 9,
    "font.family": "sans-serif",
    "svg.fonttype": "none",  # text stays text: small, and the reader's own font
    "svg.hashsalt": "d3ke",  # the same names inside for the same plot
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
}


@contextmanager
def plot(width: float, height: float) -> Iterator[tuple["Axes", "Drawn"]]:
    """Axes of so many inches, and what turns them into SVG after the block."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure((width, height), layout="constrained")
        drawn = Drawn()
        yield figure.subplots(), drawn
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
        drawn.text = text.getvalue()


class Drawn:
    """A plot as SVG, once its block has ended."""

    text = ""

    def __call__(self) -> Markup:
        """The element, without what stands before it in a file of its own."""
        return Markup(self.text[self.text.index("<svg") :])  # matplotlib escapes what it is given
