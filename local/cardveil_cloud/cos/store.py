"""Buckets and objects on disk: what the service does to them, without any HTTP."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, MutableSequence
from dataclasses import replace
from typing import BinaryIO

from cardveil_cloud.cos import outbox, versions
from cardveil_cloud.cos.blobs import Blob
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.listing import Page, list_page
from cardveil_cloud.cos.records import (
    ARCHIVED,
    Attributes,
    Bucket,
    ObjectInfo,
    Removal,
    as_columns,
    object_of,
)
from cardveil_cloud.cos.storage import Storage

_NO_ATTRIBUTES = Attributes()
_DAY_S = 86400.0


class ObjectStore(Storage):
    """Buckets and their objects; see `Storage` for the folder, the clock and threads."""

    # Buckets

    def create_bucket(self, name: str, versioned: bool = False) -> None:
        """Make a bucket (full name, with the app id); `CosError` ``BucketAlreadyOwnedByYou`` if it exists."""
        with self._index.writing() as db:
            try:
                db.execute(
                    "INSERT INTO buckets (name, created, versioning) VALUES (?, ?, ?)",
                    (name, self.now(), "Enabled" if versioned else ""),
                )
            except sqlite3.IntegrityError as error:
                raise CosError("BucketAlreadyOwnedByYou") from error

    def bucket(self, name: str) -> Bucket:
        """Look a bucket up; `CosError` ``NoSuchBucket`` if there is none."""
        with self.reading() as db:
            return _bucket(db, name)

    def buckets(self) -> list[Bucket]:
        """All buckets, by name."""
        with self.reading() as db:
            return [Bucket(**row) for row in db.execute("SELECT * FROM buckets ORDER BY name")]

    def delete_bucket(self, name: str) -> None:
        """Remove a bucket; `CosError` ``BucketNotEmpty`` while it holds objects, versions or uploads."""
        with self._index.writing() as db:
            _bucket(db, name)
            for query in (
                "SELECT 1 FROM objects WHERE bucket = ? LIMIT 1",
                "SELECT 1 FROM versions WHERE bucket = ? LIMIT 1",
                "SELECT 1 FROM uploads WHERE bucket = ? LIMIT 1",
            ):
                if db.execute(query, (name,)).fetchone():
                    raise CosError("BucketNotEmpty")
            db.execute("DELETE FROM configurations WHERE bucket = ?", (name,))
            db.execute("DELETE FROM buckets WHERE name = ?", (name,))

    def set_versioning(self, name: str, status: str) -> None:
        """Set a bucket's versioning to ``Enabled`` or ``Suspended``."""
        with self._index.writing() as db:
            _bucket(db, name)
            db.execute("UPDATE buckets SET versioning = ? WHERE name = ?", (status, name))

    def configure(self, name: str, what: str, body: bytes | None) -> None:
        """Keep a bucket's configuration (``cors``, ``tagging``, …) as it was sent; None removes it."""
        with self._index.writing() as db:
            _bucket(db, name)
            if body is None:
                db.execute("DELETE FROM configurations WHERE bucket = ? AND name = ?", (name, what))
            else:
                db.execute("INSERT OR REPLACE INTO configurations VALUES (?, ?, ?)", (name, what, body))

    def configuration(self, name: str, what: str) -> bytes | None:
        """One of a bucket's configurations, None if it has none; `CosError` ``NoSuchBucket``."""
        query = "SELECT body FROM configurations WHERE bucket = ? AND name = ?"
        with self.reading() as db:
            row = db.execute(query, (name, what)).fetchone()
            if row is None:
                _bucket(db, name)
            return None if row is None else bytes(row["body"])

    # Objects

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes | Blob,
        attributes: Attributes = _NO_ATTRIBUTES,
        *,
        forbid_overwrite: bool = False,
        instead_of: str | None = None,
        origin: outbox.Origin | None = None,
    ) -> ObjectInfo:
        """Store an object, all at once, in place of an older one.

        Parameters
        ----------
        body
            The bytes, or a finished blob of `writer`, which belongs to the store from here on.
        forbid_overwrite
            Only create; without effect on a bucket that was ever versioned.
        instead_of
            The blob that must be the present one, empty for none: no version of it is kept.
        origin
            Of the event that is put into the outbox; without one there is no event.

        Raises
        ------
        CosError
            ``NoSuchBucket``, ``FileAlreadyExists``, ``PositionNotEqualToLength``.
        """
        blob = self.take(body) if isinstance(body, bytes) else body
        info = ObjectInfo(
            bucket=bucket,
            key=key,
            size=blob.size,
            etag=f'"{blob.md5.hex()}"',
            crc64=blob.crc64,
            modified=self.now(),
            attributes=attributes,
            blob=blob.id,
        )
        with self.change(added=[blob.id]) as (db, removed):
            if instead_of is not None:
                present = versions.find(db, bucket, key, "")
                if (present.blob if present else "") != instead_of:
                    raise CosError("PositionNotEqualToLength")
            unversioned = instead_of is not None
            return self.insert(
                db,
                removed,
                info,
                forbid_overwrite=forbid_overwrite,
                origin=origin,
                unversioned=unversioned,
            )

    def insert(
        self,
        db: sqlite3.Connection,
        removed: MutableSequence[str],
        info: ObjectInfo,
        *,
        forbid_overwrite: bool,
        origin: outbox.Origin | None,
        unversioned: bool = False,
    ) -> ObjectInfo:
        """Put an object's row in, inside a `change`, and return it; same errors as `put`."""
        holder = _bucket(db, info.bucket)
        if forbid_overwrite and not holder.ever_versioned and versions.find(db, info.bucket, info.key, ""):
            raise CosError("FileAlreadyExists")
        if unversioned:
            holder = replace(holder, versioning="")
        stored = versions.add(db, removed, holder, info, self.now())
        outbox.note(db, origin, (info.bucket, info.key), self.now(), stored)
        return stored

    def head(self, bucket: str, key: str, version: str = "") -> ObjectInfo:
        """Look an object, or one version of it, up.

        Raises
        ------
        CosError
            ``NoSuchBucket``, ``NoSuchKey``, ``NoSuchVersion``, ``MethodNotAllowed`` for a delete marker.
        """
        with self.reading() as db:
            return _object(db, bucket, key, version)

    def open(self, bucket: str, key: str, version: str = "") -> tuple[ObjectInfo, BinaryIO]:
        """An object and its bytes, opened for reading; they belong together even while it is overwritten.

        Raises
        ------
        CosError
            As `head`; ``InvalidObjectState`` while the bytes are archived.
        """
        while True:
            info = self.head(bucket, key, version)
            if not info.is_readable(self.now()):
                raise CosError("InvalidObjectState")
            try:
                return info, self._blobs.open(info.blob)
            except FileNotFoundError:
                # Overwritten or deleted between the two steps; else the file is really missing.
                if self.head(bucket, key, version).blob == info.blob:
                    raise

    def get(self, bucket: str, key: str) -> tuple[ObjectInfo, bytes]:
        """An object with all its bytes."""
        info, file = self.open(bucket, key)
        with file:
            return info, file.read()

    def keys_of(self, md5: bytes) -> list[str]:
        """The keys of all objects, in any bucket, that were uploaded whole with these bytes."""
        with self.reading() as db:
            rows = db.execute("SELECT key FROM objects WHERE etag = ?", (f'"{md5.hex()}"',))
            return [bytes(row["key"]).decode() for row in rows]

    def put_copy(
        self,
        source: ObjectInfo,
        bucket: str,
        key: str,
        attributes: Attributes,
        *,
        forbid_overwrite: bool = False,
        origin: outbox.Origin | None = None,
    ) -> ObjectInfo:
        """Store an object's bytes under another key (or its own, with other attributes).

        Raises `FileNotFoundError` when the source is no longer what `head` told, `CosError`
        ``InvalidObjectState`` when its bytes are archived, and what `put` raises.
        """
        if not source.is_readable(self.now()):
            raise CosError("InvalidObjectState")
        info = replace(
            source,
            bucket=bucket,
            key=key,
            attributes=attributes,
            modified=self.now(),
            blob=self._blobs.link(source.blob),
            restored_from=0.0,
            restored_until=0.0,
        )
        with self.change(added=[info.blob]) as (db, removed):
            return self.insert(db, removed, info, forbid_overwrite=forbid_overwrite, origin=origin)

    def delete(
        self, bucket: str, key: str, version: str = "", origin: outbox.Origin | None = None
    ) -> Removal:
        """Remove an object, where versions are kept by a delete marker; or one version, for good.

        The origin's name begins the event's: what became of the object is added to it.
        """
        with self.change() as (db, removed):
            done = versions.remove(db, removed, _bucket(db, bucket), key, version, self.now())
            if origin is not None and (done.marker or done.removed is not None):
                what = "DeleteMarkerCreated" if done.marker else "Delete"
                told = replace(origin, name=f"{origin.name}:{what}")
                outbox.note(db, told, (bucket, key), self.now())
            return done

    def set_tags(self, bucket: str, key: str, tags: Mapping[str, str], version: str = "") -> ObjectInfo:
        """Replace the tags of an object, or of one version; raises as `head`."""
        with self._index.writing() as db:
            info = _object(db, bucket, key, version)
            _, _, column = as_columns(replace(info.attributes, tags=tags))
            _update(db, info, "tags = ?", column)
            return info

    def set_acl(self, bucket: str, key: str, body: bytes, version: str = "") -> None:
        """Keep the access control list of an object, or of one version; raises as `head`."""
        with self._index.writing() as db:
            info = _object(db, bucket, key, version)
            place = (bucket, key.encode(), info.number)
            db.execute("INSERT OR REPLACE INTO acls VALUES (?, ?, ?, ?)", (*place, body))

    def acl(self, bucket: str, key: str, version: str = "") -> bytes | None:
        """The access control list of an object, or of one version, as it was kept; raises as `head`."""
        with self.reading() as db:
            place = (bucket, key.encode(), _object(db, bucket, key, version).number)
            query = "SELECT body FROM acls WHERE bucket = ? AND key = ? AND number = ?"
            row = db.execute(query, place).fetchone()
            return None if row is None else bytes(row["body"])

    def restore(
        self,
        bucket: str,
        key: str,
        days: int,
        after_s: float,
        version: str = "",
        origin: outbox.Origin | None = None,
    ) -> bool:
        """Have an archived object's bytes at hand for `days` days, `after_s` seconds from now.

        Returns whether they are at hand already: then only their time is longer.

        Raises
        ------
        CosError
            As `head`; ``InvalidObjectState`` for what is not archived, ``RestoreAlreadyInProgress``.
        """
        now = self.now()
        with self._index.writing() as db:
            info = _object(db, bucket, key, version)
            if info.attributes.storage_class not in ARCHIVED:
                raise CosError("InvalidObjectState", "The object is not archived.")
            if info.is_restoring(now):
                raise CosError("RestoreAlreadyInProgress")
            readable = info.is_readable(now)
            start = info.restored_from if readable else now + after_s
            _update(db, info, "restored_from = ?, restored_until = ?", start, now + after_s + days * _DAY_S)
            if not readable:
                outbox.note(db, origin, (bucket, key), now)
            return readable

    def list_versions(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        version_marker: str = "",
        limit: int = 1000,
    ) -> versions.VersionPage:
        """One page of all versions and delete markers of a bucket."""
        with self.reading() as db:
            _bucket(db, bucket)
            return versions.listed(
                db,
                bucket,
                prefix=prefix,
                delimiter=delimiter,
                key_marker=key_marker,
                version_marker=version_marker,
                limit=limit,
            )

    def list(
        self, bucket: str, *, prefix: str = "", delimiter: str = "", marker: str = "", limit: int = 1000
    ) -> Page[ObjectInfo]:
        """One page of a bucket's objects in the order of their keys' UTF-8 bytes; see `list_page`."""
        with self.reading() as db:
            _bucket(db, bucket)

            def scan(low: bytes, high: bytes | None) -> Iterator[tuple[bytes, ObjectInfo]]:
                bound, values = ("", ()) if high is None else (" AND key < ?", (high,))
                query = f"SELECT * FROM objects WHERE bucket = ? AND key >= ?{bound} ORDER BY key"  # noqa: S608
                for row in db.execute(query, (bucket, low, *values)):
                    yield bytes(row["key"]), object_of(row)

            return list_page(
                scan,
                prefix=prefix.encode(),
                delimiter=delimiter.encode(),
                marker=marker.encode(),
                limit=limit,
            )


def _bucket(db: sqlite3.Connection, name: str) -> Bucket:
    row = db.execute("SELECT * FROM buckets WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise CosError("NoSuchBucket")
    return Bucket(**row)


def _object(db: sqlite3.Connection, bucket: str, key: str, version: str = "") -> ObjectInfo:
    try:
        return versions.require(db, bucket, key, version)
    except CosError:
        _bucket(db, bucket)  # that the bucket is missing comes first
        raise


def _update(db: sqlite3.Connection, info: ObjectInfo, change: str, *values: object) -> None:
    where = (info.bucket, info.key.encode(), info.number)
    table = versions.table_of(db, info)
    query = f"UPDATE {table} SET {change} WHERE bucket = ? AND key = ? AND number = ?"  # noqa: S608
    db.execute(query, (*values, *where))
