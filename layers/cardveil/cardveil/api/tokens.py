"""Bearer tokens: who calls and what they may, signed so that nobody else can make one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from secrets import token_hex
from typing import Any, Final

import orjson

from cardveil.core.frozen import dataclass

ROLES: Final = ("submit", "read", "read_text", "review", "erase", "hold", "restore")
#: The one algorithm there is. A token's own header decides nothing: it must name it (RFC 8725, 3.1).
_HEADER: Final = {"alg": "HS256", "typ": "JWT"}
#: What ``typ`` may be, if it is there (RFC 7519, 5.1; a media type, so in any case): no other kind of token.
_TYPES: Final = ("jwt", "application/jwt")
_LONGEST: Final = 4096
#: Clocks of issuer and function may differ by this much, in seconds; expiry is not softened by it.
_CLOCK_SKEW_S: Final = 60
_PART: Final = re.compile(r"[A-Za-z0-9_-]+")
_SUBJECT: Final = re.compile(r"[^\x00-\x1f\x7f]{1,128}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, and what they may.

    Attributes
    ----------
    token_ids : frozenset of str
        By which the token can be revoked: its ``jti``, if it has one, and its SHA-256 in hexadecimal.
    """

    subject: str
    roles: frozenset[str]
    token_ids: frozenset[str] = frozenset()

    def may(self, role: str) -> bool:
        """Say whether the caller has a role."""
        return role in self.roles


class TokenError(Exception):
    """A token that does not let anybody in; the text is a code and nothing of the token."""


def mint(secret: str, subject: str, roles: Iterable[str], *, lifetime_s: int, now: float) -> str:
    """Make a token: a JSON Web Token of HS256, as any library makes it.

    Parameters
    ----------
    subject : str
        Who it is for; stands in the history of what they decide.
    lifetime_s : int
        Seconds until it expires, from `now` (seconds since the epoch).

    Raises
    ------
    ValueError
        For a role that does not exist, no role, an empty subject or no lifetime.
    """
    wanted = list(dict.fromkeys(roles))
    if not wanted or not set(wanted) <= set(ROLES) or not _SUBJECT.fullmatch(subject) or lifetime_s < 1:
        raise ValueError("a token wants a subject, roles that exist and a lifetime")
    claims = {
        "sub": subject,
        "roles": wanted,
        "iat": int(now),
        "exp": int(now) + lifetime_s,
        "jti": token_hex(8),
    }
    signed = f"{_encode(orjson.dumps(_HEADER))}.{_encode(orjson.dumps(claims))}"
    return f"{signed}.{_encode(_signature(secret, signed))}"


def verify(token: str, secrets: Sequence[str], *, now: float) -> Caller:
    """Return who a token speaks for.

    Raises
    ------
    TokenError
        ``token_malformed``, ``token_refused`` (not signed by any of `secrets`), ``token_expired`` or
        ``token_not_yet_valid``.
    """
    parts = token.split(".") if len(token) <= _LONGEST else []
    if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
        raise TokenError("token_malformed")
    header, claims, signature = (_decode(part) for part in parts)
    signed = f"{parts[0]}.{parts[1]}"
    # All are compared, so that the time taken does not tell which one it was.
    matches = [hmac.compare_digest(_signature(secret, signed), signature) for secret in secrets]
    if not any(matches):
        raise TokenError("token_refused")
    if not _is_ours(_json(header)):
        raise TokenError("token_refused")
    return _caller(_json(claims), hashlib.sha256(token.encode("ascii")).hexdigest(), now)


def _is_ours(header: Any) -> bool:
    """Say whether a header asks for what is done here; what it says else is of no use (RFC 7515, 4)."""
    if not isinstance(header, dict) or header.get("alg") != _HEADER["alg"] or "crit" in header:
        return False
    kind = header.get("typ", _HEADER["typ"])
    return isinstance(kind, str) and kind.lower() in _TYPES


def _caller(claims: Any, digest: str, now: float) -> Caller:
    if not isinstance(claims, dict):
        raise TokenError("token_malformed")
    subject, roles, expires = claims.get("sub"), claims.get("roles"), claims.get("exp")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise TokenError("token_malformed")
    if not isinstance(roles, list) or not all(role in ROLES for role in roles):
        raise TokenError("token_malformed")
    if not isinstance(expires, int | float) or isinstance(expires, bool):
        raise TokenError("token_malformed")
    if now >= expires:
        raise TokenError("token_expired")
    for name in ("nbf", "iat"):
        if name in claims and not (_is_time(claims[name]) and claims[name] <= now + _CLOCK_SKEW_S):
            raise TokenError("token_not_yet_valid")
    token_id = claims.get("jti")
    if token_id is not None and not (isinstance(token_id, str) and _SUBJECT.fullmatch(token_id)):
        raise TokenError("token_malformed")
    return Caller(subject, frozenset(roles), frozenset(filter(None, (digest, token_id))))


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _signature(secret: str, signed: str) -> bytes:
    return hmac.new(secret.encode(), signed.encode("ascii"), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(part: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise TokenError("token_malformed") from None
    if _encode(data) != part:
        # Unused bits: the same signature must not be written in two ways.
        raise TokenError("token_malformed")
    return data


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise TokenError("token_malformed") from None
