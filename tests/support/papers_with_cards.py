"""Sheets of paper with a kept card at a known place, and a recogniser that knows them."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
from PIL import Image as Pillow
from tests.support.cloud_fixture import kept
from tests.support.command import TruthRecogniser

from cardveil.card.model import Card, Polygon
from cardveil.core.errors import Reject
from cardveil.core.frozen import replace
from cardveil.recognition.interfaces import Hint, Image, Recognition

FRONT, BACK = "id-front-flat.jpg", "id-back-flat.png"
#: Where the card's top left is, in pixels of a sheet as it is shown.
PLACE = (48, 64)


@cache
def card(name: str) -> Pillow.Image:
    """Return a kept picture of a card alone."""
    return Pillow.open(io.BytesIO(kept(name))).convert("RGB")


def sheet(name: str | None = None, size: tuple[int, int] = (1300, 900)) -> Pillow.Image:
    """Return a sheet of paper with a card on it, or none."""
    paper = Pillow.new("RGB", size, (250, 250, 248))
    if name:
        paper.paste(card(name), PLACE)
    return paper


class SheetRecogniser:
    """Finds a card where `sheet` lays it, by its look."""

    def recognise(self, image: Image, hint: Hint, located: Any = None) -> Recognition:
        """Recognise a sheet, as it was drawn."""
        shown = Pillow.open(io.BytesIO(image.data)).convert("RGB")
        for name in (FRONT, BACK):
            known = card(name)
            part = shown.crop((*PLACE, PLACE[0] + known.width, PLACE[1] + known.height))
            if np.abs(np.asarray(part).astype(int) - np.asarray(known)).mean() < 8:
                found = TruthRecogniser().recognise(Image(kept(name), *known.size), hint)
                return replace(found, cards=tuple(_moved(each) for each in found.cards))
        return Recognition(refusal=Reject("no_card", "upload a picture of a card"))

    def texts(self, image: Image) -> tuple[str, ...]:
        """Read nothing."""
        return ()


def _moved(card: Card) -> Card:
    def moved(polygon: Polygon | None) -> Polygon | None:
        return polygon and Polygon.of([(x + PLACE[0], y + PLACE[1]) for x, y in polygon.points])

    fields = tuple(replace(field, polygon=moved(field.polygon)) for field in card.fields)
    return replace(card, fields=fields, outline=moved(card.outline))
