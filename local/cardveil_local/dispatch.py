"""Sends each request to the service whose host it names, as the proxy of all the local cloud stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

#: Host names of the local cloud itself. Others that resolve to loopback are refused, so that no web page can
#: reach it under a name of its own.
OWN_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Dispatcher:
    """An ASGI application of other applications.

    Parameters
    ----------
    own
        Answers requests to the local cloud's own address.
    services
        Patterns of host names, without port, and who answers them; the first that matches the whole name.
    """

    def __init__(self, own: ASGIApp, services: Sequence[tuple[str, ASGIApp]]) -> None:
        self._own = own
        self._services = [(re.compile(pattern), app) for pattern, app in services]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        await self._service(scope)(scope, receive, send)

    def _service(self, scope: Scope) -> ASGIApp:
        host = Request(scope).headers.get("host", "").lower()
        name = re.sub(r":\d+$", "", host)
        if name in OWN_HOSTS:
            return self._own
        for pattern, app in self._services:
            if pattern.fullmatch(name):
                return app
        # Nothing leaves this machine through the proxy.
        return PlainTextResponse("the local cloud answers for no such host\n", status_code=502)
