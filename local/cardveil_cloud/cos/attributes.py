"""Object attributes between HTTP headers and the store: what is kept, its limits, and how it comes back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from email.utils import formatdate
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element

from cardveil_cloud import xml
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.records import DEFAULT_STORAGE_CLASS, NULL_VERSION, Attributes, ObjectInfo

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
_SSE_KEY = f"{_SSE}-cos-kms-key-id"
_SSE_CONTEXT = f"{_SSE}-context"
_CUSTOMER = f"{_SSE}-customer"
_KEY_BYTES = 32
# Nobody but the owner has access here, whatever is asked for: that is less, never more.
_ACCESS = frozenset({"default", "private", "public-read", "authenticated-read", "bucket-owner-read"})
# Not the machine's own tables: answers are the same everywhere.
_TYPES = mimetypes.MimeTypes()
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


def from_headers(headers: Mapping[str, str], key: str) -> Attributes:
    """What the headers of an upload say of the object; a header without a value says nothing.

    Raises
    ------
    CosError
        ``MetadataTooLarge``, ``InvalidArgument`` (storage class, access, encryption, underscore),
        ``InvalidTag``.
    """
    kept = {name: headers[name] for name in KEPT_HEADERS if headers.get(name)}
    # COS goes by the key's ending where the client names no type.
    kept.setdefault("content-type", _TYPES.guess_type(key)[0] or "application/octet-stream")
    meta = {name: value for name, value in headers.items() if name.startswith(_META) and value}
    for value in (*kept.values(), *meta.values()):
        check_header_value(value)
    sizes = [len(name) - len(_META) + len(value) for name, value in meta.items()]
    if any(size > _MAX_META_BYTES for size in sizes) or sum(sizes) > _MAX_ALL_META_BYTES:
        raise CosError("MetadataTooLarge")
    if any("_" in name for name in meta):
        raise CosError("InvalidArgument")
    storage_class = headers.get("x-cos-storage-class", DEFAULT_STORAGE_CLASS).upper()
    if storage_class not in _STORAGE_CLASSES or headers.get("x-cos-acl", "default") not in _ACCESS:
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
    algorithm, own = headers.get(_SSE), customer_key(headers)
    if own is not None:
        if algorithm is not None:
            raise CosError("InvalidArgument")
        return own
    if algorithm is None:
        return {}
    if algorithm == "AES256":
        return {_SSE: algorithm}
    if algorithm == "cos/kms":
        return {name: headers[name] for name in (_SSE, _SSE_KEY, _SSE_CONTEXT) if headers.get(name)}
    raise CosError("InvalidArgument")


def customer_key(headers: Mapping[str, str], *, prefix: str = "x-cos-") -> dict[str, str] | None:
    """What is kept of a customer's own key: its digest, never the key. None when there is none.

    Raises
    ------
    CosError
        ``InvalidArgument`` for a key that is none, or whose digest is another.
    """
    names = [f"{prefix}server-side-encryption-customer-{part}" for part in ("algorithm", "key", "key-md5")]
    if not any(name in headers for name in names):
        return None
    algorithm, key, digest = (headers.get(name, "") for name in names)
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CosError("InvalidArgument") from error
    expected = base64.b64encode(hashlib.md5(raw, usedforsecurity=False).digest()).decode()
    if algorithm != "AES256" or len(raw) != _KEY_BYTES or digest != expected:
        raise CosError("InvalidArgument")
    return {f"{_CUSTOMER}-algorithm": algorithm, f"{_CUSTOMER}-key-md5": digest}


def check_customer_key(info: ObjectInfo, headers: Mapping[str, str], *, prefix: str = "x-cos-") -> None:
    """Refuse to read, without its key, what a customer's own key encrypts: `CosError` ``InvalidArgument``."""
    stored = {n: v for n, v in info.attributes.headers.items() if n.startswith(_CUSTOMER)}
    if (customer_key(headers, prefix=prefix) or {}) != stored:
        raise CosError("InvalidArgument")


def encryption_headers(attributes: Attributes) -> dict[str, str]:
    """The encryption headers that every answer about an object repeats."""
    return {name: value for name, value in attributes.headers.items() if name.startswith(_SSE)}


def version_header(info: ObjectInfo) -> dict[str, str]:
    """The header that names a version, where versions are kept."""
    return {} if info.version == NULL_VERSION else {"x-cos-version-id": info.version}


def to_headers(info: ObjectInfo) -> dict[str, str]:
    """The headers of a GET or HEAD, but for those that depend on the range."""
    attributes = info.attributes
    headers = {
        **attributes.headers,
        "etag": info.etag,
        "last-modified": formatdate(int(info.modified), usegmt=True),
        "accept-ranges": "bytes",
        "x-cos-hash-crc64ecma": str(info.crc64),
        **version_header(info),
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


def tags_from_xml(root: Element, *, most: int = _MAX_TAGS) -> dict[str, str]:
    """Read the body of PUT ?tagging; `CosError` ``MalformedXML`` or ``InvalidTag``."""
    pairs = [(xml.text_of(tag, "Key"), xml.text_of(tag, "Value")) for tag in root.findall("TagSet/Tag")]
    if root.tag != "Tagging" or root.find("TagSet") is None:
        raise CosError("MalformedXML")
    return _tags([(key or "", value or "") for key, value in pairs], most)


def _tags(pairs: list[tuple[str, str]], most: int = _MAX_TAGS) -> dict[str, str]:
    tags = dict(pairs)
    if len(tags) != len(pairs) or len(tags) > most:
        raise CosError("InvalidTag")
    if not all(_TAG_KEY.fullmatch(key) and _TAG_VALUE.fullmatch(value) for key, value in pairs):
        raise CosError("InvalidTag")
    return tags
