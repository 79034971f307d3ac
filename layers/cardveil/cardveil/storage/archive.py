"""Keeps a sidecar's history short: the oldest decisions are moved into objects of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from cardveil.storage.keys import Keys
from cardveil.storage.objects import Objects
from cardveil.storage.sidecar import Decision, as_entry

#: Decisions that a sidecar holds at most: by their longest texts some 300 KB.
MOST: Final = 60
#: How many are left in it when the others are moved.
_KEPT: Final = 20


def bounded(
    objects: Objects, keys: Keys, history: Sequence[Decision], archived: int
) -> tuple[tuple[Decision, ...], int]:
    """Return the history that stays in the sidecar, and how many decisions stand in the archive then.

    An archive's object is named by the number of decisions before its own. It is written before the sidecar:
    a crash in between leaves one that is written again, with the same content.

    Parameters
    ----------
    objects : Objects
        The bucket of the sources, where all state stands.
    history : sequence of Decision
        Oldest first.
    archived : int
        How many older ones were moved before.
    """
    if len(history) <= MOST:
        return tuple(history), archived
    old, kept = history[:-_KEPT], history[-_KEPT:]
    put_archive(objects, f"{keys.history}{archived:08d}.json", [as_entry(decision) for decision in old])
    return tuple(kept), archived + len(old)


def put_archive(objects: Objects, key: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Write one object of the archive."""
    data = orjson.dumps(entries, option=orjson.OPT_INDENT_2)
    objects.put(key, data, media_type="application/json", meta={"kind": "history"})
