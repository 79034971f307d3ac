"""Where a card lies in a picture: by its text, then by the edges that are seen where the text puts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cardveil.card.geometry import homography, inverse, project
from cardveil.card.layout import CardLayout, find_layout
from cardveil.card.model import Card, Polygon
from cardveil.core.frozen import dataclass
from cardveil.imaging.image import Picture
from cardveil.redaction.card_outline import Outline, card_outline, edge_points
from cardveil.redaction.card_pose import Known, Placement, place
from cardveil.redaction.flat_card import FlatCard, GreyPicture
from cardveil.redaction.polygons import straight

_SIDES: Final = 4
#: Sides that must be seen for edges to tell the place where text alone does not: fewer cannot be compared.
_ENOUGH: Final = 3
#: Times that edges are looked for.
_ROUNDS: Final = 3
#: Millimetres by which an edge may miss the side of the card that it was taken for.
_AGREE: Final = 0.8


@dataclass(frozen=True, slots=True)
class CardPlace:
    """A card's place, its pixels flattened, and its outline; `flat` is None where nothing can be decoded."""

    placement: Placement
    flat: FlatCard | None
    outline: Outline


def card_place(picture: Picture, card: Card, labels: Sequence[tuple[str, Polygon]] = ()) -> CardPlace | None:
    """Find a card in a picture, of which its text and, if it has one, its outline give the first guess.

    Makes of a card print their text up to 3 mm elsewhere, so that text alone misplaces the far corners; the
    edges do not differ. The outline that is given counts for nothing but where edges are looked for.

    Returns
    -------
    CardPlace or None
        None if the text does not tell where the card is (see `place`).
    """
    told = place(card, labels)
    if told is None:
        return None
    grey = GreyPicture(picture)
    seen: list[list[Known]] = [[] for _ in range(4)]
    guesses = [_placed_by(card.outline, told.layout), told]
    placement = told
    for _ in range(_ROUNDS):
        for guess in guesses:
            flat = grey.flattened(guess) if guess is not None and _count(seen) < _SIDES else None
            points = edge_points(flat, guess) if flat is not None and guess is not None else []
            seen = points if _count(points) > _count(seen) else seen
        # A side that the text misplaced comes into sight when the others are known.
        better = place(card, labels, [point for side in seen for point in side])
        if better is None or _count(seen) == _SIDES or better == placement:
            placement = better or told
            break
        placement, guesses = better, [better]
    if _count(seen) < _ENOUGH and not told.trusted(told.layout.outline):
        placement, seen = told, [[], [], [], []]
    flat = grey.flattened(placement)
    placed = [bool(side) and _agrees(side, placement) for side in seen]
    return CardPlace(placement, flat, card_outline(flat, placement, placed))


def _count(sides: Sequence[Sequence[Known]]) -> int:
    return sum(map(bool, sides))


def _agrees(side: Sequence[Known], placement: Placement) -> bool:
    """Say whether a side's edge lies where the card's place has it."""
    misses = sorted(abs(project(placement.to_card, at)[axis] - value) for at, axis, value, _ in side)
    return misses[len(misses) // 2] <= _AGREE


def _placed_by(outline: Polygon | None, own: CardLayout) -> Placement | None:
    """Return the place that an outline says, for a first look: nothing is known of its doubt."""
    layout = find_layout(own.type, own.side)
    if outline is None or layout is None or straight(outline) != outline:
        return None
    try:
        to_picture = homography(layout.outline.corners(), outline.points)
        return Placement(layout, to_picture, inverse(to_picture), 0.0, 0.0, (0.0, 0.0, 1.0), ())
    except ValueError:
        return None
