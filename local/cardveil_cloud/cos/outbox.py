"""Events of committed changes: written with the change itself, handed on once it is committed.

Without it a process that dies between the commit of an upload and the queue would leave a picture that nobody
is told of.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from cardveil_cloud.cos.casing import canonical_name
from cardveil_cloud.cos.contracts import ObjectEvent
from cardveil_cloud.cos.records import ObjectInfo

if TYPE_CHECKING:
    from cardveil_cloud.cos.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Origin:
    """What an event tells of the request behind it; ``name`` is the event's, without the ``cos:``."""

    name: str
    request_id: str
    source_ip: str


def note(
    db: sqlite3.Connection,
    origin: Origin | None,
    where: tuple[str, str],
    now: float,
    info: ObjectInfo | None = None,
) -> None:
    """Write an event down, inside the transaction of the change; without an origin nobody is to be told.

    Parameters
    ----------
    where
        Bucket and key.
    info
        The object, if the event is about one that is there.
    """
    if origin is None:
        return
    bucket, key = where
    headers = info.attributes.headers if info else {}
    event = ObjectEvent(
        name=f"cos:{origin.name}",
        bucket=bucket,
        key=key,
        size=info.size if info else 0,
        etag=info.etag if info else "",
        meta={canonical_name(name): value for name, value in headers.items()},
        storage_class=info.attributes.storage_class if info else "",
        request_id=origin.request_id,
        time=now,
        source_ip=origin.source_ip,
    )
    db.execute("INSERT INTO outbox (event) VALUES (?)", (json.dumps(asdict(event)),))


class Outbox:
    """Hands the events on, oldest first and one at a time; each at least once, whatever is killed when.

    Parameters
    ----------
    on_event
        Returns once it is sure that the event will not be lost; None when there is nobody to be told.
    """

    def __init__(self, store: ObjectStore, on_event: Callable[[ObjectEvent], Awaitable[None]] | None) -> None:
        self._store = store
        self._on_event = on_event
        self._alone = asyncio.Lock()

    @property
    def is_used(self) -> bool:
        """Whether there is somebody to be told."""
        return self._on_event is not None

    async def drain(self) -> None:
        """Hand on all that was committed until now."""
        if self._on_event is None:
            return
        async with self._alone:
            told: list[int] = []
            try:
                for number, event in waiting(self._store):
                    await self._on_event(event)
                    told.append(number)
            finally:
                if told:
                    await run_in_threadpool(_forget, self._store, told)


def waiting(store: ObjectStore) -> list[tuple[int, ObjectEvent]]:
    """The events that were not handed on yet, oldest first."""
    with store.reading() as db:
        rows = db.execute("SELECT number, event FROM outbox ORDER BY number").fetchall()
    return [(row["number"], ObjectEvent(**json.loads(row["event"]))) for row in rows]


def _forget(store: ObjectStore, numbers: Iterable[int]) -> None:
    with store.change() as (db, _):
        db.executemany("DELETE FROM outbox WHERE number = ?", [(number,) for number in numbers])
