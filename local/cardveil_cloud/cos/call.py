"""One parsed COS request with all that a handler needs, so that handlers are plain functions of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.requests import Request

from cardveil_cloud import xml
from cardveil_cloud.accounts import CredentialStore
from cardveil_cloud.cos.contracts import CiProcessor, Faults
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.outbox import Origin, Outbox
from cardveil_cloud.cos.signature import Principal
from cardveil_cloud.cos.store import ObjectStore
from cardveil_cloud.cos.uploads import Uploads

# COS "Specifications and Limits": a key has at most 850 bytes of UTF-8.
MAX_KEY_BYTES = 850
# COS "Object overview": keys may not hold the control characters CAN, EM, SUB and ESC.
_REFUSED_IN_KEYS = re.compile("[\x18-\x1b]")
COS_HOST = re.compile(
    r"(?:(?P<bucket>[a-z0-9][a-z0-9-]*)\.)?cos(?:-internal)?\.(?P<region>[a-z0-9-]+)"
    r"\.(?:myqcloud\.com|tencentcos\.cn)"
)
_SERVICE_HOST = re.compile(r"service\.cos\.(?:myqcloud\.com|tencentcos\.cn)")


@dataclass(frozen=True, slots=True)
class Context:
    """What all requests share."""

    store: ObjectStore
    uploads: Uploads
    outbox: Outbox
    credentials: CredentialStore
    region: str
    app_id: str
    clock: Callable[[], float] = time.time
    ci: CiProcessor | None = None
    faults: Faults | None = None
    restore_s: float = 0.0
    demanded_encryption: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about: a bucket ("" for the service itself) and a key ("" for the bucket itself)."""

    host: str
    bucket: str
    region: str  # "" when the host names none
    path: str  # decoded
    query: Mapping[str, str]  # decoded

    @property
    def key(self) -> str:
        """The object's key."""
        return self.path[1:]

    @property
    def resource(self) -> str:
        """How error answers name the target."""
        return self.host + self.path


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request."""

    context: Context
    request: Request
    target: Target
    principal: Principal
    request_id: str

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers."""
        return self.request.headers

    @property
    def bucket(self) -> str:
        """The bucket's full name."""
        return self.target.bucket

    @property
    def key(self) -> str:
        """The object's key, raw."""
        return self.target.key

    @property
    def query(self) -> Mapping[str, str]:
        """The query, decoded."""
        return self.target.query

    @property
    def version(self) -> str:
        """The version that is asked for; empty for the current one."""
        return self.query.get("versionId", "")

    @property
    def forbid_overwrite(self) -> bool:
        """Whether the client asked that nothing be overwritten."""
        return self.headers.get("x-cos-forbid-overwrite", "").lower() == "true"

    @property
    def owner(self) -> xml.Content:
        """How listings name whom everything here belongs to."""
        return [("ID", self.context.app_id), ("DisplayName", self.context.app_id)]

    def origin(self, name: str) -> Origin | None:
        """What an event of this request tells of it; None when there is nobody to be told."""
        if not self.context.outbox.is_used:
            return None
        client = self.request.client
        return Origin(name, self.request_id, "" if client is None else client.host)

    async def tell(self) -> None:
        """Have the events of what was committed handed on, before the client gets its answer."""
        await self.context.outbox.drain()


def target_of(request: Request) -> Target:
    """Read host, path and query.

    Raises
    ------
    CosError
        ``InvalidURI`` (not UTF-8, or not one of COS's hosts), ``KeyTooLong``.
    """
    host = request.headers.get("host", "").partition(":")[0].lower()
    found = COS_HOST.fullmatch(host)
    if found is None and not _SERVICE_HOST.fullmatch(host):
        raise CosError("InvalidURI")
    try:
        path = unquote_to_bytes(request.scope["raw_path"]).decode()
        query_string = request.scope["query_string"].decode("latin-1")
        pairs = parse_qsl(query_string, keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError) as error:
        raise CosError("InvalidURI") from error
    if not path.startswith("/"):
        raise CosError("InvalidURI")
    check_key(path[1:])
    query: dict[str, str] = {}
    for name, value in pairs:
        query.setdefault(name, value)
    return Target(
        host=host,
        bucket=(found["bucket"] or "") if found else "",
        region=found["region"] if found else "",
        path=path,
        query=query,
    )


def check_key(key: str) -> None:
    """Refuse a key that no object can have: `CosError` ``InvalidURI`` or ``KeyTooLong``."""
    if _REFUSED_IN_KEYS.search(key):
        raise CosError("InvalidURI")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise CosError("KeyTooLong")
