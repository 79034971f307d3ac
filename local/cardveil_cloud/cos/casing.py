"""Header names in the case that COS sends them in, because SDK users look for ``ETag`` in a plain dict."""

from __future__ import annotations

from functools import lru_cache

from starlette.types import Message, Send

_ODD_ONES = {"etag": "ETag", "content-md5": "Content-MD5"}


class _CasedName(bytes):
    """A header name that compares like its lower-case form, and keeps its case when it is lowered.

    ASGI asks for lower-case names and servers lower what they get before writing it out; this passes both.
    """

    def lower(self) -> bytes:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, bytes) and bytes(self).lower() == bytes(other).lower()

    def __hash__(self) -> int:
        return hash(bytes(self).lower())


def canonical_name(name: str) -> str:
    """A header's name as COS writes it: ``Content-Type``, ``ETag``, but ``x-cos-meta-name``."""
    lower = name.lower()
    if lower.startswith(("x-cos-", "x-ci-")):
        return lower
    return _ODD_ONES.get(lower) or "-".join(word.capitalize() for word in lower.split("-"))


@lru_cache(maxsize=1024)
def _cased_name(name: bytes) -> _CasedName:
    return _CasedName(canonical_name(name.decode("latin-1")).encode("latin-1"))


def cased(send: Send) -> Send:
    """Wrap an ASGI ``send`` so that the answer's header names go out in COS's case."""

    async def send_cased(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(_cased_name(name), value) for name, value in message["headers"]]
            message = {**message, "headers": headers}
        await send(message)

    return send_cased
