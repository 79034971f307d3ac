"""The gateway in front of a product of API 3.0: signature, version, action, region, and forms of errors."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Collection
from typing import Any, Final, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cardveil_cloud.accounts import Credential, CredentialStore
from cardveil_cloud.cos.contracts import AnswerInstead, DropConnection, Faults
from cardveil_cloud.cos.service import drop_connection
from cardveil_cloud.faults import NoFaults
from cardveil_cloud.tencent_api.errors import ApiError, error_body
from cardveil_cloud.tencent_api.tc3 import SignedRequest, verify

_log = logging.getLogger(__name__)

#: API 3.0 "Request Structure": at most 10 MB with TC3-HMAC-SHA256.
BODY_LIMIT: Final = 10 * 1024 * 1024


class Product(Protocol):
    """What stands behind a gateway.

    Attributes
    ----------
    name : str
        As in the host's name, the scope of signatures, and for faults.
    version : str
        The date that ``X-TC-Version`` must give.
    region : str
        The one that is served here.
    actions : collection of str
        The names of all actions.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def region(self) -> str: ...

    @property
    def actions(self) -> Collection[str]: ...

    def check(self, credential: Credential, action: str, body: dict[str, Any]) -> None:
        """Raise `ApiError` where the caller may not do this, or not now."""

    async def act(self, credential: Credential, action: str, body: dict[str, Any]) -> dict[str, Any]:
        """Do it, and return what is answered; raises `ApiError`."""


class Gateway:
    """An ASGI application for one product.

    Parameters
    ----------
    faults
        Called before and after an action, with the product's name; it may also raise `ApiError`.
    """

    def __init__(
        self,
        product: Product,
        credentials: CredentialStore,
        clock: Callable[[], float] = time.time,
        faults: Faults | None = None,
    ) -> None:
        self.product = product
        self._credentials = credentials
        self._clock = clock
        self._faults: Faults = faults or NoFaults()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; errors too are answered with status 200, as the real gateway does."""
        request = Request(scope, receive)
        request_id = str(uuid.uuid4())
        try:
            content = {"Response": {**await self._answer(request), "RequestId": request_id}}
        except ApiError as error:
            content = error_body(error, request_id)
        except AnswerInstead as instead:
            await instead.response(scope, receive, send)
            return
        except ClientDisconnect:
            return
        except DropConnection:
            await drop_connection(receive, send)
            return
        except Exception:  # noqa: BLE001 - logged, and told to the client as the real service would
            _log.exception("a call of product %s failed unexpectedly", self.product.name)
            content = error_body(ApiError("InternalError"), request_id)
        # Without a charset: the SDK does not recognise an error in any other type.
        body = json.dumps(content, ensure_ascii=False).encode()
        await Response(body, media_type="application/json")(scope, receive, send)

    async def _answer(self, request: Request) -> dict[str, Any]:
        product, headers = self.product, dict(request.headers.items())
        if request.method != "POST":
            raise ApiError("UnsupportedProtocol", "Only POST with a JSON body is served here.")
        if request.url.path != "/":
            raise ApiError("InvalidParameter", "Url path should be `/`.")
        data = await _body(request)
        action = _header(headers, "X-TC-Action")
        version = _header(headers, "X-TC-Version")
        signed = SignedRequest(request.method, request.url.query, headers, data)
        credential = verify(signed, product.name, self._credentials, self._clock())
        if version != product.version:
            raise ApiError("NoSuchVersion")
        if action not in product.actions:
            raise ApiError("InvalidAction")
        if _header(headers, "X-TC-Region") != product.region:
            raise ApiError("UnsupportedRegion")
        body = _object(data)
        product.check(credential, action, body)
        await self._faults.before(product.name, action, request)
        answer = await product.act(credential, action, body)
        await self._faults.after(product.name, action, request)
        return answer


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= BODY_LIMIT:
            parts.append(part)
    # All of it is read even so: a client that is still sending would not see the answer.
    if size > BODY_LIMIT:
        raise ApiError("RequestSizeLimitExceeded")
    return b"".join(parts)


def _header(headers: dict[str, str], name: str) -> str:
    value = headers.get(name.lower())
    if not value:
        raise ApiError("MissingParameter", f"The request is missing the header `{name}`.")
    return value


def _object(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data or b"{}")
    except ValueError:
        raise ApiError("InvalidRequest") from None
    if not isinstance(content, dict):
        raise ApiError("InvalidRequest")
    return content
