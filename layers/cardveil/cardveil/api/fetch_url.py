"""Fetches a picture from a public URL without ever being led into the network that this function stands in.

The vendor's APIs would fetch a ``detect-url`` themselves, and nobody could tell from where. Here the name
and its addresses are checked first (`core.outbound`), also behind each redirect.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urljoin

from cardveil.api.problems import Problem
from cardveil.core.addresses import AddressRefusedError, Target, target_of
from cardveil.core.frozen import dataclass, field
from cardveil.core.outbound import Connect, Outbound, Resolve, connect_to, resolve_name

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 3
_CHUNK: Final = 65536


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
        target = _target_of(url)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._one(target, deadline)
            if isinstance(answer, bytes):
                return answer
            following = _target_of(urljoin(f"{target.scheme}://{target.host}{target.path}", answer))
            if target.scheme == "https" and following.scheme == "http":
                raise _refused(AddressRefusedError("give a URL that does not lead from https to http"))
            target = following
        raise _refused(AddressRefusedError("give a URL that leads to the picture in at most three redirects"))

    def _one(self, target: Target, deadline: float) -> bytes | str:
        """Send one request: the content, or where a redirect leads."""
        try:
            with Outbound(self.resolve, self.connect, self.clock).opened(target, deadline) as connection:
                return self._exchange(target, connection, deadline)
        except AddressRefusedError as why:
            raise _refused(why) from None
        except (OSError, http.client.HTTPException, ValueError):
            raise _unreachable() from None

    def _exchange(
        self, target: Target, connection: http.client.HTTPConnection, deadline: float
    ) -> bytes | str:
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


def _target_of(url: str) -> Target:
    try:
        return target_of(url)
    except AddressRefusedError as why:
        raise _refused(why) from None


def _refused(why: AddressRefusedError) -> Problem:
    return Problem(422, "url_refused", str(why))


def _unreachable() -> Problem:
    return Problem(422, "url_unreachable", "check that the URL can be reached and answers quickly")


def _answer_refused() -> Problem:
    return Problem(422, "url_answer_refused", "give a URL that answers with the picture itself")


def _too_large() -> Problem:
    return Problem(422, "picture_too_large", "give a smaller picture")
