"""Notes of sources that retention has removed: not whoever deletes a source takes its results along.

A note is written before the source goes and stays as long as a result of it does. It holds no key: it stands
under the digest of the source's, and says which object went (its ETag), and when.
"""

from __future__ import annotations

from typing import Final

import orjson

from cardveil.core.errors import SourceGone
from cardveil.settings import Settings
from cardveil.storage.keys import source_digest
from cardveil.storage.objects import Objects, Stored

_MAX_BYTES: Final = 4096
_SOURCE_ETAG: Final = "x-cos-meta-source-etag"
#: A deletion this much before its note, or after it, in seconds, is that of the note: clocks differ, and a
#: run that was killed deletes with its next try, which writes the note anew.
_EARLIER_S: Final = 300.0
_LATER_S: Final = 900.0


def retired_key(settings: Settings, digest: str) -> str:
    """Return where the note of a source stands, by the digest of its key."""
    return f"{settings.state_prefix}retired/{digest}.json"


def retire(objects: Objects, settings: Settings, digest: str, etag: str, now: float) -> None:
    """Write down that a source's term has ended, before it is removed."""
    note = orjson.dumps({"etag": etag, "at": now})
    place = retired_key(settings, digest)
    objects.put(place, note, media_type="application/json", meta={"kind": "retired"})


def is_retired(
    objects: Objects, settings: Settings, key: str, sidecar: Stored | None, deleted_at: float | None = None
) -> bool:
    """Say whether it was retention that removed a source.

    Parameters
    ----------
    sidecar : Stored or None
        The head of its sidecar, if there is one: it must be of the source that was removed.
    deleted_at : float, optional
        When the source was deleted: a person's deletion of what was uploaded anew comes later.
    """
    try:
        _, data = objects.get(retired_key(settings, source_digest(key)), max_bytes=_MAX_BYTES)
        note = orjson.loads(data or b"")
        etag, at = str(note["etag"]), float(note["at"])
    except SourceGone:
        return False
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return False  # as if there were none: the results go with their source
    if deleted_at is not None and not at - _EARLIER_S <= deleted_at <= at + _LATER_S:
        return False
    return sidecar is None or sidecar.meta.get(_SOURCE_ETAG) == etag
