"""The HTTP API of a running local cloud, as tests and benchmarks call it: a real client, real tokens."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import orjson
import requests
from tests.support.cloud_fixture import Bench, bench

from cardveil.api.tokens import ROLES, mint

SECRET: Final = "a secret of the tests that is long enough"
_TIMEOUT_S: Final = 60.0


class Api:
    """The API behind one cloud's function URL."""

    def __init__(self, cloud: Bench) -> None:
        self.bench = cloud
        self.url = f"{cloud.endpoint.proxy}/fn/on_request"
        # The machine's own proxy settings must not come between.
        self._session = requests.Session()
        self._session.trust_env = False

    def token(self, *roles: str, subject: str = "tester", lifetime_s: int = 900) -> str:
        """Return a token with these roles; with none given, all."""
        return mint(SECRET, subject, roles or ROLES, lifetime_s=lifetime_s, now=time.time())

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        roles: tuple[str, ...] = ROLES,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> requests.Response:
        """Send one request with a token of these roles; without roles, with none."""
        sent = {"Authorization": f"Bearer {self.token(*roles)}"} if roles else {}
        if raw is not None:
            sent["Content-Type"] = "application/json"
        return self._session.request(
            method,
            self.url + path,
            json=body,
            data=raw,
            headers={**sent, **(headers or {})},
            timeout=_TIMEOUT_S,
        )

    def submit(self, data: bytes, *, roles: tuple[str, ...] = ROLES, **options: Any) -> requests.Response:
        """Submit a picture as Base64, under an Idempotency-Key of its own: each call is a card."""
        source = {"kind": "image", "base64": base64.b64encode(data).decode(), "name": "card.jpg"}
        own = {"Idempotency-Key": token_hex(8)}
        return self.call("POST", "/v1/cards", {"source": source, **options}, roles=roles, headers=own)

    def submitted(self, data: bytes, **options: Any) -> dict[str, Any]:
        """Submit a picture and wait for its own event too, which holds the lease a moment longer."""
        told: dict[str, Any] = self.submit(data, **options).json()
        self.bench.settle()
        return told

    def upload(self, name: str, data: bytes, **meta: str) -> None:
        """Put a picture into the inbox and wait for its result."""
        self.bench.upload(f"inbox/{name}", data, **meta)
        self.bench.settle()


@contextmanager
def api_bench(folder: Path, *, environment: Mapping[str, str] | None = None, **options: Any) -> Iterator[Api]:
    """Run a cloud whose API has a secret; see `tests.support.cloud_fixture.bench`."""
    variables = {"CARDVEIL_TOKEN_SECRETS": SECRET, **(environment or {})}
    with bench(folder, environment=variables, **options) as cloud:
        yield Api(cloud)


def problem(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    """Return an answer's problem document; raises AssertionError unless it is whole and of this code."""
    document: dict[str, Any] = answer.json()
    told = {
        "status and code": (answer.status_code, document["code"]) == (status, code),
        "content type": answer.headers["Content-Type"] == "application/problem+json",
        "status in the document": document["status"] == status,
        "detail": bool(document["detail"]),
        "request id": document["request_id"] == answer.headers["X-Request-Id"],
    }
    wrong = ", ".join(name for name, right in told.items() if not right)
    if wrong:
        raise AssertionError(f"{wrong}: expected {status} {code}, got {answer.status_code} {answer.text}")
    return document


def rewritten(api: Api, told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Put another sidecar in the place of a card's, and read the card again."""
    bucket, key = (
        api.bench.bucket,
        f"{told['sidecar']['source']['key'].replace('inbox/', 'sidecars/', 1)}.json",
    )
    head = api.bench.client.head_object(Bucket=bucket, Key=key)
    meta = {name: value for name, value in head.items() if name.lower().startswith("x-cos-meta-")}
    body = orjson.dumps({**told["sidecar"], **changes})
    api.bench.client.put_object(Bucket=bucket, Key=key, Body=body, Metadata=meta)
    found: dict[str, Any] = api.call("GET", f"/v1/cards/{told['ref']}").json()
    return found
