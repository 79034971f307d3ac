"""One card's own layout: makes of a card differ in where they print, and a value stands behind its label."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cardveil.card.layout import Box, CardLayout

#: Millimetres over which one label's displacement tells of another's: down the card, and along a row, which
#: is printed as one.
_DOWN, _ALONG = 6.0, 40.0
#: Millimetres kept free behind a label, before what stands to the right, and above the next row.
_BEHIND, _BEFORE, _ABOVE = 0.2, 0.3, 1.0
#: Zones higher than this (mm) hold several lines.
_LINES: Final = 7.0
#: Labels whose middles differ in height by less (mm) stand in one row.
_ROW: Final = 2.2
#: Millimetres by which a portrait may stand lower.
_ASTRAY: Final = 3.0
#: Millimetres of the card's rim that nothing is printed on.
_RIM: Final = 1.0
#: Millimetres by which a seal rises above the label beside it.
_RISE: Final = 1.4


def fitted(layout: CardLayout, seen: Mapping[str, Box]) -> CardLayout:
    """Return the layout of one card from where its labels were seen.

    Labels that were not seen are moved as their neighbours are. A value's zone begins behind its label and
    ends where the next thing stands; one that may have several lines reaches down to the next row. Portrait
    and emblem stay where they are.

    Parameters
    ----------
    seen : mapping of label to Box
        In millimetres of the card; labels that the layout does not have are left out.
    """
    known = {label: box for label, box in seen.items() if label in layout.labels}
    if not known:
        return layout
    labels = {
        label: known.get(label) or _moved(box, _displacement(layout, box, known))
        for label, box in layout.labels.items()
    }
    fields, seal = {}, layout.seal
    for name, zone in layout.fields.items():
        if name == "authority" and layout.seal is not None:
            fields[name] = _seal_zone(labels)
            seal = _seal(layout, layout.seal, labels)
        else:
            fields[name] = _zone(layout, name, zone, labels, known)
    return CardLayout(
        layout.type, layout.side, layout.width, layout.height, MappingProxyType(fields),
        MappingProxyType(labels), layout.label_fields, layout.portrait, seal, layout.emblem,
    )  # fmt: skip


def _moved(box: Box, by: tuple[float, float]) -> Box:
    return Box(box.x + by[0], box.y + by[1], box.width, box.height)


def _displacement(layout: CardLayout, box: Box, known: Mapping[str, Box]) -> tuple[float, float]:
    """Return by how much the labels around a place are displaced: most by those of its own row."""
    total, dx, dy = 1e-9, 0.0, 0.0
    x, y = box.centre
    for label, here in known.items():
        own = layout.labels[label]
        if len(label) < 2:
            continue
        weight = math.exp(-(((own.centre[1] - y) / _DOWN) ** 2) - ((own.centre[0] - x) / _ALONG) ** 2)
        total += weight
        dx += weight * (here.x - own.x)
        dy += weight * (here.centre[1] - own.centre[1])
    return dx / total, dy / total


def _primary(layout: CardLayout, name: str) -> str | None:
    """Return the label that names a field; small print below it says the same."""
    mine = [text for text, field in layout.label_fields.items() if field == name and len(text) > 1]
    return next((text for text in mine if not text.isascii()), None)


def _zone(
    layout: CardLayout, name: str, zone: Box, labels: Mapping[str, Box], seen: Mapping[str, Box]
) -> Box:
    label = _primary(layout, name)
    if label is None:
        return zone
    here, was = labels[label], layout.labels[label]
    y = zone.y + here.centre[1] - was.centre[1]
    top, bottom = y, y + zone.height
    several = zone.height > _LINES
    others = {
        text: box
        for text, box in labels.items()
        if len(text) > 1 and layout.label_fields.get(text) != name and not text.isascii()
    }
    rows = [box.centre[1] for box in others.values() if abs(box.centre[1] - here.centre[1]) > _ROW]
    above = max((row for row in rows if row < here.centre[1]), default=-math.inf)
    below = min((row for row in rows if row > here.centre[1]), default=math.inf)
    top = max(top, (above + here.centre[1]) / 2)
    if several:
        next_row = min((b.y for b in others.values() if b.centre[1] == below), default=layout.height)
        bottom = max(next_row - _ABOVE, top + was.height)
    else:
        bottom = min(bottom, (below + here.centre[1]) / 2)
    # Small print that nobody saw may stand elsewhere: below its label, or not at all.
    mine = [box for text, box in seen.items() if layout.label_fields.get(text) == name and len(text) > 1]
    mine.append(here)
    left = max(box.right for box in mine if box.bottom > top and box.y < bottom) + _BEHIND
    things = [box for box in others.values() if abs(box.centre[1] - here.centre[1]) <= _ROW]
    if layout.portrait is not None and layout.portrait.y + _ASTRAY < bottom:
        things.append(layout.portrait)
    ends = [box.x for box in things if box.x > left and box.y < bottom and box.bottom > top]
    right = max(min((*ends, layout.width - _RIM)) - _BEFORE, left + was.height)
    return Box(left, top, right - left, bottom - top)


def _seal_zone(labels: Mapping[str, Box]) -> Box:
    """Return where a licence's seal is: left of the dates, above the valid period."""
    date, period = labels["出生日期"], labels["有效期限"]
    left, top = 2 * _RIM, date.y - _RISE
    right, bottom = date.x - _BEFORE, period.y - _BEFORE
    return Box(left, top, max(right - left, 1.0), max(bottom - top, 1.0))


def _seal(layout: CardLayout, seal: Box, labels: Mapping[str, Box]) -> Box:
    """Return the seal moved as the rows beside and below it are."""
    date, period = labels["出生日期"], labels["有效期限"]
    top = seal.y + date.y - layout.labels["出生日期"].y
    bottom = min(seal.bottom + period.y - layout.labels["有效期限"].y, period.y - _ABOVE)
    return Box(seal.x, top, seal.width, max(bottom - top, 1.0))
