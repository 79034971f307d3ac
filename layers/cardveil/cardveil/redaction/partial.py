"""Covers part of a text: cut between characters that were located, or not cut at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cardveil.card.layout import Box
from cardveil.card.model import Field, Point, Polygon, SeenText
from cardveil.core.frozen import dataclass
from cardveil.redaction.card_pose import Placement
from cardveil.redaction.policy import Partial
from cardveil.redaction.polygons import grown, straight
from cardveil.redaction.regions import boxes_of, margin_of
from cardveil.redaction.results import Region
from cardveil.redaction.text_roles import folded

#: Where a cut lies between the centres of the last kept and the first covered character: nearer to the kept
#: one, since recognisers place characters to a quarter of their width.
_CUT: Final = 0.4


@dataclass(frozen=True, slots=True)
class Cut:
    """A text cut in parts: what is covered, and what stays."""

    regions: tuple[Region, ...]
    kept: tuple[Polygon, ...]


def cut(
    field: Field, action: Partial, texts: Sequence[SeenText], placement: Placement | None, margin_mm: float
) -> Cut | None:
    """Cut a field's text between its characters.

    Parameters
    ----------
    texts : sequence of SeenText
        What the witness saw of this field.

    Returns
    -------
    Cut or None
        None unless every character of the text was located, each once, and some stay and some do not: then
        all of it has to be covered.
    """
    written = "".join((field.text or "").split())
    if action.keep_first + action.keep_last >= len(written):
        return None
    # Places are known of letters and digits; a point or a dash that is kept shows no letter more.
    count = len(folded(written))
    covered_from = len(folded(written[: action.keep_first]))
    covered_to = count - len(folded(written[len(written) - action.keep_last :]))
    if covered_from >= covered_to:
        return None
    if sorted(i for text in texts for i in range(text.start, text.start + len(text.characters))) != list(
        range(count)
    ):
        return None
    regions: list[Region] = []
    kept: list[Polygon] = []
    for text in texts:
        first, last = max(covered_from - text.start, 0), min(covered_to - text.start, len(text.characters))
        polygon = straight(text.polygon)
        if first >= last:
            kept.append(polygon)
            continue
        begin = _boundary(text, first - 1, first, _CUT) if first else None
        end = _boundary(text, last - 1, last, 1 - _CUT) if last < len(text.characters) else None
        margin = margin_of(polygon, margin_mm, placement)
        masked = grown(polygon, margin + text.slack, margin)
        regions.append(Region(field.name, _between(masked, begin, end), "partial"))
        if begin is not None:
            kept.append(_between(polygon, None, begin))
        if end is not None:
            kept.append(_between(polygon, end, None))
    zone = placement.layout.fields.get(field.name) if placement is not None else None
    if placement is not None and zone is not None:
        for strip in _strips(zone, boxes_of(kept, placement)):
            regions.append(Region(field.name, placement.polygon(strip), "partial"))
    return Cut(tuple(regions), tuple(kept))


def _strips(zone: Box, kept: Sequence[Box]) -> Iterator[Box]:
    """Yield what a field's zone holds around the characters that stay: some may have been missed there."""
    left, right = min(box.x for box in kept), max(box.right for box in kept)
    top, bottom = min(box.y for box in kept), max(box.bottom for box in kept)
    if zone.x < left:
        yield Box(zone.x, zone.y, left - zone.x, zone.height)
    if right < zone.right:
        yield Box(right, zone.y, zone.right - right, zone.height)
    if zone.y < top:
        yield Box(zone.x, zone.y, zone.width, top - zone.y)
    if bottom < zone.bottom:
        yield Box(zone.x, bottom, zone.width, zone.bottom - bottom)


def _boundary(text: SeenText, before: int, after: int, share: float) -> tuple[Point, Point]:
    """Return the ends of a cut between two characters, at their upper and at their lower edge."""
    a, b, c, d = straight(text.characters[before]).points
    e, f, g, h = straight(text.characters[after]).points
    return _at(_at(a, b, 0.5), _at(e, f, 0.5), share), _at(_at(d, c, 0.5), _at(h, g, 0.5), share)


def _between(polygon: Polygon, begin: tuple[Point, Point] | None, end: tuple[Point, Point] | None) -> Polygon:
    """Return the part of a line's polygon between two cuts."""
    a, b, c, d = polygon.points
    start = (a, d) if begin is None else (_crossing(a, b, *begin), _crossing(d, c, *begin))
    stop = (b, c) if end is None else (_crossing(a, b, *end), _crossing(d, c, *end))
    return Polygon((start[0], stop[0], stop[1], start[1]))


def _at(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _crossing(a: Point, b: Point, top: Point, bottom: Point) -> Point:
    """Return where a cut, made longer, meets the line through `a` and `b`."""
    ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], bottom[0] - top[0], bottom[1] - top[1]
    across = ux * vy - uy * vx
    if not across:
        return a
    return _at(a, b, ((top[0] - a[0]) * vy - (top[1] - a[1]) * vx) / across)
