"""The shapes that the SDK gives the same XML: one or many, text or bytes, empty or absent, made one shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.parsers.expat import ExpatError

from cardveil.card.geometry import signed_area
from cardveil.card.model import Polygon
from cardveil.core.errors import answer_unreadable


def response_of(data: Any, *, api: str) -> Mapping[str, Any]:
    """Return the content of ``<Response>`` as the SDK's dict form, whichever way the answer came.

    Raises
    ------
    Retry
        ``answer_unreadable`` when it is no such document (truncated on the way, or another's error page).
    """
    if isinstance(data, bytes | str) and data:
        # The SDK leaves an answer unparsed when its type carries a charset or its length is missing.
        import xmltodict  # the SDK's own reader; it refuses entities

        try:
            data = {"Response": next(iter(xmltodict.parse(data, xml_attribs=False).values()))}
        except (ExpatError, ValueError):
            data = None
    if isinstance(data, Mapping):
        content = data.get("Response", data)
        if isinstance(content, Mapping):
            return content
    raise answer_unreadable(api)


def many(value: Any) -> list[Any]:
    """Return a list for what the SDK shows as nothing, one thing or a list of things."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def text_of(value: Any) -> str | None:
    """Return the text of an element, None when it is empty or absent."""
    return value.strip() or None if isinstance(value, str) else None


def number_of(value: Any) -> float | None:
    """Return an element's number, None when there is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def polygon_of(points: Iterable[Sequence[float]]) -> Polygon | None:
    """Return four points clockwise from their first; the vendor gives them the other way round.

    Anything but four finite points is no polygon: the field then counts as not located.
    """
    pairs = [(float(x), float(y)) for x, y in points]
    if len(pairs) == 4 and signed_area(pairs) < 0:
        pairs = [pairs[0], *reversed(pairs[1:])]
    try:
        return Polygon.of(pairs)
    except ValueError:
        return None
