"""What is to be erased and what was: tasks that hold a key until they are done, tombstones that hold none.

A task under ``erasing/`` says that a source is to be erased; it is written first and goes last, so that
whoever finds it, the caller's second try or the schedule, does the whole again. A tombstone under ``erased/``
says what was done and holds nothing of the person: no key, no text, no free words.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

import orjson

from cardveil.core.errors import Reject, SourceGone
from cardveil.core.frozen import dataclass, fields
from cardveil.settings import Settings
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.objects import Objects
from cardveil.storage.retired import is_retired

#: Why something may be erased. Words of a caller's own might name the person, and stay for good.
REASONS: Final = (
    "requested", "consent_withdrawn", "purpose_ended", "term_ended", "unlawful", "test_data",
    "source_deleted",
)  # fmt: skip
#: The reason by which the deletion of a source, by whomever, takes its results along.
SOURCE_DELETED: Final = "source_deleted"
_FORM: Final = 1
_JSON: Final = "application/json"
_MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Task:
    """One erasure that is wanted.

    Attributes
    ----------
    id : str
        The tombstone's name.
    by : str
        The caller's subject, or what found the deletion.
    at : float
        Seconds since the epoch.
    """

    id: str
    key: str
    by: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What remains.

    Attributes
    ----------
    source : str
        SHA-256 of the source's key.
    state : str
        ``erasing`` until all is gone, then ``erased``.
    removed : mapping
        Versions that were found, by the kind of what they are.
    """

    id: str
    source: str
    by: str
    reason: str
    at: float
    state: str
    removed: Mapping[str, int]


def want(objects: Objects, settings: Settings, key: str, by: str, reason: str, now: float) -> Task:
    """Write down that a source is to be erased, for whoever carries it out."""
    if reason not in REASONS:
        raise ValueError("a reason of the list is wanted")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    task = Task(f"{stamp}-{secrets.token_hex(4)}", key, by, reason, now)
    content = {"form": _FORM, **{each.name: getattr(task, each.name) for each in fields(task)}}
    objects.put(task_key(settings, key), orjson.dumps(content), media_type=_JSON, meta={"kind": "erasure"})
    return task


def want_as_deleted(
    objects: Objects,
    results: Objects,
    settings: Settings,
    key: str,
    now: float,
    deleted_at: float | None = None,
) -> bool:
    """Write down that a source which somebody deleted takes its results along; say whether there is need.

    False where the source is there (again), where its erasure is under way, or was what deleted it, or where
    its term had ended: what retention removes leaves the results their own terms.

    Parameters
    ----------
    deleted_at : float, optional
        When it was deleted (seconds since the epoch), where that is known.
    """
    if settings.source_deleted != "erase" or objects.head(key) is not None:
        return False
    if objects.head(task_key(settings, key)) is not None:
        return False
    keys = keys_of(key, settings)
    sidecar = results.head(keys.sidecar)
    if is_retired(objects, settings, key, sidecar, deleted_at):
        return False
    left = sidecar is not None or results.head(keys.redacted) is not None
    if not left and tombstones(objects, settings, key):
        return False
    want(objects, settings, key, "cos", SOURCE_DELETED, now)
    return True


def tombstones(objects: Objects, settings: Settings, key: str) -> list[Tombstone]:
    """Return what is known of the erasures of a source, the oldest first."""
    prefix = f"{settings.state_prefix}erased/{source_digest(key)}/"
    found = (_note(objects, name) for name in objects.list(prefix))
    return [_as(Tombstone, note) for note in found if note]


def task_key(settings: Settings, key: str) -> str:
    """Return where the erasure of a source is written down."""
    return f"{settings.state_prefix}erasing/{source_digest(key)}.json"


def task_of(objects: Objects, settings: Settings, key: str) -> Task | None:
    """Return the erasure of a source that is under way, None when there is none."""
    return task_at(objects, task_key(settings, key))


def task_names(objects: Objects, settings: Settings) -> list[str]:
    """Return where all erasures that are under way are written down; each may be unreadable by itself."""
    return list(objects.list(f"{settings.state_prefix}erasing/"))


def task_at(objects: Objects, name: str) -> Task | None:
    """Return an erasure by where it is written down, None when it is done meanwhile.

    Raises
    ------
    Reject
        ``erasure_note_unreadable``.
    """
    note = _note(objects, name)
    return _as(Task, note) if note else None


def bury(objects: Objects, settings: Settings, stone: Tombstone) -> None:
    """Write down what was erased."""
    content = {"form": _FORM, **{each.name: getattr(stone, each.name) for each in fields(stone)}}
    place = f"{settings.state_prefix}erased/{stone.source}/{stone.id}.json"
    objects.put(place, orjson.dumps(content), media_type=_JSON, meta={"kind": "tombstone"})


def _note(objects: Objects, name: str) -> dict[str, Any] | None:
    try:
        _, data = objects.get(name, max_bytes=_MAX_BYTES)
    except SourceGone:
        return None
    try:
        note = orjson.loads(data or b"")
        if note["form"] != _FORM:
            raise ValueError
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise Reject("erasure_note_unreadable", "look at the notes under erasing/ and erased/") from None
    return dict(note)


def _as(kind: type[Any], note: dict[str, Any]) -> Any:
    return kind(**{each.name: note[each.name] for each in fields(kind)})
