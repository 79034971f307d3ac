"""Seals texts by AES-256-GCM, so that only who has the key opens them, and only where they were sealed."""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256
from secrets import token_bytes
from typing import Any, Final

import orjson

from cardveil.core.frozen import dataclass

#: Bytes of a nonce (NIST SP 800-38D, 8.2.2: at random, of 96 bits) and of a tag.
_NONCE: Final = 12
_TAG: Final = 16


class SealBrokenError(Exception):
    """What is sealed was changed, moved, or sealed by another key."""


@dataclass(frozen=True, slots=True)
class Seals:
    """Seals by the first key, and opens by any.

    Attributes
    ----------
    keys : tuple of bytes
        Secrets; what seals is derived from them, and is not what makes tokens.
    """

    keys: tuple[bytes, ...]

    def seal(self, where: str, said: dict[str, Any]) -> str:
        """Return what is said, sealed for one place: a field of a source."""
        nonce = token_bytes(_NONCE)
        cipher = _cipher(self.keys[0], nonce, where)
        content, tag = cipher.encrypt_and_digest(orjson.dumps(said))
        return base64.urlsafe_b64encode(nonce + content + tag).rstrip(b"=").decode("ascii")

    def opened(self, where: str, sealed: str) -> dict[str, Any]:
        """Return what was sealed for a place.

        Raises
        ------
        SealBrokenError
            When none of the keys opens it there.
        """
        try:
            data = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise SealBrokenError from None
        nonce, content, tag = data[:_NONCE], data[_NONCE:-_TAG], data[-_TAG:]
        for key in self.keys if len(data) > _NONCE + _TAG else ():
            try:
                said = orjson.loads(_cipher(key, nonce, where).decrypt_and_verify(content, tag))
            except ValueError:
                continue
            if isinstance(said, dict):
                return said
        raise SealBrokenError


def _cipher(key: bytes, nonce: bytes, where: str) -> Any:
    from Crypto.Cipher import AES  # 70 ms, and few functions seal

    own = hmac.new(key, b"seal", sha256).digest()
    cipher = AES.new(own, AES.MODE_GCM, nonce=nonce, mac_len=_TAG)
    cipher.update(where.encode())
    return cipher
