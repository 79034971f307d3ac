"""Objects of one bucket through the COS SDK, in the few verbs that the package needs, errors in the tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote

from cardveil.core.errors import RETRY_HINT, Retry, SourceGone, TakenByAnother
from cardveil.core.frozen import dataclass
from cardveil.core.retry import RetryPolicy
from cardveil.storage.source import OUTPUT_MARK
from cardveil.storage.vendor_errors import vendor_errors

#: Read the permission that a refused call lacks from an error's `api`.
_HEAD, _GET, _PUT, _DELETE, _LIST = (
    f"cos:{name}" for name in ("HeadObject", "GetObject", "PutObject", "DeleteObject", "GetBucket")
)


@dataclass(frozen=True, slots=True)
class Stored:
    """An object's head; `meta` holds the ``x-cos-meta-*`` headers by their full, lower-case name."""

    etag: str
    size: int
    meta: Mapping[str, str]


class Objects(Protocol):
    """What the rest of the package asks of a bucket."""

    @property
    def bucket(self) -> str: ...

    def head(self, key: str) -> Stored | None: ...

    def get(self, key: str, *, max_bytes: int) -> tuple[Stored, bytes | None]: ...

    def put(self, key: str, data: bytes, *, media_type: str, meta: Mapping[str, str]) -> None: ...

    def create(self, key: str, data: bytes) -> bool: ...

    def delete(self, key: str) -> None: ...

    def list(self, prefix: str) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class CosObjects:
    """A bucket of COS.

    Attributes
    ----------
    client : qcloud_cos.CosS3Client
    bucket : str
        Full name, with the application id.
    """

    client: Any
    bucket: str
    retry_policy: RetryPolicy

    def head(self, key: str) -> Stored | None:
        """Return an object's head, None when there is no such object."""
        try:
            return _stored(self._call(_HEAD, partial(self.client.head_object, Bucket=self.bucket, Key=key)))
        except SourceGone:
            return None

    def get(self, key: str, *, max_bytes: int) -> tuple[Stored, bytes | None]:
        """Return an object's head and content; None instead of a content of more than `max_bytes`.

        Raises
        ------
        SourceGone
            When there is no such object.
        Retry
            ``answer_unreadable`` when the content ends early.
        """
        found: tuple[Stored, bytes | None] = self._call(_GET, partial(self._get, key, max_bytes))
        return found

    def put(self, key: str, data: bytes, *, media_type: str, meta: Mapping[str, str]) -> None:
        """Write one of our own outputs: always marked as ours, so that it can never be taken for a source."""
        headers = {f"x-cos-meta-{name}": value for name, value in meta.items()}
        self._call(
            _PUT,
            partial(
                self.client.put_object,
                Bucket=self.bucket,
                Key=key,
                Body=data,
                EnableMD5=True,
                ContentType=media_type,
                CacheControl="no-store",
                Metadata={OUTPUT_MARK: meta.get("kind", "state"), **headers},
            ),
        )

    def create(self, key: str, data: bytes) -> bool:
        """Write a note only if there is none of that name; say whether this call wrote it.

        On buckets that ever were versioned COS ignores the header: then every call writes.
        A lost answer shows as a conflict with oneself, so this is never tried twice.
        """
        try:
            with vendor_errors(_PUT):
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=data,
                    Metadata={"x-cos-forbid-overwrite": "true", OUTPUT_MARK: "state"},
                )
        except TakenByAnother:
            return False
        return True

    def delete(self, key: str) -> None:
        """Delete an object; one that is gone already is fine."""
        self._call(_DELETE, partial(self.client.delete_object, Bucket=self.bucket, Key=key))

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, in order."""
        marker = ""
        while True:
            page = self._call(
                _LIST,
                partial(
                    self.client.list_objects,
                    Bucket=self.bucket,
                    Prefix=prefix,
                    Marker=marker,
                    EncodingType="url",
                    MaxKeys=1000,
                ),
            )
            for item in page.get("Contents") or []:
                yield unquote(str(item["Key"]))
            if str(page.get("IsTruncated")).lower() != "true":
                return
            marker = unquote(str(page.get("NextMarker") or ""))

    def _get(self, key: str, max_bytes: int) -> tuple[Stored, bytes | None]:
        answer = self.client.get_object(Bucket=self.bucket, Key=key, KeySimplifyCheck=False)
        stored = _stored(answer)
        stream = answer["Body"].get_raw_stream()
        if stored.size > max_bytes:
            stream.close()
            return stored, None
        data: bytes = stream.read(stored.size + 1)
        if len(data) != stored.size:
            raise Retry("answer_unreadable", RETRY_HINT, api=_GET)
        return stored, data

    def _call(self, api: str, action: Any) -> Any:
        def once() -> Any:
            with vendor_errors(api):
                return action()

        return self.retry_policy.call(once)


def delete_under(objects: Objects, prefix: str, but: str = "") -> None:
    """Delete all objects under a prefix, apart from one."""
    for key in list(objects.list(prefix)):
        if key != but:
            objects.delete(key)


def _stored(headers: Mapping[str, Any]) -> Stored:
    lower = {str(name).lower(): value for name, value in headers.items() if isinstance(value, str)}
    try:
        size = int(lower["content-length"])
    except (KeyError, ValueError):
        raise Retry("answer_unreadable", RETRY_HINT, api=_GET) from None
    meta = {name: value for name, value in lower.items() if name.startswith("x-cos-meta-")}
    return Stored(etag=lower.get("etag", "").strip('"'), size=size, meta=meta)
