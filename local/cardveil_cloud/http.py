"""How the local cloud's server treats its connections."""

from __future__ import annotations

import asyncio
import socket
import time

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cardveil_cloud.faults import ARRIVED


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

    def on_message_begin(self) -> None:
        """Note when the request arrived: what the server does from here on is part of its answer's time."""
        super().on_message_begin()
        self.scope[ARRIVED] = time.monotonic()  # type: ignore[typeddict-unknown-key]

    def _acknowledge(self) -> None:
        if hasattr(socket, "TCP_QUICKACK") and self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
