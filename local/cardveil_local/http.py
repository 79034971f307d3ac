"""How the local cloud's server treats its connections."""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PromptProtocol(HttpToolsProtocol):
    """Sends at once what is to be sent, and acknowledges at once what was received.

    An answer's head and body are two packets too. asyncio switches Nagle's algorithm off only on sockets that
    name their protocol, which those of `socket.create_server` do not.

    Clients send head and body of a small PUT in two packets and, through a proxy, hold the second back until
    the first is acknowledged (urllib3 leaves Nagle's algorithm on there). Linux delays that by 40 ms, which
    is ten times what the request itself takes.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the socket."""
        super().connection_made(transport)
        self._socket = transport.get_extra_info("socket")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._acknowledge()

    def data_received(self, data: bytes) -> None:
        """Take what came in; the option lasts for one packet only."""
        super().data_received(data)
        self._acknowledge()

    def _acknowledge(self) -> None:
        if hasattr(socket, "TCP_QUICKACK") and self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
