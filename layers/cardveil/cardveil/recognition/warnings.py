"""The vendors' warnings, however they are written: numbers that differ by API, under one set of names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from cardveil.card.model import VendorWarning
from cardveil.recognition.parsing import many

#: A warning that is not documented, or not written as documented: nobody knows what it says of the picture.
UNKNOWN: Final = "unknown"
#: CI `IDCardOCR`, `WarnInfos`. Its page writes the numbers without a sign; the API behind it has a minus.
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
#: API 3.0 `RecognizeMainlandIDCardOCR`, `WarnCardInfos`; its page writes the numbers as negative.
API_WARNINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        9101: "border_incomplete",
        9102: "photocopied",
        9103: "rephotographed",
        9104: "doctored",
        9107: "reflective",
        9108: "blurred",
        9109: "warnings_not_enabled",
    }
)


def warnings_of(values: Any, names: Mapping[int, str]) -> tuple[VendorWarning, ...]:
    """Name the warnings of an answer.

    Parameters
    ----------
    values : object
        What the SDK gives for the element: nothing, a value or a list of them, each a number, a text, or an
        element with ``Code``.
    names : mapping
        By the number without its sign.

    Returns
    -------
    tuple of VendorWarning
        Each once. One that is not documented or not a plain number is there as ``unknown``, with the number
        that it holds, else 0, beside what the number would mean.
    """
    found: dict[VendorWarning, None] = {}
    for value in _codes(values):
        number, plain = _number(value)
        name = names.get(abs(number))
        if name:
            found[VendorWarning(number, name)] = None
        if not (name and plain):
            found[VendorWarning(number, UNKNOWN)] = None
    return tuple(found)


def findings_of_warnings(warnings: Iterable[VendorWarning]) -> tuple[str, ...]:
    """Return ``warning_unknown`` if there is one that nobody understands."""
    return ("warning_unknown",) if any(warning.name == UNKNOWN for warning in warnings) else ()


def _codes(values: Any) -> Iterator[Any]:
    """Give what is written for each warning; an empty element is none."""
    for value in many(values):
        if isinstance(value, list):
            yield from _codes(value)
        elif isinstance(value, Mapping) and "Code" in value:
            yield from _codes(value["Code"])
        elif value is None or (isinstance(value, str) and not value.strip()):
            continue
        else:
            numbers = re.findall(r"-?\d+", value) if isinstance(value, str) else []
            # Several in one text: each counts, and none is written as documented.
            yield from (f"{number}?" for number in numbers) if len(numbers) > 1 else (value,)


def _number(value: Any) -> tuple[int, bool]:
    """Return the number of a warning, 0 if it has none, and whether it is written as a number alone."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value, True
    text = value.strip() if isinstance(value, str) else ""
    found = re.search(r"-?\d+", text)
    # Nine digits are more than any code has; the sidecar's numbers are bounded.
    return (int(found[0][:10]), found[0] == text) if found else (0, False)
