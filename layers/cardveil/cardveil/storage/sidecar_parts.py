"""The parts of a written sidecar that hold cards: one picture, or the pages of a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cardveil.card.model import Card
from cardveil.storage.sidecar import cards_of


def parts_of(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return what of a sidecar holds its cards: its pages in their order, or the one picture."""
    pages: Sequence[Mapping[str, Any]] = document.get("pages", ())
    return pages or (document,)


def all_cards_of(document: Mapping[str, Any]) -> tuple[Card, ...]:
    """Read the cards of a written sidecar, of a document's pages one after the other."""
    return tuple(card for part in parts_of(document) for card in cards_of(part))
