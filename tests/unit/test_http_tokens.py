"""Tokens: what is not signed by us, or is out of date, lets nobody in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardveil.api.auth import caller_of
from cardveil.api.problems import Problem
from cardveil.api.tokens import ROLES, TokenError, mint, verify

SECRET = "s" * 32
OTHER = "o" * 32
NOW = 1_800_000_000.0


def encode(part: Any) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header: Any, claims: Any, *, secret: str = SECRET, digest: Any = hashlib.sha256) -> str:
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{encode(hmac.new(secret.encode(), signed.encode(), digest).digest())}"


HEADER = {"alg": "HS256", "typ": "JWT"}
CLAIMS = {"sub": "a", "roles": ["read"], "iat": int(NOW), "exp": int(NOW) + 60}


def test_a_token_says_who_and_what() -> None:
    token = mint(SECRET, "Frau Müller 王", ["read", "review"], lifetime_s=60, now=NOW)
    caller = verify(token, [SECRET], now=NOW + 59)
    assert caller.subject == "Frau Müller 王"
    assert caller.may("review")
    assert not caller.may("read_text")


def test_tokens_of_other_makers_are_taken() -> None:
    assert verify(forge(HEADER, CLAIMS), [SECRET], now=NOW).subject == "a"
    assert verify(forge({"typ": "JWT", "alg": "HS256"}, CLAIMS), [SECRET], now=NOW).subject == "a"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256"},
        {"alg": "HS256", "typ": "jwt"},
        {"alg": "HS256", "typ": "application/JWT"},
        {"alg": "HS256", "kid": "../../etc/passwd"},
        {**HEADER, "kid": 7, "cty": "x", "unknown": []},
    ],
    ids=str,
)
def test_what_a_header_need_not_say_decides_nothing(header: Any) -> None:
    """RFC 7519, 5.1 and RFC 7515, 4: `typ` is optional, and what is not understood is ignored."""
    assert verify(forge(header, CLAIMS), [SECRET], now=NOW).subject == "a"
    with pytest.raises(TokenError):
        verify(forge(header, CLAIMS, secret=OTHER), [SECRET], now=NOW)


def test_a_secret_can_be_replaced() -> None:
    old = mint(OTHER, "a", ["read"], lifetime_s=60, now=NOW)
    assert verify(old, [SECRET, OTHER], now=NOW).subject == "a"
    with pytest.raises(TokenError, match="token_refused"):
        verify(old, [SECRET], now=NOW)


GOOD = mint(SECRET, "a", ["read"], lifetime_s=60, now=NOW)
HEAD, BODY, SIGNATURE = GOOD.split(".")
REFUSED = {
    "empty": "",
    "one part": HEAD,
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{GOOD}.{SIGNATURE}",
    "no signature": f"{HEAD}.{BODY}.",
    "truncated signature": GOOD[:-1],
    "truncated more": GOOD[: len(GOOD) // 2],
    "longer signature": f"{GOOD}AA",
    "other secret": forge(HEADER, CLAIMS, secret=OTHER),
    "algorithm none": f"{encode({'alg': 'none', 'typ': 'JWT'})}.{BODY}.",
    "algorithm none, our signature": f"{encode({'alg': 'none', 'typ': 'JWT'})}.{BODY}.{SIGNATURE}",
    "signed, but says none": forge({"alg": "none", "typ": "JWT"}, CLAIMS),
    "signed, but says RS256": forge({"alg": "RS256", "typ": "JWT"}, CLAIMS),
    "HS512": forge({"alg": "HS512", "typ": "JWT"}, CLAIMS, digest=hashlib.sha512),
    "HS384": forge({"alg": "HS384", "typ": "JWT"}, CLAIMS, digest=hashlib.sha384),
    "HS256 by SHA-1": forge(HEADER, CLAIMS, digest=hashlib.sha1),
    "lower-case algorithm": forge({"alg": "hs256", "typ": "JWT"}, CLAIMS),
    "critical extension": forge({**HEADER, "crit": ["x"]}, CLAIMS),
    "another kind of token": forge({**HEADER, "typ": "at+jwt"}, CLAIMS),
    "a kind that is no text": forge({**HEADER, "typ": 1}, CLAIMS),
    "no algorithm": forge({"typ": "JWT"}, CLAIMS),
    "header is a list": forge(["HS256"], CLAIMS),
    "id is no text": forge(HEADER, {**CLAIMS, "jti": 7}),
    "roles changed": f"{HEAD}.{encode({**CLAIMS, 'roles': list(ROLES)})}.{SIGNATURE}",
    "expired": forge(HEADER, {**CLAIMS, "exp": int(NOW)}),
    "never expires": forge(HEADER, {k: v for k, v in CLAIMS.items() if k != "exp"}),
    "expires in words": forge(HEADER, {**CLAIMS, "exp": "2999-01-01"}),
    "expires truly": forge(HEADER, {**CLAIMS, "exp": True}),
    "not yet": forge(HEADER, {**CLAIMS, "nbf": int(NOW) + 3600}),
    "from the future": forge(HEADER, {**CLAIMS, "iat": int(NOW) + 3600}),
    "no roles": forge(HEADER, {k: v for k, v in CLAIMS.items() if k != "roles"}),
    "roles as text": forge(HEADER, {**CLAIMS, "roles": "read review"}),
    "unknown role": forge(HEADER, {**CLAIMS, "roles": ["admin"]}),
    "no subject": forge(HEADER, {**CLAIMS, "sub": ""}),
    "control characters": forge(HEADER, {**CLAIMS, "sub": "a\nb"}),
    "claims are a list": forge(HEADER, [CLAIMS]),
    "claims are no JSON": forge(HEADER, b"{"),
    "header is no JSON": forge(b"{", CLAIMS),
    "padding": f"{HEAD}=.{BODY}.{SIGNATURE}",
    "standard Base64": f"{HEAD}.{BODY}.+/{SIGNATURE[2:]}",
    "spaces": f" {GOOD}",
    "huge": f"{HEAD}.{'A' * 5000}.{SIGNATURE}",
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED)
def test_what_lets_nobody_in(token: str) -> None:
    with pytest.raises(TokenError) as caught:
        verify(token, [SECRET], now=NOW)
    assert token[:20] not in str(caught.value) or not token


def test_unused_bits_of_a_signature_are_not_free() -> None:
    """32 bytes are 43 characters, the last of which has two bits to spare."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(GOOD[-1])
    for other in range(last - last % 4, last - last % 4 + 4):
        if other != last:
            with pytest.raises(TokenError):
                verify(GOOD[:-1] + alphabet[other], [SECRET], now=NOW)


@settings(deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
def test_no_single_change_gets_by(at: int, character: str) -> None:
    changed = GOOD[:at] + character + GOOD[at + 1 :]
    if changed != GOOD:
        with pytest.raises(TokenError):
            verify(changed, [SECRET], now=NOW)


@pytest.mark.parametrize(
    ("subject", "roles", "lifetime_s"),
    [("", ["read"], 1), ("a", [], 1), ("a", ["admin"], 1), ("a", ["read"], 0)],
)
def test_no_token_is_made_that_would_be_refused(subject: str, roles: list[str], lifetime_s: int) -> None:
    with pytest.raises(ValueError, match="token"):
        mint(SECRET, subject, roles, lifetime_s=lifetime_s, now=NOW)


def test_without_a_secret_nobody_is_let_in() -> None:
    with pytest.raises(Problem) as caught:
        caller_of("read", {"authorization": f"Bearer {GOOD}"}, (), NOW)
    assert caught.value.code == "not_configured"
    assert caller_of("always", {}, (), NOW) is None


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", GOOD, f"Token {GOOD}"])
def test_other_ways_to_authorise_are_none(header: str) -> None:
    with pytest.raises(Problem) as caught:
        caller_of("read", {"authorization": header}, (SECRET,), NOW)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"] == "Bearer"


def test_a_role_that_is_missing_is_named() -> None:
    with pytest.raises(Problem) as caught:
        caller_of("review", {"authorization": f"bearer {GOOD}"}, (SECRET,), NOW)
    assert (caught.value.status, caught.value.code) == (403, "role_missing")


def test_beside_a_signature_the_token_has_a_header_of_its_own() -> None:
    headers = {"authorization": "TC3-HMAC-SHA256 Credential=…", "x-cardveil-token": GOOD}
    caller = caller_of("read", headers, (SECRET,), NOW)
    assert caller is not None
    assert caller.subject == "a"
