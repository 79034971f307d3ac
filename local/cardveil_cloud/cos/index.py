"""The store's index in SQLite: what there is, in key order, and the one place where changes are committed."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from cardveil_cloud import files

# Keys are blobs, compared byte by byte: that is COS's listing order (UTF-8 binary), whatever the key holds.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, created REAL NOT NULL, versioning TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, crc64 TEXT NOT NULL,
    modified REAL NOT NULL, storage_class TEXT NOT NULL, headers TEXT NOT NULL, tags TEXT NOT NULL,
    blob TEXT NOT NULL, version TEXT NOT NULL DEFAULT 'null', number INTEGER NOT NULL DEFAULT 0,
    marker INTEGER NOT NULL DEFAULT 0, restored_from REAL NOT NULL DEFAULT 0,
    restored_until REAL NOT NULL DEFAULT 0, PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, crc64 TEXT NOT NULL,
    modified REAL NOT NULL, storage_class TEXT NOT NULL, headers TEXT NOT NULL, tags TEXT NOT NULL,
    blob TEXT NOT NULL, version TEXT NOT NULL, number INTEGER NOT NULL, marker INTEGER NOT NULL,
    restored_from REAL NOT NULL, restored_until REAL NOT NULL, PRIMARY KEY (bucket, key, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS configurations (
    bucket TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, initiated REAL NOT NULL,
    storage_class TEXT NOT NULL, headers TEXT NOT NULL, tags TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_by_key ON uploads (bucket, key, id);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    crc64 TEXT NOT NULL, modified REAL NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (upload, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS acls (
    bucket TEXT NOT NULL, key BLOB NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (bucket, key, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
"""

#: Columns of ``objects`` that came later.
_ADDED = (
    ("version", "TEXT NOT NULL DEFAULT 'null'"),
    ("number", "INTEGER NOT NULL DEFAULT 0"),
    ("marker", "INTEGER NOT NULL DEFAULT 0"),
    ("restored_from", "REAL NOT NULL DEFAULT 0"),
    ("restored_until", "REAL NOT NULL DEFAULT 0"),
)


class Index:
    """One database: readers in parallel, one writer at a time; safe to be used from threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._write_lock = threading.RLock()
        # SQLite makes its files beside the database with the database's own mode.
        with files.open_private(path, "ab"):
            pass
        self._writer = self._connect()
        self._writer.execute("PRAGMA journal_mode=WAL")
        self._writer.executescript(_SCHEMA)
        self._migrate()

    def _migrate(self) -> None:
        """Add what a folder of an earlier version lacks."""
        there = {row["name"] for row in self._writer.execute("PRAGMA table_info(objects)")}
        for column, kind in _ADDED:
            if column not in there:
                self._writer.execute(f"ALTER TABLE objects ADD COLUMN {column} {kind}")

    def _connect(self) -> sqlite3.Connection:
        # Autocommit, so that transactions begin and end where this module says. A connection is handed from
        # thread to thread, but used by one at a time.
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        # With WAL, NORMAL may lose the last commits when the power fails, none when the process is killed.
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with, seeing one state of the database for as long as it is held."""
        with self._pool_lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.execute("ROLLBACK")
            with self._pool_lock:
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    def alone(self) -> contextlib.AbstractContextManager[bool]:
        """Keep other writers out for longer than a transaction lasts."""
        return self._write_lock

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, alone: committed when the block ends, rolled back when it raises."""
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def referred_blobs(self, among: set[str]) -> set[str]:
        """Those of the given blob ids that some object, version or part refers to."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT blob FROM objects UNION ALL SELECT blob FROM versions"
                " UNION ALL SELECT blob FROM parts"
            )
            return {row["blob"] for row in rows if row["blob"] in among}

    def close(self) -> None:
        """Close every connection; one that is in use is closed as it comes back."""
        with self._pool_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with self._write_lock:
            self._writer.close()
