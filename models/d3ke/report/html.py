"""Pages: HTML from the templates, written as one file."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from d3ke.files import replacing

TEMPLATES = Path(__file__).parent / "templates"


def templates() -> Environment:
    """The templates; what is put into them is shown as text, unless it is Markup."""
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)


def write_html(path: Path, text: str) -> None:
    """Write a page. Raises D3keError where that cannot be."""
    with replacing(path) as temporary:
        # names of files may hold what no text does
        temporary.write_text(text, encoding="utf-8", errors="replace")
