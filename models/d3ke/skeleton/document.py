"""Reading the XML of OpenSim files: safely, and by OpenSim's habits."""

import math
from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from d3ke.errors import D3keError

DEEPEST = 200  # nested elements; OpenSim's own files stay below 30


def parse(source: str) -> Element:
    """The root element of a document, without its comments.

    Names may hold colons without a namespace, as OpenSim's C++ class names do.
    Raises D3keError: XML that is broken, or that declares a document type: entities can make a
    small file unfold into gigabytes, and OpenSim never writes any.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate("utf-8")
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise D3keError(f"the XML is more than {DEEPEST} elements deep. This is no .osim.")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        parser.Parse(source.encode(), True)
    except expat.ExpatError as error:
        raise D3keError(f"broken XML ({error}). Save the file again in OpenSim.") from error
    return builder.close()


def _refuse_document_type(*_: object) -> None:
    raise D3keError(
        "the XML declares a document type, where entities may hide; OpenSim never writes one. "
        "Remove the <!DOCTYPE ...> part, or save the model again in OpenSim."
    )


def text_of(element: Element, tag: str, default: str = "") -> str:
    """What a child element says, without the space around it."""
    found = element.find(tag)
    return default if found is None or found.text is None else found.text.strip() or default


def numbers(element: Element, tag: str, default: Sequence[float]) -> tuple[float, ...]:
    """The numbers that a child element lists.

    Raises D3keError: a word that is not a finite number.
    """
    words = text_of(element, tag).replace("(", " ").replace(")", " ").split()
    try:
        values = tuple(map(float, words)) or tuple(default)
    except ValueError:
        values = (math.nan,)
    if not all(map(math.isfinite, values)):
        name = element.get("name", element.tag)
        raise D3keError(f"{name}: <{tag}> holds '{' '.join(words)}'. Give finite numbers.")
    return values


def number(element: Element, tag: str, default: float) -> float:
    """The one number in a child element."""
    values = numbers(element, tag, (default,))
    if len(values) != 1:
        name = element.get("name", element.tag)
        raise D3keError(f"{name}: <{tag}> holds {len(values)} numbers. Give one.")
    return values[0]


def vector(element: Element, tag: str, default: Sequence[float]) -> tuple[float, ...]:
    """The numbers in a child element, as many as the default has."""
    values = numbers(element, tag, default)
    if len(values) != len(default):
        name = element.get("name", element.tag)
        raise D3keError(f"{name}: <{tag}> holds {len(values)} numbers. Give {len(default)}.")
    return values


def flag(element: Element, tag: str, default: bool) -> bool:
    """Whether a child element says true."""
    return text_of(element, tag, str(default)).lower() == "true"


def object_property(element: Element, name: str) -> Element | None:
    """The object that a property holds.

    OpenSim writes it either as <property><Class/></property> or as <Class name="property"/>.
    """
    wrapper = element.find(name)
    if wrapper is not None:
        return next(iter(wrapper), None)
    return next((child for child in element if child.get("name") == name), None)


def objects(element: Element, set_tag: str) -> Iterator[Element]:
    """The members of a set such as <BodySet><objects>...</objects></BodySet>."""
    found = element.find(f"{set_tag}/objects")
    return iter(()) if found is None else iter(found)


def name_of(element: Element) -> str:
    """The name of a component. Raises D3keError where it has none."""
    name = element.get("name", "")
    if not name:
        raise D3keError(f"a {element.tag} has no name. Give it one in OpenSim.")
    return name


def text(root: Element) -> str:
    """The document as OpenSim's files look: indented by tabs, with a declaration."""
    ElementTree.indent(root, "\t")
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8" ?>\n{body}\n'


def set_numbers(element: Element, tag: str, values: Iterable[float]) -> None:
    """Write numbers into a child element, in full, making it where there is none."""
    child = element.find(tag)
    if child is None:
        child = ElementTree.SubElement(element, tag)
    child.text = " ".join(repr(float(value)) for value in values)
