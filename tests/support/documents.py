"""Documents of sheets with known cards, and what the local cloud's recogniser is to know of their pages."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image
from tests.support.cloud_fixture import known
from tests.support.papers_with_cards import BACK, FRONT, PLACE, sheet
from tests.support.pdf import pages

from cardveil.card.model import Card, Polygon
from cardveil.core.frozen import replace as altered
from cardveil.imaging.pages import pages_of
from cardveil.redaction import Limits, inspect, upright_copy
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.ci.recognition import KnownPicture

#: Which card lies on which page of `three_pages`.
SIDES = (FRONT, None, BACK)


def three_pages(*, names: Sequence[str | None] = SIDES, tiff: bool = False, seed: int = 0) -> bytes:
    """Return a document with a front, a sheet without a card, and a back; its pages lie on their side."""
    sheets = [sheet(name, (1300 + 8 * seed, 900)) for name in names]
    if tiff:
        out = io.BytesIO()
        sheets[0].save(out, "TIFF", save_all=True, append_images=sheets[1:], compression="tiff_lzw")
        return out.getvalue()
    return pages([each.transpose(Image.Transpose.ROTATE_90) for each in sheets], [90] * len(sheets))


def table(data: bytes, names: Sequence[str | None] = SIDES) -> dict[bytes, KnownPicture]:
    """Return what is on each page that holds a card, by the page as recognisers are sent it."""
    with pages_of(data, Limits()) as (_, drawn):
        return {
            upright_copy(inspect(page.data), max_bytes=5 * 2**20).data: _moved(name)
            for page, name in zip(drawn, names, strict=True)
            if name
        }


def _moved(name: str) -> KnownPicture:
    truth = known(next(each for each in kept_pictures() if each.file == name))

    def moved(card: Card) -> Card:
        fields = tuple(altered(field, polygon=_shifted(field.polygon)) for field in card.fields)
        return altered(card, fields=fields)

    cards = tuple(
        replace(each, card=moved(each.card), outline=_moved_by_place(each.outline)) for each in truth.cards
    )
    lines = tuple(replace(line, polygon=_moved_by_place(line.polygon)) for line in truth.lines)
    return KnownPicture(cards=cards, lines=lines)


def _moved_by_place(polygon: Polygon) -> Polygon:
    return Polygon.of([(x + PLACE[0], y + PLACE[1]) for x, y in polygon.points])


def _shifted(polygon: Polygon | None) -> Polygon | None:
    return polygon and _moved_by_place(polygon)
