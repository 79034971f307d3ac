"""Buckets, events, neighbours and refusals: the service around the objects."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from qcloud_cos import CosS3Auth, CosServiceError
from starlette.responses import Response
from tests.support.fixtures.cos import CosServer

from cardveil_cloud.cos import CosError, DropConnection


def refusal(error: CosServiceError) -> tuple[int, str]:
    return error.get_status_code(), error.get_error_code()


def test_a_bucket_from_its_making_to_its_end(cos: CosServer, cos_client: Any) -> None:
    name = "made-here-1250000000"
    with pytest.raises(CosServiceError) as refused:
        cos_client.head_bucket(name)
    assert refused.value.get_status_code() == 404
    cos_client.create_bucket(name)
    with pytest.raises(CosServiceError) as refused:
        cos_client.create_bucket(name)
    assert refusal(refused.value) == (409, "BucketAlreadyOwnedByYou")
    assert cos_client.head_bucket(name)["x-cos-bucket-region"] == "ap-shanghai"
    assert cos_client.get_bucket_location(name) == {"LocationConstraint": "ap-shanghai"}
    listed = {item["Name"]: item for item in cos_client.list_buckets()["Buckets"]["Bucket"]}
    assert listed[name]["Location"] == "ap-shanghai"
    assert cos_client.get_bucket_versioning(name) in ({}, {"VersioningConfiguration": None})
    cos_client.put_object(Bucket=name, Key="x", Body=b"")
    with pytest.raises(CosServiceError) as refused:
        cos_client.delete_bucket(name)
    assert refusal(refused.value) == (409, "BucketNotEmpty")
    cos_client.delete_object(name, "x")
    cos_client.delete_bucket(name)
    assert not cos_client.bucket_exists(name)


@pytest.mark.parametrize("name", ["other-1259999999", "a" * 60 + "-1250000000", "ends-in--1250000000"])
def test_a_bucket_needs_a_proper_name(cos_client: Any, name: str) -> None:
    with pytest.raises(CosServiceError) as refused:
        cos_client.create_bucket(name)
    assert refusal(refused.value) == (400, "InvalidBucketName")


def test_a_bucket_is_in_one_region(cos: CosServer, cos_bucket: str) -> None:
    url = f"http://{cos_bucket}.cos.ap-beijing.myqcloud.com/"
    answer = requests.get(url, auth=CosS3Auth(cos.config()), proxies={"http": cos.proxy}, timeout=60)
    assert answer.status_code == 404
    assert "<Code>NoSuchBucket</Code>" in answer.text


def test_hosts_that_are_not_cos(cos: CosServer) -> None:
    answer = requests.get("http://example.com/", proxies={"http": cos.proxy}, timeout=60)
    assert answer.status_code == 400
    assert "<Code>InvalidURI</Code>" in answer.text


@pytest.mark.parametrize(
    ("method", "key", "params", "status", "code"),
    [
        ("PUT", "k" * 851, {}, 400, "KeyTooLong"),
        ("PUT", "键" * 284, {}, 400, "KeyTooLong"),
        ("PUT", "escape\x1b", {}, 400, "InvalidURI"),
        ("GET", "x", {"torrent": ""}, 501, "NotImplemented"),
        ("GET", "x", {"imageMogr2/thumbnail/!50p": ""}, 501, "NotImplemented"),
        ("GET", "", {"lifecycle": ""}, 404, "NoSuchLifecycleConfiguration"),
        ("POST", "x", {"select": ""}, 501, "NotImplemented"),
        ("GET", "x", {"versionId": "MTg0"}, 404, "NoSuchVersion"),
        ("POST", "x", {}, 405, "MethodNotAllowed"),
        ("PATCH", "x", {}, 405, "MethodNotAllowed"),
        ("DELETE", "", {"versioning": ""}, 405, "MethodNotAllowed"),
        ("PUT", "x", {"partNumber": "x", "uploadId": "y"}, 400, "InvalidArgument"),
        ("GET", "x", {"uploadId": "y", "encoding-type": "gzip"}, 400, "InvalidArgument"),
    ],
)
def test_refusals(
    cos: CosServer, cos_bucket: str, method: str, key: str, params: dict[str, str], status: int, code: str
) -> None:
    data = b"" if method == "PUT" else None
    answer = cos.request(method, cos_bucket, key, params=params, data=data)
    assert answer.status_code == status
    assert f"<Code>{code}</Code>" in answer.text
    assert answer.headers["Content-Type"] == "application/xml"
    assert answer.headers["x-cos-request-id"] in answer.text


def raw(
    cos: CosServer, bucket: str, target: str, headers: dict[str, str], method: str = "PUT"
) -> tuple[int, bytes]:
    """A request that no SDK would send."""
    where = urlsplit(cos.proxy)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
    try:
        connection.putrequest(method, target, skip_host=True)
        for name, value in {"Host": cos.host(bucket), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_uploads_that_cannot_be_taken(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    signed = {"Authorization": cos_client.get_auth("PUT", cos_bucket, "x")}
    status, body = raw(cos, cos_bucket, "/x", {**signed, "Content-Length": str((5 << 30) + 1)})
    assert (status, b"<Code>EntityTooLarge</Code>" in body) == (400, True)
    status, body = raw(cos, cos_bucket, "/x", signed)
    assert (status, b"<Code>MissingContentLength</Code>" in body) == (411, True)
    status, body = raw(cos, cos_bucket, "/%ff%fe", {**signed, "Content-Length": "0"})
    assert (status, b"<Code>InvalidURI</Code>" in body) == (400, True)


def test_events_tell_what_was_committed(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    key = "证件/a b+c.jpg"
    before = time.time()
    put = cos_client.put_object(
        Bucket=cos_bucket,
        Key=key,
        Body=b"abc",
        ContentType="image/jpeg",
        StorageClass="STANDARD_IA",
        Metadata={"x-cos-meta-card-type": "IDCard"},
    )
    cos_client.delete_object(cos_bucket, key)
    cos_client.delete_object(cos_bucket, key)
    created, removed = cos.events
    assert (created.name, created.bucket, created.key) == ("cos:ObjectCreated:Put", cos_bucket, key)
    assert (created.size, created.etag, created.storage_class) == (3, put["ETag"], "STANDARD_IA")
    assert created.meta == {"Content-Type": "image/jpeg", "x-cos-meta-card-type": "IDCard"}
    assert created.request_id == put["x-cos-request-id"]
    assert created.source_ip == "127.0.0.1"
    assert before <= created.time <= time.time()
    assert (removed.name, removed.key, removed.size, removed.etag) == ("cos:ObjectRemove:Delete", key, 0, "")
    cos_client.put_bucket_versioning(cos_bucket, "Enabled")
    cos_client.put_object(Bucket=cos_bucket, Key=key, Body=b"")
    cos_client.delete_object(cos_bucket, key)
    assert cos.events[-1].name == "cos:ObjectRemove:DeleteMarkerCreated"


class EchoCi:
    """Answers with what it was handed."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def process(self, call: Any) -> Response:
        self.calls.append(call)
        if call.params.get("CardSide") == "NEITHER":
            raise CosError("InvalidArgument", "no card", status=400)
        return Response(b"<Result/>", media_type="application/xml", headers={"x-ci-echo": "yes"})


def test_pictures_are_handed_to_ci(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos.ci = EchoCi()
    query = {"ci-process": "IDCardOCR", "CardSide": "FRONT", "Config": '{"CropIdCard":true}'}
    missing = cos.request("GET", cos_bucket, "证/x.jpg", params=query)
    assert (missing.status_code, "<Code>NoSuchKey</Code>" in missing.text) == (404, True)
    assert cos.ci.calls == []
    put = cos.request("PUT", cos_bucket, "证/x.jpg", params=query, data=b"abc")
    got = cos.request("GET", cos_bucket, "证/x.jpg", params=query)
    for answer in (put, got):
        assert (answer.status_code, answer.text, answer.headers["x-ci-echo"]) == (200, "<Result/>", "yes")
    assert [call.method for call in cos.ci.calls] == ["PUT", "GET"]
    for call in cos.ci.calls:
        assert (call.process, call.bucket, call.key, call.data) == (
            "IDCardOCR",
            cos_bucket,
            "证/x.jpg",
            b"abc",
        )
        assert call.params == query
    assert [event.name for event in cos.events] == ["cos:ObjectCreated:Put"]
    signed = cos_client.get_presigned_url(cos_bucket, "证/x.jpg", "GET", Params=query)
    assert requests.get(signed, proxies={"http": cos.proxy}, timeout=60).text == "<Result/>"
    assert cos.ci.calls[-1].params == query  # without the signature's own
    url = {"ci-process": "AILicenseRec", "detect-url": "http://example.com/a.jpg?b=c&d=%20"}
    cos.request("GET", cos_bucket, params=url)
    assert (cos.ci.calls[-1].key, cos.ci.calls[-1].data) == ("", None)
    assert cos.ci.calls[-1].params["detect-url"] == url["detect-url"]
    refused = cos.request(
        "GET", cos_bucket, "证/x.jpg", params={"ci-process": "IDCardOCR", "CardSide": "NEITHER"}
    )
    assert (refused.status_code, "<Message>no card</Message>" in refused.text) == (400, True)
    assert cos.request("DELETE", cos_bucket, "证/x.jpg", params=query).status_code == 405
    assert cos.request("PUT", cos_bucket, params=query, data=b"").status_code == 400


class Scripted:
    """Does one thing at one point of one operation."""

    def __init__(self, when: str, operation: str, what: Exception) -> None:
        self.when, self.operation, self.what = when, operation, what
        self.seen: list[tuple[str, str, str]] = []

    async def before(self, service: str, operation: str, request: Any) -> None:
        self._at("before", service, operation)

    async def after(self, service: str, operation: str, request: Any) -> None:
        self._at("after", service, operation)

    def _at(self, when: str, service: str, operation: str) -> None:
        self.seen.append((when, service, operation))
        if (when, operation) == (self.when, self.operation):
            raise self.what


def put(cos: CosServer, bucket: str) -> requests.Response:
    answer: requests.Response = cos.request("PUT", bucket, "x", data=b"abc")
    return answer


@pytest.mark.parametrize(("when", "stored"), [("before", False), ("after", True)])
def test_faults_can_be_injected(cos: CosServer, cos_bucket: str, when: str, stored: bool) -> None:
    cos.faults = Scripted(when, "PutObject", CosError("SlowDown"))
    answer = put(cos, cos_bucket)
    assert (answer.status_code, "<Code>SlowDown</Code>" in answer.text) == (503, True)
    assert bool(cos.store.list(cos_bucket).entries) is stored
    assert len(cos.events) == stored
    cos.faults = Scripted(when, "PutObject", DropConnection())
    with pytest.raises(requests.ConnectionError):
        put(cos, cos_bucket)
    assert bool(cos.store.list(cos_bucket).entries) is stored
    cos.faults = Scripted(when, "GetObject", CosError("SlowDown"))
    assert put(cos, cos_bucket).status_code == 200


def test_faults_see_every_effect_by_name(cos: CosServer, cos_bucket: str) -> None:
    cos.ci = EchoCi()
    cos.faults = Scripted("never", "", CosError("SlowDown"))
    cos.request("PUT", cos_bucket, "x", params={"ci-process": "IDCardOCR"}, data=b"abc")
    cos.request("GET", cos_bucket, "x", params={"ci-process": "AILicenseRec"})
    cos.request("GET", cos_bucket)
    assert cos.faults.seen == [
        (when, *operation)
        for operation in (
            ("cos", "PutObject"),
            ("ci", "IDCardOCR"),
            ("ci", "AILicenseRec"),
            ("cos", "GetBucket"),
        )
        for when in ("before", "after")
    ]


def test_the_unexpected_is_an_internal_error(cos: CosServer, cos_bucket: str) -> None:
    cos.faults = Scripted("before", "PutObject", RuntimeError("boom"))
    answer = put(cos, cos_bucket)
    assert (answer.status_code, "<Code>InternalError</Code>" in answer.text) == (500, True)
    assert "boom" not in answer.text


def form(cos: CosServer, bucket: str, **fields: str) -> dict[str, str]:
    """The fields of a form whose policy allows uploads to ``in/`` of at most 100 bytes."""

    def mac(key: str, text: str) -> str:
        return hmac.new(key.encode(), text.encode(), hashlib.sha1).hexdigest()

    now = int(time.time())
    window = f"{now - 10};{now + 600}"
    expiration = datetime.now(timezone.utc) + timedelta(minutes=5)
    policy = {
        "expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "conditions": [
            {"bucket": bucket},
            ["starts-with", "$key", "in/"],
            ["starts-with", "$Content-Type", "image/"],
            ["starts-with", "$success_action_status", ""],
            ["starts-with", "$success_action_redirect", ""],
            ["content-length-range", 1, 100],
            {"q-sign-algorithm": "sha1"},
            {"q-ak": cos.owner.secret_id},
            {"q-sign-time": window},
        ],
    }
    text = json.dumps(policy)
    signature = mac(mac(cos.owner.secret_key, window), hashlib.sha1(text.encode()).hexdigest())
    return {
        "key": "in/${filename}",
        "Content-Type": "image/jpeg",
        "policy": base64.b64encode(text.encode()).decode(),
        "q-sign-algorithm": "sha1",
        "q-ak": cos.owner.secret_id,
        "q-key-time": window,
        "q-signature": signature,
        **fields,
    }


def post(cos: CosServer, bucket: str, fields: dict[str, str], body: bytes = b"abc") -> requests.Response:
    return requests.post(
        f"http://{cos.host(bucket)}/",
        data=fields,
        files={"file": ("正面 1.jpg", body)},
        proxies={"http": cos.proxy},
        timeout=60,
        allow_redirects=False,
    )


def test_forms(cos: CosServer, cos_bucket: str) -> None:
    answer = post(cos, cos_bucket, form(cos, cos_bucket))
    assert answer.status_code == 204
    info, body = cos.store.get(cos_bucket, "in/正面 1.jpg")
    assert (body, answer.headers["ETag"]) == (b"abc", info.etag)
    assert info.attributes.headers["content-type"] == "image/jpeg"
    assert (cos.events[0].name, cos.events[0].key) == ("cos:ObjectCreated:Post", "in/正面 1.jpg")
    told = post(cos, cos_bucket, form(cos, cos_bucket, key="in/b", success_action_status="201"))
    assert (told.status_code, "<Key>in/b</Key>" in told.text) == (201, True)
    sent_on = post(cos, cos_bucket, form(cos, cos_bucket, success_action_redirect="http://example.com/ok"))
    assert sent_on.status_code == 303
    assert sent_on.headers["Location"].startswith(f"http://example.com/ok?bucket={cos_bucket}&key=in%2F")


@pytest.mark.parametrize(
    ("fields", "body", "status", "code"),
    [
        ({"key": "out/x"}, b"abc", 403, "InvalidPolicyDocument"),
        ({"Content-Type": "text/html"}, b"abc", 403, "InvalidPolicyDocument"),
        ({}, b"x" * 101, 403, "InvalidPolicyDocument"),
        ({"Content-Type": "image/jpeg\r\nX-Evil: 1"}, b"abc", 400, "InvalidArgument"),
        ({"x-cos-meta-unmentioned": "x"}, b"abc", 403, "InvalidPolicyDocument"),
        ({"policy": base64.b64encode(b"{}").decode()}, b"abc", 403, "SignatureDoesNotMatch"),
        ({"q-signature": "0" * 40}, b"abc", 403, "SignatureDoesNotMatch"),
        ({"q-ak": "AKIDnobody"}, b"abc", 403, "InvalidAccessKeyId"),
        ({"q-key-time": "1;2"}, b"abc", 403, "AccessDenied"),
        ({"q-sign-algorithm": "none"}, b"abc", 403, "AccessDenied"),
        ({"key": ""}, b"abc", 400, "InvalidArgument"),
        ({"key": "in/" + "k" * 850}, b"abc", 400, "KeyTooLong"),
    ],
)
def test_forms_that_are_refused(
    cos: CosServer, cos_bucket: str, fields: dict[str, str], body: bytes, status: int, code: str
) -> None:
    answer = post(cos, cos_bucket, form(cos, cos_bucket, **fields), body)
    assert (answer.status_code, f"<Code>{code}</Code>" in answer.text) == (status, True), answer.text
    assert cos.store.list(cos_bucket).entries == ()


def test_a_form_without_a_file(cos: CosServer, cos_bucket: str) -> None:
    answer = requests.post(
        f"http://{cos.host(cos_bucket)}/",
        data=form(cos, cos_bucket),
        proxies={"http": cos.proxy},
        timeout=60,
    )
    assert answer.status_code == 400
    assert "<Code>IncorrectNumberOfFilesInPostRequest</Code>" in answer.text


def test_a_small_upload_does_not_wait_for_its_acknowledgement(cos_client: Any, cos_bucket: str) -> None:
    """Clients of a proxy send headers and body in two packets; Linux acknowledges the first after 40 ms."""

    def seconds() -> float:
        started = time.perf_counter()
        cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"abc")
        return time.perf_counter() - started

    seconds()  # the first builds the connection, on which the first packets are acknowledged at once
    # Not one could be so quick that waited, however often one tries; a busy machine lets some through.
    quick = 0
    for _ in range(300):
        quick += seconds() < 0.03
        if quick == 5:
            break
    assert quick == 5
