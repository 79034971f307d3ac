"""The receiver that docs/webhooks.md shows is told of every final state by the functions, and of no name."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import click
import pytest
import requests
from tests.support.api_fixture import Api, api_bench
from tests.support.cloud_fixture import ROOT
from tests.support.docs_blocks import blocks_of

from cardveil.api.refs import reference
from cardveil.core.webhook import headers_of
from cardveil.storage.keys import source_digest
from cardveil_cli.commands.options import settings_of

OLD, NEW = "an older secret of forty characters long", "whsec_bmV3IHNlY3JldCBuZXcgc2VjcmV0IG5ldyBzZWNyZXQ="
#: What the picture and the key say.
CANARIES = [b"CANARY", "张三".encode(), b"990000199003071230"]


class Told:
    """The sample receiver on a port of this machine, and what it was sent."""

    def __init__(self) -> None:
        (block,) = [
            block for block in blocks_of((ROOT / "docs" / "webhooks.md").read_text("utf-8"))
            if block.language == "python"
        ]  # fmt: skip
        self.names: dict[str, Any] = {"__name__": "receiver"}
        with contextlib.redirect_stdout(io.StringIO()):
            exec(block.text, self.names)
        self.names["SECRETS"][:] = [NEW]
        self.taken: list[dict[str, Any]] = []
        self.raw: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.slow_s = 0.0
        told = self

        base: Any = self.names["Receiver"]

        class Handler(base):  # type: ignore[misc]  # from the page
            rfile: Any

            def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
                time.sleep(told.slow_s)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.raw.append(({name.lower(): text for name, text in self.headers.items()}, body))
                if told.answers:
                    self.send_response(told.answers.pop(0))
                    self.send_header("Location", "http://127.0.0.1:1/")
                    self.end_headers()
                    return
                self.rfile = io.BytesIO(body)
                super().do_POST()

            def take(self, message: dict[str, Any]) -> None:
                told.taken.append(message)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def states(self, key: str) -> list[str]:
        """Return the states that were told of a source, sorted."""
        digest = source_digest(key)
        return sorted(each["type"] for each in self.taken if each["data"]["source_sha256"] == digest)


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    receiver = Told()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture(scope="module")
def api(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    environment = {
        "CARDVEIL_WEBHOOK": told.url, "CARDVEIL_WEBHOOK_SECRET": f"{OLD},{NEW}",
        "CARDVEIL_GENERAL_OCR": "off", "CARDVEIL_SWEEP_EXECUTION": "off",
    }  # fmt: skip
    with api_bench(tmp_path_factory.mktemp("webhooks"), environment=environment) as found:
        yield found


def notes(api: Api) -> list[str]:
    return api.bench.listing(".cardveil/webhooks/")


def tick(api: Api) -> dict[str, int]:
    done = api.bench.cloud.invoke("on_schedule", {"Type": "Timer", "Message": ""}, wait_s=60.0)
    assert done.ok, done.trace
    counts: dict[str, int] = json.loads(done.payload or "{}")
    return counts


def over(api: Api) -> None:
    """End the pauses of all that was told in vain."""
    for name in api.bench.listing(".cardveil/webhooks/tries/"):
        api.bench.client.delete_object(Bucket=api.bench.bucket, Key=name)


def test_every_final_state_is_told_and_no_name(api: Api, told: Told, front: bytes) -> None:
    key = "inbox/CANARY-张三.jpg"
    api.upload("CANARY-张三.jpg", front)
    api.upload("broken.jpg", b"no picture")
    assert told.states(key) == ["card.redacted"]
    assert told.states("inbox/broken.jpg") == ["card.rejected"]
    card = api.call("GET", f"/v1/cards/{reference(key)}").json()
    decision = {"decision": "reject", "version": card["version"], "reason": "CANARY 张三"}
    assert api.call("POST", f"/v1/cards/{reference(key)}/review", decision).status_code == 200
    assert api.call("DELETE", f"/v1/cards/{reference(key)}?reason=requested").status_code == 200
    api.bench.settle()
    tick(api)
    assert told.states(key) == ["card.decided", "card.erased", "card.redacted"]
    assert notes(api) == []
    decided = next(each for each in told.taken if each["type"] == "card.decided")
    assert decided["data"]["status"] == "rejected"
    assert len({each["id"] for each in told.taken}) == len(told.taken)
    for headers, body in told.raw:
        assert not any(canary in body or canary in str(headers).encode() for canary in CANARIES)
    assert "CANARY" not in api.bench.logs()
    assert told.url not in api.bench.logs()


def test_the_sample_receiver_refuses_what_is_forged_old_and_replayed(api: Api, told: Told) -> None:
    headers, body = told.raw[0]
    sent = {name: text for name, text in headers.items() if name.startswith("webhook-")}
    now = int(time.time())

    def post(body: bytes, headers: dict[str, str]) -> int:
        return requests.post(told.url, body, headers=headers, timeout=10).status_code

    taken = len(told.taken)
    assert post(body, sent) == 401, "replayed"
    assert post(body.replace(b"redacted", b"rejected"), sent) == 401
    assert post(body, {**sent, "webhook-timestamp": str(now + 1)}) == 401
    assert post(body, {**sent, "webhook-id": "0" * 32}) == 401
    assert post(body, {}) == 401
    assert post(body, {**sent, "webhook-signature": "v1,"}) == 401
    assert post(body, {**sent, "webhook-signature": sent["webhook-signature"].replace("v1,", "v0,")}) == 401
    for forger in ("", "x" * 40, OLD):
        assert post(body, headers_of([forger], "f" * 32, body, now)) == 401, "it knows the new secret alone"
    assert post(body, headers_of([NEW], "f" * 32, body, now - 3600)) == 401
    assert len(told.taken) == taken
    assert post(body, headers_of([NEW], "f" * 32, body, now)) == 204


def test_a_slow_dead_or_redirecting_receiver_delays_and_fails_no_card(
    api: Api, told: Told, front: bytes
) -> None:
    told.slow_s = 20.0
    try:
        started = time.monotonic()
        answer = api.submit(front)
        assert answer.status_code == 200
        assert time.monotonic() - started < 10.0
        for number in range(3):
            api.upload(f"slow{number}.jpg", front)
            assert api.bench.sidecar(f"slow{number}.jpg") is not None
    finally:
        told.slow_s = 0.0
    waiting = len(notes(api))
    assert waiting >= 4
    assert api.bench.cloud.dead_letters == []
    told.answers = [302, 500] * 8
    assert tick(api)["webhooks_failed"] >= 2
    told.answers = []
    over(api)
    assert tick(api)["webhooks_told"] >= 4
    assert notes(api) == []


def test_an_erasure_takes_the_key_out_of_what_is_still_to_be_told(api: Api, told: Told, front: bytes) -> None:
    key = "inbox/CANARY-untold.jpg"
    told.answers = [500] * 1000
    try:
        api.upload("CANARY-untold.jpg", front)
        name = f".cardveil/webhooks/notes/{source_digest(key)}/"
        (note,) = api.bench.listing(name)
        assert b"CANARY" in (api.bench.get(note) or b"")
        assert api.call("DELETE", f"/v1/cards/{reference(key)}?reason=requested").status_code == 200
    finally:
        told.answers = []
    left = api.bench.listing(name)
    assert len(left) == 2
    assert not any(b"CANARY" in (api.bench.get(each) or b"") for each in left)
    over(api)
    tick(api)
    assert told.states(key) == ["card.erased", "card.redacted"]


def test_the_local_cloud_takes_a_receiver_on_this_machine_and_no_other() -> None:
    pairs = ("CARDVEIL_WEBHOOK=http://127.0.0.1:9000/", f"CARDVEIL_WEBHOOK_SECRET={NEW}")
    assert len(settings_of(pairs, {"CARDVEIL_SCHEME": "http"})) == 2
    for given in ({}, {"CARDVEIL_SCHEME": "https"}):
        with pytest.raises(click.UsageError, match="only the local cloud"):
            settings_of(pairs, given)
