"""How a card is named in a path: by its key, or by a form of it that no proxy on the way can change."""

from __future__ import annotations

import base64
import binascii
from typing import Final
from urllib.parse import unquote

from cardveil.api.problems import Problem
from cardveil.settings import Settings
from cardveil.storage.source import is_source

_MARK: Final = "~"


def reference(key: str) -> str:
    """Return the form that survives: ``~`` and the key's Base64url."""
    return _MARK + base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode("ascii")


def keys_meant(named: str, settings: Settings) -> tuple[str, ...]:
    """Return the keys that a path's part may mean, likeliest first.

    Whether the platform hands a path over decoded is documented nowhere, so a plain key is taken both ways.

    Raises
    ------
    Problem
        404 when none of them could be a source.
    """
    if named.startswith(_MARK):
        try:
            part = named.removeprefix(_MARK)
            found = [base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True).decode()]
        except (binascii.Error, ValueError):
            found = []
    else:
        found = [named, unquote(named)]
    keys = tuple(key for key in dict.fromkeys(found) if is_source(key, settings))
    if not keys:
        raise unknown()
    return keys


def unknown() -> Problem:
    """Build the answer for a card that is not there."""
    return Problem(404, "card_unknown", "check the key: no such picture is in the inbox")
