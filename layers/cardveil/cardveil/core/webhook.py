"""One message to the receiver of webhooks: signed as "Standard Webhooks" has it, sent once, never redirected.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the signature is
HMAC-SHA-256 over ``{id}.{timestamp}.{body}``, and there is one for each secret while one is replaced.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from http.client import HTTPException
from typing import Final

from cardveil.core.addresses import AddressRefusedError, Target, target_of
from cardveil.core.frozen import dataclass
from cardveil.core.outbound import Outbound

_BASE64: Final = "whsec_"
#: What became of one message; all but the first are tried again.
TOLD: Final = "told"
REFUSED: Final = "refused"
REDIRECTED: Final = "redirected"
UNREACHABLE: Final = "unreachable"
ADDRESS_REFUSED: Final = "address_refused"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told.

    Attributes
    ----------
    url : str
        Over HTTPS, on a public host; on this machine where `outbound` allows that.
    secrets : sequence of str
        Each signs.
    """

    url: str
    secrets: Sequence[str]
    outbound: Outbound

    def __repr__(self) -> str:
        return "Receiver(…)"

    def tell(self, id: str, body: bytes, now: float, limit_s: float) -> str:
        """Send a message, once; return what became of it, by one of the words above.

        Parameters
        ----------
        id : str
            Of the message: the same whenever it is sent.
        now : float
            Seconds since the epoch, which are signed.
        limit_s : float
            Seconds after which the receiver is hung up on.
        """
        deadline = self.outbound.clock() + limit_s
        try:
            with self.outbound.opened(self._target(), deadline) as connection:
                connection.request("POST", self._target().path, body, headers_of(self.secrets, id, body, now))
                with connection.getresponse() as response:
                    # Hung up on in its headers, an answer looks like a whole one.
                    self.outbound.left(deadline)
                    # Its body is nobody's business, and may be endless: the connection is closed.
                    return _read(response.status)
        except AddressRefusedError:
            return ADDRESS_REFUSED
        except (OSError, HTTPException, ValueError):
            return UNREACHABLE

    def _target(self) -> Target:
        if self.outbound.loopback and self.url.startswith("http://"):
            from urllib.parse import urlsplit

            parts = urlsplit(self.url)
            query = f"?{parts.query}" if parts.query else ""
            return Target("http", parts.hostname or "", parts.port or 80, (parts.path or "/") + query)
        target = target_of(self.url)
        if target.scheme != "https":
            raise AddressRefusedError("give a URL that begins with https://")
        return target


def headers_of(secrets: Sequence[str], id: str, body: bytes, now: float) -> dict[str, str]:
    """Return the headers of a message, its signatures among them."""
    timestamp = str(int(now))
    signed = b".".join((id.encode("ascii"), timestamp.encode("ascii"), body))
    signatures = [
        base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()) for secret in secrets
    ]
    return {
        "Content-Type": "application/json",
        "User-Agent": "cardveil",
        "Connection": "close",
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature.decode('ascii')}" for signature in signatures),
    }


def _key(secret: str) -> bytes:
    if secret.startswith(_BASE64):
        return base64.b64decode(secret.removeprefix(_BASE64))
    return secret.encode()


def _read(status: int) -> str:
    if 200 <= status < 300:
        return TOLD
    return REDIRECTED if 300 <= status < 400 else REFUSED
