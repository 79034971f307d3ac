"""Multipart uploads: parts wait in the store until they are joined to one object, or given up."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cardveil_cloud.cos.blobs import Blob
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.listing import successor
from cardveil_cloud.cos.records import Attributes, ObjectInfo, Part, Upload, as_columns, part_of, upload_of

if TYPE_CHECKING:
    import sqlite3

    from cardveil_cloud.cos.outbox import Origin
    from cardveil_cloud.cos.store import ObjectStore

# COS "Specifications and Limits": parts of 1 MB to 5 GB, numbered 1 to 10,000; the last may be smaller.
MIN_PART_BYTES = 1 << 20
MAX_PART_NUMBER = 10_000


@dataclass(frozen=True, slots=True)
class UploadPage:
    """Uploads and common prefixes in key order; the markers are set when there is more."""

    uploads: tuple[Upload, ...]
    prefixes: tuple[str, ...]
    next_key: str | None = None
    next_id: str = ""


class Uploads:
    """The multipart uploads of a store; safe to be used from threads."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def begin(self, bucket: str, key: str, attributes: Attributes) -> Upload:
        """Open an upload; ids sort by their age, to the millisecond."""
        self._store.bucket(bucket)
        now = self._store.now()
        upload = Upload(f"{int(now * 1000):013d}{secrets.token_hex(28)}", bucket, key, now, attributes)
        with self._store.change() as (db, _):
            db.execute(
                "INSERT INTO uploads (id, bucket, key, initiated, storage_class, headers, tags)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (upload.id, bucket, key.encode(), now, *as_columns(attributes)),
            )
        return upload

    def put_part(self, bucket: str, key: str, upload_id: str, number: int, blob: Blob) -> Part:
        """Add a part, in place of an older one of the same number; `CosError` ``NoSuchUpload``."""
        part = Part(number, blob.size, f'"{blob.md5.hex()}"', self._store.now(), blob.id)
        with self._store.change(added=[blob.id]) as (db, removed):
            _upload(db, bucket, key, upload_id)
            where = (upload_id, number)
            older = db.execute("SELECT blob FROM parts WHERE upload = ? AND number = ?", where).fetchone()
            if older is not None:
                removed.append(older["blob"])
            db.execute(
                "INSERT OR REPLACE INTO parts (upload, number, size, etag, crc64, modified, blob)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*where, part.size, part.etag, str(blob.crc64), part.modified, part.blob),
            )
        return part

    def parts(self, bucket: str, key: str, upload_id: str) -> tuple[Upload, list[Part]]:
        """An upload with its parts in order; `CosError` ``NoSuchUpload``."""
        with self._store.reading() as db:
            upload = _upload(db, bucket, key, upload_id)
            rows = db.execute("SELECT * FROM parts WHERE upload = ? ORDER BY number", (upload_id,))
            return upload, [part_of(row) for row in rows]

    def complete(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        chosen: Sequence[tuple[int, str]],
        *,
        forbid_overwrite: bool = False,
        origin: Origin | None = None,
    ) -> ObjectInfo:
        """Join the chosen parts (number, ETag with or without quotes) to one object.

        Raises
        ------
        CosError
            ``NoSuchUpload``, ``InvalidPart``, ``InvalidPartOrder``, ``EntityTooSmall``,
            ``FileAlreadyExists``.
        """
        upload, stored = self.parts(bucket, key, upload_id)
        parts = _choose(stored, chosen)
        try:
            blob = self._store.join(part.blob for part in parts)
        except FileNotFoundError as error:  # aborted, completed or a part replaced meanwhile
            raise CosError("NoSuchUpload") from error
        digest = hashlib.md5(usedforsecurity=False)
        for part in parts:
            digest.update(bytes.fromhex(part.etag.strip('"')))
        etag = f'"{digest.hexdigest()}-{len(parts)}"'
        info = ObjectInfo(
            bucket, key, blob.size, etag, blob.crc64, self._store.now(), upload.attributes, blob.id
        )
        with self._store.change(added=[blob.id]) as (db, removed):
            _upload(db, bucket, key, upload_id)
            info = self._store.insert(db, removed, info, forbid_overwrite=forbid_overwrite, origin=origin)
            _remove(db, removed, upload_id)
        return info

    def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Give an upload and its parts up; `CosError` ``NoSuchUpload``."""
        with self._store.change() as (db, removed):
            _upload(db, bucket, key, upload_id)
            _remove(db, removed, upload_id)

    def list(
        self, bucket: str, *, prefix: str, delimiter: str, key_marker: str, id_marker: str, limit: int
    ) -> UploadPage:
        """Uploads under way, by key and then by age, after the markers."""
        self._store.bucket(bucket)
        low = prefix.encode()
        high = successor(low) if low else None
        with self._store.reading() as db:
            bound, values = ("", ()) if high is None else (" AND key < ?", (high,))
            rows = db.execute(
                f"SELECT * FROM uploads WHERE bucket = ? AND key >= ?{bound} ORDER BY key, id",  # noqa: S608
                (bucket, low, *values),
            )
            found = [upload_of(row) for row in rows]
        # Without an id marker, every upload of the marker's key counts as listed.
        marker = (key_marker.encode(), id_marker or "\uffff")
        uploads: list[Upload] = []
        prefixes: dict[str, None] = {}
        last = ("", "")
        for upload in found:
            head, cut, _ = upload.key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            folder = prefix + head + cut if cut else None
            if key_marker and (upload.key.encode(), upload.id) <= marker:
                continue
            if folder is not None and (folder in prefixes or key_marker.startswith(folder)):
                continue
            if len(uploads) + len(prefixes) == limit:
                return UploadPage(tuple(uploads), tuple(prefixes), *last)
            if folder is not None:
                prefixes[folder] = None
                last = (folder, "")
            else:
                uploads.append(upload)
                last = (upload.key, upload.id)
        return UploadPage(tuple(uploads), tuple(prefixes))


def _upload(db: sqlite3.Connection, bucket: str, key: str, upload_id: str) -> Upload:
    row = db.execute("SELECT * FROM uploads WHERE id = ?", (upload_id,)).fetchone()
    if row is None or row["bucket"] != bucket or bytes(row["key"]) != key.encode():
        raise CosError("NoSuchUpload")
    return upload_of(row)


def _remove(db: sqlite3.Connection, removed: MutableSequence[str], upload_id: str) -> None:
    parts = db.execute("SELECT blob FROM parts WHERE upload = ?", (upload_id,))
    removed.extend(row["blob"] for row in parts)
    db.execute("DELETE FROM parts WHERE upload = ?", (upload_id,))
    db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))


def _choose(stored: Sequence[Part], chosen: Sequence[tuple[int, str]]) -> list[Part]:
    if not chosen:
        raise CosError("MalformedXML")
    by_number = {part.number: part for part in stored}
    numbers = [number for number, _ in chosen]
    if numbers != sorted(set(numbers)):
        raise CosError("InvalidPartOrder")
    parts: list[Part] = []
    for number, etag in chosen:
        part = by_number.get(number)
        if part is None or part.etag.strip('"') != etag.strip('"').lower():
            raise CosError("InvalidPart")
        parts.append(part)
    if any(part.size < MIN_PART_BYTES for part in parts[:-1]):
        raise CosError("EntityTooSmall")
    return parts
