"""Objects of one bucket through the COS SDK, in the verbs that the package needs, errors in the tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from typing import Any, BinaryIO, Final, Protocol, TypeVar
from urllib.parse import unquote

from cardveil.core.errors import Halt, Reject, SourceGone, TakenByAnother, answer_unreadable
from cardveil.core.frozen import dataclass
from cardveil.core.retry import RetryPolicy
from cardveil.storage import bodies
from cardveil.storage.source import OUTPUT_MARK, is_addressable
from cardveil.storage.vendor import vendor_errors

T = TypeVar("T")
#: Read the permission that a refused call lacks from an error's `api`.
_HEAD, _GET, _PUT, _DELETE, _LIST = (
    f"cos:{name}" for name in ("HeadObject", "GetObject", "PutObject", "DeleteObject", "GetBucket")
)
#: What the holder of an upload link might add to make of it something else than one private picture: all
#: headers of "PUT Object" and "PUT Object - Copy" (COS documentation) that change where it comes from, who
#: reads it or how it is kept, and all metadata by which an upload speaks to the package.
_NOT_ADDED: Final = (
    "x-cos-acl", "x-cos-copy-source", "x-cos-copy-source-if-match", "x-cos-copy-source-if-modified-since",
    "x-cos-copy-source-if-none-match", "x-cos-copy-source-if-unmodified-since", "x-cos-forbid-overwrite",
    "x-cos-grant-full-control", "x-cos-grant-read", "x-cos-grant-read-acp", "x-cos-grant-write-acp",
    "x-cos-meta-card-side", "x-cos-meta-card-type", OUTPUT_MARK, "x-cos-meta-execution",
    "x-cos-meta-policy", "x-cos-meta-submission", "x-cos-metadata-directive", "x-cos-object-type",
    "x-cos-server-side-encryption", "x-cos-server-side-encryption-context",
    "x-cos-server-side-encryption-cos-kms-key-id", "x-cos-server-side-encryption-customer-algorithm",
    "x-cos-server-side-encryption-customer-key", "x-cos-server-side-encryption-customer-key-md5",
    "x-cos-storage-class", "x-cos-tagging", "x-cos-tagging-directive", "x-cos-traffic-limit",
    "x-cos-website-redirect-location", "content-encoding", "pic-operations",
)  # fmt: skip
#: Objects on one page of a listing: the most that COS gives.
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Stored:
    """An object's head; `meta` holds the ``x-cos-meta-*`` headers by their full, lower-case name."""

    etag: str
    size: int
    meta: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing; `modified` is in seconds since the epoch, by COS's clock."""

    key: str
    size: int
    etag: str
    modified: float


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and the marker after which the next ones come (None at the end)."""

    entries: tuple[Entry, ...]
    marker: str | None


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

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]: ...

    def fetch(self, key: str, file: BinaryIO) -> None: ...


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
            return self._call(_HEAD, key, partial(self._headed, key))
        except SourceGone:
            return None

    def get(self, key: str, *, max_bytes: int) -> tuple[Stored, bytes | None]:
        """Return an object's head and content; None instead of a content of more than `max_bytes`.

        Raises
        ------
        SourceGone
            When there is no such object.
        Reject
            ``key_unusable`` for a key that no request can name, here and in all that is asked by key.
        Review
            ``source_archived``.
        Retry
            ``answer_unreadable`` when what came is not the object: short, altered, of no true length.
        """

        def once() -> tuple[Stored, bytes | None]:
            headers, stream = self._opened(key)
            stored = _stored(headers)
            if stored.size <= max_bytes:
                return stored, bodies.read(stream, headers, _GET)
            stream.close()
            # Nothing was read that could be held against it: two answers must agree that it is so large.
            if self._headed(key) != stored:
                raise answer_unreadable(_GET)
            return stored, None

        return self._call(_GET, key, once)

    def fetch(self, key: str, file: BinaryIO) -> None:
        """Copy an object's content into a file, in pieces; raises what `get` does."""

        def once() -> None:
            file.seek(0)
            file.truncate()
            headers, stream = self._opened(key)
            bodies.copy(stream, headers, _GET, file)

        self._call(_GET, key, once)

    def put(self, key: str, data: bytes, *, media_type: str, meta: Mapping[str, str]) -> None:
        """Write one of our own outputs: always marked as ours, so that it can never be taken for a source."""
        headers = {f"x-cos-meta-{name}": value for name, value in meta.items()}
        marked = {OUTPUT_MARK: meta.get("kind", "state"), **headers}
        self._put(key, data, marked, ContentType=media_type)

    def store(self, key: str, data: bytes, meta: Mapping[str, str]) -> None:
        """Write a source; `meta` holds ``x-cos-meta-*`` headers by their full names."""
        self._put(key, data, meta)

    def store_processed(
        self, key: str, data: bytes, meta: Mapping[str, str], params: Mapping[str, str]
    ) -> tuple[Mapping[str, str], bytes]:
        """Write a source and have CI process it, in one request (``PUT ?ci-process=…``).

        The SDK has no method for it. It is tried once only: what it does is paid for.

        Returns
        -------
        mapping, bytes
            The answer's headers and its XML.
        """
        from qcloud_cos.cos_auth import CosS3Auth

        _require_addressable(key)
        conf = self.client.get_conf()
        with vendor_errors(params["ci-process"]):
            answer = self.client.send_request(
                method="PUT",
                url=conf.uri(bucket=self.bucket, path=key),
                bucket=self.bucket,
                data=data,
                params=dict(params),
                headers=dict(meta),
                auth=CosS3Auth(conf, key, params=dict(params)),
            )
        return dict(answer.headers), answer.content

    def create(self, key: str, data: bytes) -> bool:
        """Write a note only if there is none of that name; say whether this call wrote it.

        On buckets that ever were versioned COS ignores the header: then every call writes.
        A lost answer shows as a conflict with oneself, so this is never tried twice.
        """
        try:
            with refusals_about(key), vendor_errors(_PUT):
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
        _require_addressable(key)
        self._call(_DELETE, key, partial(self.client.delete_object, Bucket=self.bucket, Key=key))

    def page(self, prefix: str, marker: str = "", limit: int = _PAGE) -> Page:
        """List what stands under a prefix after `marker`, at most `limit` (1 to 1000) objects."""
        listed = partial(
            self.client.list_objects,
            Bucket=self.bucket,
            Prefix=prefix,
            Marker=marker,
            EncodingType="url",
            MaxKeys=limit,
        )
        return self._call(_LIST, prefix, lambda: _page(listed()))

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]:
        """Yield what stands under a prefix after the key `after`, in the order of the keys' UTF-8 bytes.

        One page is held, and the next is asked for meanwhile: memory is the same for any number of objects.
        """
        page = self.page(prefix, after)
        if page.marker is not None:
            # A thread of its own: pages read by many threads would take several times the memory.
            with ThreadPoolExecutor(1) as pool:
                while page.marker is not None:
                    coming = pool.submit(self.page, prefix, page.marker)
                    yield from page.entries
                    page = coming.result()
        yield from page.entries

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, in order."""
        return (entry.key for entry in self.entries(prefix))

    def link(self, key: str, seconds: int) -> str:
        """Return a link by which an object can be read until it expires."""
        return self._presigned("GET", key, seconds, {})

    def upload_link(self, key: str, seconds: int, headers: Mapping[str, str]) -> str:
        """Return a link by which one object can be put, with exactly these headers.

        What else COS or the package would heed is signed as empty, so that it cannot be added.
        """
        return self._presigned("PUT", key, seconds, {**dict.fromkeys(_NOT_ADDED, ""), **headers})

    def _presigned(self, method: str, key: str, seconds: int, headers: Mapping[str, str]) -> str:
        _require_addressable(key)
        token = self.client.get_conf()._token
        url: str = self.client.get_presigned_url(
            Bucket=self.bucket,
            Key=key,
            Method=method,
            Expired=seconds,
            # The SDK leaves a role's token out by itself.
            Params={"x-cos-security-token": token} if token else {},
            Headers=dict(headers),
        )
        return url

    def _opened(self, key: str) -> tuple[Mapping[str, str], Any]:
        """Return an object's headers, with lower-case names, and its body as it comes."""
        _require_addressable(key)
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key, KeySimplifyCheck=False)
        except ValueError:
            raise answer_unreadable(_GET) from None  # the SDK's own reading of the length
        return _lower(answer), answer["Body"].get_raw_stream()

    def _headed(self, key: str) -> Stored:
        _require_addressable(key)
        return _stored(self.client.head_object(Bucket=self.bucket, Key=key))

    def _put(self, key: str, data: bytes, meta: Mapping[str, str], **more: str) -> None:
        _require_addressable(key)
        put = partial(
            self.client.put_object,
            Bucket=self.bucket,
            Key=key,
            Body=data,
            EnableMD5=True,
            CacheControl="no-store",
            Metadata=dict(meta),
            **more,
        )
        self._call(_PUT, key, put)

    def _call(self, api: str, about: str, action: Callable[[], T]) -> T:
        """Make a request about a key or a prefix, and make it again as the retry policy allows."""

        def once() -> T:
            with vendor_errors(api):
                return action()

        with refusals_about(about):
            return self.retry_policy.call(once)


@contextmanager
def refusals_about(key: str) -> Iterator[None]:
    """Note in a refusal what was asked for, by which it is judged whose it is."""
    try:
        yield
    except Halt as refusal:
        refusal.about = key
        raise


def _require_addressable(key: str) -> None:
    """Refuse a key that would name another object on its way, before anything is asked for."""
    if not is_addressable(key):
        raise Reject(
            "key_unusable", "store the object under a key without . and .. between slashes, and none at first"
        )


def delete_under(objects: Objects, prefix: str, but: str = "") -> None:
    """Delete all objects under a prefix, apart from one."""
    for key in list(objects.list(prefix)):
        if key != but:
            objects.delete(key)


def moment(text: str) -> float:
    """Read a listing's or an inventory's time, in seconds since the epoch; ValueError if it is none."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()


def _page(found: Mapping[str, Any]) -> Page:
    try:
        more = str(found.get("IsTruncated")).lower() == "true"
        return Page(
            tuple(_entry(item) for item in found.get("Contents") or []),
            unquote(str(found["NextMarker"])) if more else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise answer_unreadable(_LIST) from None


def _entry(item: Mapping[str, Any]) -> Entry:
    return Entry(
        key=unquote(str(item["Key"])),
        size=int(item["Size"]),
        etag=str(item["ETag"]).strip('"'),
        modified=moment(str(item["LastModified"])),
    )


def _lower(headers: Mapping[str, Any]) -> dict[str, str]:
    return {str(name).lower(): value for name, value in headers.items() if isinstance(value, str)}


def _stored(headers: Mapping[str, Any]) -> Stored:
    lower = _lower(headers)
    meta = {name: value for name, value in lower.items() if name.startswith("x-cos-meta-")}
    return Stored(lower.get("etag", "").strip('"'), bodies.length_of(lower, _HEAD), meta)
