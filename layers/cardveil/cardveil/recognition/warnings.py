"""The vendors' warning numbers, which differ between CI and the OCR API, under one set of names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from cardveil.card.model import VendorWarning

#: CI `IDCardOCR`, `WarnInfos`.
CI_WARNINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        9100: "expired",
        9101: "border_incomplete",
        9102: "photocopied",
        9103: "rephotographed",
        9104: "temporary",
        9105: "frame_occluded",
        9106: "doctored",
    }
)
#: API 3.0 `RecognizeMainlandIDCardOCR`, `WarnCardInfos`.
API_WARNINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        -9101: "border_incomplete",
        -9102: "photocopied",
        -9103: "rephotographed",
        -9104: "doctored",
        -9107: "reflective",
        -9108: "blurred",
        -9109: "warnings_not_enabled",
    }
)


def warnings_of(codes: Iterable[object], names: Mapping[int, str]) -> tuple[VendorWarning, ...]:
    """Name the codes; one that is not documented is kept as ``unknown``."""
    found = []
    for code in codes:
        try:
            number = int(str(code))
        except ValueError:
            continue  # an empty element
        found.append(VendorWarning(number, names.get(number, "unknown")))
    return tuple(found)
