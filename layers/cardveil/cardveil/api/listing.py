"""Pages of the inbox with what became of each picture: the bucket is the database, so a page costs HEADs."""

from __future__ import annotations

import base64
import binascii
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from cardveil.api.cards import is_decided
from cardveil.api.context import RequestContext
from cardveil.api.problems import Problem
from cardveil.api.refs import reference
from cardveil.core.errors import Halt
from cardveil.core.timing import iso
from cardveil.storage.keys import keys_of
from cardveil.storage.objects import Entry
from cardveil.storage.source import is_source

#: Sidecars looked at for one page, so that a filter which fits nothing cannot cost a whole bucket.
_MOST_LOOKED_AT: Final = 300
_SIDE_BY_SIDE: Final = 8
_SECONDS_KEPT: Final = 5.0


def page(
    context: RequestContext, *, status: str | None, prefix: str, limit: int, cursor: str | None
) -> dict[str, Any]:
    """Return up to `limit` cards whose status fits; fewer, with a cursor, when too many were looked at.

    Raises
    ------
    Problem
        422 ``cursor_refused`` or ``prefix_refused``.
    """
    prefix = checked_prefix(context, prefix)
    marker = _marker(cursor)
    cards: list[dict[str, Any]] = []
    looked_at = 0
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        while True:
            found = context.inbox.page(prefix, marker, limit)
            sources = [entry for entry in found.entries if is_source(entry.key, context.settings)]
            for entry, card in zip(sources, pool.map(lambda e: _card(context, e), sources), strict=True):
                if status in {None, card["status"]}:
                    cards.append(card)
                    context.saw(entry.key)
                if len(cards) == limit:
                    last = entry.key == found.entries[-1].key and found.marker is None
                    return {"cards": cards, "next": None if last else _cursor(entry.key)}
            looked_at += len(found.entries)
            if found.marker is None:
                return {"cards": cards, "next": None}
            marker = found.marker
            if looked_at >= _MOST_LOOKED_AT or context.invocation.remaining_s() < _SECONDS_KEPT:
                return {"cards": cards, "next": _cursor(marker)}


def checked_prefix(context: RequestContext, prefix: str) -> str:
    """Return a prefix of keys within the inbox; raises Problem 422 ``prefix_refused`` for any other."""
    inbox_prefix = context.settings.inbox_prefix
    if not prefix.startswith(inbox_prefix) and not inbox_prefix.startswith(prefix):
        raise Problem(422, "prefix_refused", "give a prefix of keys in the inbox")
    return max(prefix, inbox_prefix, key=len)


def _card(context: RequestContext, entry: Entry) -> dict[str, Any]:
    absent = "pending"
    try:
        sidecar = context.pipeline.results.current(keys_of(entry.key, context.settings))
    except Halt as refusal:
        context.pipeline.of_one_object(refusal)
        sidecar, absent = None, "needs_review"  # of this one, and the others are told
    return {
        "key": entry.key,
        "ref": reference(entry.key),
        "status": sidecar.meta.get("x-cos-meta-status", absent) if sidecar else absent,
        "decided": is_decided(sidecar) if sidecar else False,
        "size": entry.size,
        "uploaded_at": iso(entry.modified, "milliseconds"),
    }


def _cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode("ascii")


def _marker(cursor: str | None) -> str:
    try:
        return base64.b64decode(cursor or "", altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Problem(422, "cursor_refused", "give the cursor as the page before gave it") from None
