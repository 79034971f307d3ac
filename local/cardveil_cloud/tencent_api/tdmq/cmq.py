"""The queues' data interface: messages are received and deleted in CMQ's own protocol and signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from cardveil_cloud.accounts import Credential, CredentialStore
from cardveil_cloud.tencent_api.tdmq.letters import INVISIBLE_S, LetterQueues

PATH: Final = "/v2/index.php"
#: Most messages that one call receives.
_MOST: Final = 16
#: CMQ "Signature": timestamp and server time may differ by five minutes.
_SKEW_S: Final = 300
_DIGESTS: Final = {"HmacSHA1": hashlib.sha1, "HmacSHA256": hashlib.sha256}


class _RefusedError(Exception):
    """A refusal with CMQ's code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class MessageQueues:
    """Answers under the hosts of TDMQ, and of CMQ before it."""

    def __init__(
        self, queues: LetterQueues, credentials: CredentialStore, clock: Callable[[], float] = time.time
    ) -> None:
        self._queues = queues
        self._credentials = credentials
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; refusals have status 200 and a code."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        head = {"requestId": str(uuid.uuid4()), "clientRequestId": ""}
        try:
            if request.method != "POST" or request.scope["path"] != PATH:
                raise _RefusedError(4000, "only POST to /v2/index.php is served here")
            values = dict(
                parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
            )
            credential = self._verify(request, values)
            told = self._act(credential, values)
        except _RefusedError as refused:
            return JSONResponse({"code": refused.code, "message": refused.message, **head})
        return JSONResponse({"code": 0, "message": "", **head, **told})

    def _verify(self, request: Request, values: Mapping[str, str]) -> Credential:
        credential = self._credentials.find(values.get("SecretId", ""))
        if credential is None or (credential.token and credential.token != values.get("Token")):
            raise _RefusedError(4100, "authentication failed: the SecretId is not found")
        timestamp = values.get("Timestamp", "")
        if not timestamp.isdecimal() or abs(int(timestamp) - self._clock()) > _SKEW_S:
            raise _RefusedError(4100, "authentication failed: the request has expired")
        told = values.get("Signature", "")
        pairs = "&".join(f"{name}={values[name]}" for name in sorted(values) if name != "Signature")
        method = _DIGESTS["HmacSHA256" if values.get("SignatureMethod") == "HmacSHA256" else "HmacSHA1"]
        host = request.headers.get("host", "")
        text = f"POST{host}{PATH}?{pairs}"
        expected = base64.b64encode(hmac.new(credential.secret_key.encode(), text.encode(), method).digest())
        if not hmac.compare_digest(expected, told.encode()):
            raise _RefusedError(4100, "authentication failed: the signature is wrong")
        if credential.expires is not None and credential.expires <= self._clock():
            raise _RefusedError(4100, "authentication failed: the token has expired")
        return credential

    def _act(self, credential: Credential, values: Mapping[str, str]) -> dict[str, Any]:
        action, queue = values.get("Action", ""), values.get("queueName", "")
        if action not in {"BatchReceiveMessage", "DeleteMessage"}:
            raise _RefusedError(4000, "the local cloud serves BatchReceiveMessage and DeleteMessage")
        if not credential.allows(f"cmqqueue:{action}", f"cmqqueue/queueName/{queue}"):
            raise _RefusedError(4100, f"not authorized to perform operation (cmqqueue:{action})")
        if queue not in self._queues.names:
            raise _RefusedError(4440, "there is no such queue")
        return self._receive(queue, values) if action == "BatchReceiveMessage" else self._delete(values)

    def _receive(self, queue: str, values: Mapping[str, str]) -> dict[str, Any]:
        most = values.get("numOfMsg", "")
        if not most.isdecimal() or not 1 <= int(most) <= _MOST:
            raise _RefusedError(4000, "numOfMsg: 1 to 16")
        now = self._clock()
        found = self._queues.receive(queue, int(most), now)
        if not found:
            raise _RefusedError(7000, "no message")
        return {
            "msgInfoList": [
                {
                    "msgBody": json.dumps(letter, ensure_ascii=False),
                    "msgId": letter["RequestId"],
                    "receiptHandle": hidden.handle,
                    "enqueueTime": int(now),
                    "nextVisibleTime": int(now + INVISIBLE_S),
                }
                for hidden, letter in found
            ]
        }

    def _delete(self, values: Mapping[str, str]) -> dict[str, Any]:
        if not self._queues.remove(values.get("receiptHandle", ""), self._clock()):
            raise _RefusedError(4430, "the receipt handle is not good any more")
        return {}
