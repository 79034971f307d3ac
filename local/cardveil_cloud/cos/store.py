"""Buckets and objects on disk: what the service does to them, without any HTTP."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, MutableSequence
from dataclasses import replace
from typing import BinaryIO

from cardveil_cloud.cos.blobs import Blob
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.listing import Page, list_page
from cardveil_cloud.cos.records import Attributes, Bucket, ObjectInfo, as_columns, object_of
from cardveil_cloud.cos.storage import Storage

_NO_ATTRIBUTES = Attributes()
_COLUMNS = "bucket, key, size, etag, crc64, modified, storage_class, headers, tags, blob"


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
        """Remove an empty bucket; `CosError` ``BucketNotEmpty`` while it holds objects or uploads."""
        with self._index.writing() as db:
            _bucket(db, name)
            for query in (
                "SELECT 1 FROM objects WHERE bucket = ? LIMIT 1",
                "SELECT 1 FROM uploads WHERE bucket = ? LIMIT 1",
            ):
                if db.execute(query, (name,)).fetchone():
                    raise CosError("BucketNotEmpty")
            db.execute("DELETE FROM buckets WHERE name = ?", (name,))

    def set_versioning(self, name: str, status: str) -> None:
        """Set a bucket's versioning to ``Enabled`` or ``Suspended``. Old versions are not kept here."""
        with self._index.writing() as db:
            _bucket(db, name)
            db.execute("UPDATE buckets SET versioning = ? WHERE name = ?", (status, name))

    # Objects

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes | Blob,
        attributes: Attributes = _NO_ATTRIBUTES,
        *,
        forbid_overwrite: bool = False,
    ) -> ObjectInfo:
        """Store an object, all at once, in place of an older one.

        Parameters
        ----------
        body
            The bytes, or a finished blob of `writer`, which belongs to the store from here on.
        forbid_overwrite
            Only create; without effect on a bucket that was ever versioned.

        Raises
        ------
        CosError
            ``NoSuchBucket``, ``FileAlreadyExists``.
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
            self.insert(db, removed, info, forbid_overwrite=forbid_overwrite)
        return info

    def insert(
        self,
        db: sqlite3.Connection,
        removed: MutableSequence[str],
        info: ObjectInfo,
        *,
        forbid_overwrite: bool,
    ) -> None:
        """Put an object's row in, inside a `change`; same errors as `put`."""
        holder = _bucket(db, info.bucket)
        place = (info.bucket, info.key.encode())
        older = db.execute("SELECT blob FROM objects WHERE bucket = ? AND key = ?", place).fetchone()
        if older is not None:
            if forbid_overwrite and not holder.ever_versioned:
                raise CosError("FileAlreadyExists")
            removed.append(older["blob"])
        db.execute(
            f"INSERT OR REPLACE INTO objects ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                *place,
                info.size,
                info.etag,
                str(info.crc64),
                info.modified,
                *as_columns(info.attributes),
                info.blob,
            ),
        )

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """Look an object up; `CosError` ``NoSuchBucket`` or ``NoSuchKey`` if there is none."""
        with self.reading() as db:
            return _object(db, bucket, key)

    def open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        """An object and its bytes, opened for reading; they belong together even while it is overwritten."""
        while True:
            info = self.head(bucket, key)
            try:
                return info, self._blobs.open(info.blob)
            except FileNotFoundError:
                # Overwritten or deleted between the two steps; else the file is really missing.
                if self.head(bucket, key).blob == info.blob:
                    raise

    def get(self, bucket: str, key: str) -> tuple[ObjectInfo, bytes]:
        """An object with all its bytes."""
        info, file = self.open(bucket, key)
        with file:
            return info, file.read()

    def put_copy(
        self,
        source: ObjectInfo,
        bucket: str,
        key: str,
        attributes: Attributes,
        *,
        forbid_overwrite: bool = False,
    ) -> ObjectInfo:
        """Store an object's bytes under another key (or its own, with other attributes).

        Raises `FileNotFoundError` when the source is no longer what `head` told, and what `put` raises.
        """
        info = replace(
            source,
            bucket=bucket,
            key=key,
            attributes=attributes,
            modified=self.now(),
            blob=self._blobs.link(source.blob),
        )
        with self.change(added=[info.blob]) as (db, removed):
            self.insert(db, removed, info, forbid_overwrite=forbid_overwrite)
        return info

    def delete(self, bucket: str, key: str) -> ObjectInfo | None:
        """Remove an object; tells what was removed, or None when there was nothing."""
        with self.change() as (db, removed):
            _bucket(db, bucket)
            place = (bucket, key.encode())
            row = db.execute("SELECT * FROM objects WHERE bucket = ? AND key = ?", place).fetchone()
            if row is None:
                return None
            db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", place)
            removed.append(row["blob"])
            return object_of(row)

    def set_tags(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        """Replace an object's tags."""
        with self._index.writing() as db:
            info = _object(db, bucket, key)
            _, _, column = as_columns(replace(info.attributes, tags=tags))
            db.execute(
                "UPDATE objects SET tags = ? WHERE bucket = ? AND key = ?", (column, bucket, key.encode())
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


def _object(db: sqlite3.Connection, bucket: str, key: str) -> ObjectInfo:
    row = db.execute("SELECT * FROM objects WHERE bucket = ? AND key = ?", (bucket, key.encode())).fetchone()
    if row is None:
        _bucket(db, bucket)
        raise CosError("NoSuchKey")
    return object_of(row)
