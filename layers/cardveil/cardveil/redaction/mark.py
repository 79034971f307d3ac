"""What is written over copies, as policies say it: a text with its purpose and its day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from cardveil.core.frozen import dataclass

#: What is written where nothing else is set.
USUAL_TEXT: Final = "仅供{purpose}使用 {date}"
#: Longest text and purpose, in characters.
LONGEST_TEXT: Final = 60
LONGEST_PURPOSE: Final = 30
#: The day is that of the cards' country.
_ZONE: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Watermark:
    """What a policy has written over its copies.

    Attributes
    ----------
    text : str
        With ``{purpose}`` and ``{date}`` where these are to stand.
    purpose : str
        What stands for ``{purpose}``, where a request names no other.
    colour : (red, green, blue)
    opacity : int
        Per cent of the mark's colour in what is under it.
    """

    text: str = USUAL_TEXT
    purpose: str = ""
    colour: tuple[int, int, int] = (192, 32, 32)
    opacity: int = 35

    def __post_init__(self) -> None:
        from cardveil.redaction.lettering import can_write  # few policies write anything

        names = set(re.findall(r"\{([^{}]*)\}", self.text))
        bare = re.sub(r"\{(purpose|date)\}", "", self.text)
        if not names <= {"purpose", "date"} or not 0 < len(self.text) <= LONGEST_TEXT:
            raise ValueError("a text of up to 60 characters with {purpose} and {date}")
        if not can_write(bare) or (not bare.strip() and not names):
            raise ValueError("a text of letters that can be written: ASCII and GB 2312")
        if "{purpose}" in self.text and self.purpose and not is_purpose(self.purpose):
            raise ValueError("a purpose of up to 30 letters")
        if not 5 <= self.opacity <= 60:
            raise ValueError("an opacity from 5 to 60 per cent")

    def as_document(self) -> dict[str, Any]:
        """Return it as policies are recorded."""
        colour = f"#{bytes(self.colour).hex()}"
        return {"text": self.text, "purpose": self.purpose, "colour": colour, "opacity": self.opacity}


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of one copy: what is written, and how."""

    text: str
    colour: tuple[int, int, int]
    opacity: int


def is_purpose(text: str) -> bool:
    """Say whether a text can stand for a purpose: some letters that can be written, and no sign of a form."""
    from cardveil.redaction.lettering import can_write

    fits = 0 < len(text) <= LONGEST_PURPOSE and text == text.strip()
    return fits and not set(text) & set("{}<>&\\") and can_write(text)


def mark_of(watermark: Watermark, now: float, purpose: str = "") -> Mark:
    """Return the mark for a copy that is made now, for a request's purpose or else the policy's."""
    day = datetime.fromtimestamp(now, _ZONE).date().isoformat()
    # The purpose last: what it says is not read again.
    text = watermark.text.replace("{date}", day).replace("{purpose}", purpose or watermark.purpose)
    return Mark(text, watermark.colour, watermark.opacity)


def watermark_from(document: Mapping[str, Any]) -> Watermark:
    """Read a watermark in the form in which policies are recorded; raises ValueError for any other."""
    said = dict(document)
    colour = bytes.fromhex(str(said.pop("colour", "#c02020")).removeprefix("#"))
    if len(colour) != 3 or set(said) - {"text", "purpose", "opacity"}:
        raise ValueError("no watermark")
    return Watermark(**said, colour=(colour[0], colour[1], colour[2]))
