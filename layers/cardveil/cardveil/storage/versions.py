"""Every version of an object: a bucket that ever was versioned keeps what a plain DELETE only hides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from cardveil.core.errors import SourceGone
from cardveil.core.frozen import dataclass
from cardveil.storage.objects import CosObjects, Objects, refusals_about
from cardveil.storage.vendor import vendor_errors

_LIST: Final = "cos:GetBucketObjectVersions"
_DELETE: Final = "cos:DeleteObject"
_GET: Final = "cos:GetObject"
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object.

    Attributes
    ----------
    id : str
        ``null`` for what was written while no versions were kept; empty on a bucket that never kept any.
    latest : bool
        Whether it is what a plain GET finds.
    marker : bool
        Whether it is a delete marker, which holds no bytes.
    """

    key: str
    id: str
    latest: bool
    marker: bool


def versioned(objects: Objects) -> CosObjects:
    """Return objects as those of which versions can be listed; raises TypeError for any but COS's."""
    if not isinstance(objects, CosObjects):
        raise TypeError("only objects of COS have versions")
    return objects


def list_versions(objects: Objects, prefix: str) -> None:
    """Ask for the versions under a prefix, to see whether that is refused."""
    next(versions_under(versioned(objects), prefix), None)


def versions_under(objects: CosObjects, prefix: str) -> Iterator[Version]:
    """Yield all versions of all keys under a prefix, in the order of the keys' UTF-8 bytes."""
    key_marker = version_marker = ""
    while True:
        listed = partial(
            objects.client.list_objects_versions,
            Bucket=objects.bucket,
            Prefix=prefix,
            KeyMarker=key_marker,
            VersionIdMarker=version_marker,
            MaxKeys=_PAGE,
            EncodingType="url",
        )
        page = _call(objects, _LIST, prefix, listed)
        found = [
            Version(unquote(str(each["Key"])), _id(each), str(each["IsLatest"]).lower() == "true", marker)
            for kind, marker in (("Version", False), ("DeleteMarker", True))
            for each in page.get(kind) or []
        ]
        # The answer tells versions and markers apart, not in which order they stand.
        yield from sorted(found, key=lambda version: version.key)
        if str(page.get("IsTruncated")).lower() != "true":
            return
        key_marker = unquote(str(page["NextKeyMarker"]))
        version_marker = str(page.get("NextVersionIdMarker") or "")


def versions_of(objects: CosObjects, key: str) -> list[Version]:
    """Return all versions of one key; others that begin with it are listed after it and not read."""
    found: list[Version] = []
    for version in versions_under(objects, key):
        if version.key != key:
            break
        found.append(version)
    return found


def delete_version(objects: CosObjects, version: Version) -> None:
    """Delete one version for good; one that is gone already is fine."""
    named = {"VersionId": version.id} if version.id else {}
    deleted = partial(objects.client.delete_object, Bucket=objects.bucket, Key=version.key, **named)
    _call(objects, _DELETE, version.key, deleted)


def read_version(objects: CosObjects, version: Version, max_bytes: int) -> bytes:
    """Return at most `max_bytes` of a version's content; nothing of one that is gone, or a marker."""
    named = {"VersionId": version.id} if version.id else {}

    def once() -> bytes:
        answer = objects.client.get_object(Bucket=objects.bucket, Key=version.key, **named)
        data: bytes = answer["Body"].get_raw_stream().read(max_bytes)
        return data

    try:
        return b"" if version.marker else _call(objects, _GET, version.key, once)
    except SourceGone:
        return b""


def _id(listed: dict[str, Any]) -> str:
    return str(listed.get("VersionId") or "")


def _call(objects: CosObjects, api: str, about: str, action: Callable[[], Any]) -> Any:
    def once() -> Any:
        with vendor_errors(api):
            return action()

    with refusals_about(about):
        return objects.retry_policy.call(once)
