"""Asynchronous invocation in the local SCF: retries, throttling, dead letters, notifications and timers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.support.fixtures.scf import ScfRun

from cardveil_cloud.cos.contracts import ObjectEvent
from cardveil_cloud.faults import NoFaults, PlatformFault
from cardveil_cloud.scf.deadletters import DeadLetters
from cardveil_cloud.scf.queue import EventRefusedError
from cardveil_cloud.scf.service import ScfService

PROBE = "contract-test-toy-probe"


async def _idle(scf: ScfService, within_s: float = 60.0) -> None:
    async def watch() -> None:
        while scf.queue.pending:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(watch(), within_s)


def _upload(key: str = "inbox/a b+ü%.jpg", name: str = "cos:ObjectCreated:Put") -> ObjectEvent:
    return ObjectEvent(
        name=name,
        bucket="cards-1250000000",
        key=key,
        size=557,
        etag='"0d73"',
        meta={"Content-Type": "image/jpeg", "x-cos-meta-card-type": "IDCard"},
        storage_class="STANDARD",
        request_id="request-of-the-upload",
        time=1650016156.7,
        source_ip="127.0.0.1",
    )


def test_event_is_run_once_when_the_handler_returns(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        request_id = scf.invoke_async("probe", {"n": 1})
        await _idle(scf)
        (note,) = scf_run.notes()
        assert (note["request_id"], note["event"]) == (request_id, {"n": 1})
        assert scf.dead_letters.all() == []

    scf_run(scenario)


def test_failing_event_is_retried_twice_then_laid_among_the_dead(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        request_id = scf.invoke_async("probe", {"do": "fail"})
        await _idle(scf)
        tries = scf_run.notes()
        assert [note["request_id"] for note in tries] == [request_id] * 3
        pauses = [after["at"] - before["at"] for before, after in pairwise(tries)]
        assert all(pause >= 0.1 for pause in pauses)
        (letter,) = scf.dead_letters.all()
        assert letter["RequestId"] == request_id
        assert letter["ErrorCode"] == 430
        assert letter["ErrorMessage"].endswith("ValueError: a toy that fails")
        assert json.loads(letter["Body"]["ClientContext"]) == {"do": "fail"}
        assert letter["Body"]["RetryNum"] == 2

    scf_run(scenario)
    assert len(DeadLetters(scf_run.data / "dead-letters.jsonl").all()) == 1


@pytest.mark.parametrize(("action", "status"), [("leave", 439), ("exhaust", 434)])
def test_broken_limits_are_retried_like_errors(scf_run: ScfRun, action: str, status: int) -> None:
    async def scenario(scf: ScfService) -> None:
        scf.invoke_async("probe", {"do": action})
        await _idle(scf)
        assert len(scf_run.notes()) == 3
        assert [letter["ErrorCode"] for letter in scf.dead_letters.all()] == [status]

    scf_run(scenario, retry_interval_s=0.01)


def test_events_wait_for_an_instance(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        for n in range(8):
            scf.invoke_async("probe", {"do": "sleep", "seconds": 0.05, "n": n})
        assert scf.queue.pending == 8
        await _idle(scf)
        assert sorted(note["event"]["n"] for note in scf_run.notes()) == list(range(8))
        assert scf.runtimes["probe"].cold_starts == 2

    scf_run(scenario)


def test_throttled_events_are_retried_beyond_the_two_retries(scf_run: ScfRun) -> None:
    class Throttle(NoFaults):
        left = 5

        async def before_invoke(self, function: str, request_id: str) -> None:
            if self.left:
                self.left -= 1
                raise PlatformFault(432)

    async def scenario(scf: ScfService) -> None:
        scf.invoke_async("probe", {})
        await _idle(scf)
        assert len(scf_run.notes()) == 1
        assert scf.dead_letters.all() == []

    scf_run(scenario, faults=Throttle(), retry_interval_s=0.01)


def test_killed_worker_counts_as_an_error_and_is_retried(scf_run: ScfRun, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"

    class KillFirst(NoFaults):
        tries = 0

        def worker_deadline(self, function: str, request_id: str) -> float | None:
            self.tries += 1
            if self.tries == 1:
                return 0.1
            go_on.touch()  # only the second try is to come to its end, however busy the machine
            return None

    faults = KillFirst()

    async def scenario(scf: ScfService) -> None:
        request_id = scf.invoke_async("probe", {"do": "wait", "file": str(go_on)})
        await _idle(scf)
        assert faults.tries == 2
        assert scf.runtimes["probe"].cold_starts == 2
        # The first may have been killed before it noted anything.
        notes = scf_run.notes()
        assert [note["request_id"] for note in notes] in ([request_id], [request_id] * 2)
        assert len({note["pid"] for note in notes}) == len(notes)
        assert scf.dead_letters.all() == []

    scf_run(scenario, faults=faults)


def test_event_larger_than_128_kilobytes_is_refused(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        with pytest.raises(EventRefusedError) as caught:
            scf.invoke_async("probe", {"ballast": "x" * 128 * 1024})
        assert caught.value.status == 406
        with pytest.raises(EventRefusedError) as caught:
            scf.invoke_async("nothing", {})
        assert caught.value.status == 435
        scf.invoke_async("probe", {"ballast": "x" * 127 * 1024})
        await _idle(scf)

    scf_run(scenario)


def test_upload_starts_the_function_with_the_event_that_scf_sends(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        await scf.on_object_event(_upload())
        await _idle(scf)
        (note,) = scf_run.notes()
        (record,) = note["event"]["Records"]
        canary = record["event"]["requestParameters"]["requestHeaders"].pop("Authorization")
        assert canary.startswith("q-sign-algorithm=sha1&")
        assert record == {
            "cos": {
                "cosBucket": {
                    "appid": "1250000000",
                    "cosRegion": "ap-shanghai",
                    "name": "cards",
                    "region": "sh",
                    "s3Region": "ap-shanghai",
                },
                "cosNotificationId": "unkown",
                "cosObject": {
                    "key": "/1250000000/cards/inbox/a b+ü%.jpg",
                    "meta": {
                        "Content-Type": "image/jpeg",
                        "ETag": '"0d73"',
                        "x-cos-meta-card-type": "IDCard",
                        "x-cos-request-id": "request-of-the-upload",
                        "x-cos-storage-class": "Standard",
                    },
                    "size": 557,
                    "url": "http://cards-1250000000.cos.ap-shanghai.myqcloud.com/inbox/a%20b%2B%C3%BC%25.jpg",
                    "vid": "",
                },
                "cosSchemaVersion": "1.0",
            },
            "event": {
                "eventName": "cos:ObjectCreated:Put",
                "eventQueue": f"qcs:0:scf:ap-shanghai:appid/1250000000:default.{PROBE}.$DEFAULT",
                "eventSource": "qcs::cos",
                "eventTime": 1650016156,
                "eventVersion": "1.0",
                "reqid": 0,
                "requestParameters": {"requestHeaders": {}, "requestSourceIP": "127.0.0.1"},
                "reservedInfo": "",
            },
        }

    scf_run(scenario)


@pytest.mark.parametrize(
    "event",
    [
        _upload("outbox/a.jpg"),
        _upload("inbox/a.png"),
        _upload("inbox/a.jpg", "cos:ObjectRemove:Delete"),
        ObjectEvent("cos:ObjectCreated:Put", "other-1250000000", "inbox/a.jpg", 1, "", {}, "", "", 0.0, ""),
    ],
    ids=["prefix", "suffix", "switched off", "bucket"],
)
def test_other_events_start_nothing(scf_run: ScfRun, event: ObjectEvent) -> None:
    async def scenario(scf: ScfService) -> None:
        await scf.on_object_event(event)
        assert scf.queue.pending == 0

    scf_run(scenario)


def test_duplicates_and_reordering_can_be_injected(scf_run: ScfRun) -> None:
    class Shuffle(NoFaults):
        def deliveries(self, function: str, event: Mapping[str, Any]) -> Sequence[float]:
            first = event["Records"][0]["cos"]["cosObject"]["key"].endswith("1.jpg")
            return (0.2, 0.25) if first else (0.0,)

    async def scenario(scf: ScfService) -> None:
        await scf.on_object_event(_upload("inbox/1.jpg"))
        await scf.on_object_event(_upload("inbox/2.jpg"))
        await _idle(scf)
        keys = [note["event"]["Records"][0]["cos"]["cosObject"]["key"][-5:] for note in scf_run.notes()]
        assert keys == ["2.jpg", "1.jpg", "1.jpg"]

    scf_run(scenario, faults=Shuffle(), max_instances=1)


def test_timer_sends_its_event(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        assert scf.timers.names == ("nightly",)
        scf.timers.fire("nightly")
        await _idle(scf)
        (note,) = scf_run.notes()
        assert note["event"] == {
            "Type": "Timer",
            "TriggerName": "nightly",
            "Time": "2026-01-01T00:00:00Z",
            "Message": "sweep",
        }

    scf_run(scenario)
