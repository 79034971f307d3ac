"""Where things stand on a card, in millimetres, so that drawing, finding and covering share one geometry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from cardveil.card.model import CardType, Side
from cardveil.core.frozen import dataclass

Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle on a card, in millimetres from the card's top left."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    def grown(self, by: float) -> Box:
        """Return the box with ``by`` millimetres added on each side."""
        return Box(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)

    def corners(self) -> Corners:
        """Return the four corners, clockwise from the top left."""
        return (
            (self.x, self.y),
            (self.right, self.y),
            (self.right, self.bottom),
            (self.x, self.bottom),
        )

    def contains(self, x: float, y: float) -> bool:
        """Tell whether a point lies in the box or on its edge."""
        return self.x <= x <= self.right and self.y <= y <= self.bottom


@dataclass(frozen=True, slots=True)
class CardLayout:
    """The places of one side of one card; every length is in millimetres.

    Attributes
    ----------
    fields
        For each text field the whole zone its value may occupy.
    labels
        For each text that is printed on every such card, its box.
    label_fields
        For each label that names a field, that field.
    portrait, seal, emblem
        The photograph, the issuing authority's seal and the printed emblem, where the side has them.
    """

    type: CardType
    side: Side
    width: float
    height: float
    fields: Mapping[str, Box]
    labels: Mapping[str, Box]
    label_fields: Mapping[str, str]
    portrait: Box | None = None
    seal: Box | None = None
    emblem: Box | None = None

    @property
    def outline(self) -> Box:
        """The whole card as a box."""
        return Box(0.0, 0.0, self.width, self.height)


def layout_of(card_type: CardType, side: Side) -> CardLayout:
    """Return the layout of one side of a card.

    The numbers stand in ``layouts.json``. They were drawn from published descriptions of the cards, not
    measured on real ones: whoever uses them should tolerate 1 mm.

    Raises
    ------
    KeyError
        When there is no layout for this side (a licence's back has none).
    """
    return _layouts()[CardType(card_type), Side(side)]


def find_layout(card_type: CardType, side: Side) -> CardLayout | None:
    """Return the layout of one side of a card, or None when there is none."""
    return _layouts().get((CardType(card_type), Side(side)))


def all_layouts() -> tuple[CardLayout, ...]:
    """Return every layout that is known."""
    return tuple(_layouts().values())


@lru_cache(maxsize=1)
def _layouts() -> Mapping[tuple[CardType, Side], CardLayout]:
    text = resources.files("cardveil.card").joinpath("layouts.json").read_text(encoding="utf-8")
    read = [_layout(entry) for entry in json.loads(text)["layouts"]]
    return MappingProxyType({(layout.type, layout.side): layout for layout in read})


def _layout(entry: dict[str, Any]) -> CardLayout:
    width, height = entry["size"]
    labels = entry["labels"]
    return CardLayout(
        type=CardType(entry["type"]),
        side=Side(entry["side"]),
        width=width,
        height=height,
        fields=MappingProxyType({name: Box(*box) for name, box in entry["fields"].items()}),
        labels=MappingProxyType({text: Box(*label["box"]) for text, label in labels.items()}),
        label_fields=MappingProxyType(
            {text: label["field"] for text, label in labels.items() if label["field"] is not None}
        ),
        portrait=Box(*entry["portrait"]) if entry["portrait"] else None,
        seal=Box(*entry["seal"]) if entry["seal"] else None,
        emblem=Box(*entry["emblem"]) if "emblem" in entry else None,
    )
