"""Length-prefixed JSON between server and worker, apart from standard output: no print can corrupt it."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, Final

_LENGTH: Final = struct.Struct(">I")
HEADER_BYTES: Final = _LENGTH.size
#: Well above SCF's 6 MB for an event or a reply; more than that is not one of our frames.
MAXIMUM: Final = 64 * 1024 * 1024


def pack(message: dict[str, Any]) -> bytes:
    """Return the frame of a message."""
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return _LENGTH.pack(len(body)) + body


def body_length(header: bytes) -> int:
    """Return the length of the body that follows `header`.

    Raises
    ------
    ValueError
        If it is longer than any frame can be.
    """
    (length,) = _LENGTH.unpack(header)
    if length > MAXIMUM:
        raise ValueError("not a frame of this channel")
    return int(length)


def unpack(body: bytes) -> dict[str, Any]:
    """Return the message of a frame's body."""
    message: dict[str, Any] = json.loads(body.decode("utf-8", "surrogatepass"))
    return message


class BlockingChannel:
    """The worker's end: one frame at a time, blocking."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, or None when the server has closed its end."""
        header = self._exactly(HEADER_BYTES)
        if header is None:
            return None
        body = self._exactly(body_length(header))
        return None if body is None else unpack(body)

    def send(self, message: dict[str, Any]) -> None:
        """Send one message."""
        self._connection.sendall(pack(message))

    def _exactly(self, count: int) -> bytes | None:
        parts: list[bytes] = []
        while count:
            part = self._connection.recv(min(count, 1 << 20))
            if not part:
                return None
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
