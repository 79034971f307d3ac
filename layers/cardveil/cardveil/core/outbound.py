"""Connections out of the function: to a checked address of a public host, within a time, to no other.

The name is resolved once, every address is checked, and the connection goes to a checked address: what was
checked is what is spoken to.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cardveil.core.addresses import AddressRefusedError, Target, is_public
from cardveil.core.frozen import dataclass, field

Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[str, int, float], socket.socket]


def resolve_name(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, by the system's resolver."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def connect_to(address: str, port: int, timeout_s: float) -> socket.socket:
    """Open a connection to an address."""
    return socket.create_connection((address, port), timeout=timeout_s)


@dataclass(frozen=True, slots=True)
class Outbound:
    """Opens connections.

    Attributes
    ----------
    resolve, connect : callable
        The network; tests have one of their own.
    clock : callable
        Monotonic seconds.
    loopback : bool
        Whether this machine may be spoken to, which is for the local cloud alone.
    """

    resolve: Resolve = resolve_name
    connect: Connect = connect_to
    clock: Callable[[], float] = field(default=time.monotonic)
    loopback: bool = False

    @contextmanager
    def opened(self, target: Target, deadline: float) -> Iterator[http.client.HTTPConnection]:
        """Give a connection to a target, which is hung up on at the deadline whatever it does.

        Raises
        ------
        AddressRefusedError
            When the host has an address that is not public.
        OSError
            When it cannot be reached in time.
        """
        opened = self.connect(self._checked_address(target), target.port, self.left(deadline))
        if target.scheme == "https":
            context = ssl.create_default_context()
            opened = context.wrap_socket(opened, server_hostname=target.host, do_handshake_on_connect=False)
        # Each single read has a limit, but there may be many of them: this ends them all.
        watch = threading.Timer(self.left(deadline), _hang_up, [opened])
        watch.daemon = True
        watch.start()
        try:
            if isinstance(opened, ssl.SSLSocket):
                opened.do_handshake()
            opened.settimeout(self.left(deadline))
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = opened  # the name is not resolved again
            yield connection
        finally:
            watch.cancel()
            opened.close()

    def left(self, deadline: float) -> float:
        """Return the seconds until a deadline; raises TimeoutError when there are none."""
        left = deadline - self.clock()
        if left <= 0:
            raise TimeoutError
        return left

    def _checked_address(self, target: Target) -> str:
        try:
            addresses = self.resolve(target.host, target.port)
        except UnicodeError:
            raise OSError from None
        # One of them private is enough: which one would be used is not ours to say.
        if not addresses or not all(self._allowed(address) for address in addresses):
            raise AddressRefusedError("give a URL whose host is on the public network")
        return addresses[0]

    def _allowed(self, address: str) -> bool:
        return is_public(address) or (self.loopback and address in {"127.0.0.1", "::1"})


def _hang_up(opened: socket.socket) -> None:
    try:
        opened.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already
