"""Jobs through the real functions: submitted, called back in every way, found when nobody calls back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.support.cloud_fixture import Bench

from cardveil.pipeline.signing import Reference, Signer
from cardveil_cloud.fault_rules import FaultRules, Rule
from cardveil_cloud.scf import urls

Start = Callable[..., Bench]
EVENTS = Path(__file__).parents[2] / "events"
SECRET = "an-invented-secret-for-this-test"
JOBS = {
    "CARDVEIL_EXECUTION": "job",
    "CARDVEIL_JOB_SECRETS": SECRET,
    "CARDVEIL_JOB_CALLBACK": "https://1250000000-on-callback.ap-shanghai.tencentscf.com/",
    "CARDVEIL_JOB_OVERDUE_S": "1",
}


def outcomes(bench: Bench) -> list[str]:
    found = []
    for line in bench.logs().splitlines():
        if '"CallbackReceived"' in line:
            found.append(json.loads(line)["metric"]["outcome"])
    return found


@pytest.mark.parametrize("form", ["JSON", "XML"])
def test_a_job_is_submitted_called_back_and_finished(start: Start, front: bytes, form: str) -> None:
    bench = start(environment={**JOBS, "CARDVEIL_JOB_CALLBACK_FORMAT": form})
    sidecar = bench.run("李四.jpg", front)
    assert sidecar["status"] == "redacted"
    called = {"ImageLicenseRec", "IDCardOCR", "OCR"}
    assert {call["api"] for call in sidecar["calls"]} == called
    assert bench.cloud.usage.by_operation() == dict.fromkeys(called, 1)
    assert bench.listing(".cardveil/") == []
    assert outcomes(bench) == ["accepted"]
    for secret in ("李四", SECRET, bench.endpoint.secret_key):
        assert secret not in bench.logs()


def test_a_job_tells_nobody_anything_of_the_source(start: Start, front: bytes) -> None:
    bench = start(environment=JOBS)
    bench.run("李四-990101.jpg", front)
    (job,) = bench.cloud.jobs.all()
    assert job.user_data.isascii()
    assert job.user_data.isprintable()
    assert len(job.user_data) <= 1024
    for secret in ("李四", "990101", "inbox", SECRET):
        assert secret not in job.user_data


def test_a_queue_s_message_is_a_callback_too(start: Start, front: bytes) -> None:
    bench = start(
        environment={**JOBS, "CARDVEIL_JOB_QUEUE": "sh/Topic/card-jobs"}, queues={"card-jobs": "on_callback"}
    )
    assert bench.run("a.jpg", front)["status"] == "redacted"
    assert outcomes(bench) == ["accepted"]


def test_the_timer_finds_what_nobody_called_back_about(start: Start, front: bytes) -> None:
    bench = start(environment=JOBS, faults=FaultRules([Rule("lose", "callback")]))
    bench.upload("inbox/a.jpg", front)
    bench.settle()
    assert bench.sidecar("a.jpg") is None
    assert len(bench.listing(".cardveil/jobs/")) == 1
    for _ in range(50):
        bench.cloud.fire_timer("every-five-minutes")
        bench.settle()
        if bench.sidecar("a.jpg"):
            break
    sidecar = bench.sidecar("a.jpg")
    assert sidecar is not None
    assert sidecar["status"] == "redacted"
    assert bench.cloud.usage.by_operation()["ImageLicenseRec"] == 1
    assert [key for key in bench.listing(".cardveil/") if "/sweeps/" not in key] == []


def test_callbacks_twice_and_late_make_one_result(start: Start, front: bytes) -> None:
    bench = start(environment=JOBS, faults=FaultRules([Rule("duplicate", "callback", seconds=0.2)]))
    assert bench.run("a.jpg", front)["status"] == "redacted"
    assert sorted(bench.cloud.usage.by_operation().values()) == [1, 1, 1]
    assert len(outcomes(bench)) == 2
    assert bench.cloud.dead_letters == []


def test_strangers_get_the_right_answer_and_nothing_else(start: Start, front: bytes) -> None:
    bench = start(environment=JOBS)
    bench.run("a.jpg", front)
    before = (bench.listing(), bench.cloud.usage.by_operation(), bench.get("sidecars/a.jpg.json"))
    (job,) = bench.cloud.jobs.all()
    url = bench.function_urls["on_callback"]

    def post(body: Any, method: str = "POST") -> int:
        data = body if isinstance(body, str) else json.dumps(body)
        return requests.request(method, url, data=data.encode(), timeout=60).status_code

    def told(user_data: Any, job_id: str = job.job_id) -> dict[str, Any]:
        detail = {"JobId": job_id, "State": "Success", "Operation": {"UserData": user_data}}
        return {"EventName": "TaskFinish", "JobsDetail": detail}

    assert post(told(job.user_data)) == 200, "a duplicate"
    # Another end than its own, whichever that is.
    assert post(told(job.user_data[:-2] + ("AE" if job.user_data.endswith("AA") else "AA"))) == 403
    assert post(told(None)) == 401
    assert post("neither") == 400
    assert post("<!DOCTYPE a [<!ENTITY b 'c'>]><Response/>") == 400
    assert post("x" * 300_000) == 413
    assert post("", "GET") == 405
    for stored in sorted(EVENTS.glob("callback-url-*.json")):
        assert post(json.loads(stored.read_text("utf-8"))["body"]) == 403, "signed by nobody we know"
    assert before == (bench.listing(), bench.cloud.usage.by_operation(), bench.get("sidecars/a.jpg.json"))
    assert outcomes(bench) == [
        "accepted", "duplicate", "forged", "missing", "unreadable", "unreadable", "oversized", "wrong_method",
        "forged", "forged", "forged",
    ]  # fmt: skip


def test_a_reference_to_a_bucket_that_is_not_ours_is_not_found(start: Start) -> None:
    """Signed with our secret, since another deployment shares it: that is no fault of the account."""
    bench = start(environment=JOBS)
    signer = Signer((SECRET,))
    for bucket in ("others-1250000000", "cards-1250000001"):
        reference = signer.sign(Reference.to(bucket, "inbox/a.jpg", time.time() + 600))
        detail = {"JobId": "j" + "0" * 32, "State": "Success", "Operation": {"UserData": reference}}
        body = json.dumps({"EventName": "TaskFinish", "JobsDetail": detail})
        answer = requests.post(bench.function_urls["on_callback"], data=body, timeout=60)
        assert answer.status_code == 404, bench.logs()
    assert outcomes(bench) == ["unknown", "unknown"]


@pytest.mark.parametrize("name", ["callback-ckafka", "callback-cmq", "callback-tdmq-eventbridge"])
def test_a_stranger_s_message_in_a_queue_is_counted_and_dropped(start: Start, name: str) -> None:
    bench = start(environment=JOBS)
    event = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    done = bench.cloud.invoke("on_callback", event, wait_s=60.0)
    assert json.loads(done.payload or "") == {"forged": 1}


def test_a_failing_account_stops_the_calls_of_all_functions(start: Start, front: bytes) -> None:
    rule = Rule("error", "ci", "IDCardOCR", code="ResourcesSoldOut.ChargeStatusException")
    bench = start(faults=FaultRules([rule]))
    bench.upload("inbox/a.jpg", front)
    bench.settle()
    assert bench.get(".cardveil/breaker.json")
    asked = bench.cloud.usage.by_operation()
    for number in range(3):
        bench.upload(f"inbox/{number}.jpg", front)
    bench.settle()
    assert bench.cloud.usage.by_operation() == asked, "nothing was paid for any more"
    assert '"BreakerOpened"' in bench.logs()
    assert '"PaidCallsStopped"' in bench.logs()


def test_many_callbacks_at_a_time_do_not_stand_in_their_own_way(
    start: Start, front: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for a function that needs the local cloud itself: with shared threads none would end."""
    # Four instances for twelve callbacks: on a busy machine the last waits longer than one usually may, and a
    # callback that is refused is not made again.
    monkeypatch.setattr(urls, "_WAIT_S", 60.0)
    bench = start(environment=JOBS, max_instances=4)
    bench.cloud.call(bench.cloud.jobs.pause)
    for number in range(12):
        bench.upload(f"inbox/{number}.jpg", front)
    bench.cloud.wait_idle(120)
    bench.cloud.call(bench.cloud.jobs.resume)
    bench.settle()
    assert outcomes(bench) == ["accepted"] * 12
    assert bench.cloud.usage.by_operation() == {
        "ImageLicenseRec": 12,
        "IDCardOCR": 12,
        "OCR": 12,
    }
