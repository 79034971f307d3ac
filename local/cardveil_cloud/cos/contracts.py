"""What COS hands to its neighbours: events to the notifier, pictures to CI, a seam for injected faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """A committed change of one object, as a bucket notification tells of it."""

    name: str  # "cos:ObjectCreated:Put", "cos:ObjectRemove:Delete", …
    bucket: str  # full name, with the app id
    key: str  # raw, not percent-encoded
    size: int  # bytes; 0 for a removal
    etag: str  # with its quotes; "" for a removal
    meta: Mapping[str, str]  # stored headers: Content-Type, x-cos-meta-*, …
    storage_class: str
    request_id: str
    time: float  # seconds since the epoch
    source_ip: str


@dataclass(frozen=True, slots=True)
class CiCall:
    """A request with ``ci-process`` in its query, after its signature was checked."""

    process: str  # value of ci-process
    params: Mapping[str, str]  # the query, decoded once, without the signature's own parameters
    bucket: str
    key: str  # "" when the picture is named by a URL parameter instead
    method: Literal["GET", "PUT"]
    data: bytes | None  # the object's bytes; None when there is no key
    request_id: str


class CiProcessor(Protocol):
    """Cloud Infinite, as COS sees it."""

    async def process(self, call: CiCall) -> Response:
        """Answer one synchronous call; may raise `CosError`."""
        ...


class Faults(Protocol):
    """Where latency, errors and lost replies are injected.

    Either method may sleep, raise `CosError` (the client gets that error) or raise `DropConnection` (the
    client gets a reset). Raised from ``before``, nothing has happened; raised from ``after``, all has, and
    only the reply is lost.
    """

    async def before(self, service: str, operation: str, request: Request) -> None:
        """Called once the request was authorised, before its effect. ``service`` is ``cos`` or ``ci``."""
        ...

    async def after(self, service: str, operation: str, request: Request) -> None:
        """Called after the effect was committed, before the reply is sent."""
        ...


class AnswerInstead(Exception):  # noqa: N818 - an order to the server, not an error of it
    """Raised by a fault hook to have another service's form of error, or any other answer, sent instead."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"another answer with status {response.status_code}")
        self.response = response


class DropConnection(Exception):  # noqa: N818 - an order to the server, not an error of it
    """Raised by a fault hook to have the connection reset without any reply."""
