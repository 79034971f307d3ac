"""Checks API 3.0's request signature (`TC3-HMAC-SHA256`), as the real gateway does."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from cardveil_cloud.accounts import Credential, CredentialStore
from cardveil_cloud.tencent_api.errors import ApiError

#: API 3.0 "Signature v3": timestamp and server time may differ by five minutes.
MAX_SKEW_SECONDS: Final = 300
_ALGORITHM: Final = "TC3-HMAC-SHA256"
_AUTHORIZATION: Final = re.compile(
    rf"{_ALGORITHM}\s+Credential=(?P<id>[^/\s,]+)/(?P<date>[^/]+)/(?P<service>[^/]+)/tc3_request\s*,"
    r"\s*SignedHeaders=(?P<headers>[^,\s]+)\s*,\s*Signature=(?P<signature>\S+)\s*"
)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What the signature covers.

    Attributes
    ----------
    query : str
        The raw query string, without the question mark.
    headers : mapping
        Names in lower case.
    """

    method: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def verify(request: SignedRequest, service: str, credentials: CredentialStore, now: float) -> Credential:
    """Check a request's signature and return the credential it was signed with.

    Parameters
    ----------
    service
        The product whose host was called, such as ``ocr``; the credential scope must name it.
    now
        The server's clock, seconds since the epoch.

    Raises
    ------
    ApiError
        With one of the ``AuthFailure`` codes, or ``MissingParameter`` where a header is missing.
    """
    authorization = request.headers.get("authorization")
    if not authorization:
        raise ApiError("MissingParameter", "The request is missing the header `Authorization`.")
    match = _AUTHORIZATION.fullmatch(authorization.strip())
    if match is None:
        raise ApiError("AuthFailure.InvalidAuthorization")
    timestamp = _timestamp(request.headers, now)
    signed = match["headers"].split(";")
    if not {"content-type", "host"} <= set(signed) or signed != sorted(signed):
        raise ApiError("AuthFailure.InvalidAuthorization")
    if match["service"] != service or match["date"] != time.strftime("%Y-%m-%d", time.gmtime(timestamp)):
        raise ApiError("AuthFailure.SignatureFailure")
    credential = _credential(match["id"], request.headers, credentials, now)
    scope, told = f"{match['date']}/{service}", match["signature"].encode()
    # A product's host has no port. Here it has one, which some clients leave out of what they sign.
    host = request.headers.get("host", "")
    for name in (host, host.partition(":")[0]):
        asked = replace(request, headers={**request.headers, "host": name})
        expected = _signature(asked, credential.secret_key, signed, timestamp, scope)
        if hmac.compare_digest(expected.encode(), told):
            return credential
    raise ApiError("AuthFailure.SignatureFailure")


def _timestamp(headers: Mapping[str, str], now: float) -> int:
    text = headers.get("x-tc-timestamp", "")
    if not text:
        raise ApiError("MissingParameter", "The request is missing the header `X-TC-Timestamp`.")
    if not (text.isascii() and text.isdigit()):
        raise ApiError("InvalidParameter", "The header `X-TC-Timestamp` is not a number of seconds.")
    if abs(now - int(text)) > MAX_SKEW_SECONDS:
        raise ApiError("AuthFailure.SignatureExpire")
    return int(text)


def _credential(
    secret_id: str, headers: Mapping[str, str], credentials: CredentialStore, now: float
) -> Credential:
    credential = credentials.find(secret_id)
    if credential is None:
        raise ApiError("AuthFailure.SecretIdNotFound")
    token = headers.get("x-tc-token", "")
    if not hmac.compare_digest((credential.token or "").encode(), token.encode()):
        raise ApiError("AuthFailure.TokenFailure")
    if credential.expires is not None and credential.expires <= now:
        raise ApiError("AuthFailure.TokenFailure", "The token has expired.")
    return credential


def _signature(request: SignedRequest, secret_key: str, signed: list[str], timestamp: int, scope: str) -> str:
    lines = [f"{name}:{request.headers.get(name, '').strip().lower()}\n" for name in signed]
    payload = hashlib.sha256(_payload(request)).hexdigest()
    canonical = "\n".join([request.method, "/", request.query, "".join(lines), ";".join(signed), payload])
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    to_sign = f"{_ALGORITHM}\n{timestamp}\n{scope}/tc3_request\n{digest}"
    key = b"TC3" + secret_key.encode()
    for part in (*scope.split("/"), "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def _payload(request: SignedRequest) -> bytes:
    # SDKs may leave a large body out of the signature, and say so in a header.
    unsigned = request.headers.get("x-tc-content-sha256", "").upper() == "UNSIGNED-PAYLOAD"
    return b"UNSIGNED-PAYLOAD" if unsigned else request.body
