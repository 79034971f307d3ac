"""Composes a found card: values checked against each other, and polygons that cover all of a value's ink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from cardveil.card import id_number
from cardveil.card.layout import Box
from cardveil.card.model import FIELDS, PORTRAIT, Card, CardType, Check, Field, Polygon
from cardveil_ocr import findings as codes
from cardveil_ocr.pose_estimation import Placing, project
from cardveil_ocr.rectified_read import StraightCard, burnt_out
from cardveil_ocr.rectify import Source
from cardveil_ocr.results import FoundCard
from cardveil_ocr.segments import Segment
from cardveil_ocr.values import Value, of_a_seal, value_of

SOURCE: Final = "embedded"
#: Millimetres by which the portrait's box, a field's zone and a proven number's box are grown to be covered.
_PORTRAIT_GROWTH, _ZONE_GROWTH, _TEXT_GROWTH = 1.5, 0.5, 0.5
#: Between a label and what was read behind it, so few millimetres hold no character that was missed.
_NO_CHARACTER: Final = 4.0
#: Millimetres by which makes of a card differ in where the portrait ends.
_PORTRAIT_ASTRAY: Final = 3.0
#: A burnt-out share of a zone above which text may be hidden, when the card as a whole is not burnt out.
_BURNT: Final = 0.3
#: Mean miss of the labels in mm above which the card's place is uncertain: by labels alone, and where
#: so many edges tell the place, since labels may then stand as far elsewhere as makes of a card differ.
_UNCERTAIN, _UNCERTAIN_BY_EDGES, _SIDES = 2.6, 3.6, 3


def compose(source: Source, straight: StraightCard) -> FoundCard:
    """Turn what was read on a straightened card into a `FoundCard`."""
    placing = straight.placing
    layout = placing.layout
    values = {name: value_of(name, segments) for name, segments in straight.segments.items()}
    if layout.seal is not None:
        values["authority"] = of_a_seal(values["authority"])
    values, found = _cross_checked(layout.type, values)
    fields = []
    for name in FIELDS[layout.type, layout.side]:
        if name == PORTRAIT:
            if layout.portrait is not None:
                box = layout.portrait.grown(_PORTRAIT_GROWTH)
                fields.append(Field(PORTRAIT, polygon=_polygon(placing, box), sources=(SOURCE,)))
            continue
        value = values[name]
        box = _cover(layout.fields[name], straight.segments[name], value)
        fields.append(
            Field(
                name,
                value.text,
                value.normalized,
                value.score,
                _polygon(placing, box),
                (SOURCE,),
                value.checks,
            )
        )
    found += [code for value in values.values() for code in value.findings]
    found += _about_the_picture(source, straight)
    card = Card(layout.type, layout.side, tuple(fields))
    outline = Polygon.of(placing.corners().tolist())
    texts = {
        name: _polygon(placing, _around([segment.box for segment in segments]))
        for name, segments in straight.segments.items()
        if segments
    }
    return FoundCard(card, outline, tuple(dict.fromkeys(found)), texts)


def _cover(zone: Box, segments: list[Segment], value: Value) -> Box:
    """Return what must be covered so that no ink of a value is left, read rightly or not.

    A number that its check digit proves, read in one piece, is where it was read. For anything else the whole
    zone counts too: what was not read may still be printed there.
    """
    boxes = [segment.box.grown(_TEXT_GROWTH) for segment in segments]
    if not (value.trusted and len(segments) == 1):
        zone = zone.grown(_ZONE_GROWTH)
        start = min((box.x for box in boxes), default=zone.right)
        if 0 < start - zone.x < _NO_CHARACTER:
            zone = Box(start, zone.y, zone.right - start, zone.height)
        boxes.append(zone)
    return _around(boxes)


def _around(boxes: Sequence[Box]) -> Box:
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    return Box(left, top, max(box.right for box in boxes) - left, max(box.bottom for box in boxes) - top)


def _polygon(placing: Placing, box: Box) -> Polygon:
    return Polygon.of(project(placing.matrix, np.array(box.corners())).tolist())


def _cross_checked(card_type: CardType, values: Mapping[str, Value]) -> tuple[dict[str, Value], list[str]]:
    """Hold birth date and sex against the number, and dates against each other."""
    checked, found = dict(values), []
    number = values.get("id_number" if card_type is CardType.ID_CARD else "licence_number")
    if number is not None and number.normalized and id_number.is_valid(number.normalized):
        says = id_number.inspect(number.normalized)
        for name, expected, code in (
            ("birth_date", says.birth_date, codes.BIRTH_DATE_DISAGREES),
            ("sex", says.sex, codes.SEX_DISAGREES),
        ):
            value = values[name]
            agrees = value.normalized == expected
            checks = (*value.checks, Check(f"{name}_matches_id_number", agrees))
            if agrees and value.score is not None:
                # Two readings that agree are surer than either.
                checked[name] = replace(value, checks=checks, score=max(value.score, 97.0), findings=())
            elif value.normalized is None and number.trusted:
                # Not read, but the number tells; the missing reading stays in the findings.
                checked[name] = replace(value, normalized=expected, checks=checks)
            else:
                checked[name] = replace(value, checks=checks, score=min(value.score or 0.0, 60.0))
                found.append(code)
    if not _in_order(checked):
        found.append(codes.DATES_DISAGREE)
    return checked, found


def _in_order(values: Mapping[str, Value]) -> bool:
    dates = [values[name].normalized for name in ("birth_date", "first_issue_date") if name in values]
    known = [date for date in dates if date]
    return known == sorted(known)


def _about_the_picture(source: Source, straight: StraightCard) -> list[str]:
    placing = straight.placing
    layout = placing.layout
    found = []
    # A text ends where it was read; a zone of which nothing was read may hold it anywhere.
    zones = [
        _around([segment.box for segment in own]) if (own := straight.segments[name]) else zone
        for name, zone in layout.fields.items()
    ]
    if layout.portrait is not None:
        zones.append(layout.portrait.grown(-_PORTRAIT_ASTRAY))
    corners = np.vstack([project(placing.matrix, np.array(zone.corners())) for zone in zones])
    if corners.min() < 0 or np.any(corners > (source.width, source.height)):
        found.append(codes.PARTLY_OUTSIDE)
    if max(burnt_out(source, placing).values()) > _BURNT:
        found.append(codes.GLARE)
    limit = _UNCERTAIN_BY_EDGES if straight.sides >= _SIDES else _UNCERTAIN
    if placing.error > limit or len(placing.labels) < 2:
        found.append(codes.PLACE_UNCERTAIN)
    return found
