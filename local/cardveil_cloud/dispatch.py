"""Sends each request to the service whose host it names, as the proxy of all the local cloud stands for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardveil_cloud.faults import BODY_FAULT, BodyFault

#: Host names of the local cloud itself. Others that resolve to loopback are refused, so that no web page can
#: reach it under a name of its own.
OWN_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
#: Pieces in which a slow body is sent.
_PIECES: Final = 4


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
        await self._service(scope)(scope, receive, _Spoiler(scope, send).send)

    def _service(self, scope: Scope) -> ASGIApp:
        # Tencent's command line, told an endpoint with its scheme, sends both as its host; no browser can.
        host = Request(scope).headers.get("host", "").lower().removeprefix("http://")
        name = re.sub(r":\d+$", "", host)
        if name in OWN_HOSTS:
            return self._own
        for pattern, app in self._services:
            if pattern.fullmatch(name):
                return app
        # Nothing leaves this machine through the proxy.
        return PlainTextResponse("the local cloud answers for no such host\n", status_code=502)


class _Spoiler:
    """Sends an answer, and spoils its body where a fault hook asked for that.

    It stands in for the server's own `send`, and shows its transport as that one does.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
        self._start: Message = {}
        self._held = b""

    async def send(self, message: Message) -> None:
        """Send one part of an answer."""
        fault: BodyFault | None = self._scope.get(BODY_FAULT)
        body: bytes = message.get("body", b"") if message["type"] == "http.response.body" else b""
        if fault is not None and fault.length:
            self._lie(fault.length, message, body)
        elif fault is None or len(body) < _PIECES:
            await self._send(message)
        elif fault.alter:
            middle = len(body) // 2
            await self._send(
                {**message, "body": body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]}
            )
        elif fault.truncate:
            await self._send({**message, "body": body[: len(body) // 2], "more_body": True})
            # What was written is handed to the network first; an abort would take it back.
            self.transport.close()
        else:
            size = -(-len(body) // _PIECES)
            for start in range(0, len(body), size):
                last = start + size >= len(body)
                more = not last or message.get("more_body", False)
                await self._send({**message, "body": body[start : start + size], "more_body": more})
                await asyncio.sleep(fault.slow_s / _PIECES)

    def _lie(self, kind: str, message: Message, body: bytes) -> None:
        """Write an answer past the server, which keeps lengths true, and close the connection."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._held += body
        if message.get("more_body", False):
            return
        # An answer to HEAD has no body to count.
        headers = {bytes(name).lower(): bytes(value) for name, value in self._start["headers"]}
        size = int(headers.get(b"content-length", b"0"))
        said = {"short": str(size // 2), "long": str(size * 1000 + 1000), "odd": "abc"}[kind]
        headers |= {b"content-length": said.encode(), b"connection": b"close"}
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers.items())
        sent = self._held[: size // 2] if kind == "short" else self._held
        self.transport.write(b"HTTP/1.1 %d \r\n%s\r\n%s" % (self._start["status"], lines, sent))
        self.transport.close()
