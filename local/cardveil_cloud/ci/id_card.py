"""Which ID card of a picture is answered for, and its values as IDCardOCR and the OCR API write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final

from cardveil.card.ethnicity import ETHNICITIES
from cardveil.card.geometry import signed_area
from cardveil.card.id_number import is_valid
from cardveil.card.model import Card, CardType, Field, Polygon, Side
from cardveil.card.normalize import LONG_TERM
from cardveil_cloud.ci.names import Language
from cardveil_cloud.ci.pictures import PictureRefusedError
from cardveil_cloud.ci.recognition import FoundCard

#: The vendor's element of each field, in the order of its pages, by side.
ELEMENTS: Final[Mapping[Side, Mapping[str, str]]] = MappingProxyType(
    {
        Side.FRONT: {
            "Name": "name",
            "Sex": "sex",
            "Nation": "ethnicity",
            "Birth": "birth_date",
            "Address": "address",
            "IdNum": "id_number",
        },
        Side.BACK: {"Authority": "authority", "ValidDate": "valid_period"},
    }
)


def id_cards(cards: Sequence[FoundCard]) -> list[FoundCard]:
    """Return the ID cards among what was found, largest first.

    Raises
    ------
    PictureRefusedError
        ``FailedOperation.ImageNoIdCard`` if there is none; a driver's licence is none.
    """
    found = [card for card in cards if card.card.type is CardType.ID_CARD]
    if not found:
        raise PictureRefusedError("FailedOperation.ImageNoIdCard")
    return sorted(found, key=lambda card: area(card.outline), reverse=True)


def area(outline: Polygon) -> float:
    """Return the area of an outline, in square pixels."""
    return abs(signed_area(outline.points))


def check_readable(card: Card) -> None:
    """Refuse a front without a name or a valid number: the vendor gives no values then either.

    Raises
    ------
    PictureRefusedError
        ``FailedOperation.IdCardInfoIllegal``.
    """
    if card.side is Side.FRONT:
        name, number = card.field("name"), card.field("id_number")
        if name is None or not name.text or number is None or not is_valid(_best(number)):
            raise PictureRefusedError("FailedOperation.IdCardInfoIllegal")


def values(card: Card, language: Language) -> dict[str, str]:
    """Return the values of one side by the vendor's element names; what was not found is left out."""
    return {
        element: text
        for element, name in ELEMENTS[card.side].items()
        if (field := card.field(name)) is not None and (text := _value(field, language))
    }


def missing(card: Card) -> list[str]:
    """Return the fields of this side that have no text."""
    return [
        name for name in ELEMENTS[card.side].values() if (field := card.field(name)) is None or not field.text
    ]


def expired(card: Card, today: date) -> bool:
    """Whether the card's validity period ended before `today`; False where no end was read."""
    field = card.field("valid_period")
    end = (field.normalized or "").rpartition("/")[2] if field else ""
    return bool(end) and end != LONG_TERM and end < today.isoformat()


def _value(field: Field, language: Language) -> str:
    normal = field.normalized
    if normal is None:
        return field.text or ""
    if field.name == "birth_date":
        day = date.fromisoformat(normal)
        return f"{day.year}/{day.month}/{day.day}"
    if field.name == "valid_period":
        start, _, end = normal.partition("/")
        until = "长期" if end == LONG_TERM else end.replace("-", ".")
        return f"{start.replace('-', '.')}-{until}"
    if field.name == "sex":
        chinese = {"male": "男", "female": "女"}.get(normal, field.text or "")
        return normal.capitalize() if language is Language.ENGLISH else chinese
    if field.name == "ethnicity":
        return ETHNICITIES[normal][0] if language is Language.ENGLISH and normal in ETHNICITIES else normal
    return _best(field) if field.name == "id_number" else field.text or ""


def _best(field: Field) -> str:
    return field.normalized or field.text or ""
