"""Fetches a picture from a public URL without ever being led into the network that this function stands in.

The vendor's APIs would fetch a ``detect-url`` themselves, and nobody could tell from where. Here the name
is resolved once, every address is checked, and the connection goes to a checked address: what was checked
is what is read, also behind each redirect.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urljoin

from cardveil.api.addresses import Target, is_public, refused, target_of
from cardveil.api.problems import Problem
from cardveil.core.frozen import dataclass, field

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 3
_CHUNK: Final = 65536
Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[str, int, float], socket.socket]


def resolve_name(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, by the system's resolver."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def connect_to(address: str, port: int, timeout_s: float) -> socket.socket:
    """Open a connection to an address."""
    return socket.create_connection((address, port), timeout=timeout_s)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches within limits.

    Attributes
    ----------
    max_bytes : int
        Of the content.
    limit_s : float
        Seconds for all of it, redirects included.
    resolve, connect : callable
        The network; tests have one of their own.
    """

    max_bytes: int
    limit_s: float
    resolve: Resolve = resolve_name
    connect: Connect = connect_to
    clock: Callable[[], float] = field(default=time.monotonic)

    def fetch(self, url: str) -> bytes:
        """Return the content of a URL.

        Raises
        ------
        Problem
            422 ``url_refused``, ``url_unreachable``, ``url_answer_refused`` or ``picture_too_large``. None
            tells what was found behind the URL.
        """
        deadline = self.clock() + self.limit_s
        target = target_of(url)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._one(target, deadline)
            if isinstance(answer, bytes):
                return answer
            following = target_of(urljoin(f"{target.scheme}://{target.host}{target.path}", answer))
            if target.scheme == "https" and following.scheme == "http":
                raise refused("give a URL that does not lead from https to http")
            target = following
        raise refused("give a URL that leads to the picture in at most three redirects")

    def _one(self, target: Target, deadline: float) -> bytes | str:
        """Send one request: the content, or where a redirect leads."""
        address = self._checked_address(target)
        try:
            opened = self.connect(address, target.port, self._left(deadline))
        except OSError:
            raise _unreachable() from None
        if target.scheme == "https":
            context = ssl.create_default_context()
            opened = context.wrap_socket(opened, server_hostname=target.host, do_handshake_on_connect=False)
        # Each single read has a limit, but there may be many of them: this ends them all.
        watch = threading.Timer(self._left(deadline), _hang_up, [opened])
        watch.daemon = True
        watch.start()
        try:
            if isinstance(opened, ssl.SSLSocket):
                opened.do_handshake()
            return self._exchange(target, opened, deadline)
        except (OSError, http.client.HTTPException, ValueError):
            raise _unreachable() from None
        finally:
            watch.cancel()
            opened.close()

    def _checked_address(self, target: Target) -> str:
        try:
            addresses = self.resolve(target.host, target.port)
        except (OSError, UnicodeError):
            raise _unreachable() from None
        # One of them private is enough: which one would be used is not ours to say.
        if not addresses or not all(is_public(address) for address in addresses):
            raise refused("give a URL whose host is on the public network")
        return addresses[0]

    def _exchange(self, target: Target, opened: socket.socket, deadline: float) -> bytes | str:
        opened.settimeout(self._left(deadline))
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.sock = opened  # the name is not resolved again
        connection.request(
            "GET",
            target.path,
            headers={"Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"},
        )
        with connection.getresponse() as response:
            if response.status in _REDIRECTS:
                location = response.getheader("Location")
                if not location:
                    raise _answer_refused()
                return location
            if response.status != 200 or response.getheader("Content-Encoding", "identity") != "identity":
                raise _answer_refused()
            return self._content(response, deadline)

    def _content(self, response: http.client.HTTPResponse, deadline: float) -> bytes:
        if response.length is not None and response.length > self.max_bytes:
            raise _too_large()
        data = bytearray()
        while chunk := response.read1(_CHUNK):
            data += chunk
            if len(data) > self.max_bytes:
                raise _too_large()
            self._left(deadline)
        self._left(deadline)  # hung up on in its headers, an answer looks like one without a content
        if response.length:
            raise _unreachable()
        return bytes(data)

    def _left(self, deadline: float) -> float:
        left = deadline - self.clock()
        if left <= 0:
            raise _unreachable()
        return left


def _hang_up(opened: socket.socket) -> None:
    try:
        opened.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already


def _unreachable() -> Problem:
    return Problem(422, "url_unreachable", "check that the URL can be reached and answers quickly")


def _answer_refused() -> Problem:
    return Problem(422, "url_answer_refused", "give a URL that answers with the picture itself")


def _too_large() -> Problem:
    return Problem(422, "picture_too_large", "give a smaller picture")
