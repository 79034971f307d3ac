"""Each kind of fault, as a client of the local cloud meets it."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from qcloud_cos.cos_exception import CosServiceError
from starlette.requests import Request
from tests.support.cloud_fixture import Bench, bench

from cardveil.core.errors import Halt, Reject, Retry
from cardveil.core.retry import RetryPolicy
from cardveil.recognition.interfaces import Image
from cardveil.recognition.mainland_id_card_ocr import MainlandIdCardReader
from cardveil.settings import Settings
from cardveil.storage.circuit_breaker import OF_ONE_REQUEST
from cardveil.storage.objects import CosObjects
from cardveil.storage.vendor import Credentials, cos_client, ocr_client
from cardveil_cloud.cos.contracts import DropConnection
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.fault_rules import KINDS, FaultRules, Rule
from cardveil_cloud.faults import BODY_FAULT, NoFaults, PlatformFault

Begin = Callable[..., Bench]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    running = []

    def start(*rules: Rule, **options: Any) -> Bench:
        manager = bench(tmp_path / "c", faults=FaultRules(rules, **options))
        running.append(manager)
        return manager.__enter__()

    yield start
    for manager in running:
        manager.__exit__(None, None, None)


def objects(running: Bench) -> CosObjects:
    """Return the bucket as the functions use it, without any patience."""
    return CosObjects(client(running), running.bucket, RetryPolicy(1, lambda: 30.0))


def client(running: Bench) -> Any:
    at = running.endpoint
    return cos_client(
        Settings(scheme="http"), Credentials(at.secret_id, at.secret_key, ""), at.region, at.proxy
    )


def put(running: Bench, key: str = "x/a") -> None:
    objects(running).put(key, b"content" * 100, media_type="text/plain", meta={})


def put_parts(running: Bench, key: str, parts: int) -> bytes:
    """Store an object in so many parts, and return its content."""
    pieces = [bytes([97 + number]) * 1_048_576 for number in range(parts)]
    if parts == 1:
        objects(running).put(key, pieces[0], media_type="text/plain", meta={})
        return pieces[0]
    named = {"Bucket": running.bucket, "Key": key}
    upload = running.client.create_multipart_upload(**named)["UploadId"]
    done = [
        {
            "PartNumber": number,
            "ETag": running.client.upload_part(**named, Body=piece, PartNumber=number, UploadId=upload)[
                "ETag"
            ],
        }
        for number, piece in enumerate(pieces, 1)
    ]
    running.client.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Part": done})
    return b"".join(pieces)


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "truncate"])
def test_a_lost_connection_may_be_tried_again(begin: Begin, kind: str) -> None:
    running = begin(Rule(kind, "cos", "GetObject", nth=1))
    put(running)
    with pytest.raises(Retry):
        objects(running).get("x/a", max_bytes=10_000)
    assert objects(running).get("x/a", max_bytes=10_000)[1] == b"content" * 100


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("kind", ["alter", "lie_short", "lie_long", "lie_odd"])
def test_what_is_not_the_object_is_never_taken_for_it(begin: Begin, kind: str, parts: int) -> None:
    """An object of one part has its MD5 for an ETag; one of several has none, and is told by its CRC-64."""
    running = begin(*(Rule(kind, "cos", "GetObject", nth=nth) for nth in (1, 2, 3)))
    stored = put_parts(running, "x/a", parts)
    reader = objects(running)
    with pytest.raises(Retry):
        reader.get("x/a", max_bytes=10_000_000)
    with pytest.raises(Retry):
        reader.get("x/a", max_bytes=len(stored))  # nor for one that is too large
    with pytest.raises(Retry):
        reader.fetch("x/a", io.BytesIO())
    assert reader.get("x/a", max_bytes=10_000_000)[1] == stored
    file = io.BytesIO()
    reader.fetch("x/a", file)
    assert file.getvalue() == stored


@pytest.mark.parametrize("kind", ["lie_long", "lie_odd"])
def test_a_head_without_a_true_length_is_asked_for_again(begin: Begin, kind: str) -> None:
    running = begin(Rule(kind, "cos", "HeadObject", nth=1))
    put(running)
    with pytest.raises(Retry):
        objects(running).get("x/a", max_bytes=100)
    assert objects(running).get("x/a", max_bytes=100)[1] is None


@pytest.mark.parametrize("kind", ["truncate", "lie_short", "lie_long"])
def test_a_listing_that_is_not_whole_is_asked_for_again(begin: Begin, kind: str) -> None:
    running = begin(Rule(kind, "cos", "GetBucket", nth=1))
    put(running)
    with pytest.raises(Retry):
        objects(running).page("x/")
    assert [entry.key for entry in objects(running).page("x/").entries] == ["x/a"]


def test_a_reading_that_is_cut_short_is_asked_for_again(begin: Begin) -> None:
    running = begin(Rule("lie_short", "ocr", nth=1))
    at = running.endpoint
    speaking = ocr_client(Settings(scheme="http"), Credentials(at.secret_id, at.secret_key, ""), at.proxy)
    reader = MainlandIdCardReader(lambda: speaking)
    with pytest.raises(Retry):
        reader.read(Image(b"not a picture", 1, 1, None), None)
    with pytest.raises(Reject):
        reader.read(Image(b"not a picture", 1, 1, None), None)


def test_before_has_no_effect_and_after_has(begin: Begin) -> None:
    running = begin(
        Rule("reset_before", "cos", "PutObject", nth=1), Rule("reset_after", "cos", "PutObject", nth=2)
    )
    for key in ("x/before", "x/after"):
        with pytest.raises(Retry):
            put(running, key)
    assert running.listing() == ["x/after"]


def test_slow_and_late_answers_are_whole(tmp_path: Path) -> None:
    rules = [Rule("slow", "cos", "GetObject", seconds=0.4), Rule("latency", "cos", "PutObject", seconds=0.4)]
    faults = FaultRules(rules)
    with bench(tmp_path / "c", faults=faults) as running:
        put(running)
        assert objects(running).get("x/a", max_bytes=10_000)[1] == b"content" * 100
    assert faults.injected == {"cos slow": 1, "cos latency": 1}


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "ExpiredToken"])
@pytest.mark.parametrize("operation", ["HeadObject", "GetObject"])
def test_documented_errors_are_understood_with_and_without_a_body(
    begin: Begin, code: str, operation: str
) -> None:
    running = begin(Rule("error", "cos", operation, code=code, times=1))
    put(running)
    read: dict[str, Callable[[], object]] = {
        "HeadObject": lambda: objects(running).head("x/a"),
        "GetObject": lambda: objects(running).get("x/a", max_bytes=10_000),
    }
    with pytest.raises(Retry):
        read[operation]()


def test_ci_s_errors_have_ci_s_form(begin: Begin) -> None:
    running = begin(Rule("error", "ci", "AILicenseRec", code="BucketNotBindCI"))
    running.upload("x/a.jpg", b"a picture")
    speaking = client(running)
    with pytest.raises(CosServiceError) as caught:
        speaking.cos_ai_license_rec(Bucket=running.bucket, ObjectKey="x/a.jpg", CardType="IDCard")
    text = caught.value.get_origin_msg()
    assert "<Code>BucketNotBindCI</Code>" in text
    assert "<Resource>" not in text


def test_nth_and_times_and_chance(begin: Begin) -> None:
    rules = FaultRules([Rule("kill", "scf", "f", nth=2, seconds=1.0)])
    assert [rules.worker_deadline("f", "r") is None for _ in range(4)] == [True, False, True, True]
    rules = FaultRules([Rule("lose", "callback", times=2)])
    assert [rules.callbacks("j") for _ in range(3)] == [(), (), (0.0,)]
    rules = FaultRules([Rule("duplicate", "event", probability=0.3, seconds=1.0)], seed=7)
    again = FaultRules([Rule("duplicate", "event", probability=0.3, seconds=1.0)], seed=7)
    drawn = [rules.deliveries("f", {}) for _ in range(200)]
    assert drawn == [again.deliveries("f", {}) for _ in range(200)], "a seed gives the same run"
    doubled = sum(len(delays) == 2 for delays in drawn)
    assert 30 < doubled < 90
    assert rules.injected["event duplicate"] == doubled


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no such fault"):
        Rule("gremlin", "cos")


def met(hook: NoFaults, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Return all that one call, one invocation, one event and one job meet with a hook."""
    found: list[str] = []

    real_sleep, ours = asyncio.sleep, threading.get_ident()

    async def waited(seconds: float, *more: object) -> None:
        if threading.get_ident() != ours:
            await real_sleep(seconds)  # a cloud of another test runs beside this one
            return
        found.append("waits")

    async def meetings() -> None:
        request = Request({"type": "http", "headers": []})
        try:
            await hook.before("cos", "GetObject", request)
            found.append("has its effect")
            await hook.after("cos", "GetObject", request)
        except (CosError, DropConnection) as fault:
            found.append(repr(fault))
        found.append(repr(request.scope.get(BODY_FAULT)))
        with suppress(PlatformFault):
            await hook.before_invoke("f", "r")
            found.append("invoked")

    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", waited)
        asyncio.run(meetings())
    found.append("lives" if hook.worker_deadline("f", "r") is None else "killed")
    for delays in (hook.deliveries("f", {}), hook.callbacks("j")):
        found.append(" ".join("at once" if delay == 0 else "later" for delay in delays))
    return tuple(found)


def test_every_kind_that_may_be_asked_for_happens_and_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that no hook draws would be accepted, and a run without faults be taken for one with them."""
    seen = {met(NoFaults(), monkeypatch): "none"}
    assert met(FaultRules([]), monkeypatch) in seen
    for kind in KINDS:
        rules = FaultRules([Rule(kind, "*", code="SlowDown", seconds=1.0)])
        seen[met(rules, monkeypatch)] = kind
    assert sorted(seen.values()) == sorted([*KINDS, "none"])


def test_calls_of_the_test_itself_can_be_spared(begin: Begin) -> None:
    running = begin(Rule("reset_before", "cos"), roles_only=True)
    put(running)
    with pytest.raises(Reject):
        objects(running).get("x/b", max_bytes=1)
    assert requests.get(f"{running.endpoint.proxy}/_local/health", timeout=10).status_code == 200


def test_a_clock_that_is_off_is_named_and_stops_nobody_else(tmp_path: Path) -> None:
    """The cloud's clock and ours are twenty minutes apart: the signature is refused, and nothing else."""
    with bench(tmp_path / "c", clock=lambda: time.time() - 1200) as running:
        with pytest.raises(Halt, match="clock_wrong") as caught:
            objects(running).get("x/a", max_bytes=1)
        assert caught.value.code in OF_ONE_REQUEST
