"""The local cloud as one: hosts, control endpoints, function URLs, bucket events, its end."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from qcloud_cos import CosConfig, CosS3Client
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tests.support.fixtures.toy import PATIENCE_S, TOY, toy_cloud, toy_cos
from tests.support.waiting import eventually, gone

from cardveil_cloud.ci.recognition import TableRecogniser
from cardveil_cloud.scf.results import Status
from cardveil_cloud.scf.variables import ConfigurationError
from cardveil_cloud.server import LocalCloud, Options, Ready


class World:
    """A running toy cloud and ways to reach it."""

    def __init__(self, cloud: LocalCloud, ready: Ready, data: Path) -> None:
        self.cloud = cloud
        self.ready = ready
        self.data = data
        self.cos = toy_cos(ready)

    def notes(self) -> list[dict[str, Any]]:
        """What the toy's invocations noted."""
        path = self.data / "notes"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def get(self, path: str, **settings: Any) -> requests.Response:
        """Ask the cloud's own address."""
        return requests.get(self.ready.proxy_url + path, timeout=PATIENCE_S, **settings)

    def proxied(self, method: str, url: str, **settings: Any) -> requests.Response:
        """Ask another host through the cloud as a proxy."""
        proxies = {"http": self.ready.proxy_url}
        return requests.request(method, url, proxies=proxies, timeout=PATIENCE_S, **settings)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One toy cloud for the tests that leave it as it was."""
    data = tmp_path_factory.mktemp("toy")
    cloud = toy_cloud(data)
    with cloud.running() as ready:
        yield World(cloud, ready, data)


def test_ready_says_all_a_client_needs(world: World) -> None:
    ready = world.ready
    assert set(ready.as_dict()) == {
        "proxy_url",
        "ocr_endpoint",
        "secret_id",
        "secret_key",
        "region",
        "app_id",
        "bucket",
        "function_urls",
        "notice",
        "found",
    }
    assert "development" in ready.notice
    assert ready.secret_key not in repr(ready)
    assert world.cos.head_bucket(Bucket=ready.bucket) is not None


def test_it_listens_on_loopback_only(world: World) -> None:
    port = int(world.ready.proxy_url.rpartition(":")[2])
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


def test_other_hosts_are_not_reached_through_it(world: World) -> None:
    for url in ("http://www.example.com/", "http://myqcloud.com/", "http://169.254.169.254/latest/"):
        assert world.proxied("GET", url).status_code == 502
    # A web page cannot come in under a name that it had resolve to loopback.
    assert world.get("/_local/health", headers={"Host": "evil.example"}).status_code == 502


def test_jobs_want_a_signature(world: World) -> None:
    answer = world.proxied("POST", "http://cards-1250000000.ci.ap-shanghai.myqcloud.com/jobs")
    assert answer.status_code == 401
    assert "<Code>MissingAuthorization</Code>" in answer.text


def test_upload_reaches_the_function(world: World) -> None:
    before = len(world.notes())
    key = "inbox/a b+c %25 卡.jpg"
    world.cos.put_object(Bucket=world.ready.bucket, Key=key, Body=b"picture", Metadata={"x-cos-meta-a": "1"})
    world.cos.put_object(Bucket=world.ready.bucket, Key="elsewhere/a.jpg", Body=b"picture")
    world.cloud.wait_idle(PATIENCE_S)
    (note,) = world.notes()[before:]
    (record,) = note["event"]["Records"]
    assert record["event"]["eventName"] == "cos:ObjectCreated:Put"
    thing = record["cos"]["cosObject"]
    assert thing["key"] == f"/1250000000/cards/{key}"
    assert thing["size"] == 7
    assert thing["meta"]["x-cos-meta-a"] == "1"
    head = world.cos.head_object(Bucket=world.ready.bucket, Key=key)
    assert thing["meta"]["ETag"] == head["ETag"]
    # The URL leads to the object.
    assert (
        requests.get(
            world.cos.get_presigned_url(Bucket=world.ready.bucket, Key=key, Method="GET"),
            proxies={"http": world.ready.proxy_url},
            timeout=PATIENCE_S,
        ).url.partition("?")[0]
        == thing["url"]
    )


def test_function_url_passes_the_request_and_the_answer(world: World) -> None:
    url = world.ready.function_urls["probe"]
    answer = requests.post(
        f"{url}/a/b?x=1&y=%20z", data="hello ü".encode(), headers={"X-Own": "v"}, timeout=PATIENCE_S
    )
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    event = answer.json()["event"]
    assert set(event) == {"body", "headers", "httpMethod", "path", "queryString"}
    assert (event["httpMethod"], event["path"]) == ("POST", "/a/b")
    assert (event["body"], event["queryString"]) == ("hello ü", {"x": "1", "y": " z"})
    assert event["headers"]["x-own"] == "v"
    assert event["headers"]["x-scf-remote-addr"] == "127.0.0.1"
    by_host = world.proxied("GET", "http://1250000000-probe.ap-shanghai.tencentscf.com/a/b")
    assert by_host.json()["event"]["path"] == "/a/b"
    assert world.proxied("GET", "http://1250000000-other.ap-shanghai.tencentscf.com/").status_code == 404


@pytest.mark.parametrize(
    ("returned", "status", "kind", "body"),
    [
        (
            {"statusCode": 201, "headers": {"Content-Type": "text/html"}, "body": "<p>"},
            201,
            "text/html",
            "<p>",
        ),
        ({"statusCode": 204}, 204, "application/json", ""),
        ({"statusCode": 200, "body": {"a": 1}}, 200, "application/json", '{"a": 1}'),
        ({"a": 1}, 200, "application/json", '{"a": 1}'),
        ("Hello, world!", 200, "application/json", '"Hello, world!"'),
        (None, 200, "application/json", "null"),
    ],
)
def test_function_url_answers_with_what_is_returned(
    world: World, returned: Any, status: int, kind: str, body: str
) -> None:
    url = f"{world.ready.function_urls['probe']}/?do=answer"
    answer = requests.post(url, json={"answer": returned}, timeout=PATIENCE_S)
    assert (answer.status_code, answer.headers["Content-Type"], answer.text) == (status, kind, body)
    assert answer.headers["X-Scf-Request-Id"]


def test_function_url_of_a_failing_function(world: World) -> None:
    answer = requests.post(f"{world.ready.function_urls['probe']}/?do=fail", timeout=PATIENCE_S)
    assert answer.status_code == 430
    assert answer.json()["errorMessage"] == "user code exception caught"


def test_control_endpoints(world: World) -> None:
    assert world.get("/_local/health").json()["status"] == "ok"
    assert world.get("/_local/usage").json() == {"by_operation": {}, "by_picture": {}}
    result = requests.post(
        f"{world.ready.proxy_url}/_local/functions/probe/invocations",
        json={"do": "answer", "answer": 7},
        timeout=PATIENCE_S,
    )
    assert result.json() == 7
    queued = requests.post(
        f"{world.ready.proxy_url}/_local/functions/probe/invocations?type=Event",
        json={"n": "queued"},
        timeout=PATIENCE_S,
    )
    assert queued.status_code == 202
    fired = requests.post(f"{world.ready.proxy_url}/_local/timers/nightly", timeout=PATIENCE_S)
    assert fired.status_code == 202
    world.cloud.wait_idle(PATIENCE_S)
    ids = {note["request_id"] for note in world.notes()}
    assert {queued.json()["requestId"], fired.json()["requestId"]} <= ids
    counts = world.get("/_local/functions").json()["probe"]
    assert counts["name"] == "contract-test-toy-probe"
    assert counts["invocations"] >= 3
    assert world.get("/_local/dead-letters").json() == []
    foreign = requests.post(
        f"{world.ready.proxy_url}/_local/timers/nightly",
        headers={"Origin": "http://evil.example"},
        timeout=PATIENCE_S,
    )
    assert foreign.status_code == 403


def test_functions_use_the_cloud_with_their_own_credentials(world: World) -> None:
    report = json.loads(world.cloud.invoke("probe", {}).payload or "null")
    environ = report["environ"]
    assert environ["http_proxy"] == world.ready.proxy_url
    assert environ["CARDVEIL_SCHEME"] == "http"
    config = CosConfig(
        Region=environ["TENCENTCLOUD_REGION"],
        SecretId=environ["TENCENTCLOUD_SECRETID"],
        SecretKey=environ["TENCENTCLOUD_SECRETKEY"],
        Token=environ["TENCENTCLOUD_SESSIONTOKEN"],
        Scheme="http",
        Proxies={"http": environ["http_proxy"]},
    )
    client = CosS3Client(config, retry=0, session=requests.Session())
    assert client.head_bucket(Bucket=world.ready.bucket) is not None


def test_signed_function_url(tmp_path: Path) -> None:
    for entry in TOY.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / "serverless.yml").unlink()
    text = (TOY / "serverless.yml").read_text().replace("authType: NONE", "authType: CAM")
    (tmp_path / "serverless.yml").write_text(text)
    data = tmp_path / "data"
    cloud = LocalCloud(
        data,
        serverless=tmp_path / "serverless.yml",
        recogniser_factory=lambda: TableRecogniser({}),
        options=Options(variables={"TOY_NOTES": str(tmp_path / "notes"), "TOY_BUCKET": "cards-1250000000"}),
    )
    with cloud.running() as ready:
        answer = requests.get(ready.function_urls["probe"], timeout=PATIENCE_S)
        assert answer.status_code == 401
        assert answer.json()["errorCode"] == "MissingParameter"


def test_dead_letters_and_account_are_kept_and_the_folder_is_guarded(tmp_path: Path) -> None:
    cloud = toy_cloud(tmp_path)
    with cloud.running() as first:
        cloud.invoke_async("probe", {"do": "fail"})
        cloud.wait_idle(PATIENCE_S)
        assert [letter["ErrorCode"] for letter in cloud.dead_letters] == [430]
        with pytest.raises(RuntimeError, match="in use"), toy_cloud(tmp_path).running():
            pass
    with cloud.running() as second:
        assert (first.secret_id, first.secret_key) == (second.secret_id, second.secret_key)
        assert len(cloud.dead_letters) == 1
    assert (tmp_path / "account.json").stat().st_mode & 0o077 == 0


def test_port_that_is_taken_and_file_that_cannot_be_run_are_told_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cloud = LocalCloud(tmp_path / "a", port=port, recogniser_factory=lambda: TableRecogniser({}))
        with pytest.raises(OSError, match="in use"), cloud.running():
            pass
    (tmp_path / "serverless.yml").write_text("component: scf\n")
    cloud = LocalCloud(
        tmp_path / "b",
        serverless=tmp_path / "serverless.yml",
        recogniser_factory=lambda: TableRecogniser({}),
    )
    with pytest.raises(ConfigurationError), cloud.running():
        pass
    # Nothing is held on to: the same folder serves a good start.
    with LocalCloud(tmp_path / "b", recogniser_factory=lambda: TableRecogniser({})).running():
        pass


def test_cloud_without_functions(tmp_path: Path) -> None:
    cloud = LocalCloud(tmp_path, recogniser_factory=lambda: TableRecogniser({}))
    with cloud.running() as ready:
        assert ready.function_urls == {}
        assert requests.get(f"{ready.proxy_url}/_local/functions", timeout=PATIENCE_S).json() == {}
        with pytest.raises(RuntimeError, match="no functions"):
            cloud.invoke("probe", {})
    with pytest.raises(RuntimeError, match="not running"):
        _ = cloud.store


def test_ending_does_not_wait_for_a_function(tmp_path: Path) -> None:
    cloud = toy_cloud(tmp_path)
    with cloud.running():
        assert cloud.invoke("probe", {}).ok
        cloud.invoke_async("probe", {"do": "sleep", "seconds": 50})
        assert eventually(lambda: len(_notes(tmp_path)) == 2)
        started = time.monotonic()
    assert time.monotonic() - started < 20  # far from both: a moment, and the function's time
    assert all(gone(note["pid"]) for note in _notes(tmp_path))


def _notes(data: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (data / "notes").read_text().splitlines()]


_SERVER = """
import json, sys
from pathlib import Path
from cardveil_cloud.ci.recognition import TableRecogniser
from cardveil_cloud.server import LocalCloud, Options
data = Path(sys.argv[1])
variables = {"TOY_NOTES": str(data / "notes"), "TOY_BUCKET": "cards-1250000000"}
cloud = LocalCloud(data, serverless=Path(sys.argv[2]), recogniser_factory=lambda: TableRecogniser({}),
                   options=Options(variables=variables))
cloud.run_forever(lambda ready: print(json.dumps(ready.as_dict()), flush=True))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_a_server_that_is_ended(tmp_path: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-c", _SERVER, str(tmp_path), str(TOY / "serverless.yml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())
        url = f"{ready['proxy_url']}/_local/functions/probe/invocations"
        warm = requests.post(url, json={}, timeout=PATIENCE_S).json()["pid"]
        requests.post(f"{url}?type=Event", json={"do": "sleep", "seconds": 50}, timeout=PATIENCE_S)
        assert eventually(lambda: len(_notes(tmp_path)) == 2)
        os.kill(server.pid, how)
        server.wait(40)
    assert all(gone(pid) for pid in (warm, *(note["pid"] for note in _notes(tmp_path))))


def test_nothing_that_was_uploaded_or_signed_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cardveil_cloud")
    cloud = toy_cloud(tmp_path)
    with cloud.running() as ready:
        world = World(cloud, ready, tmp_path)
        world.cos.put_object(Bucket=ready.bucket, Key="inbox/secret-name.jpg", Body=b"picture")
        cloud.wait_idle(PATIENCE_S)
        secret = "994954194803098769"
        client = CommonClient(
            "ocr",
            "2018-11-19",
            Credential(ready.secret_id, ready.secret_key),
            "ap-singapore",
            ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=ready.ocr_endpoint)),
        )
        with pytest.raises(TencentCloudSDKException):
            client.call_json(
                "RecognizeMainlandIDCardOCR", {"ImageBase64": base64.b64encode(secret.encode()).decode()}
            )
        assert cloud.invoke("probe", {"do": "fail", "secret": secret}).status is Status.USER_CODE_EXCEPTION
    ours = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("cardveil_cloud")
    )
    assert "development" in ours
    for hidden in ("secret-name", secret, ready.secret_key, "CANARY"):
        assert hidden not in ours
