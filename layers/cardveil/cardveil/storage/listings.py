"""Listings as a sweep needs them: entries with time and ETag, from any place on, the next page under way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from typing import Any, BinaryIO, Final, Protocol
from urllib.parse import unquote

from cardveil.core.frozen import dataclass
from cardveil.storage.objects import CosObjects
from cardveil.storage.vendor_errors import vendor_errors

_API: Final = "COS"
_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing; `modified` is in seconds since the epoch, by COS's clock."""

    key: str
    size: int
    etag: str
    modified: float


class Listing(Protocol):
    """What a sweep asks of a bucket beside `Objects`."""

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]: ...

    def fetch(self, key: str, file: BinaryIO) -> None: ...


@dataclass(frozen=True, slots=True)
class CosListing:
    """Listings of a bucket of COS."""

    objects: CosObjects

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]:
        """Yield what stands under a prefix after the key `after`, in the order of the keys' UTF-8 bytes.

        One page of a thousand is held, and the next is asked for meanwhile: the memory is the same for any
        number of objects.
        """
        with ThreadPoolExecutor(max_workers=1) as pool:
            coming = pool.submit(self._page, prefix, after)
            while True:
                page = coming.result()
                more = str(page.get("IsTruncated")).lower() == "true"
                if more:
                    coming = pool.submit(self._page, prefix, unquote(str(page["NextMarker"])))
                for item in page.get("Contents") or []:
                    yield _entry(item)
                if not more:
                    return

    def fetch(self, key: str, file: BinaryIO) -> None:
        """Copy an object's content into a file, in pieces; raises what `CosObjects.get` does."""

        def once() -> None:
            file.seek(0)
            file.truncate()
            with vendor_errors(_API):
                answer = self.objects.client.get_object(
                    Bucket=self.objects.bucket, Key=key, KeySimplifyCheck=False
                )
                stream = answer["Body"].get_raw_stream()
                while piece := stream.read(_PIECE):
                    file.write(piece)

        self.objects.retry_policy.call(once)

    def _page(self, prefix: str, marker: str) -> Any:
        def once() -> Any:
            with vendor_errors(_API):
                return self.objects.client.list_objects(
                    Bucket=self.objects.bucket,
                    Prefix=prefix,
                    Marker=marker,
                    EncodingType="url",
                    MaxKeys=1000,
                )

        return self.objects.retry_policy.call(partial(once))


def _entry(item: Any) -> Entry:
    return Entry(
        key=unquote(str(item["Key"])),
        size=int(item["Size"]),
        etag=str(item["ETag"]).strip('"'),
        modified=moment(str(item["LastModified"])),
    )


def moment(text: str) -> float:
    """Read a listing's or an inventory's time, in seconds since the epoch; ValueError if it is none."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
