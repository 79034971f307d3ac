"""Fetches pictures that a call names by URL: from the local cloud's own buckets, and from nowhere else."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from cardveil_cloud.accounts import CredentialStore
from cardveil_cloud.ci.pictures import BASE64_LIMIT, PictureRefusedError
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.signature import verify
from cardveil_cloud.cos.store import ObjectStore

#: A URL may arrive encoded up to three times, as AILicenseRec's own page shows it.
_ENCODINGS: Final = 3


class BucketUrls:
    """Resolves presigned URLs of the local buckets; nothing is fetched over a network.

    Parameters
    ----------
    region
        The region of the local buckets; URLs of others do not resolve.
    """

    def __init__(
        self,
        store: ObjectStore,
        credentials: CredentialStore,
        *,
        region: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._credentials = credentials
        domains = r"(?:myqcloud\.com|tencentcos\.cn)"
        self._host = re.compile(rf"(?P<bucket>[a-z0-9-]+)\.cos(?:-internal)?\.{re.escape(region)}\.{domains}")
        self._clock = clock

    async def fetch(self, url: str) -> bytes:
        """Return the object that a URL names.

        Raises
        ------
        PictureRefusedError
            ``FailedOperation.DownLoadError`` if the URL is none of ours, is not validly signed, or names
            nothing; ``LimitExceeded.TooLargeFileError`` if the object is larger than a picture may be.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(None, self._fetch, url)
        except (CosError, OSError, ValueError):
            raise PictureRefusedError("FailedOperation.DownLoadError") from None

    def _fetch(self, url: str) -> bytes:
        for _ in range(_ENCODINGS):
            if url.startswith(("http://", "https://")):
                break
            url = unquote(url)
        parts = urlsplit(url)
        match = self._host.fullmatch(parts.hostname or "")
        if parts.scheme not in {"http", "https"} or match is None:
            raise PictureRefusedError("FailedOperation.DownLoadError")
        path = unquote(parts.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {"host": parts.netloc}
        principal = verify("GET", path, query, headers, self._credentials, self._clock())
        bucket, key = match["bucket"], path.removeprefix("/")
        principal.require("cos:GetObject", f"cos/{bucket}/{key}")
        info = self._store.head(bucket, key)
        if info.size > BASE64_LIMIT // 4 * 3:
            raise PictureRefusedError("LimitExceeded.TooLargeFileError")
        return self._store.get(bucket, key)[1]
