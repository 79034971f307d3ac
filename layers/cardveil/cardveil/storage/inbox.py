"""The inbox as the HTTP API needs it: pictures put in, pages of what is there, short-lived links."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from cardveil.core.frozen import dataclass
from cardveil.storage.objects import CosObjects
from cardveil.storage.vendor_errors import vendor_errors

_API: Final = "COS"


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing; `uploaded_at` is ISO 8601."""

    key: str
    size: int
    uploaded_at: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and the marker after which the next ones come (None at the end)."""

    entries: tuple[Entry, ...]
    marker: str | None


@dataclass(frozen=True, slots=True)
class Inbox:
    """The sources of one bucket."""

    objects: CosObjects

    def store(self, key: str, data: bytes, meta: Mapping[str, str]) -> None:
        """Put a source into the inbox; `meta` holds ``x-cos-meta-*`` headers by their full names."""
        client = self.objects.client
        self._call(
            partial(
                client.put_object,
                Bucket=self.objects.bucket,
                Key=key,
                Body=data,
                EnableMD5=True,
                CacheControl="no-store",
                Metadata=dict(meta),
            )
        )

    def store_processed(
        self, key: str, data: bytes, meta: Mapping[str, str], params: Mapping[str, str]
    ) -> tuple[Mapping[str, str], bytes]:
        """Put a source into the inbox and have CI process it, in one request (``PUT ?ci-process=…``).

        The SDK has no method for it. It is tried once only: what it does is paid for.

        Returns
        -------
        mapping, bytes
            The answer's headers and its XML.
        """
        from qcloud_cos.cos_auth import CosS3Auth

        client, bucket = self.objects.client, self.objects.bucket
        conf = client.get_conf()
        with vendor_errors(params["ci-process"]):
            answer = client.send_request(
                method="PUT",
                url=conf.uri(bucket=bucket, path=key),
                bucket=bucket,
                data=data,
                params=dict(params),
                headers=dict(meta),
                auth=CosS3Auth(conf, key, params=dict(params)),
            )
        return dict(answer.headers), answer.content

    def page(self, prefix: str, marker: str, limit: int) -> Page:
        """List what stands under a prefix after `marker`, at most `limit` (1 to 1000) objects."""
        found = self._call(
            partial(
                self.objects.client.list_objects,
                Bucket=self.objects.bucket,
                Prefix=prefix,
                Marker=marker,
                EncodingType="url",
                MaxKeys=limit,
            )
        )
        entries = tuple(
            Entry(unquote(str(item["Key"])), int(item["Size"]), str(item["LastModified"]))
            for item in found.get("Contents") or []
        )
        more = str(found.get("IsTruncated")).lower() == "true"
        return Page(entries, unquote(str(found["NextMarker"])) if more else None)

    def link(self, bucket: str, key: str, seconds: int) -> str:
        """Return a link by which an object can be read until it expires."""
        return self._presigned("GET", bucket, key, seconds, {})

    def upload_link(self, key: str, seconds: int, headers: Mapping[str, str]) -> str:
        """Return a link by which one object can be put, with exactly these headers."""
        return self._presigned("PUT", self.objects.bucket, key, seconds, headers)

    def _presigned(self, method: str, bucket: str, key: str, seconds: int, headers: Mapping[str, str]) -> str:
        client = self.objects.client
        token = client.get_conf()._token
        url: str = client.get_presigned_url(
            Bucket=bucket,
            Key=key,
            Method=method,
            Expired=seconds,
            # The SDK leaves a role's token out by itself.
            Params={"x-cos-security-token": token} if token else {},
            Headers=dict(headers),
        )
        return url

    def _call(self, action: Any) -> Any:
        def once() -> Any:
            with vendor_errors(_API):
                return action()

        return self.objects.retry_policy.call(once)


def iso(seconds: float) -> str:
    """Return a moment (seconds since the epoch) as ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
