"""A small XML writer and reader, because COS and CI speak plain XML and a full parser accepts too much."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Union
from xml.etree import ElementTree
from xml.sax.saxutils import escape

Content = Union[str, int, float, None, "Sequence[tuple[str, Content]]"]

# Characters that XML 1.0 cannot carry at all, not even escaped; object keys may hold them.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class MalformedXmlError(ValueError):
    """The body is not well-formed XML, or carries a document type, which no COS or CI request has."""


class _NoDoctype(ElementTree.TreeBuilder):
    def doctype(self, _name: str, _pubid: str | None, _system: str | None) -> None:
        raise MalformedXmlError("a document type is not allowed")


def render(name: str, content: Content) -> bytes:
    """Write one document.

    Parameters
    ----------
    name
        Name of the root element.
    content
        Text (escaped here), ``None`` for an empty element, or child elements as ``(name, content)`` pairs in
        order; a name may repeat, and may be followed by attributes as they are to be written.
    """
    parts = ["<?xml version='1.0' encoding='utf-8' ?>\n"]
    _write(parts, name, content)
    return "".join(parts).encode()


def _write(parts: list[str], name: str, content: Content) -> None:
    if content is None or content == "":
        parts.append(f"<{name}/>")
        return
    parts.append(f"<{name}>")
    if isinstance(content, (str, int, float)):
        parts.append(escape(_ILLEGAL.sub("\ufffd", str(content))))
    else:
        for child, inner in content:
            _write(parts, child, inner)
    parts.append(f"</{name.partition(' ')[0]}>")


def parse(body: bytes) -> ElementTree.Element:
    """Read a document; namespaces are cut off the names of its elements.

    Raises
    ------
    MalformedXmlError
        When the body is not well-formed, or declares a document type (and with it entities).
    """
    parser = ElementTree.XMLParser(target=_NoDoctype())  # noqa: S314 - no DTD, so no entity can be declared
    try:
        parser.feed(body)
        root = parser.close()
    except ElementTree.ParseError as error:
        raise MalformedXmlError("not well-formed") from error
    if not isinstance(root, ElementTree.Element):
        raise MalformedXmlError("no root element")
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    return root


def text_of(parent: ElementTree.Element, path: str) -> str | None:
    """Text of the first element at ``path``: ``None`` when there is none, ``""`` when it is empty."""
    found = parent.find(path)
    return None if found is None else (found.text or "")
