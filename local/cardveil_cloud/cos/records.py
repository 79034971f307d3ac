"""What the store remembers: buckets, objects, uploads and parts, as they are read from the index."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DEFAULT_STORAGE_CLASS = "STANDARD"


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
    """A stored object, without its bytes."""

    bucket: str
    key: str
    size: int  # bytes
    etag: str  # with its quotes
    crc64: int
    modified: float  # seconds since the epoch
    attributes: Attributes
    blob: str


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
    """Read a row of ``objects``."""
    return ObjectInfo(
        bucket=row["bucket"],
        key=bytes(row["key"]).decode(),
        size=row["size"],
        etag=row["etag"],
        crc64=int(row["crc64"]),
        modified=row["modified"],
        attributes=_attributes_of(row),
        blob=row["blob"],
    )


def upload_of(row: sqlite3.Row) -> Upload:
    """Read a row of ``uploads``."""
    return Upload(row["id"], row["bucket"], bytes(row["key"]).decode(), row["initiated"], _attributes_of(row))


def part_of(row: sqlite3.Row) -> Part:
    """Read a row of ``parts``."""
    return Part(row["number"], row["size"], row["etag"], row["modified"], row["blob"])
