"""Finds where known texts stand among the lines of a general recogniser: the places of an ID card's back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from cardveil.card.model import Field, Point, Polygon
from cardveil.card.normalize import normalize
from cardveil.core.frozen import replace
from cardveil.recognition.interfaces import TextLine

#: Share of a value's characters that must be found again; a misread character or two must not lose the place.
_ENOUGH: Final = 0.8
#: Printed labels of an ID card's back, which may stand on one line with their values.
_LABELS: Final = ("签发机关", "有效期限")


def place_fields(fields: Sequence[Field], lines: Sequence[TextLine], source: str) -> tuple[Field, ...]:
    """Give each field the place of the lines that hold its text.

    Parameters
    ----------
    fields : sequence of Field
        With text, without polygons.
    lines : sequence of TextLine
        All lines of the same picture.

    Returns
    -------
    tuple of Field
        The same fields; one whose text was not found again stays without a polygon.
    """
    placed = []
    for field in fields:
        found = _lines_of(field, lines)
        if found:
            own = [_without_label(line) for line in found]
            placed.append(replace(field, polygon=_around(own), sources=(*field.sources, source)))
        else:
            placed.append(field)
    return tuple(placed)


def _lines_of(field: Field, lines: Sequence[TextLine]) -> list[TextLine]:
    if not field.text:
        return []
    wanted = _fold(field.text)
    value = normalize(field.name, field.text)
    for line in lines:
        text = _value(line)
        if text == wanted or (
            field.name == "valid_period" and value and normalize(field.name, text) == value
        ):
            return [line]
    best = max(lines, key=lambda line: _likeness(wanted, line), default=None)
    if best and _likeness(wanted, best) >= _ENOUGH:
        return [best]
    # A long authority is printed on two lines: the parts in the order in which the value holds them.
    parts: list[tuple[int, TextLine]] = []
    for line in lines:
        text = _value(line)
        if len(text) >= 2 and (position := wanted.find(text)) >= 0:
            parts.append((position, line))
    parts.sort(key=lambda part: part[0])
    length = sum(len(_value(line)) for _, line in parts)
    return [line for _, line in parts] if _ENOUGH * len(wanted) <= length <= len(wanted) / _ENOUGH else []


def _value(line: TextLine) -> str:
    """Return a line's text, folded, without the label that it may begin with."""
    text = _fold(line.text)
    for label in _LABELS:
        if text.startswith(label):
            return text[len(label) :]
    return text


def _without_label(line: TextLine) -> TextLine:
    """Return what stands behind the label that a line may begin with, where its characters' places are known.

    Otherwise the place would begin at the label, and tell a wrong place of the card.
    """
    for label in _LABELS:
        start = _end_of(label, line.text)
        if start and len(line.characters) == len(line.text) > start:
            first, last = line.characters[start].points, line.characters[-1].points
            value = Polygon((first[0], last[1], last[2], first[3]))
            return replace(line, text=line.text[start:], polygon=value, characters=line.characters[start:])
    return line


def _end_of(label: str, text: str) -> int:
    """Return where a text goes on behind a label and what separates them, 0 if it does not begin with it."""
    left = label
    for index, character in enumerate(text):
        folded = _fold(character)
        if folded and not left:
            return index
        if folded and not left.startswith(folded):
            return 0
        left = left[len(folded) :]
    return 0


def _likeness(wanted: str, line: TextLine) -> float:
    from difflib import SequenceMatcher  # only what is not found literally needs it

    return SequenceMatcher(None, wanted, _value(line), autojunk=False).ratio()


def _around(lines: Sequence[TextLine]) -> Polygon:
    """Return the quadrilateral around lines of one direction: along the first line's own axes."""
    if len(lines) == 1:
        return lines[0].polygon
    (x0, y0), (x1, y1) = lines[0].polygon.points[:2]
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5 or 1.0
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    points = [point for line in lines for point in line.polygon.points]
    along = [x * ux + y * uy for x, y in points]
    across = [y * ux - x * uy for x, y in points]

    def corner(s: float, t: float) -> Point:
        return s * ux - t * uy, s * uy + t * ux

    return Polygon(
        (
            corner(min(along), min(across)),
            corner(max(along), min(across)),
            corner(max(along), max(across)),
            corner(min(along), max(across)),
        )
    )


def _fold(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).lower()
