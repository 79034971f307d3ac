"""Events of a function URL in every form that a gateway may give them: answered, never a fault."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from cardveil.api.resolver import body_of, headers_of
from cardveil.api.tokens import ROLES, mint
from cardveil.core.context import Invocation
from cardveil.handlers.http import answer

SECRET = "s" * 32
NOW = 1_800_000_000.0
ENVIRONMENT = {"CARDVEIL_TOKEN_SECRETS": SECRET}


def reply_to(event: Any) -> tuple[int, dict[str, Any]]:
    invocation = Invocation("r", "f", "ap-shanghai", "1250000000", 60.0, clock=lambda: 0.0)
    reply = answer(event, invocation, ENVIRONMENT)
    return reply["statusCode"], orjson.loads(reply["body"] or b"{}")


@pytest.mark.parametrize(
    "headers",
    [
        None, [], {}, "", "text", 7, [None], [[]], [["a"]], [{}], {"a": None}, {"a": []}, {"a": [None]},
        {"a": {"b": 1}}, {None: "x"}, {1: 2}, [["a", None]], [{"name": None, "value": 1}],
        {"Origin": ["x", 1]},
    ],
    ids=repr,
)  # fmt: skip
def test_odd_headers_are_none(headers: Any) -> None:
    event = {"httpMethod": "GET", "path": "/v1/health", "headers": headers}
    assert reply_to(event) == (200, {"status": "ok", "version": reply_to(event)[1]["version"]})
    status, problem = reply_to({**event, "path": "/v1/cards"})
    assert (status, problem["code"]) == (401, "token_missing")


@pytest.mark.parametrize(
    "form", [dict, lambda pairs: [list(pair) for pair in pairs], None], ids=["mapping", "pairs", "none"]
)
def test_headers_come_in_several_forms(form: Any) -> None:
    pairs = [("X-Cardveil-Token", "t"), ("Accept", ["a", "b"]), ("ACCEPT", "c"), ("Content-Length", 3)]
    given = form(pairs) if form else [{"name": name, "value": value} for name, value in pairs]
    assert headers_of({"headers": given}) == {
        "x-cardveil-token": "t",
        "accept": "a, b, c",
        "content-length": "3",
    }


@pytest.mark.parametrize("query", [None, [], "", "limit=x", 7, {"limit": None}, {"limit": []}, {"limit": {}}])
@pytest.mark.parametrize("body", [None, "", 7, [], {}, {"a": 1}, "{"])
def test_odd_queries_and_bodies_are_refused_or_taken(query: Any, body: Any) -> None:
    """With a token, so that all of it is read; without a bucket, so that nothing is done."""
    token = mint(SECRET, "a", ROLES, lifetime_s=10**9, now=NOW - 10**9)
    event = {"headers": {"Authorization": f"Bearer {token}"}, "queryString": query, "body": body}
    for method, path in (("GET", "/v1/cards"), ("HEAD", "/v1/cards"), ("POST", "/v1/cards")):
        status, problem = reply_to({**event, "httpMethod": method, "path": path})
        assert problem.get("code") != "unexpected"
        assert status in {400, 401, 422, 500}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"body": None}, ""),
        ({"body": "{}"}, "{}"),
        ({"body": {"a": 1}}, '{"a":1}'),
        ({"body": base64.b64encode(b"{}").decode(), "isBase64Encoded": True}, "{}"),
        ({"body": "e30=", "isBase64Encoded": "false"}, "e30="),
    ],
)
def test_bodies_come_in_several_forms(body: Any, text: str) -> None:
    assert body_of(body) == text


@pytest.mark.parametrize("body", ["!", "e30", base64.b64encode(b"\xff").decode()])
def test_a_body_in_base64_that_holds_no_text_is_refused(body: str) -> None:
    event = {"httpMethod": "POST", "path": "/v1/cards", "body": body, "isBase64Encoded": True}
    status, problem = reply_to(event)
    assert (status, problem["code"]) == (400, "json_invalid")
