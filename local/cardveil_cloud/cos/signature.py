"""Checks COS's request signature (``q-sign-algorithm=sha1``), as the real service does."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import quote, unquote

from cardveil_cloud.accounts import Credential, CredentialStore
from cardveil_cloud.cos.errors import CosError

# COS "Error Codes": RequestTimeTooSkewed is given when the clocks are more than 15 minutes apart.
MAX_SKEW_SECONDS = 15 * 60

# The SDKs recognise an outlived signature by exactly this code (AccessDenied) and message.
EXPIRED = "Request has expired"

_WINDOW = re.compile(r"([0-9]{1,12});([0-9]{1,12})")
_FIELDS = (
    "q-sign-algorithm",
    "q-ak",
    "q-sign-time",
    "q-key-time",
    "q-header-list",
    "q-url-param-list",
    "q-signature",
)
_TOKEN_NAMES = ("x-cos-security-token", "x-ci-security-token")
SIGNATURE_PARAMETERS = frozenset((*_FIELDS, *_TOKEN_NAMES, "sign"))


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request."""

    credential: Credential

    def require(self, action: str, resource: str) -> None:
        """Raise `CosError` ``AccessDenied`` unless the policy grants ``action`` on ``resource``."""
        if not self.credential.allows(action, resource):
            raise CosError("AccessDenied")


def verify(
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    credentials: CredentialStore,
    now: float,
) -> Principal:
    """Check the signature of a request and tell who signed it.

    Parameters
    ----------
    method, path
        HTTP method; path decoded from percent-encoding, starting with ``/``.
    query
        Query parameters, decoded once.
    headers
        Headers by name in any case, values as they were received (bytes read as Latin-1).
    credentials
        The known key pairs.
    now
        The service's clock, seconds since the epoch.

    Raises
    ------
    CosError
        ``AccessDenied`` (no signature, or outlived), ``InvalidAccessKeyId``, ``ExpiredToken``,
        ``RequestTimeTooSkewed``, ``SignatureDoesNotMatch``.
    """
    lower_headers = {name.lower(): value for name, value in headers.items()}
    sign = _signature_fields(lower_headers.get("authorization", ""), query)
    credential = _credential(sign["q-ak"], lower_headers, query, credentials, now)
    check_window(sign["q-sign-time"], now)
    check_window(sign["q-key-time"], now)
    expected = _signature(sign, credential.secret_key, method, path, query, lower_headers)
    if not hmac.compare_digest(expected.encode(), sign["q-signature"].encode()):
        raise CosError("SignatureDoesNotMatch")
    return Principal(credential)


def find_credential(
    secret_id: str, token: str | None, credentials: CredentialStore, now: float
) -> Credential:
    """The pair of a secret id, once its token was found right and not outlived."""
    known = credentials.find(secret_id)
    # A temporary id is unknown without its own token: the real service keeps no record of it but the token.
    if known is None or not hmac.compare_digest((known.token or "").encode(), (token or "").encode()):
        raise CosError("InvalidAccessKeyId")
    if known.expires is not None and known.expires <= now:
        raise CosError("ExpiredToken")
    return known


def _signature_fields(authorization: str, query: Mapping[str, str]) -> Mapping[str, str]:
    """The seven q-* fields, from the header, from ``sign=`` in the query, or from the query itself."""
    packed = authorization or query.get("sign", "")
    source = dict(_pairs(packed)) if packed else {name: query[name] for name in _FIELDS if name in query}
    if not source or source.get("q-sign-algorithm") != "sha1" or any(name not in source for name in _FIELDS):
        raise CosError("AccessDenied")
    return MappingProxyType(source)


def _pairs(packed: str) -> Iterable[tuple[str, str]]:
    for item in packed.strip().split("&"):
        name, _, value = item.partition("=")
        # Blanks belong to a value: an id with one is nobody's.
        yield name, value


def _credential(
    secret_id: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    credentials: CredentialStore,
    now: float,
) -> Credential:
    places = [source[name] for source in (headers, query) for name in _TOKEN_NAMES if source.get(name)]
    return find_credential(secret_id, places[0] if places else None, credentials, now)


def check_window(window: str, now: float) -> None:
    """Raise `CosError` unless ``now`` is inside ``start;end`` (both seconds since the epoch)."""
    found = _WINDOW.fullmatch(window)
    if found is None:
        raise CosError("AccessDenied")
    start, end = int(found[1]), int(found[2])
    if end < start:
        raise CosError("AccessDenied")
    if end < now:
        raise CosError("AccessDenied", EXPIRED)
    if start > now + MAX_SKEW_SECONDS:
        raise CosError("RequestTimeTooSkewed")


def _signature(
    sign: Mapping[str, str],
    secret_key: str,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
) -> str:
    """COS "Request Signature" (document 436/7778), steps 1 to 6."""
    parameters = _canonical({name: value.encode() for name, value in query.items()}, sign["q-url-param-list"])
    header_lines = _canonical({n: v.encode("latin-1") for n, v in headers.items()}, sign["q-header-list"])
    http_string = f"{method.lower()}\n{path}\n{parameters}\n{header_lines}\n"
    digest = hashlib.sha1(http_string.encode()).hexdigest()  # noqa: S324 - the protocol's algorithm
    string_to_sign = f"sha1\n{sign['q-sign-time']}\n{digest}\n"
    return hmac_sha1(hmac_sha1(secret_key, sign["q-key-time"]), string_to_sign)


def hmac_sha1(key: str, message: str) -> str:
    """HMAC-SHA1 of two texts, in hexadecimal, as every step of this signature uses it."""
    return hmac.new(key.encode(), message.encode(), hashlib.sha1).hexdigest()


def _canonical(values: Mapping[str, bytes], listed: str) -> str:
    """``name=value`` of the listed names, in order; a listed name that the request lacks counts as empty.

    Raises
    ------
    CosError
        ``SignatureDoesNotMatch`` for a list that is out of order or names something twice.
    """
    named = {_encoded_name(name): value for name, value in values.items()}
    given = [name.lower() for name in listed.split(";") if name]
    names = sorted(given)
    # Clients sort before they encode, or after.
    if len(set(given)) != len(given) or (given != names and given != sorted(given, key=unquote)):
        raise CosError("SignatureDoesNotMatch")
    return "&".join(f"{name}={quote(named.get(name, b''), safe='-_.~')}" for name in names)


@lru_cache(maxsize=4096)
def _encoded_name(name: str) -> str:
    return quote(name, safe="-_.~").lower()
