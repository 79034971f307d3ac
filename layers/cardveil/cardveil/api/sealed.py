"""What a caller carries to the next request and may not read: sealed, so that a cursor tells no key.

A keystream of HMAC-SHA-256 in counter mode under a nonce, and an HMAC over both: the standard library has no
cipher, and this is the textbook's way to make one of a pseudo-random function (encrypt, then authenticate).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

_NONCE: Final = 16
_TAG: Final = 16


def sealed(secret: str, purpose: str, text: str) -> str:
    """Return a text sealed for one purpose, as characters that a URL takes."""
    nonce, data = secrets.token_bytes(_NONCE), text.encode()
    hidden = _crossed(secret, purpose, nonce, data)
    return base64.urlsafe_b64encode(nonce + hidden + _tag(secret, purpose, nonce + hidden)).decode("ascii")


def opened(keys: Sequence[str], purpose: str, given: str) -> str:
    """Return what was sealed with one of the secrets; raises ValueError for anything else."""
    try:
        data = base64.b64decode(given, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not sealed here") from None
    body, tag = data[:-_TAG], data[-_TAG:]
    # Unused bits: the same seal must not be written in two ways.
    written = base64.urlsafe_b64encode(data).decode("ascii") == given
    for secret in keys if written else ():
        if len(body) >= _NONCE and hmac.compare_digest(tag, _tag(secret, purpose, body)):
            return _crossed(secret, purpose, body[:_NONCE], body[_NONCE:]).decode()
    raise ValueError("not sealed here")


def _crossed(secret: str, purpose: str, nonce: bytes, data: bytes) -> bytes:
    blocks = (block.to_bytes(4, "big") for block in range(len(data) // 32 + 1))
    stream = b"".join(_mac(secret, purpose, b"stream", nonce + block) for block in blocks)
    return bytes(left ^ right for left, right in zip(data, stream, strict=False))


def _tag(secret: str, purpose: str, data: bytes) -> bytes:
    return _mac(secret, purpose, b"tag", data)[:_TAG]


def _mac(secret: str, purpose: str, part: bytes, data: bytes) -> bytes:
    key = hmac.new(secret.encode(), b"sealed " + part + b" " + purpose.encode(), hashlib.sha256).digest()
    return hmac.new(key, data, hashlib.sha256).digest()
