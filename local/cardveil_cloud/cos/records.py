"""What the store remembers: buckets, objects, uploads and parts, as they are read from the index."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DEFAULT_STORAGE_CLASS = "STANDARD"
#: Storage classes whose bytes are not at hand until they were restored.
ARCHIVED = frozenset({"ARCHIVE", "DEEP_ARCHIVE"})
#: What an object says that was begun by an Append Object.
OBJECT_TYPE, APPENDABLE = "x-cos-object-type", "appendable"
#: The version of what was written while versions were not kept.
NULL_VERSION = "null"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket; ``versioning`` is "", "Enabled" or "Suspended", and never returns to ""."""

    name: str
    created: float
    versioning: str

    @property
    def ever_versioned(self) -> bool:
        """Whether versioning was ever enabled: from then on forbid-overwrite has no effect."""
        return self.versioning != ""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a client says of an object besides its bytes."""

    headers: Mapping[str, str] = field(
        default_factory=dict
    )  # lower-case names: content-type, x-cos-meta-*, …
    tags: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = DEFAULT_STORAGE_CLASS


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """A stored object, or one of its older versions, without its bytes.

    Attributes
    ----------
    number : int
        Ages the versions of one key; the newest has the highest.
    marker : bool
        Whether this is a delete marker: it has no bytes, and says that there is no object.
    restored_from, restored_until : float
        While the bytes of an archived object can be read, in seconds since the epoch; 0 if never asked for.
    """

    bucket: str
    key: str
    size: int  # bytes
    etag: str  # with its quotes
    crc64: int
    modified: float  # seconds since the epoch
    attributes: Attributes
    blob: str
    version: str = NULL_VERSION
    number: int = 0
    marker: bool = False
    restored_from: float = 0.0
    restored_until: float = 0.0

    def is_readable(self, now: float) -> bool:
        """Whether the bytes are at hand."""
        archived = self.attributes.storage_class in ARCHIVED
        return not archived or self.restored_from <= now < self.restored_until

    def is_restoring(self, now: float) -> bool:
        """Whether a restoration was asked for and is not done."""
        return now < self.restored_from


@dataclass(frozen=True, slots=True)
class Removal:
    """What a deletion came to.

    Attributes
    ----------
    removed : ObjectInfo or None
        What is gone for good, or hidden by a new marker.
    marker : str
        The version of the delete marker that was made; empty if none was.
    """

    removed: ObjectInfo | None = None
    marker: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload under way."""

    id: str
    bucket: str
    key: str
    initiated: float
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Part:
    """An uploaded part."""

    number: int
    size: int
    etag: str  # with its quotes
    modified: float
    blob: str


#: Columns of ``objects`` and of ``versions``.
OBJECT_COLUMNS = (
    "bucket, key, size, etag, crc64, modified, storage_class, headers, tags, blob,"
    " version, number, marker, restored_from, restored_until"
)


def as_columns(attributes: Attributes) -> tuple[str, str, str]:
    """Storage class, headers and tags as the index keeps them."""
    return (
        attributes.storage_class,
        json.dumps(dict(attributes.headers), ensure_ascii=False),
        json.dumps(dict(attributes.tags), ensure_ascii=False),
    )


def _attributes_of(row: sqlite3.Row) -> Attributes:
    return Attributes(
        headers=MappingProxyType(json.loads(row["headers"])),
        tags=MappingProxyType(json.loads(row["tags"])),
        storage_class=row["storage_class"],
    )


def object_of(row: sqlite3.Row) -> ObjectInfo:
    """Read a row of ``objects`` or of ``versions``."""
    return ObjectInfo(
        bucket=row["bucket"],
        key=bytes(row["key"]).decode(),
        size=row["size"],
        etag=row["etag"],
        crc64=int(row["crc64"]),
        modified=row["modified"],
        attributes=_attributes_of(row),
        blob=row["blob"],
        version=row["version"],
        number=row["number"],
        marker=bool(row["marker"]),
        restored_from=row["restored_from"],
        restored_until=row["restored_until"],
    )


def object_row(info: ObjectInfo) -> tuple[object, ...]:
    """The row of an object, in the order of `OBJECT_COLUMNS`."""
    return (
        info.bucket,
        info.key.encode(),
        info.size,
        info.etag,
        str(info.crc64),
        info.modified,
        *as_columns(info.attributes),
        info.blob,
        info.version,
        info.number,
        int(info.marker),
        info.restored_from,
        info.restored_until,
    )


def upload_of(row: sqlite3.Row) -> Upload:
    """Read a row of ``uploads``."""
    return Upload(row["id"], row["bucket"], bytes(row["key"]).decode(), row["initiated"], _attributes_of(row))


def part_of(row: sqlite3.Row) -> Part:
    """Read a row of ``parts``."""
    return Part(row["number"], row["size"], row["etag"], row["modified"], row["blob"])
