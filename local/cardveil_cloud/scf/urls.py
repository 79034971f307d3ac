"""Function URLs: an HTTP request becomes a function's event, and what it returns becomes the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from cardveil_cloud.accounts import CredentialStore
from cardveil_cloud.scf.events import url_event
from cardveil_cloud.scf.results import InvokeResult, Status
from cardveil_cloud.scf.runtime import SYNC_LIMIT
from cardveil_cloud.scf.service import ScfService
from cardveil_cloud.tencent_api.errors import ApiError
from cardveil_cloud.tencent_api.tc3 import SignedRequest, verify

#: A handful of instances stand here for the hundreds of the platform, so a request may wait for one.
_WAIT_S: Final = 15.0


class FunctionUrls:
    """Answers requests to the functions that have a trigger of type `http`."""

    def __init__(
        self, scf: ScfService, credentials: CredentialStore, clock: Callable[[], float] = time.time
    ) -> None:
        self._scf = scf
        self._credentials = credentials
        self._clock = clock

    @property
    def _auth(self) -> dict[str, str]:
        return {
            trigger.function: trigger.auth
            for trigger in self._scf.deployment.http
            if trigger.enabled and (trigger.intranet or trigger.extranet)
        }

    @property
    def functions(self) -> tuple[str, ...]:
        """Keys of the functions that have a URL."""
        return tuple(self._auth)

    def by_host_label(self, label: str) -> str | None:
        """Return the function of a host such as ``1250000000-on-request.ap-shanghai.tencentscf.com``.

        `label` is the host's first label without the app id; host names hold no underscore.
        """
        return next((key for key in self._auth if key.replace("_", "-") == label), None)

    async def answer(self, function: str, path: str, request: Request) -> Response:
        """Run a function for a request.

        Parameters
        ----------
        path
            The path that the function sees, starting with a slash.
        """
        if function not in self._auth:
            return _json(404, {"errorMessage": "no function has this URL"})
        body = await request.body()
        if self._auth[function] == "CAM":
            try:
                self._check_signature(request, body)
            except ApiError as error:
                return _json(401, {"errorCode": error.code, "errorMessage": error.message})
        if len(body) > SYNC_LIMIT:
            return _error(InvokeResult("", Status.REQUEST_TOO_LARGE))
        event = url_event(
            request.method,
            path,
            dict(request.query_params),
            dict(request.headers.items()),
            body,
            request.client.host if request.client else "127.0.0.1",
        )
        result = await self._scf.invoke(function, event, wait_s=_WAIT_S)
        return _reply(result) if result.ok else _error(result)

    def _check_signature(self, request: Request, body: bytes) -> None:
        headers = dict(request.headers.items())
        signed = SignedRequest(request.method, request.url.query, headers, body)
        verify(signed, "scf", self._credentials, self._clock())


def _reply(result: InvokeResult) -> Response:
    returned: Any = json.loads(result.payload or "null")
    if not (isinstance(returned, dict) and "statusCode" in returned):
        # "If the function returns valid JSON without statusCode": the whole of it is the body.
        return _json(200, returned, result.request_id)
    body = returned.get("body", "")
    response = Response(
        body if isinstance(body, str) else json.dumps(body, ensure_ascii=False),
        status_code=int(returned["statusCode"]),
        headers={"X-Scf-Request-Id": result.request_id},
    )
    response.headers["Content-Type"] = "application/json"
    for name, value in (returned.get("headers") or {}).items():
        values = value if isinstance(value, list) else [value]
        if name.lower() == "content-length":
            continue
        response.headers[name] = str(values[0])
        for further in values[1:]:
            response.headers.append(name, str(further))
    return response


def _error(result: InvokeResult) -> Response:
    return _json(int(result.status), result.error_form(), result.request_id)


def _json(status: int, content: Any, request_id: str = "") -> Response:
    return Response(
        json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        status_code=status,
        headers={"X-Scf-Request-Id": request_id} if request_id else None,
        media_type="application/json",
    )
