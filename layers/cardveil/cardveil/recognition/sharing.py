"""Which text of a picture stands on which of its cards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cardveil.card.model import Card, Point, Polygon
from cardveil.recognition.interfaces import TextLine
from cardveil.recognition.line_places import centre, character_centres, contains, distance, part_of


def shared(cards: Sequence[Card], lines: Sequence[TextLine]) -> tuple[tuple[TextLine, ...], ...]:
    """Return for each card the text on it, and the text beside all cards that is nearer to it than to others.

    A line that runs from one card onto another is parted between its characters. No text is left out.

    Parameters
    ----------
    cards : sequence of Card
        With their outlines; one without is taken to end where its fields do.
    """
    if len(cards) == 1:
        return (tuple(lines),)
    outlines = [_outline(card) for card in cards]
    found: list[list[TextLine]] = [[] for _ in cards]
    for line in lines:
        for number, part in _parts(line, outlines):
            found[number].append(part)
    return tuple(tuple(part) for part in found)


def _parts(line: TextLine, outlines: Sequence[Polygon]) -> Iterator[tuple[int, TextLine]]:
    """Yield the parts of a line with the number of the card that each belongs to."""
    numbers = [_number(point, outlines) for point in character_centres(line)] if line.text else []
    on_cards = {number for number in numbers if number is not None}
    if len(on_cards) <= 1:
        yield next(iter(on_cards)) if on_cards else _nearest(line, outlines), line
        return
    first, now = 0, next(number for number in numbers if number is not None)
    for at, number in enumerate(numbers):
        if number is not None and number != now:
            yield now, part_of(line, first, at)
            first, now = at, number
    yield now, part_of(line, first, len(numbers))


def _number(point: Point, outlines: Sequence[Polygon]) -> int | None:
    return next((at for at, outline in enumerate(outlines) if contains(outline, point)), None)


def _nearest(line: TextLine, outlines: Sequence[Polygon]) -> int:
    middle = centre(line.polygon)
    return min(range(len(outlines)), key=lambda at: distance(outlines[at], middle))


def _outline(card: Card) -> Polygon:
    if card.outline is not None:
        return card.outline
    boxes = [field.polygon.bounds() for field in card.fields if field.polygon]
    if not boxes:
        return Polygon.box(0.0, 0.0, 0.0, 0.0)
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Polygon.box(min(lefts), min(tops), max(rights), max(bottoms))
