"""How logs, metrics and errors speak of things that must not be told."""

from __future__ import annotations

import hashlib
from typing import Final

#: Digits of a key's digest: enough to find the object in a listing. Where keys hold ID numbers, a digest
#: could be guessed back; such users set CARDVEIL_RESULT_NAMES=digest and keep their logs close.
DIGITS: Final = 16


def digest(key: str) -> str:
    """Return the name by which a key is spoken of: the first digits of its SHA-256."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:DIGITS]
