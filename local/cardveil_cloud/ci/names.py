"""Field names and values as AILicenseRec writes them: in English as its page shows, or in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import Enum
from types import MappingProxyType
from typing import Final

from cardveil.card.ethnicity import ETHNICITIES
from cardveil.card.model import CardType, Field


class Language(str, Enum):
    """Which language field names, or values, are answered in."""

    ENGLISH = "en"
    CHINESE = "zh"


#: ID card: the page's own example. Licence: the words of the page's list of fields, for want of an example.
NAMES: Final[Mapping[CardType, Mapping[str, tuple[str, str]]]] = MappingProxyType(
    {
        CardType.ID_CARD: {
            "name": ("Name", "姓名"),
            "sex": ("Gender", "性别"),
            "ethnicity": ("Ethnicity", "民族"),
            "birth_date": ("Birth (Date)", "出生"),
            "address": ("Address", "住址"),
            "id_number": ("Identification Number (ID Number)", "公民身份号码"),
        },
        CardType.DRIVER_LICENSE: {
            "licence_number": ("License Number", "证号"),
            "name": ("Name", "姓名"),
            "sex": ("Gender", "性别"),
            "nationality": ("Nationality", "国籍"),
            "address": ("Address", "住址"),
            "birth_date": ("Date of Birth", "出生日期"),
            "first_issue_date": ("Initial Issuance Date", "初次领证日期"),
            "vehicle_class": ("Permitted Vehicle Type", "准驾车型"),
            "valid_period": ("Validity Period", "有效期限"),
            "authority": ("Issuing Unit", "发证单位"),
        },
    }
)
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def field_name(card_type: CardType, name: str, language: Language) -> str | None:
    """Return the vendor's name of a field, or None where it does not locate that field."""
    names = NAMES[card_type].get(name)
    return None if names is None else names[language is Language.CHINESE]


def field_text(field: Field, language: Language) -> str:
    """Return a field's text: as on the card, or, where a value has an English form, in English."""
    text = field.text or ""
    if language is Language.CHINESE or field.normalized is None:
        return text
    if field.name == "sex":
        return field.normalized.capitalize()
    if field.name == "ethnicity":
        return ETHNICITIES.get(field.normalized, (text,))[0]
    if field.name in {"birth_date", "first_issue_date"}:
        day = date.fromisoformat(field.normalized)
        return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"
    return text
