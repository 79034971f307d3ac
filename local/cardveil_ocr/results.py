"""What a recogniser gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cardveil.card.model import Card, Polygon


@dataclass(frozen=True, slots=True)
class FoundCard:
    """A card in a picture.

    Attributes
    ----------
    outline
        The card's corners in pixels of the picture, clockwise from the card's own top left; they may lie
        outside the picture.
    findings
        Codes of `cardveil_ocr.findings`, each once.
    texts
        Where the text of each field stands, by the field's name: tight, as a service that only locates text
        gives it. A field's own polygon is what must be covered, which is more.
    """

    card: Card
    outline: Polygon
    findings: tuple[str, ...]
    texts: Mapping[str, Polygon] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of any text; `score` runs from 0 to 100, `characters` holds a place for each of `text`."""

    text: str
    score: float
    polygon: Polygon
    characters: tuple[Polygon, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """All that was found in a picture: its cards from the top, and every line of text, on a card or not."""

    cards: tuple[FoundCard, ...] = ()
    lines: tuple[TextLine, ...] = ()
