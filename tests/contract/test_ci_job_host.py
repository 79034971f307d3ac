"""The host of CI's jobs: its regions, its own error codes, its parameters, its lists of queues."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from qcloud_cos import CosConfig, CosS3Auth, CosServiceError
from qcloud_cos.ai_recognition import AIRecognitionClient
from tests.support.fixtures.ci import ci_client

from cardveil.core.errors import VENDOR_CODES
from cardveil_cli.permissions.documents import CamPolicy
from cardveil_cloud.ci.errors import MESSAGES
from cardveil_cloud.ci.recognition import TableRecogniser
from cardveil_cloud.options import Ready
from cardveil_cloud.server import LocalCloud

JOB = {
    "Tag": "ImageLicenseRec",
    "Input": {"Object": "x.jpg"},
    "Operation": {"ImageLicenseRec": {"CardType": "IDCard"}},
    "CallBack": "no",
}


class Host:
    """A cloud without functions, whose clock a test moves."""

    def __init__(self, cloud: LocalCloud, ready: Ready) -> None:
        self.cloud, self.ready = cloud, ready

    def get(self, path: str, *, region: str = "", **settings: Any) -> requests.Response:
        """One request to the host of jobs, as it stands."""
        ready = self.ready
        config = CosConfig(
            Region=ready.region, SecretId=ready.secret_id, SecretKey=ready.secret_key, Scheme="http"
        )
        url = f"http://{ready.bucket}.ci.{region or ready.region}.myqcloud.com{path}"
        auth = CosS3Auth(config, path.lstrip("/"), settings.get("params") or {})
        return requests.get(
            url, **{"auth": auth, "timeout": 60, **settings}, proxies={"http": ready.proxy_url}
        )

    def client(self, secret_id: str, secret_key: str) -> AIRecognitionClient:
        """The official SDK's client with other keys."""
        ready = self.ready
        config = CosConfig(
            Region=ready.region,
            SecretId=secret_id,
            SecretKey=secret_key,
            Scheme="http",
            Proxies={"http": ready.proxy_url},
        )
        return AIRecognitionClient(config, retry=0, session=requests.Session())


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    data: Path = tmp_path_factory.mktemp("cloud")
    cloud = LocalCloud(data, recogniser_factory=lambda: TableRecogniser({}))
    with cloud.running() as ready:
        cloud.store.put(ready.bucket, "x.jpg", b"no picture")
        yield Host(cloud, ready)


def told(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


@pytest.mark.parametrize(
    "params",
    [
        {"size": "abc"},
        {"size": "-1"},
        {"size": "1.5"},
        {"size": "٣"},
        {"nextToken": "abc"},
        {"nextToken": "-5"},
        {"size": "9" * 30},
        {"orderByTime": "sideways"},
        {"states": "Wrong"},
    ],
)
def test_parameters_that_are_none_are_refused(host: Host, params: dict[str, str]) -> None:
    answer = host.get("/jobs", params={"tag": "ImageLicenseRec", "queueId": "p1", **params})
    assert told(answer) == (400, "InvalidArgument")


def test_an_empty_parameter_is_an_absent_one(host: Host) -> None:
    assert (
        host.get("/jobs", params={"tag": "ImageLicenseRec", "size": "", "nextToken": ""}).status_code == 200
    )


@pytest.mark.parametrize("region", ["ap-beijing", "eu-frankfurt", "x"])
def test_another_region_s_host_is_refused(host: Host, region: str) -> None:
    assert told(host.get("/jobs", region=region)) == (400, "InvalidHost")


def test_signatures_are_refused_in_ci_s_own_words(host: Host) -> None:
    assert told(host.get("/jobs", auth=None)) == (401, "MissingAuthorization")
    assert told(host.get("/jobs", auth=None, headers={"Authorization": "none"})) == (
        401,
        "InvalidAuthorization",
    )
    ready = host.ready
    wrong = CosConfig(Region=ready.region, SecretId=ready.secret_id, SecretKey="x" * 32, Scheme="http")
    assert told(host.get("/jobs", auth=CosS3Auth(wrong, "jobs", {}))) == (401, "InvalidAuthorization")
    nobody = CosConfig(Region=ready.region, SecretId="AKIDnobody", SecretKey="x" * 32, Scheme="http")
    assert told(host.get("/jobs", auth=CosS3Auth(nobody, "jobs", {}))) == (401, "SecretidNotExist")
    right = CosConfig(
        Region=ready.region, SecretId=ready.secret_id, SecretKey=ready.secret_key, Scheme="http"
    )
    old = CosS3Auth(right, "jobs", {}, expire=-60)
    assert told(host.get("/jobs", auth=old)) == (401, "SignatureExpired")
    temporary = host.cloud.credentials.issue_temporary(-1)
    expired = CosConfig(
        Region=ready.region,
        SecretId=temporary.secret_id,
        SecretKey=temporary.secret_key,
        Scheme="http",
        Token=temporary.token,
    )
    token = {"x-cos-security-token": str(temporary.token)}
    assert told(host.get("/jobs", auth=CosS3Auth(expired, "jobs", {}), headers=token)) == (
        401,
        "SignatureExpired",
    )


def test_the_adapter_knows_each_of_ci_s_words() -> None:
    words = {
        "AccessDenied",
        "InvalidAuthorization",
        "MissingAuthorization",
        "SecretidNotExist",
        "SignatureExpired",
    }
    assert words <= set(VENDOR_CODES)
    assert words <= set(MESSAGES)


def grant(host: Host, *actions: str) -> AIRecognitionClient:
    """A client that may do these, on everything."""
    name = f"AKID{time.monotonic_ns()}"
    document = {
        "version": "2.0",
        "statement": [{"effect": "allow", "action": list(actions), "resource": ["*"]}],
    }
    host.cloud.credentials.add_permanent(name, "a-key", CamPolicy(document))
    return host.client(name, "a-key")


def test_a_job_needs_the_right_to_pass_ci_its_role(host: Host) -> None:
    with pytest.raises(CosServiceError) as refused:
        grant(host, "ci:CreateMediaJobs", "cos:GetObject").ci_create_media_jobs(host.ready.bucket, JOB)
    assert refused.value.get_status_code() == 401
    assert "<Code>AccessDenied</Code>" in refused.value.get_origin_msg()
    may = grant(host, "ci:CreateMediaJobs", "cos:GetObject", "cam:PassRole")
    assert may.ci_create_media_jobs(host.ready.bucket, JOB)["JobsDetail"]


@pytest.mark.parametrize("path", ["/queue", "/picqueue", "/ai_queue"])
def test_queues_are_listed(host: Host, path: str) -> None:
    client = ci_client(host.ready)
    found = client.ci_get_media_queue(host.ready.bucket, UrlPath=path)
    (queue,) = found["QueueList"]
    assert (queue["State"], queue["BucketId"], found["TotalCount"]) == ("Active", host.ready.bucket, "1")
    job = client.ci_create_media_jobs(host.ready.bucket, JOB)["JobsDetail"][0]
    assert job["QueueId"] == queue["QueueId"]
    assert not client.ci_get_media_queue(host.ready.bucket, State="Paused", UrlPath=path).get("QueueList")
    other = client.ci_get_media_queue(host.ready.bucket, QueueIds="p123", UrlPath=path)
    assert other["NonExistPIDs"] == "p123"
    assert told(host.get(path, params={"pageSize": "all"})) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("path", "name"),
    [("/ai_bucket", "AiBucketList"), ("/picbucket", "PicBucketList"), ("/mediabucket", "MediaBucketList")],
)
def test_buckets_are_listed(host: Host, path: str, name: str) -> None:
    found = ci_client(host.ready).ci_get_bucket(Regions=host.ready.region, Path=path)[name]
    listed = found if isinstance(found, list) else [found]
    assert [each["BucketId"] for each in listed] == [host.ready.bucket]
    assert name not in ci_client(host.ready).ci_get_bucket(BucketName="no-such", Path=path)


@pytest.mark.parametrize("accept", ["application/xml", "application/json"])
@pytest.mark.parametrize(("service", "path"), [("ai", "/ai_bucket"), ("pic", "/picbucket")])
def test_a_bucket_is_bound_and_let_go_of(host: Host, service: str, path: str, accept: str) -> None:
    client, bucket = ci_client(host.ready), host.ready.bucket
    name = {"ai": "AiBucket", "pic": "PicBucket"}[service]
    _, closed = getattr(client, f"ci_close_{service}_bucket")(Bucket=bucket, Accept=accept)
    assert closed["BucketName"] == bucket
    assert f"{name}List" not in client.ci_get_bucket(Path=path)
    _, opened = getattr(client, f"ci_open_{service}_bucket")(Bucket=bucket, Accept=accept)
    assert (opened[name]["Name"], opened[name]["Region"]) == (bucket, host.ready.region)
    assert client.ci_get_bucket(Path=path)[f"{name}List"]


@pytest.mark.parametrize("path", ["/template", "/workflow", "/ai_queue/p1", "/jobsx"])
def test_what_is_not_built_is_refused_by_name(host: Host, path: str) -> None:
    answer = host.get(path)
    assert told(answer) == (501, "NotImplemented")
    assert f"GET {path}" in answer.text


def test_another_method_on_jobs_is_not_allowed(host: Host) -> None:
    ready = host.ready
    url = f"http://{ready.bucket}.ci.{ready.region}.myqcloud.com/jobs"
    config = CosConfig(
        Region=ready.region, SecretId=ready.secret_id, SecretKey=ready.secret_key, Scheme="http"
    )
    proxies = {"http": ready.proxy_url}
    answer = requests.delete(url, auth=CosS3Auth(config, "jobs", {}), proxies=proxies, timeout=60)
    assert told(answer) == (405, "MethodNotAllowed")
