"""The API 3.0 gateway in front of the functions' API: signature, permission, action, and then it runs."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cardveil_local.cos.contracts import DropConnection, Faults
from cardveil_local.cos.errors import CosError
from cardveil_local.cos.service import drop_connection
from cardveil_local.cos.store import ObjectStore
from cardveil_local.credentials import Credential, CredentialStore
from cardveil_local.faults import NoFaults
from cardveil_local.ocr_api.errors import ApiError, error_body
from cardveil_local.ocr_api.tc3 import SignedRequest, verify
from cardveil_local.options import Account
from cardveil_local.scf.queue import EventRefusedError
from cardveil_local.scf.results import Status
from cardveil_local.scf.service import ScfService
from cardveil_local.scf_api.actions import Actions
from cardveil_local.scf_api.fields import name_of, take
from cardveil_local.scf_api.mounting import Mounts, deployment, key_of
from cardveil_local.scf_api.records import LATEST, Records

VERSION: Final = "2018-04-16"
#: API 3.0 "Request Structure": at most 10 MB with TC3-HMAC-SHA256.
BODY_LIMIT: Final = 10 * 1024 * 1024
_CHANGES: Final = re.compile(r"(Create|Update|Publish|Put|Delete)")
_ACTIONS: Final = (
    "CreateAlias",
    "CreateFunction",
    "CreateTrigger",
    "DeleteTrigger",
    "GetAlias",
    "GetFunction",
    "GetReservedConcurrencyConfig",
    "ListFunctions",
    "ListLayerVersions",
    "ListLayers",
    "ListTriggers",
    "ListVersionByFunction",
    "PublishLayerVersion",
    "PublishVersion",
    "PutReservedConcurrencyConfig",
    "UpdateAlias",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
)
_log = logging.getLogger(__name__)


class ScfApi:
    """ASGI application for ``scf.tencentcloudapi.com``.

    Parameters
    ----------
    data
        Folder of what was deployed; it is there again after a restart.
    faults
        Called before and after an action, with service ``scf``.
    """

    def __init__(
        self,
        scf: ScfService,
        store: ObjectStore,
        credentials: CredentialStore,
        account: Account,
        data: Path,
        clock: Callable[[], float] = time.time,
        faults: Faults | None = None,
    ) -> None:
        self._scf = scf
        self._store = store
        self._credentials = credentials
        self._account = account
        self._clock = clock
        self._faults: Faults = faults or NoFaults()
        self._records = Records(data)
        self._mounts = Mounts(data)
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Run what was deployed before."""
        await self._run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; errors too are answered with status 200, as the real gateway does."""
        request = Request(scope, receive)
        request_id = str(uuid.uuid4())
        try:
            content = {"Response": {**await self._answer(request), "RequestId": request_id}}
        except ApiError as error:
            content = error_body(error, request_id)
        except DropConnection:
            await drop_connection(receive, send)
            return
        except Exception:  # noqa: BLE001 - logged, and told to the client as the real service would
            _log.exception("a call of the functions' API failed unexpectedly")
            content = error_body(ApiError("InternalError"), request_id)
        body = json.dumps(content, ensure_ascii=False).encode()
        await Response(body, media_type="application/json")(scope, receive, send)

    async def _answer(self, request: Request) -> dict[str, Any]:
        headers = dict(request.headers.items())
        data = await request.body()
        if len(data) > BODY_LIMIT:
            raise ApiError("RequestSizeLimitExceeded")
        signed = SignedRequest(request.method, request.url.query, headers, data)
        credential = verify(signed, "scf", self._credentials, self._clock())
        action = headers.get("x-tc-action", "")
        if headers.get("x-tc-version") != VERSION:
            raise ApiError("NoSuchVersion")
        if headers.get("x-tc-region") != self._account.region:
            raise ApiError("UnsupportedRegion")
        if action != "Invoke" and action not in _ACTIONS:
            raise ApiError("InvalidAction")
        body = _object(data)
        self._check_grants(credential, action, body)
        await self._faults.before("scf", action, request)
        if action == "Invoke":
            answer = await self._invoke(body)
        else:
            async with self._lock:
                answer = await self._act(credential, action, body)
        await self._faults.after("scf", action, request)
        return answer

    async def _act(self, credential: Credential, action: str, body: dict[str, Any]) -> dict[str, Any]:
        async def from_cos(bucket: str, key: str) -> bytes:
            return await self._zip(credential, bucket, key)

        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action).lower()
        actions = Actions(self._records, self._mounts, from_cos)
        answer: dict[str, Any] = await getattr(actions, method)(body)
        if _CHANGES.match(action):
            self._records.save()
            await self._run()
        return answer

    async def _zip(self, credential: Credential, bucket: str, key: str) -> bytes:
        name = f"{bucket}-{self._account.app_id}"
        if not credential.allows("cos:GetObject", f"cos/{name}/{key}"):
            raise _not_permitted("cos:GetObject", f"cos/{name}/{key}")
        try:
            _, data = await asyncio.to_thread(self._store.get, name, key)
        except CosError:
            raise ApiError(
                "FailedOperation.CosObjectNotFound", "The zip could not be read from COS."
            ) from None
        return data

    async def _invoke(self, body: dict[str, Any]) -> dict[str, Any]:
        key = self._key(name_of(body), take(body, "Qualifier", str, LATEST))
        try:
            event = json.loads(take(body, "ClientContext", str, "{}"))
        except ValueError:
            raise ApiError("InvalidParameterValue.ClientContext", "The event is not JSON.") from None
        if take(body, "InvocationType", str, "RequestResponse") == "Event":
            return self._queued(key, event)
        result = await self._scf.invoke(key, event, wait_s=15.0)
        return {
            "Result": {
                "FunctionRequestId": result.request_id,
                "InvokeResult": 0 if result.ok else int(result.status),
                "RetMsg": result.payload or "",
                "ErrMsg": "" if result.ok else json.dumps(result.error_form(), ensure_ascii=False),
                "Duration": result.duration_ms,
                "BillDuration": int(result.duration_ms),
                "MemUsage": result.peak_kb * 1024,
                "Log": "",
            }
        }

    def _queued(self, key: str, event: Any) -> dict[str, Any]:
        try:
            request_id = self._scf.invoke_async(key, event)
        except EventRefusedError as refused:
            code = "FunctionNotFound" if refused.status is Status.FUNCTION_NOT_FOUND else "PayloadTooLarge"
            raise ApiError(f"InvalidParameterValue.{code}", "The event was not taken.") from None
        nothing = {"RetMsg": "", "ErrMsg": "", "Log": "", "Duration": 0, "BillDuration": 0, "MemUsage": 0}
        return {"Result": {"FunctionRequestId": request_id, "InvokeResult": 0, **nothing}}

    def _key(self, name: str, qualifier: str) -> str:
        """Find a function among those that were deployed, else among those of serverless.yml."""
        fixed = {spec.name: key for key, spec in self._scf.deployment.functions.items()}
        if name not in self._records.functions and name in fixed and qualifier == LATEST:
            return fixed[name]
        function = self._records.function(name)
        function.resolve(qualifier)
        return key_of(function.name, qualifier)

    def _check_grants(self, credential: Credential, action: str, body: dict[str, Any]) -> None:
        name = body.get("FunctionName") or body.get("LayerName") or "*"
        resource = f"scf/{'layer' if 'Layer' in action else 'function'}/{name}"
        if not credential.allows(f"scf:{action}", resource):
            raise _not_permitted(f"scf:{action}", resource)

    async def _run(self) -> None:
        running = await asyncio.to_thread(deployment, self._records, self._mounts, self._account.region)
        await self._scf.apply(running)


def _not_permitted(action: str, resource: str) -> ApiError:
    return ApiError(
        "UnauthorizedOperation.CAM",
        f"you are not authorized to perform operation ({action}) resource ({resource}) has no permission",
    )


def _object(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data or b"{}")
    except ValueError:
        raise ApiError("InvalidRequest") from None
    if not isinstance(content, dict):
        raise ApiError("InvalidRequest")
    return content
