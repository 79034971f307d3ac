"""The HTTP API when others fail, and when a URL leads somewhere: right codes, no listener inside is heard."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from PIL import Image
from starlette.requests import Request
from tests.support.api_fixture import SECRET, Api, api_bench
from tests.support.cloud_fixture import kept
from tests.support.waiting import eventually

from cardveil.api.context import RequestContext
from cardveil.api.fetch_url import Fetcher
from cardveil.core.context import read_context
from cardveil.handlers.http import answer
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.faults import NoFaults
from cardveil_cloud.tencent_api.errors import ApiError

OCR = "RecognizeMainlandIDCardOCR"
FAR = {"CARDVEIL_TEXT_PROVIDER": OCR, "CARDVEIL_CROSS_BORDER": "allowed"}


class Failing(NoFaults):
    """Answers one operation with an error."""

    def __init__(self, operation: str, error: Exception) -> None:
        self.operation, self.error = operation, error

    async def before(self, service: str, operation: str, request: Request) -> None:
        if operation == self.operation:
            raise self.error


@pytest.mark.parametrize(
    ("operation", "error", "status", "code"),
    [
        (OCR, ApiError("RequestLimitExceeded"), 503, "throttled"),
        (OCR, ApiError("ResourceUnavailable.InArrears"), 500, "account_in_arrears"),
        ("AILicenseRec", CosError("AccessDenied"), 500, "permission_missing"),
    ],
    ids=["throttled", "arrears", "permission"],
)
def test_what_the_vendor_s_failures_come_to(
    tmp_path: Path, operation: str, error: Exception, status: int, code: str
) -> None:
    with api_bench(tmp_path / "cloud", faults=Failing(operation, error), environment=FAR) as api:
        found = api.submit(kept("id-front-flat.jpg"))
        assert (found.status_code, found.json()["code"]) == (status, code)
        assert found.headers["Content-Type"] == "application/problem+json"
        assert bool(found.headers.get("Retry-After")) is (status == 503)
        assert api.call("GET", "/v1/health").status_code == 200
        assert f'"code":"{code}"' in api.bench.logs()
        # The stored picture's own event goes on being tried beside us, and holds a lease for moments.
        assert eventually(lambda: not api.bench.listing(".cardveil/leases/"))


def test_what_the_vendor_says_of_a_picture_is_an_answer(tmp_path: Path) -> None:
    blurred = Failing(OCR, ApiError("FailedOperation.ImageBlur"))
    with api_bench(tmp_path / "cloud", faults=blurred, environment=FAR) as api:
        sidecar = api.submit(kept("id-front-flat.jpg")).json()["sidecar"]
        assert sidecar["status"] == "needs_review"
        assert "picture_blurred" in sidecar["findings"]


@contextmanager
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """Listen on loopback, and remember whatever is heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    opened, _ = server.accept()
                except OSError:
                    return
                heard.append(b"")
                opened.close()

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], heard


def test_no_url_of_a_stranger_reaches_a_listener_here(tmp_path: Path) -> None:
    with listener() as (port, heard), api_bench(tmp_path / "cloud") as api:
        cos = api.bench.endpoint.proxy.removeprefix("http://")
        for place in (
            f"127.0.0.1:{port}", f"localhost:{port}", f"2130706433:{port}", f"0x7f000001:{port}",
            f"0177.0.0.1:{port}", f"[::1]:{port}", f"[::ffff:127.0.0.1]:{port}", f"127.1:{port}",
            f"0.0.0.0:{port}", f"localhost.:{port}", f"a@127.0.0.1:{port}", f"a.example.com@127.0.0.1:{port}",
            f"127.0.0.1:{port}#@public.example.com", f"{socket.gethostname()}:{port}",
            f"public.example.com:{port}", cos, f"{cos}/fn/on_request/v1/health",
        ):  # fmt: skip
            for scheme in ("http", "https", "ftp"):
                source = {"kind": "url", "detect_url": f"{scheme}://{place}/"}
                found = api.call("POST", "/v1/cards", {"source": source})
                assert (found.status_code, found.json()["code"]) == (422, "url_refused"), place
        assert heard == []
        assert api.bench.listing() == []


def test_a_picture_from_a_url_is_put_into_the_inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is a test's own here; all else is as it is, in this process."""
    data = kept("id-front-flat.jpg")

    def connect(address: str, port: int, timeout_s: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode()

        def serve() -> None:
            theirs.recv(4096)
            theirs.sendall(head + data)

        threading.Thread(target=serve, daemon=True).start()
        return ours

    fetcher = Fetcher(1_000_000, 10.0, lambda *_: ["93.184.216.34"], connect)
    monkeypatch.setattr(RequestContext, "fetcher", fetcher)
    with api_bench(tmp_path / "cloud") as api:
        reply = answer(post(api), read_context(context(api)), environment(api))
        assert reply["statusCode"] == 200, reply["body"]
        told = orjson.loads(reply["body"])
        assert told["sidecar"]["status"] == "redacted"
        key = told["sidecar"]["source"]["key"]
        assert key.endswith("/web.jpg")
        assert api.bench.get(key) == data
        copy = api.bench.get(told["sidecar"]["redaction"]["output"]["key"])
        assert Image.open(io.BytesIO(copy or b"")).size == (1000, 630)


def post(api: Api) -> dict[str, object]:
    source = {"kind": "url", "detect_url": "http://public.example.com/a.jpg", "name": "web.jpg"}
    headers = {"Authorization": f"Bearer {api.token()}", "Content-Type": "application/json"}
    body = orjson.dumps({"source": source}).decode()
    return {"httpMethod": "POST", "path": "/v1/cards", "headers": headers, "queryString": {}, "body": body}


def context(api: Api) -> dict[str, object]:
    region = api.bench.endpoint.region
    return {
        "request_id": "r",
        "time_limit_in_ms": 60_000,
        "tencentcloud_region": region,
        "function_name": "f",
    }


def environment(api: Api) -> dict[str, str]:
    return {**api.bench.endpoint.environment(), "CARDVEIL_TOKEN_SECRETS": SECRET}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"CARDVEIL_BUCKET": ""}, "setting_missing"),
        ({"CARDVEIL_POLICY": "none-such.yml"}, "policy_missing"),
        ({"TENCENTCLOUD_SECRETKEY": ""}, "credentials_missing"),
        ({"TENCENTCLOUD_SECRETKEY": "wrong"}, "credentials_refused"),
        ({"CARDVEIL_LINK_SECONDS": "1"}, "setting_invalid"),
        ({"CARDVEIL_TYPO": "1"}, "setting_unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_is_wrong_with_an_environment_is_named(
    tmp_path: Path, change: dict[str, str], code: str
) -> None:
    with api_bench(tmp_path / "cloud") as api:
        event = {**post(api), "httpMethod": "GET"}
        reply = answer(event, read_context(context(api)), {**environment(api), **change})
        assert reply["statusCode"] == 500
        assert orjson.loads(reply["body"])["code"] == code
        assert "wrong" not in reply["body"]
