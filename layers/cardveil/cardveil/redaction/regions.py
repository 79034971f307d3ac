"""Where a card's masked fields stand, as far as anything says so: places, zones, and ink."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from cardveil.card.geometry import project
from cardveil.card.layout import Box, CardLayout
from cardveil.card.model import PORTRAIT, CardType, Field, Polygon, SeenText
from cardveil.redaction.card_pose import Placement
from cardveil.redaction.grid import CELL, MARGIN
from cardveil.redaction.polygons import grown, straight, text_height
from cardveil.redaction.results import Region

#: Millimetres of a card's text height, to tell the scale of a card whose place is not known.
_TEXT_MM: Final = 3.3
#: Millimetres by which makes of one card differ in where the portrait stands.
_ASTRAY: Final = 3.0
#: Standard deviations of a place that its cover is grown by as well.
_DOUBTS: Final = 1.5
#: Millimetres beyond the layout's edge to which a zone that ends at the card's edge reaches: past the edge.
_BEYOND: Final = 4.0
#: Share of its height by which a located portrait is grown: it is 26 to 32 mm high on every card.
_PORTRAIT_GROWTH: Final = 0.06
#: Share of their smaller side by which boxes of neighbouring texts overlap: they are wider than their ink.
_OVERLAP: Final = 0.25


def margin_of(polygon: Polygon, margin_mm: float, placement: Placement | None) -> float:
    """Return a margin in pixels at a text's place."""
    if placement is not None:
        return margin_mm * max(placement.scale_at(corner) for corner in polygon.points)
    return margin_mm * text_height(polygon) / _TEXT_MM


def text_regions(
    name: str,
    fields: Sequence[Field],
    texts: Sequence[SeenText],
    placement: Placement | None,
    margin_mm: float,
    kept: Sequence[Polygon],
) -> list[Region]:
    """Return what is covered of one masked field.

    A text is covered where it was found, grown by the margin, and, where the card's place in the picture is
    known, over the whole zone that the card has for it: recognisers miss characters. Where it is not known,
    half a character's height is added instead. Where a witness saw the text, the rest of its place and of its
    zone, of which nobody says that ink is there, ends where ink begins that is to stay readable.

    Parameters
    ----------
    fields : sequence of Field
        The fields of this name that were located.
    texts : sequence of SeenText
        What the witness saw of it.
    kept : sequence of Polygon
        Ink that is to stay readable.
    """
    places: list[Polygon] = []
    zone = placement.layout.fields.get(name) if placement is not None else None
    for field in fields:
        assert field.polygon is not None  # noqa: S101 - located
        polygon = straight(field.polygon)
        margin = margin_of(polygon, margin_mm, placement)
        if zone is None:
            margin += text_height(polygon) / 2
        places.append(grown(polygon, margin, margin))
    if placement is not None and zone is not None and placement.trusted(zone):
        places.append(placement.polygon(zone))
    if texts and placement is not None:
        core = around(boxes_of([text.polygon for text in texts], placement))
        # What shares a cell with kept ink would cover it; what the witness saw is covered in any case.
        cell = CELL / max(placement.scale_at(point) for text in texts for point in text.polygon.points)
        spared = boxes_of(kept, placement)
        places = [placement.polygon(trimmed(box, spared, core, cell)) for box in boxes_of(places, placement)]
    places += [grown_text(text, margin_mm, placement) for text in texts]
    return [Region(name, place, "mask") for place in places]


def grown_text(text: SeenText, margin_mm: float, placement: Placement | None) -> Polygon:
    """Return a seen text's place, grown by its slack in reading direction and by what the margin asks for.

    Whatever is covered is covered with `MARGIN` pixels around it, as far as no kept ink stands there, and a
    witness's boxes are wider than the ink: only a margin beyond that adds to it.
    """
    polygon = straight(text.polygon)
    margin = max(margin_of(polygon, margin_mm, placement) - MARGIN, 0.0)
    if text.role != "other" or text.slack:
        return grown(polygon, margin + text.slack, margin)
    # Of a text that nobody knows, a character may have been missed at either end; if it runs down, above
    # and below it.
    high, long = text_height(polygon), math.dist(*polygon.points[:2])
    missed = margin + 0.5 * min(high, long)
    return grown(polygon, missed, margin) if long >= high else grown(polygon, margin, missed)


def portrait_regions(
    field: Field | None, placement: Placement | None, kept: Sequence[Polygon]
) -> list[Region]:
    """Return what is covered of the portrait: its whole zone, and where a recogniser saw it.

    The zone is what lies to the right of the text, from the card's upper edge (on a licence: from where the
    address ends) to the number's line or the lower edge. It gives way to kept ink, but for the part where the
    portrait stands on every make of the card.
    """
    polygon = straight(field.polygon) if field is not None and field.polygon is not None else None
    if polygon is not None:
        growth = _PORTRAIT_GROWTH * text_height(polygon)
        polygon = grown(polygon, growth, growth)
    box = placement.layout.portrait if placement is not None else None
    if placement is None or box is None or not placement.trusted(box):
        return [Region(PORTRAIT, polygon, "mask")] if polygon is not None else []
    zone = _portrait_zone(placement.layout, box, _DOUBTS * placement.doubt(box))
    if polygon is not None:
        zone = around([zone, *boxes_of([polygon], placement)])
    zone = trimmed(zone, boxes_of(kept, placement), core=box.grown(-_ASTRAY if kept else 0.0))
    return [Region(PORTRAIT, placement.polygon(zone), "mask")]


def _portrait_zone(layout: CardLayout, portrait: Box, doubt: float) -> Box:
    reach = _ASTRAY + doubt
    left, right = portrait.x - reach, layout.width + _BEYOND
    if layout.type is CardType.DRIVER_LICENSE:
        top, bottom = portrait.y - reach, layout.height + _BEYOND
    else:
        top, bottom = -_BEYOND, max(portrait.bottom + reach, layout.fields["id_number"].y)
    return Box(left, top, right - left, bottom - top)


def boxes_of(polygons: Iterable[Polygon], placement: Placement) -> list[Box]:
    """Return the upright boxes around polygons on the card, in millimetres."""
    found = []
    for polygon in polygons:
        points = [project(placement.to_card, point) for point in polygon.points]
        left, top = min(x for x, _ in points), min(y for _, y in points)
        found.append(Box(left, top, max(x for x, _ in points) - left, max(y for _, y in points) - top))
    return found


def trimmed(zone: Box, kept: Iterable[Box], core: Box | None = None, room: float = 0.0) -> Box:
    """Return a zone cut short where kept ink stands in it, each time on the side where that costs least.

    Parameters
    ----------
    core : Box, optional
        What is not given up; without it, the zone's middle is not.
    room : float
        Millimetres of distance from kept ink, as far as the core leaves them.
    """
    core = core or Box(zone.x + zone.width / 2, zone.y + zone.height / 2, 0.0, 0.0)
    for ink in kept:
        box = ink.grown(room)
        if box.right <= zone.x or box.x >= zone.right or box.bottom <= zone.y or box.y >= zone.bottom:
            continue
        slack = _OVERLAP * min(ink.width, ink.height)
        ways = []
        if ink.right - slack <= core.x:
            left = min(box.right, core.x)
            ways.append(Box(left, zone.y, zone.right - left, zone.height))
        if ink.x + slack >= core.right:
            ways.append(Box(zone.x, zone.y, max(box.x, core.right) - zone.x, zone.height))
        if ink.bottom - slack <= core.y:
            top = min(box.bottom, core.y)
            ways.append(Box(zone.x, top, zone.width, zone.bottom - top))
        if ink.y + slack >= core.bottom:
            ways.append(Box(zone.x, zone.y, zone.width, max(box.y, core.bottom) - zone.y))
        zone = max(ways, key=lambda way: way.width * way.height, default=zone)
    return zone


def around(boxes: Sequence[Box]) -> Box:
    """Return the box around boxes."""
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    return Box(left, top, max(box.right for box in boxes) - left, max(box.bottom for box in boxes) - top)
