"""The queue's memory on disk: an event that was accepted outlives the process that accepted it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from cardveil_cloud import files

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, request_id TEXT NOT NULL UNIQUE, function TEXT NOT NULL,
    payload BLOB NOT NULL, source TEXT NOT NULL, queued_at REAL NOT NULL, failures INTEGER NOT NULL,
    throttles INTEGER NOT NULL, due REAL NOT NULL
)
"""


@dataclass(slots=True)
class QueuedEvent:
    """One event on its way; its request id stays the same over all tries.

    Attributes
    ----------
    queued_at, due : float
        When it was accepted, and when its next try may begin; seconds since the epoch.
    """

    function: str
    payload: bytes
    source: str
    request_id: str
    queued_at: float
    failures: int = 0
    throttles: int = 0
    due: float = 0.0


class KeptEvents:
    """The events that are not done, in one file; to be used by one thread at a time.

    Attributes
    ----------
    notices : list of str
        What was found at the start and has to be told.
    """

    def __init__(self, path: Path) -> None:
        self.notices: list[str] = []
        try:
            self._db = _opened(path)
        except sqlite3.DatabaseError:
            aside = files.set_aside(path)
            for beside in ("-wal", "-shm"):
                path.with_name(path.name + beside).unlink(missing_ok=True)
            self.notices.append(f"the queue of events could not be read: {aside.name} is kept")
            self._db = _opened(path)
        found = len(self.all())
        if found:
            self.notices.append(
                f"{found} event(s) of the last run were not done yet; they are taken up again"
            )

    def all(self) -> list[QueuedEvent]:
        """Return all events in the order in which they were accepted."""
        rows = self._db.execute(
            "SELECT function, payload, source, request_id, queued_at, failures, throttles, due"
            " FROM events ORDER BY number"
        )
        return [QueuedEvent(*row) for row in rows]

    def add(self, event: QueuedEvent) -> None:
        """Take an event in; it is on disk when this returns."""
        self._db.execute(
            "INSERT INTO events (function, payload, source, request_id, queued_at, failures, throttles, due)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.function,
                event.payload,
                event.source,
                event.request_id,
                event.queued_at,
                event.failures,
                event.throttles,
                event.due,
            ),
        )

    def tried(self, event: QueuedEvent) -> None:
        """Note that an event has to be tried again, and when."""
        self._db.execute(
            "UPDATE events SET failures = ?, throttles = ?, due = ? WHERE request_id = ?",
            (event.failures, event.throttles, event.due, event.request_id),
        )

    def remove(self, event: QueuedEvent) -> None:
        """Forget an event that is done."""
        self._db.execute("DELETE FROM events WHERE request_id = ?", (event.request_id,))

    def close(self) -> None:
        """Let the file go."""
        self._db.close()


def _opened(path: Path) -> sqlite3.Connection:
    # SQLite makes its files beside the database with the database's own mode.
    with files.open_private(path, "ab"):
        pass
    # Each statement is committed by itself. As for the index of objects: with WAL and NORMAL nothing is lost
    # when the process is killed.
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute(_SCHEMA)
        db.execute("SELECT number, request_id, payload, due FROM events LIMIT 1")
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
