"""How the local cloud's server treats its connections."""

from __future__ import annotations

import asyncio
import re
import socket
import time

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cardveil_cloud.faults import ARRIVED

_CONNECT = b"CONNECT "
_TUNNEL = re.compile(rb"CONNECT [A-Za-z0-9.:\[\]-]+:(?P<port>[0-9]{1,5}) HTTP/1\.[01](?:\r\n|$)")
_LONGEST_HEAD = 16 * 1024
_BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_NO_TLS = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
)


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
        self._opening: bytes | None = b""
        self._socket = transport.get_extra_info("socket")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._acknowledge()

    def data_received(self, data: bytes) -> None:
        """Take what came in; the option lasts for one packet only."""
        if self._opening is None:
            super().data_received(data)
        else:
            self._open(self._opening + data)
        self._acknowledge()

    def _open(self, begun: bytes) -> None:
        """Look whether a connection begins with CONNECT; all that follows in the tunnel is for this server.

        A client that tunnels speaks through the tunnel as if it had reached the host itself; which hosts are
        answered for is then decided by each request, as for any other.
        """
        self._opening = begun
        if not _CONNECT.startswith(begun[: len(_CONNECT)]):
            self._opening = None
            super().data_received(begun)
            return
        head, end, rest = begun.partition(b"\r\n\r\n")
        tunnel = _TUNNEL.match(head)
        if len(head) > _LONGEST_HEAD or (end and tunnel is None):
            self.transport.write(_BAD)
            self.transport.close()
        elif tunnel is not None and end and tunnel["port"] == b"443":
            # Nothing here speaks TLS, and nothing leaves this machine.
            body = b"the local cloud speaks plain HTTP only\n"
            self.transport.write(_NO_TLS % len(body) + body)
            self.transport.close()
        elif end:
            self._opening = None
            self.transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if rest:
                super().data_received(rest)

    def on_message_begin(self) -> None:
        """Note when the request arrived: what the server does from here on is part of its answer's time."""
        super().on_message_begin()
        self.scope[ARRIVED] = time.monotonic()  # type: ignore[typeddict-unknown-key]

    def _acknowledge(self) -> None:
        if hasattr(socket, "TCP_QUICKACK") and self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
