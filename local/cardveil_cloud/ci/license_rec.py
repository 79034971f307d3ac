"""AILicenseRec: where the fields of an ID card's front or a licence's main page stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cardveil.card.model import CardType, Polygon, Side
from cardveil_cloud.ci.errors import CiError
from cardveil_cloud.ci.names import Language, field_name, field_text
from cardveil_cloud.ci.recognition import FoundCard
from cardveil_cloud.xml import Content


def card_type_of(params: Mapping[str, str]) -> CardType:
    """Return the card type asked for; a driver's licence when none is.

    Raises
    ------
    CiError
        ``InvalidArgument`` if it is neither of the two.
    """
    try:
        return CardType(params.get("CardType") or CardType.DRIVER_LICENSE)
    except ValueError:
        raise CiError("InvalidArgument", "CardType is IDCard or DriverLicense.") from None


def contents(
    cards: Sequence[FoundCard], card_type: CardType, *, names: Language, texts: Language
) -> list[tuple[str, Content]]:
    """Return `Status` and the `IdInfo` elements.

    The vendor does not say what it does about several cards: here the fields of all of them are given, so
    that nothing on the picture goes unlocated. Backs and secondary pages are not located.
    """
    located: list[tuple[str, Content]] = []
    for found in cards:
        if found.card.type is not card_type or found.card.side is not Side.FRONT:
            continue
        for field in found.card.fields:
            name = field_name(card_type, field.name, names)
            if name is None or field.polygon is None:
                continue
            located.append(
                (
                    "IdInfo",
                    [
                        ("Name", name),
                        ("DetectedText", field_text(field, texts)),
                        ("Score", round(field.score or 0)),
                        # The text itself, as the service locates it: what to cover is the caller's business.
                        ("Location", points(found.texts.get(field.name, field.polygon))),
                    ],
                )
            )
    return [("Status", 1 if located else 0), *located]


def points(polygon: Polygon) -> list[tuple[str, Content]]:
    """Return the four `Point`s in the page's order: top left, bottom left, bottom right, top right."""
    top_left, top_right, bottom_right, bottom_left = polygon.points
    order = (top_left, bottom_left, bottom_right, top_right)
    return [("Point", f"{round(x)},{round(y)}") for x, y in order]
