"""Older versions and delete markers: what a change of a versioned bucket keeps, and how all of it is listed.

The newest version of a key, unless it is a delete marker, is the row in ``objects``; everything older, and
every marker, is in ``versions``. All functions work inside a transaction of the index.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import MutableSequence
from dataclasses import dataclass, replace

from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.listing import successor
from cardveil_cloud.cos.records import (
    NULL_VERSION,
    OBJECT_COLUMNS,
    Attributes,
    Bucket,
    ObjectInfo,
    Removal,
    object_of,
    object_row,
)

_MARKS = ", ".join("?" * len(OBJECT_COLUMNS.split(",")))
_NEWEST = "SELECT * FROM versions WHERE bucket = ? AND key = ? ORDER BY number DESC LIMIT 1"
_VERSION = "SELECT * FROM {} WHERE bucket = ? AND key = ? AND version = ?"


@dataclass(frozen=True, slots=True)
class VersionPage:
    """Versions in key order, the newest of a key first, each with whether it is its key's latest."""

    entries: tuple[tuple[ObjectInfo, bool], ...]
    prefixes: tuple[str, ...]
    next_key: str | None = None
    next_version: str = ""


def find(db: sqlite3.Connection, bucket: str, key: str, version: str) -> ObjectInfo | None:
    """The version of this name, a delete marker too; without a name the current object. None for none."""
    place = (bucket, key.encode())
    if not version:
        row = db.execute("SELECT * FROM objects WHERE bucket = ? AND key = ?", place).fetchone()
        return None if row is None else object_of(row)
    for table in ("objects", "versions"):
        row = db.execute(_VERSION.format(table), (*place, version)).fetchone()
        if row is not None:
            return object_of(row)
    return None


def table_of(db: sqlite3.Connection, info: ObjectInfo) -> str:
    """The table that holds a version."""
    place = (info.bucket, info.key.encode(), info.number)
    found = db.execute("SELECT 1 FROM versions WHERE bucket = ? AND key = ? AND number = ?", place).fetchone()
    return "versions" if found else "objects"


def add(
    db: sqlite3.Connection, removed: MutableSequence[str], holder: Bucket, info: ObjectInfo, now: float
) -> ObjectInfo:
    """Make this the current object; what was there is kept or dropped as the bucket's versioning says."""
    info = _aged(db, removed, holder, info, now)
    _insert(db, "objects", info)
    return info


def remove(
    db: sqlite3.Connection, removed: MutableSequence[str], holder: Bucket, key: str, version: str, now: float
) -> Removal:
    """Delete the current object, or one version for good."""
    found = find(db, holder.name, key, version)
    if version:
        if found is None:
            return Removal()
        _drop(db, removed, found)
        _promote(db, holder.name, key)
        return Removal(found)
    if not holder.ever_versioned:
        if found is None:
            return Removal()
        _drop(db, removed, found)
        return Removal(found)
    marker = ObjectInfo(holder.name, key, 0, "", 0, now, Attributes(storage_class=""), "", marker=True)
    marker = _aged(db, removed, holder, marker, now)
    _insert(db, "versions", marker)
    return Removal(found, marker.version)


def listed(
    db: sqlite3.Connection,
    bucket: str,
    *,
    prefix: str,
    delimiter: str,
    key_marker: str,
    version_marker: str,
    limit: int,
) -> VersionPage:
    """One page of all versions after the markers."""
    low = max(prefix.encode(), key_marker.encode())
    high = successor(prefix.encode()) if prefix else None
    bound, values = ("", ()) if high is None else (" AND key < ?", (high,))
    of_table = f"SELECT {OBJECT_COLUMNS} FROM {{}} WHERE bucket = ? AND key >= ?{bound}"  # noqa: S608
    both = f"{of_table.format('objects')} UNION ALL {of_table.format('versions')} ORDER BY key, number DESC"
    rows = db.execute(both, (bucket, low, *values) * 2)
    after = find(db, bucket, key_marker, version_marker) if version_marker else None
    entries: list[tuple[ObjectInfo, bool]] = []
    prefixes: dict[str, None] = {}
    last, previous = ("", ""), ""
    for info in map(object_of, rows):
        latest, previous = info.key != previous, info.key
        head, cut, _ = info.key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        folder = prefix + head + cut if cut else None
        if info.key == key_marker and (after is None or info.number >= after.number):
            continue
        if folder is not None and (folder in prefixes or (key_marker and key_marker.startswith(folder))):
            continue
        if len(entries) + len(prefixes) == limit:
            return VersionPage(tuple(entries), tuple(prefixes), *last)
        if folder is not None:
            prefixes[folder] = None
            last = (folder, "")
        else:
            entries.append((info, latest))
            last = (info.key, info.version)
    return VersionPage(tuple(entries), tuple(prefixes))


def require(db: sqlite3.Connection, bucket: str, key: str, version: str) -> ObjectInfo:
    """The version of this name, or the current object.

    Raises
    ------
    CosError
        ``NoSuchKey``, ``NoSuchVersion``, ``MethodNotAllowed`` for a delete marker.
    """
    found = find(db, bucket, key, version)
    if found is None:
        raise CosError("NoSuchVersion" if version else "NoSuchKey")
    if found.marker:
        raise CosError(
            "MethodNotAllowed", headers={"x-cos-delete-marker": "true", "x-cos-version-id": found.version}
        )
    return found


def _aged(
    db: sqlite3.Connection, removed: MutableSequence[str], holder: Bucket, info: ObjectInfo, now: float
) -> ObjectInfo:
    """Give a new version its name and age, and put what is current among the older ones."""
    place = (info.bucket, info.key.encode())
    current = find(db, *_named(info), "")
    newest = db.execute(_NEWEST, place).fetchone()
    ages = [each for each in (current, newest and object_of(newest)) if each]
    keeps = holder.versioning == "Enabled"
    if current is not None:
        if holder.ever_versioned and (keeps or current.version != NULL_VERSION):
            _insert(db, "versions", current)
            db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", place)
        else:
            _drop(db, removed, current)
    if not keeps and (old := find(db, *_named(info), NULL_VERSION)):
        _drop(db, removed, old)
    return replace(
        info,
        # A number that the clients of the real service see, too, is some text without meaning.
        version=secrets.token_urlsafe(24) if keeps else NULL_VERSION,
        number=max([int(now * 1e6), *(each.number + 1 for each in ages)]),
    )


def _named(info: ObjectInfo) -> tuple[str, str]:
    return info.bucket, info.key


def _insert(db: sqlite3.Connection, table: str, info: ObjectInfo) -> None:
    query = f"INSERT OR REPLACE INTO {table} ({OBJECT_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608
    db.execute(query, object_row(info))


def _drop(db: sqlite3.Connection, removed: MutableSequence[str], info: ObjectInfo) -> None:
    place = (info.bucket, info.key.encode(), info.number)
    for table in ("objects", "versions", "acls"):
        query = f"DELETE FROM {table} WHERE bucket = ? AND key = ? AND number = ?"  # noqa: S608
        db.execute(query, place)
    if info.blob:
        removed.append(info.blob)


def _promote(db: sqlite3.Connection, bucket: str, key: str) -> None:
    """Make the newest version the current object, if there is no other and it is no delete marker."""
    row = db.execute(_NEWEST, (bucket, key.encode())).fetchone()
    if row is None or row["marker"] or find(db, bucket, key, ""):
        return
    _insert(db, "objects", object_of(row))
    db.execute(
        "DELETE FROM versions WHERE bucket = ? AND key = ? AND number = ?",
        (bucket, key.encode(), row["number"]),
    )
