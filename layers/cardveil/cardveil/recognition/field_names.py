"""What each vendor calls a field, in English and in Chinese, matched tolerantly."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cardveil.card.model import CardType

#: Names of `AILicenseRec` (its page shows English ones, its service has been seen to answer in Chinese), and
#: element names of `IDCardOCR` and `RecognizeMainlandIDCardOCR`.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "name": ("Name", "姓名"),
        "sex": ("Gender", "Sex", "性别"),
        "ethnicity": ("Ethnicity", "Ethnic", "Nation", "民族"),
        "birth_date": (
            "Birth (Date)",
            "Birth",
            "Birthday",
            "Date of Birth",
            "Birth Date",
            "出生",
            "出生日期",
        ),
        "address": ("Address", "住址", "地址"),
        "id_number": (
            "Identification Number (ID Number)",
            "Identification Number",
            "ID Number",
            "IdNum",
            "Citizen ID Number",
            "公民身份号码",
            "身份证号码",
            "身份证号",
        ),
        "authority": (
            "Authority",
            "Issuing Authority",
            "Issuing Unit",
            "Issuing Organization",
            "签发机关",
            "发证机关",
            "发证单位",
        ),
        "valid_period": (
            "ValidDate",
            "Valid Period",
            "Validity Period",
            "Validity",
            "Valid Date",
            "有效期限",
            "有效期",
        ),
        "licence_number": (
            "License Number",
            "Licence Number",
            "License No.",
            "License No",
            "证号",
            "驾驶证号",
        ),
        "nationality": ("Nationality", "国籍"),
        "first_issue_date": (
            "Initial Issuance Date",
            "Initial Issue Date",
            "Date of First Issue",
            "First Issue Date",
            "Issue Date",
            "初次领证日期",
        ),
        "vehicle_class": (
            "Permitted Vehicle Type",
            "Permitted Vehicle Class",
            "Vehicle Type",
            "Class",
            "准驾车型",
        ),
        "portrait": ("Portrait", "Photo", "人像", "头像", "照片"),
    }
)


def field_name(vendor_name: str, card_type: CardType | None = None) -> str:
    """Return the canonical name of a vendor's field.

    A name that is not known is kept as ``unknown:<folded name>``, so that the policy masks its place.
    A licence's number may come under the ID number's name, since the two are the same number.
    """
    name = _BY_FOLDED.get(_fold(vendor_name))
    if name is None:
        return f"unknown:{_fold(vendor_name)[:40]}"
    if name == "id_number" and card_type is CardType.DRIVER_LICENSE:
        return "licence_number"
    return name


def _fold(name: str) -> str:
    # Width, case, spaces and punctuation differ between the vendor's pages.
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name)).lower()


_BY_FOLDED: Final = MappingProxyType(
    {_fold(alias): name for name, aliases in ALIASES.items() for alias in aliases}
)
