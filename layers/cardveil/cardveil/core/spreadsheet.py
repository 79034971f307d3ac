"""Rows for spreadsheets: CSV (RFC 4180, UTF-8) of which no program that opens it takes a cell for a formula.

"CSV Injection" (OWASP) names the characters: a cell that begins with one of them is evaluated. Programs trim
what stands before it, take full-width forms for the same, and split cells at separators of their own locale;
so an apostrophe, which spreadsheets take for "text", is put before each such character at any such place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: Says that the file is UTF-8; without it spreadsheets read Chinese in the system's own encoding.
BOM: Final = "\ufeff"
#: White space, separators, quotes and characters that show as nothing: what may stand before a formula.
_BEFORE: Final = "\\s\\x00-\\x20\\x7f\\x85\\xa0\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\"'"
#: What begins a formula, also full-width, as a minus sign, or in small form; `|` and `%` call other programs.
_FORMULA: Final = (
    "=+\\-@|%\uff1d\uff0b\uff0d\uff20\uff5c\uff05"
    "\u2212\ufe62\ufe63\ufe66\ufe6b\u207a\u207b\u207c\u208a\u208b\u208c"
)
_HARMFUL: Final = re.compile(f"(^|[;,\\t\\r\\n\uff1b\uff0c\u3001])([{_BEFORE}]*)(?=[{_FORMULA}])")
#: What a cell cannot hold: control characters, and halves of surrogate pairs.
_UNFIT: Final = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\ud800-\udfff\ufffe\uffff]")


def cell(text: str) -> str:
    """Return a text as a cell that no program evaluates: quoted, with an apostrophe where one is needed."""
    text = _UNFIT.sub("\ufffd", text)
    text = _HARMFUL.sub(r"\1\2'", text)
    # Tab and CR at the beginning are dropped by some programs, with what that brings to the beginning.
    text = f"'{text}" if text[:1] in {"\t", "\r", "\n"} else text
    return '"' + text.replace('"', '""') + '"'


def line(texts: Iterable[str]) -> str:
    """Return a line of CSV with its CRLF."""
    return ",".join(map(cell, texts)) + "\r\n"
