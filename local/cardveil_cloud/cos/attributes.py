"""Object attributes between HTTP headers and the store: what is kept, its limits, and how it comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element

from cardveil_cloud import xml
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.records import DEFAULT_STORAGE_CLASS, Attributes, ObjectInfo

# Headers that are stored with an object, and that a GET may override by ``response-<name>``.
KEPT_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
_META = "x-cos-meta-"
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_SSE = "x-cos-server-side-encryption"
_SSE_KEY = "x-cos-server-side-encryption-cos-kms-key-id"
_STORAGE_CLASSES = frozenset(
    {
        "STANDARD",
        "STANDARD_IA",
        "INTELLIGENT_TIERING",
        "ARCHIVE",
        "DEEP_ARCHIVE",
        "MAZ_STANDARD",
        "MAZ_STANDARD_IA",
        "MAZ_INTELLIGENT_TIERING",
    }
)
# PUT Object: each x-cos-meta-* header at most 2 KB, all together 4 KB; no underscore in a name.
_MAX_META_BYTES = 2048
_MAX_ALL_META_BYTES = 4096
# Object tagging: at most 10 tags, keys of 1 to 127 and values of at most 255 characters.
_MAX_TAGS = 10
_TAG_KEY = re.compile(r"[^\x00-\x1f]{1,127}")
_TAG_VALUE = re.compile(r"[^\x00-\x1f]{0,255}")


def from_headers(headers: Mapping[str, str]) -> Attributes:
    """What the headers of an upload say of the object.

    Raises
    ------
    CosError
        ``MetadataTooLarge``, ``InvalidArgument`` (storage class, encryption, underscore), ``InvalidTag``,
        ``NotImplemented`` (a customer's own key).
    """
    kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    kept.setdefault("content-type", "application/octet-stream")
    meta = {name: value for name, value in headers.items() if name.startswith(_META)}
    for value in (*kept.values(), *meta.values()):
        check_header_value(value)
    sizes = [len(name) - len(_META) + len(value) for name, value in meta.items()]
    if any(size > _MAX_META_BYTES for size in sizes) or sum(sizes) > _MAX_ALL_META_BYTES:
        raise CosError("MetadataTooLarge")
    if any("_" in name for name in meta):
        raise CosError("InvalidArgument")
    storage_class = headers.get("x-cos-storage-class", DEFAULT_STORAGE_CLASS).upper()
    if storage_class not in _STORAGE_CLASSES:
        raise CosError("InvalidArgument")
    return Attributes(
        headers={**kept, **meta, **_encryption(headers)},
        tags=tags_from_header(headers.get("x-cos-tagging", "")),
        storage_class=storage_class,
    )


def check_header_value(value: str) -> None:
    """Refuse what no HTTP header can carry: `CosError` ``InvalidArgument``."""
    if _CONTROLS.search(value):
        raise CosError("InvalidArgument")


def as_header_value(text: str) -> str:
    """Text in the form of a received header: its UTF-8 bytes, read as Latin-1."""
    value = text.encode().decode("latin-1")
    check_header_value(value)
    return value


def _encryption(headers: Mapping[str, str]) -> dict[str, str]:
    if f"{_SSE}-customer-algorithm" in headers:
        raise CosError("NotImplemented")
    algorithm = headers.get(_SSE)
    if algorithm is None:
        return {}
    if algorithm == "AES256":
        return {_SSE: algorithm}
    if algorithm == "cos/kms":
        return {name: headers[name] for name in (_SSE, _SSE_KEY) if name in headers}
    raise CosError("InvalidArgument")


def encryption_headers(attributes: Attributes) -> dict[str, str]:
    """The encryption headers that every answer about an object repeats."""
    return {name: value for name, value in attributes.headers.items() if name.startswith(_SSE)}


def to_headers(info: ObjectInfo) -> dict[str, str]:
    """The headers of a GET or HEAD, but for those that depend on the range."""
    attributes = info.attributes
    headers = {
        **attributes.headers,
        "etag": info.etag,
        "last-modified": formatdate(int(info.modified), usegmt=True),
        "accept-ranges": "bytes",
        "x-cos-hash-crc64ecma": str(info.crc64),
    }
    if attributes.storage_class != DEFAULT_STORAGE_CLASS:
        headers["x-cos-storage-class"] = attributes.storage_class
    if attributes.tags:
        headers["x-cos-tagging-count"] = str(len(attributes.tags))
    return headers


def tags_from_header(packed: str) -> dict[str, str]:
    """Read ``x-cos-tagging``: ``key=value&…``, each percent-encoded; `CosError` ``InvalidTag``."""
    try:
        pairs = parse_qsl(packed, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise CosError("InvalidTag") from error
    return _tags(pairs)


def tags_from_xml(root: Element) -> dict[str, str]:
    """Read the body of PUT ?tagging; `CosError` ``MalformedXML`` or ``InvalidTag``."""
    pairs = [(xml.text_of(tag, "Key"), xml.text_of(tag, "Value")) for tag in root.findall("TagSet/Tag")]
    if root.tag != "Tagging" or root.find("TagSet") is None:
        raise CosError("MalformedXML")
    return _tags([(key or "", value or "") for key, value in pairs])


def _tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    tags = dict(pairs)
    if len(tags) != len(pairs) or len(tags) > _MAX_TAGS:
        raise CosError("InvalidTag")
    if not all(_TAG_KEY.fullmatch(key) and _TAG_VALUE.fullmatch(value) for key, value in pairs):
        raise CosError("InvalidTag")
    return tags
