"""Holds on single cards: while one stands, neither retention nor erasure removes anything of the card.

A hold and a removal are told apart in any order: whoever holds writes the hold and then looks for an erasure
that is wanted; whoever erases writes that down and then looks for a hold. Retention and holding take the
card's lease. A hold holds no key: the digest of the source's key, who, when, and a code that says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from cardveil.core.errors import Review, SourceGone
from cardveil.core.frozen import dataclass
from cardveil.settings import Settings
from cardveil.storage.keys import source_digest
from cardveil.storage.objects import Objects

_FORM: Final = 1
_MAX_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold: the SHA-256 of the source's key, who holds, why (a code), since when (epoch seconds)."""

    source: str
    by: str
    reason: str
    at: float


def hold_key(settings: Settings, digest: str) -> str:
    """Return where the hold of a source stands, by the digest of its key."""
    return f"{settings.state_prefix}holds/{digest}.json"


def hold_of(objects: Objects, settings: Settings, digest: str) -> Hold | None:
    """Return the hold of a source, None where there is none.

    Raises
    ------
    Review
        ``hold_unreadable``: it cannot be said, so nothing of this card may be removed.
    """
    try:
        _, data = objects.get(hold_key(settings, digest), max_bytes=_MAX_BYTES)
    except SourceGone:
        return None
    try:
        note = orjson.loads(data or b"")
        return Hold(digest, str(note["by"]), str(note["reason"]), float(note["at"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        what_to_do = "look at the notes under holds/: one cannot be read"
        raise Review("hold_unreadable", what_to_do) from None


def put_hold(objects: Objects, settings: Settings, key: str, by: str, reason: str, now: float) -> Hold:
    """Hold a source's card; the first hold stands, with its reason."""
    digest = source_digest(key)
    before = hold_of(objects, settings, digest)
    if before:
        return before
    note = orjson.dumps({"form": _FORM, "by": by, "reason": reason, "at": now})
    objects.put(hold_key(settings, digest), note, media_type="application/json", meta={"kind": "hold"})
    return Hold(digest, by, reason, now)


def release(objects: Objects, settings: Settings, key: str) -> Hold | None:
    """Take a hold away and return it; None where there was none."""
    found = hold_of(objects, settings, source_digest(key))
    if found:
        objects.delete(hold_key(settings, found.source))
    return found


def holds(objects: Objects, settings: Settings) -> Iterator[Hold]:
    """Yield all holds; of one that cannot be read, that it is there."""
    prefix = f"{settings.state_prefix}holds/"
    for name in objects.list(prefix):
        digest = name.removeprefix(prefix).removesuffix(".json")
        try:
            found = hold_of(objects, settings, digest)
        except Review as damaged:
            found = Hold(digest, "", damaged.code, 0.0)
        if found:
            yield found
