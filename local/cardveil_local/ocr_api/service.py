"""The API 3.0 gateway in front of RecognizeMainlandIDCardOCR: signature, routing, quota, error forms."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cardveil_local.ci.engine import RecognitionEngine
from cardveil_local.ci.names import Language
from cardveil_local.ci.pictures import PictureRefusedError
from cardveil_local.ci.urls import BucketUrls
from cardveil_local.cos.contracts import AnswerInstead, DropConnection, Faults
from cardveil_local.cos.service import drop_connection
from cardveil_local.credentials import Credential, CredentialStore
from cardveil_local.faults import NoFaults
from cardveil_local.ocr_api import mainland_id_card
from cardveil_local.ocr_api.errors import ApiError, error_body
from cardveil_local.ocr_api.mainland_id_card import ACTION, REGION, VERSION
from cardveil_local.ocr_api.ratelimit import RateLimit
from cardveil_local.ocr_api.tc3 import SignedRequest, verify
from cardveil_local.usage import UsageMeter

_log = logging.getLogger(__name__)

#: API 3.0 "Request Structure": at most 10 MB with TC3-HMAC-SHA256.
BODY_LIMIT: Final = 10 * 1024 * 1024
#: "A maximum of 20 requests can be initiated per second for this API."
DEFAULT_RATE: Final = 20


class OcrApi:
    """ASGI application for ``ocr.intl.tencentcloudapi.com``.

    Parameters
    ----------
    rate
        Requests a second that one account may make; None for any number.
    texts
        The language of values with an English form, such as the sex.
    faults
        Called before and after an action, with service ``ocr``; it may also raise `ApiError`.
    """

    def __init__(
        self,
        engine: RecognitionEngine,
        urls: BucketUrls,
        credentials: CredentialStore,
        usage: UsageMeter,
        *,
        rate: int | None = DEFAULT_RATE,
        texts: Language = Language.CHINESE,
        clock: Callable[[], float] = time.time,
        faults: Faults | None = None,
    ) -> None:
        self._engine = engine
        self._urls = urls
        self._credentials = credentials
        self._usage = usage
        self._rate = RateLimit(rate, time.monotonic)
        self._texts = texts
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
        except PictureRefusedError as refusal:
            content = error_body(ApiError(refusal.code), request_id)
        except AnswerInstead as instead:
            await instead.response(scope, receive, send)
            return
        except ClientDisconnect:
            return
        except DropConnection:
            await drop_connection(receive, send)
            return
        except Exception:  # noqa: BLE001 - logged, and told to the client as the real service would
            _log.exception("a call of the OCR API failed unexpectedly")
            content = error_body(ApiError("InternalError"), request_id)
        # Without a charset: the SDK does not recognise an error in any other type.
        body = json.dumps(content, ensure_ascii=False).encode()
        await Response(body, media_type="application/json")(scope, receive, send)

    async def _answer(self, request: Request) -> dict[str, Any]:
        headers = dict(request.headers.items())
        if request.method != "POST":
            raise ApiError("UnsupportedProtocol", "Only POST with a JSON body is served here.")
        if request.url.path != "/":
            raise ApiError("InvalidParameter", "Url path should be `/`.")
        body = await _body(request)
        action = _header(headers, "X-TC-Action")
        version = _header(headers, "X-TC-Version")
        signed = SignedRequest(request.method, request.url.query, headers, body)
        credential = verify(signed, "ocr", self._credentials, self._clock())
        if version != VERSION:
            raise ApiError("NoSuchVersion")
        if action != ACTION:
            raise ApiError("InvalidAction")
        if _header(headers, "X-TC-Region") != REGION:
            raise ApiError("UnsupportedRegion")
        self._check_grants(credential)
        await self._faults.before("ocr", ACTION, request)
        answer = await self._recognise(_object(body))
        await self._faults.after("ocr", ACTION, request)
        return answer

    def _check_grants(self, credential: Credential) -> None:
        if not credential.allows(f"ocr:{ACTION}", "*"):
            raise ApiError("AuthFailure.UnauthorizedOperation")
        # To the whole account, whose keys and roles all these credentials are.
        if not self._rate.grant(ACTION):
            raise ApiError("RequestLimitExceeded")

    async def _recognise(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = mainland_id_card.parameters(body)
        # "If both are provided, only ImageUrl will be used."
        if asked.image_url:
            data = await self._urls.fetch(asked.image_url)
        else:
            data = await asyncio.to_thread(mainland_id_card.decode_base64, asked.image_base64 or "")
        await self._engine.cards(data)
        self._usage.record(ACTION, data)
        asked = replace(asked, image_base64=None, image_url=None)
        return await self._engine.derived(
            data,
            (ACTION, asked),
            lambda found, picture: mainland_id_card.answer(found.cards, picture, asked, texts=self._texts),
        )


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


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        raise ApiError("InvalidRequest") from None
    if not isinstance(content, dict):
        raise ApiError("InvalidRequest")
    return content
