"""What the local cloud answers under its own address: its state, function URLs, direct OCR API calls."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cardveil_cloud.ci.warning_rules import WarningRules
from cardveil_cloud.dispatch import OWN_HOSTS
from cardveil_cloud.scf.queue import EventRefusedError
from cardveil_cloud.scf.service import ScfService
from cardveil_cloud.scf.urls import FunctionUrls
from cardveil_cloud.usage import UsageMeter

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Endpoint = Callable[[Request], Awaitable[Response]]


def application(
    scf: ScfService | None,
    urls: FunctionUrls | None,
    usage: UsageMeter,
    warnings: WarningRules,
    ocr: ASGIApp,
    notice: str,
) -> ASGIApp:
    """Return the application for the local cloud's own address.

    ``/_local/health``, ``/_local/usage``, ``/_local/functions``, ``/_local/dead-letters`` tell its state;
    ``POST /_local/functions/<key>/invocations`` runs a function (``?type=Event`` queues the event), ``POST
    /_local/timers/<name>`` fires a timer, ``PUT /_local/warnings`` sets the rules of `WarningRules`;
    ``/fn/<key>/…`` are the function URLs, and everything else is the OCR API, which answers at ``/``.
    """
    control = _Control(scf, usage, warnings, notice)
    routes = [
        Route("/_local/health", control.health),
        Route("/_local/usage", control.usage),
        Route("/_local/functions", control.functions),
        Route("/_local/dead-letters", control.dead_letters),
        Route("/_local/functions/{function}/invocations", _guarded(control.invoke), methods=["POST"]),
        Route("/_local/timers/{name}", _guarded(control.fire), methods=["POST"]),
        Route("/_local/warnings", _guarded(control.warn), methods=["PUT"]),
    ]
    if urls is not None:

        async def function_url(request: Request) -> Response:
            path = "/" + request.path_params.get("path", "")
            return await urls.answer(request.path_params["function"], path, request)

        routes.append(Route("/fn/{function}", function_url, methods=_METHODS))
        routes.append(Route("/fn/{function}/{path:path}", function_url, methods=_METHODS))
    inner = Starlette(routes=routes)

    async def own(scope: Scope, receive: Receive, send: Send) -> None:
        # Past Starlette's wrappers: an injected fault resets the connection by the server's own `send`.
        mine = scope["path"].startswith(("/_local/", "/fn/"))
        await (inner if mine else ocr)(scope, receive, send)

    return own


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Refuse what a web page of another origin sends: it could post here without being able to read."""

    async def guarded(request: Request) -> Response:
        origin = request.headers.get("origin")
        own = {f"http://{host}:{request.url.port}" for host in OWN_HOSTS}
        if origin is not None and origin not in own:
            return JSONResponse({"error": "requests from other origins are refused"}, 403)
        return await endpoint(request)

    return guarded


class _Control:
    def __init__(
        self, scf: ScfService | None, usage: UsageMeter, warnings: WarningRules, notice: str
    ) -> None:
        self._warnings = warnings
        self._scf = scf
        self._usage = usage
        self._notice = notice

    async def health(self, _: Request) -> Response:
        pending = self._scf.queue.pending if self._scf else 0
        return JSONResponse({"status": "ok", "notice": self._notice, "pending_events": pending})

    async def usage(self, _: Request) -> Response:
        counts = {"by_operation": self._usage.by_operation(), "by_picture": self._usage.by_picture()}
        return JSONResponse(counts)

    async def functions(self, _: Request) -> Response:
        runtimes = self._scf.runtimes if self._scf else {}
        return JSONResponse(
            {
                key: {
                    "name": runtime.spec.name,
                    "invocations": runtime.invocations,
                    "cold_starts": runtime.cold_starts,
                    "instances": runtime.instances,
                }
                for key, runtime in runtimes.items()
            }
        )

    async def dead_letters(self, _: Request) -> Response:
        return JSONResponse(self._scf.dead_letters.all() if self._scf else [])

    async def invoke(self, request: Request) -> Response:
        if self._scf is None:
            return _missing()
        function = request.path_params["function"]
        try:
            event: Any = json.loads(await request.body() or b"{}")
        except ValueError:
            return JSONResponse({"error": "the event is not JSON"}, 400)
        if request.query_params.get("type") == "Event":
            try:
                return JSONResponse({"requestId": self._scf.invoke_async(function, event)}, 202)
            except EventRefusedError as error:
                return JSONResponse({"error": error.status.name}, int(error.status))
        result = await self._scf.invoke(function, event)
        if not result.ok:
            return JSONResponse(result.error_form(), int(result.status))
        return Response(result.payload, media_type="application/json")

    async def fire(self, request: Request) -> Response:
        name = request.path_params["name"]
        if self._scf is None or name not in self._scf.timers.names:
            return _missing()
        return JSONResponse({"requestId": self._scf.timers.fire(name)}, 202)

    async def warn(self, request: Request) -> Response:
        try:
            self._warnings.set(json.loads(await request.body()))
        except (ValueError, TypeError, AttributeError):
            return JSONResponse({"error": "an object of patterns and lists of codes is expected"}, 400)
        return JSONResponse({}, 200)


def _missing() -> Response:
    return JSONResponse({"error": "there is no such thing here"}, 404)
