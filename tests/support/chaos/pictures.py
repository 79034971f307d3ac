"""As many distinct invented cards as wanted, made of three kept ones: each with a text of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tests.support.cloud_fixture import known, own_name

from cardveil.card.id_number import check_digit
from cardveil.card.model import CardType, Field, Side
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.ci.recognition import KnownCard, KnownLine

#: No name, address or file of the kept pictures has this rare character: where it turns up, data has leaked.
CANARY: Final = "\u9f98"
_BITS: Final = 16
#: Side of the square that shows one bit, in pixels: a whole JPEG block and its chroma.
_CELL: Final = 16
_SIZE: Final = (512, 320)
_FILES: Final = ("id-front-flat.jpg", "licence-flat.jpg", "id-back-flat.png")


@dataclass(frozen=True, slots=True)
class ChaosPicture:
    """One picture, its truth, and what has to be paid for it.

    Attributes
    ----------
    meta : mapping
        User metadata of the upload.
    needs : mapping
        Paid calls that an undisturbed run makes, by operation, in the direct way.
    """

    number: int
    card: KnownCard
    meta: Mapping[str, str]
    needs: frozenset[str]

    @property
    def key(self) -> str:
        """Where it is uploaded; file names hold personal data often enough."""
        return f"inbox/{self.number:05d}-{CANARY}.jpg"

    def data(self) -> bytes:
        """Return the encoded picture: the kept one, with its number in the corner."""
        pixels = _base(self._kind).copy()
        for bit in range(_BITS):
            # Not quite white: many white cells would be warned of as a reflection.
            shade = 235 if self.number >> bit & 1 else 0
            pixels[-_CELL:, bit * _CELL : (bit + 1) * _CELL] = shade
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    @property
    def _kind(self) -> int:
        return kind_of(self.number)


def kind_of(number: int) -> int:
    """Return which card a picture shows: 0 a front, 1 a licence, 2 a back; eight in ten are fronts."""
    return {8: 1, 9: 2}.get(number % 10, 0)


def picture(number: int) -> ChaosPicture:
    """Return one picture of at most 65,536."""
    kind = kind_of(number)
    card = _known(kind)
    fields = tuple(_own(field, number) for field in card.card.fields)
    meta = ({}, {"card-type": CardType.DRIVER_LICENSE.value}, {"card-side": Side.BACK.value})[kind]
    needs = (
        {"AILicenseRec", "RecognizeMainlandIDCardOCR", "OCR"},
        {"AILicenseRec", "OCR"},
        {"RecognizeMainlandIDCardOCR", "OCR"},
    )[kind]
    return ChaosPicture(number, replace(card, card=replace(card.card, fields=fields)), meta, frozenset(needs))


def number_of(pixels: NDArray[np.uint8]) -> int | None:
    """Read a picture's number from its corner; None when there is none."""
    if pixels.shape[:2] != (_SIZE[1], _SIZE[0]):
        return None
    cells = [pixels[-_CELL + 4 : -4, bit * _CELL + 4 : (bit + 1) * _CELL - 4].mean() for bit in range(_BITS)]
    if any(64 < shade < 192 for shade in cells):
        return None
    return sum(1 << bit for bit, shade in enumerate(cells) if shade > 128)


class NumberRecogniser:
    """Answers with the truth of the picture whose number stands in the corner, in no time at all."""

    def recognise(
        self, picture_pixels: NDArray[np.uint8], *, card_type: CardType | None = None
    ) -> Sequence[KnownCard]:
        """Return the card, if it is of the type asked for."""
        number = number_of(picture_pixels)
        if number is None:
            return ()
        card = picture(number).card
        return (card,) if card_type in {None, card.card.type} else ()

    def read_text(self, picture_pixels: NDArray[np.uint8]) -> Sequence[KnownLine]:
        """Return the values as lines."""
        number = number_of(picture_pixels)
        return () if number is None else tuple(_lines(picture(number).card))


def _lines(card: KnownCard) -> Iterator[KnownLine]:
    yield KnownLine(*own_name(card.card.type, card.card.side, card.outline))
    for field in card.card.fields:
        if field.text and field.polygon:
            yield KnownLine(field.text, 99.0, field.polygon)


@lru_cache(maxsize=3)
def _known(kind: int) -> KnownCard:
    kept = next(entry for entry in kept_pictures() if entry.file == _FILES[kind])
    fx, fy = _SIZE[0] / kept.width, _SIZE[1] / kept.height
    card = known(kept).cards[0]
    fields = tuple(
        replace(field, polygon=field.polygon.scaled(fx, fy)) if field.polygon else field
        for field in card.card.fields
    )
    return KnownCard(replace(card.card, fields=fields), card.outline.scaled(fx, fy))


@lru_cache(maxsize=3)
def _base(kind: int) -> NDArray[np.uint8]:
    kept = next(entry for entry in kept_pictures() if entry.file == _FILES[kind])
    with Image.open(io.BytesIO(kept.read())) as opened:
        pixels: NDArray[np.uint8] = np.asarray(opened.convert("RGB").resize(_SIZE), dtype=np.uint8)
    return pixels


def _own(field: Field, number: int) -> Field:
    """Give a field a value that no other picture has, where its form leaves room for one."""
    if field.text is None:
        return field
    if field.name in {"id_number", "licence_number"}:
        # No region's code begins with 99; date and sequence stay, and with them birth date and sex.
        first17 = f"99{number % 10000:04d}{field.text[6:17]}"
        text = first17 + check_digit(first17)
        return replace(field, text=text, normalized=text)
    if field.name in {"name", "address", "authority"}:
        digits = "".join("零一二三四五六七八九"[int(digit)] for digit in f"{number:05d}")
        text = f"{field.text[:2]}{CANARY}{digits}"
        return replace(field, text=text, normalized=text)
    return field
