"""CI's jobs as the official SDK's own methods see them, and the adapter on top of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from qcloud_cos.cos_exception import CosServiceError
from tests.support.cloud_fixture import kept, known
from tests.support.fixtures.ci import ci_client
from tests.support.waiting import eventually

from cardveil.card.model import CardType
from cardveil.core.errors import Halt, Retry
from cardveil.core.retry import RetryPolicy
from cardveil.handlers.callback_event import read_callback
from cardveil.recognition.ai_license import read_answer
from cardveil.recognition.license_jobs import LicenseJobs
from cardveil.settings import Settings
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.ci.recognition import TableRecogniser
from cardveil_cloud.fault_rules import FaultRules, Rule
from cardveil_cloud.options import Options, Ready
from cardveil_cloud.server import LocalCloud

FILE = "id-front-flat.jpg"
Begin = Callable[..., "Setting"]


class Setting:
    """A local cloud without functions, a client for it, and one picture."""

    def __init__(self, cloud: LocalCloud, ready: Ready) -> None:
        self.cloud, self.bucket = cloud, ready.bucket
        self.client = ci_client(ready)
        self.client.put_object(Bucket=self.bucket, Key="inbox/证 件.jpg", Body=kept(FILE))

    def submit(self, **change: Any) -> dict[str, Any]:
        request: dict[str, Any] = {
            "Tag": "ImageLicenseRec",
            "Input": {"Object": "inbox/证 件.jpg"},
            "Operation": {
                "ImageLicenseRec": {"CardType": "IDCard"},
                "UserData": "This is my data.",
                "JobLevel": "0",
            },
            "CallBack": "no",
            **change,
        }
        answer: dict[str, Any] = self.client.ci_create_media_jobs(self.bucket, request)
        (job,) = answer["JobsDetail"]
        return dict(job)

    def query(self, *job_ids: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.ci_get_media_jobs(self.bucket, ",".join(job_ids))
        return answer

    def settle(self) -> None:
        assert eventually(lambda: not self.cloud.call(lambda: self.cloud.jobs.pending))

    def pause(self) -> None:
        self.cloud.call(self.cloud.jobs.pause)

    def resume(self) -> None:
        self.cloud.call(self.cloud.jobs.resume)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    clouds = []

    def start(**options: Any) -> Setting:
        table = TableRecogniser({p.read(): known(p) for p in kept_pictures() if p.file == FILE})
        cloud = LocalCloud(tmp_path / "c", recogniser_factory=lambda: table, options=Options(**options))
        running = cloud.running()
        ready = running.__enter__()
        clouds.append(running)
        return Setting(cloud, ready)

    yield start
    for running in clouds:
        running.__exit__(None, None, None)


def test_a_job_from_submission_to_result(begin: Begin) -> None:
    here = begin()
    here.pause()
    job = here.submit()
    assert job["State"] == "Pause"
    here.resume()
    here.settle()
    (done,) = here.query(job["JobId"])["JobsDetail"]
    assert (done["State"], done["Code"], done["Tag"]) == ("Success", "Success", "ImageLicenseRec")
    assert done["Input"]["Object"] == "inbox/证 件.jpg"
    assert done["Operation"]["UserData"] == "This is my data."
    result = done["Operation"]["ImageLicenseRecResult"]
    reading = read_answer(result, CardType.ID_CARD)
    names = {field.name for field in reading.fields}
    assert names == {"name", "sex", "ethnicity", "birth_date", "address", "id_number"}
    assert all(field.polygon for field in reading.fields)
    assert here.cloud.usage.by_operation() == {"ImageLicenseRec": 1}


def test_many_are_queried_at_once_and_the_unknown_named(begin: Begin) -> None:
    here = begin()
    ids = [here.submit()["JobId"] for _ in range(3)]
    answer = here.query(*ids, "a" + "0" * 32)
    assert [job["JobId"] for job in answer["JobsDetail"]] == ids
    assert answer["NonExistJobIds"] == "a" + "0" * 32


def test_jobs_are_listed_page_by_page(begin: Begin) -> None:
    here = begin()
    ids = {here.submit()["JobId"] for _ in range(5)}
    found: list[str] = []
    token = ""
    while True:
        page = here.client.ci_list_media_jobs(here.bucket, "ImageLicenseRec", Size=2, NextToken=token)
        found += [job["JobId"] for job in page["JobsDetail"]]
        token = page.get("NextToken") or ""
        if not token:
            break
    assert set(found) == ids
    assert len(found) == 5


def test_a_cancelled_job_stays_cancelled_and_costs_nothing(begin: Begin) -> None:
    here = begin()
    here.pause()
    job = here.submit()
    here.client.ci_cancel_jobs(here.bucket, job["JobId"])
    here.resume()
    here.settle()
    assert here.query(job["JobId"])["JobsDetail"][0]["State"] == "Cancel"
    assert here.cloud.usage.by_operation() == {}
    with pytest.raises(CosServiceError):
        here.client.ci_cancel_jobs(here.bucket, job["JobId"])


def test_a_higher_level_runs_first(begin: Begin) -> None:
    here = begin()
    here.pause()
    low = here.submit()["JobId"]
    operation = {"ImageLicenseRec": {"CardType": "IDCard"}, "JobLevel": "2"}
    high = here.submit(Operation=operation)["JobId"]
    here.resume()
    here.settle()
    started = {job.job_id: job.started for job in here.cloud.jobs.all()}
    assert started[high] <= started[low]


@pytest.mark.parametrize(
    "change",
    [
        {"Input": {}},
        {"Operation": {"ImageLicenseRec": {"CardType": "Passport"}}},
        {"Operation": {"ImageLicenseRec": {"CardType": "IDCard"}, "UserData": "x" * 1025}},
        {"Operation": {"ImageLicenseRec": {"CardType": "IDCard"}, "UserData": "ü"}},
        {"Operation": {"ImageLicenseRec": {"CardType": "IDCard"}, "JobLevel": "3"}},
        {"CallBackFormat": "YAML"},
        {"CallBackType": "TDMQ"},
        {"CallBackType": "TDMQ", "CallBackMqConfig": {"MqRegion": "xx", "MqMode": "Topic", "MqName": "n"}},
    ],
    ids=str,
)
def test_what_the_page_rules_out_is_refused(begin: Begin, change: dict[str, Any]) -> None:
    here = begin()
    with pytest.raises(CosServiceError) as caught:
        here.submit(**change)
    assert "InvalidArgument" in caught.value.get_origin_msg()
    assert "<Resource>" not in caught.value.get_origin_msg(), "CI's errors have none"


@pytest.mark.parametrize("form", ["JSON", "XML"])
def test_a_callback_says_what_the_pages_show(begin: Begin, form: str) -> None:
    here = begin()
    received: list[tuple[str, str]] = []

    class CallbackHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((str(self.headers["Content-Type"]), body.decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        # Nobody tells a second time: none of the callbacks may find the door shut for want of room.
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), CallbackHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        ids = [here.submit(CallBack=url, CallBackFormat=form)["JobId"] for _ in range(12)]
        here.settle()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    told = [read_callback(body)[0] for _, body in received]
    assert sorted(t.job_id for t in told) == sorted(ids)
    assert {t.user_data for t in told} == {"This is my data."}
    assert {kind for kind, _ in received} == {f"application/{form.lower()}"}
    if form == "JSON":
        shapes = {type(json.loads(body)["JobsDetail"]) for _, body in received}
        assert shapes <= {dict, list}


def test_nothing_is_sent_to_another_machine(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    here = begin()
    here.submit(CallBack="http://192.0.2.1/")
    here.settle()
    assert "was not sent" in caplog.text


def test_a_missing_object_fails_the_job(begin: Begin) -> None:
    here = begin()
    job = here.submit(Input={"Object": "inbox/gone.jpg"})
    here.settle()
    (done,) = here.query(job["JobId"])["JobsDetail"]
    assert (done["State"], done["Code"]) == ("Failed", "NoSuchKey")


def adapter(here: Setting) -> LicenseJobs:
    return LicenseJobs(here.client, here.bucket, Settings(), RetryPolicy(1, lambda: 30.0))


class TestAdapter:
    """`LicenseJobs`, with faults on the way."""

    def test_the_whole_way(self, begin: Begin) -> None:
        here = begin()
        jobs = adapter(here)
        since = time.time()
        job = jobs.submit("inbox/证 件.jpg", CardType.ID_CARD, "a.reference-1")
        here.settle()
        done = jobs.query([job.job_id, "a" + "0" * 32])
        assert list(done) == [job.job_id]
        assert done[job.job_id].state == "Success"
        assert done[job.job_id].object_key == "inbox/证 件.jpg"
        found = jobs.find("a.reference-1", since)
        assert found is not None
        assert found.job_id == job.job_id
        assert jobs.find("a.reference-2", since) is None
        with pytest.raises(Halt, match="request_refused"):
            jobs.cancel(job.job_id)

    @pytest.mark.parametrize(
        "rule",
        [
            Rule("error", "ci", "CreateMediaJobs", code="SlowDown"),
            Rule("error", "ci", "CreateMediaJobs", code="InternalError"),
            Rule("reset_before", "ci", "CreateMediaJobs"),
            Rule("reset_after", "ci", "CreateMediaJobs"),
            Rule("truncate", "ci", "CreateMediaJobs"),
        ],
        ids=lambda rule: rule.kind + rule.code,
    )
    def test_a_fault_is_one_that_may_be_tried_again(self, begin: Begin, rule: Rule) -> None:
        here = begin(faults=FaultRules([rule]))
        with pytest.raises(Retry):
            adapter(here).submit("inbox/证 件.jpg", CardType.ID_CARD, "a.reference")
        there = {"reset_after": 1, "truncate": 1}.get(rule.kind, 0)
        assert len(list(here.cloud.jobs.all())) == there

    def test_a_fault_of_the_job_itself_fails_it(self, begin: Begin) -> None:
        here = begin(faults=FaultRules([Rule("error", "ci", "ImageLicenseRec", code="InternalError")]))
        job = here.submit()
        here.settle()
        assert here.query(job["JobId"])["JobsDetail"][0]["State"] == "Failed"
