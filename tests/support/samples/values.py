"""What each side of a card prints for one invented holder, with the normal form of each value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from tests.support.samples.people import Person

from cardveil.card.model import CardType, Side

#: For each field: the text as printed and its normal form.
Values = Mapping[str, tuple[str, str]]


def values_of(person: Person, card_type: CardType, side: Side) -> Values:
    """Return the values of one side in reading order, as (printed, normal) pairs."""
    sex = (person.sex, {"男": "male", "女": "female"}[person.sex])
    born = person.born
    if card_type is CardType.DRIVER_LICENSE:
        return {
            "licence_number": (person.number, person.number),
            "name": (person.name, person.name),
            "sex": sex,
            "nationality": ("中国", "CHN"),
            "address": (person.address, person.address),
            "birth_date": (born.isoformat(), born.isoformat()),
            "first_issue_date": (person.first_licence.isoformat(), person.first_licence.isoformat()),
            "vehicle_class": (person.vehicle_class, person.vehicle_class),
            "valid_period": _period(person.issued, person.licence_expires, "-", "至"),
            "authority": (person.licence_authority, person.licence_authority),
        }
    if side is Side.BACK:
        return {
            "authority": (person.authority, person.authority),
            "valid_period": _period(person.issued, person.expires, ".", "-"),
        }
    return {
        "name": (person.name, person.name),
        "sex": sex,
        "ethnicity": (person.ethnicity, person.ethnicity),
        "birth_date": (f"{born.year}年{born.month}月{born.day}日", born.isoformat()),
        "address": (person.address, person.address),
        "id_number": (person.number, person.number),
    }


def _period(start: date, end: date | None, within: str, between: str) -> tuple[str, str]:
    first = start.isoformat()
    last = end.isoformat() if end else "长期"
    printed = f"{first.replace('-', within)}{between}{last.replace('-', within)}"
    return printed, f"{first}/{end.isoformat() if end else 'long-term'}"
