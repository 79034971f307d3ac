"""References that leave the house and come back: signed, expiring, and telling a stranger nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import Final

from cardveil.core.frozen import dataclass
from cardveil.storage.keys import source_digest

#: CI passes through printable ASCII of at most this many characters (`UserData`, "Submitting Tasks").
MAX_CHARACTERS: Final = 1024
_VERSION: Final = "cv1"
_FORM: Final = (
    r"cv1\.(?P<bucket>[a-z0-9-]{1,80})\.(?P<source>[0-9a-f]{64})"
    r"\.(?P<nonce>[0-9a-f]{32})\.(?P<expires>[0-9]{1,12})"
)


class ReferenceRefusedError(Exception):
    """The reference is not one of ours, or is too old; `reason` is ``missing``, ``forged`` or ``expired``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reference:
    """What a job is given to carry.

    Attributes
    ----------
    source : str
        SHA-256 of the source's key, 64 hexadecimal digits; never the key, which may hold a name.
    nonce : str
        32 hexadecimal digits that tell this submission from every other one.
    expires : int
        Seconds since the epoch.
    """

    bucket: str
    source: str
    nonce: str
    expires: int

    @classmethod
    def to(cls, bucket: str, key: str, expires: float) -> Reference:
        """Make a reference to a source, with a nonce of its own."""
        return cls(bucket, source_digest(key), secrets.token_hex(16), int(expires))


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs and checks references with HMAC-SHA256.

    Attributes
    ----------
    secrets : sequence of str
        The first signs; all are accepted, so that a secret can be changed while jobs are under way.
    """

    secrets: Sequence[str]

    def __repr__(self) -> str:
        return "Signer(…)"

    def sign(self, reference: Reference) -> str:
        """Return the reference as printable ASCII with its signature."""
        text = f"{_VERSION}.{reference.bucket}.{reference.source}.{reference.nonce}.{reference.expires}"
        return f"{text}.{_seal(self.secrets[0], text)}"

    def verify(self, signed: str | None, now: float) -> Reference:
        """Return what a signed reference refers to; takes the same time wherever a signature differs.

        Raises
        ------
        ReferenceRefusedError
        """
        if not signed:
            raise ReferenceRefusedError("missing")
        if len(signed) > MAX_CHARACTERS:
            raise ReferenceRefusedError("forged")
        text, _, seal = signed.rpartition(".")
        given = _bytes(seal)
        # Every secret is tried, whichever fits, so that time does not tell which.
        fits = [hmac.compare_digest(given, _digest(secret, text)) for secret in self.secrets]
        match = re.fullmatch(_FORM, text)
        if match is None or not any(fits):
            raise ReferenceRefusedError("forged")
        reference = Reference(match["bucket"], match["source"], match["nonce"], int(match["expires"]))
        if now >= reference.expires:
            raise ReferenceRefusedError("expired")
        return reference


def _digest(secret: str, text: str) -> bytes:
    return hmac.new(secret.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def _seal(secret: str, text: str) -> str:
    return base64.urlsafe_b64encode(_digest(secret, text)).rstrip(b"=").decode("ascii")


def _bytes(seal: str) -> bytes:
    """Return the signature's bytes; only the one spelling that `sign` writes is a signature."""
    try:
        data = base64.b64decode(seal + "=" * (-len(seal) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii") == seal else b""
