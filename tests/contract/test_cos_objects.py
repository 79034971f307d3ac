"""Single objects through the official SDK, as they are with the real service."""

from __future__ import annotations

import base64
import hashlib
import threading
from typing import Any

import crcmod
import pytest
from qcloud_cos import CosServiceError
from tests.support.fixtures.cos import CosServer

KEYS = [
    "plain.jpg",
    "folder/sub folder/a b.jpg",
    "证件/正面 照片.jpg",
    "a+b/c%2Bd/100%.jpg",
    "//leading/slashes//twice",
    "dots/../up/./here",
    "query?like&and=more#hash;semi",
    "quote'\"<xml>&amp;",
    "emoji-\U0001f4c7",
    "k" * 800,
    "键" * 266 + "ab",  # 800 bytes
    "k" * 850,
]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_any_key_comes_back_as_it_was_put(cos: CosServer, cos_client: Any, cos_bucket: str, key: str) -> None:
    cos_client.put_object(Bucket=cos_bucket, Key=key, Body=b"picture")
    stored = key[1:] if key.startswith("/") else key  # the SDK takes one leading slash away
    assert cos_client.get_object(cos_bucket, key)["Body"].get_raw_stream().read() == b"picture"
    assert cos_client.head_object(cos_bucket, key)["Content-Length"] == "7"
    assert [item["Key"] for item in cos_client.list_objects(cos_bucket)["Contents"]] == [stored]
    assert cos.events[-1].key == stored
    cos_client.delete_object(cos_bucket, key)
    assert not cos_client.object_exists(cos_bucket, key)


def test_what_is_said_of_an_object_is_kept(cos_client: Any, cos_bucket: str) -> None:
    body = b"\xff\xd8 not quite a JPEG"
    put = cos_client.put_object(
        Bucket=cos_bucket,
        Key="card.jpg",
        Body=body,
        ContentType="image/jpeg",
        CacheControl="no-store",
        ContentDisposition="attachment",
        ContentEncoding="identity",
        ContentLanguage="zh",
        Expires="Fri, 01 Jan 2027 00:00:00 GMT",
        StorageClass="STANDARD_IA",
        ServerSideEncryption="AES256",
        Metadata={"x-cos-meta-card-type": "IDCard", "x-cos-meta-note": "%E6%AD%A3%E9%9D%A2"},
    )
    crc = crcmod.Crc(0x142F0E1EBA9EA3693, initCrc=0, xorOut=0xFFFFFFFFFFFFFFFF, rev=True)
    crc.update(body)
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ETag"] == etag
    assert put["x-cos-hash-crc64ecma"] == str(crc.crcValue)
    assert put["x-cos-server-side-encryption"] == "AES256"
    assert put["x-cos-request-id"]
    for answer in (
        cos_client.head_object(cos_bucket, "card.jpg"),
        cos_client.get_object(cos_bucket, "card.jpg"),
    ):
        assert answer["ETag"] == etag
        assert answer["Content-Type"] == "image/jpeg"
        assert answer["Cache-Control"] == "no-store"
        assert answer["Content-Disposition"] == "attachment"
        assert answer["Content-Encoding"] == "identity"
        assert answer["Content-Language"] == "zh"
        assert answer["Expires"] == "Fri, 01 Jan 2027 00:00:00 GMT"
        assert answer["x-cos-storage-class"] == "STANDARD_IA"
        assert answer["x-cos-server-side-encryption"] == "AES256"
        assert answer["x-cos-meta-card-type"] == "IDCard"
        assert answer["x-cos-meta-note"] == "%E6%AD%A3%E9%9D%A2"
        assert answer["x-cos-hash-crc64ecma"] == str(crc.crcValue)
        assert answer["Last-Modified"].endswith("GMT")
        assert answer["Accept-Ranges"] == "bytes"


def test_an_object_is_of_no_known_type_unless_it_is_said(cos_client: Any, cos_bucket: str) -> None:
    cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"")
    head = cos_client.head_object(cos_bucket, "x")
    assert head["Content-Type"] == "application/octet-stream"
    assert head["Content-Length"] == "0"
    assert cos_client.get_object(cos_bucket, "x")["Body"].get_raw_stream().read() == b""


def test_answers_can_be_given_other_headers(cos_client: Any, cos_bucket: str) -> None:
    cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"1", ContentType="image/png")
    answer = cos_client.get_object(
        cos_bucket, "x", ResponseContentType="text/plain", ResponseContentDisposition="inline; a b"
    )
    assert answer["Content-Type"] == "text/plain"
    assert answer["Content-Disposition"] == "inline; a b"


def test_no_header_can_be_smuggled_into_an_answer(cos: CosServer, cos_bucket: str) -> None:
    cos.store.put(cos_bucket, "x", b"1")
    for value, status in (("a\r\nX-Evil: 1", 400), ("a\x00", 400), ("inline; filename=正面.jpg", 200)):
        answer = cos.request("GET", cos_bucket, "x", params={"response-content-disposition": value})
        assert answer.status_code == status
        assert "X-Evil" not in answer.headers
    assert answer.headers["Content-Disposition"].encode("latin-1").decode() == "inline; filename=正面.jpg"


@pytest.mark.parametrize(
    ("asked", "expected", "sent"),
    [
        ("bytes=0-9", "bytes 0-9/600000", slice(0, 10)),
        ("bytes=599990-", "bytes 599990-599999/600000", slice(599990, None)),
        ("bytes=-5", "bytes 599995-599999/600000", slice(599995, None)),
        ("bytes=10-900000", "bytes 10-599999/600000", slice(10, None)),
        ("bytes=100-400000", "bytes 100-400000/600000", slice(100, 400001)),
        ("bytes=-900000", "bytes 0-599999/600000", slice(None)),
        # COS serves one range only, and takes what it cannot read for no range at all.
        ("bytes=0-1,4-5", None, slice(None)),
        ("bytes=5-2", None, slice(None)),
        ("bytes=-", None, slice(None)),
        ("lines=1-2", None, slice(None)),
    ],
)
def test_ranges(
    cos: CosServer, cos_client: Any, cos_bucket: str, asked: str, expected: str | None, sent: slice
) -> None:
    body = bytes(range(256)) * 2344
    body = body[:600000]
    cos.store.put(cos_bucket, "x", body)
    answer = cos.request("GET", cos_bucket, "x", headers={"Range": asked})
    assert answer.status_code == (206 if expected else 200)
    assert answer.headers.get("Content-Range") == expected
    assert answer.content == body[sent]
    assert answer.headers["Content-Length"] == str(len(body[sent]))


@pytest.mark.parametrize("asked", ["bytes=3-", "bytes=7-9", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(
    cos: CosServer, cos_client: Any, cos_bucket: str, asked: str
) -> None:
    cos.store.put(cos_bucket, "x", b"abc")
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_object(cos_bucket, "x", Range=asked)
    assert (refused.value.get_status_code(), refused.value.get_error_code()) == (416, "InvalidRange")


OLD, NEW = "Sat, 01 Jan 2000 00:00:00 GMT", "Thu, 01 Jan 2099 00:00:00 GMT"
ETAG = '"900150983cd24fb0d6963f7d28e17f72"'  # of b"abc"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": ETAG}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": OLD}, 200),
        ({"If-Modified-Since": NEW}, 304),
        ({"If-Unmodified-Since": NEW}, 200),
        ({"If-Unmodified-Since": OLD}, 412),
        ({"If-Match": ETAG, "If-Unmodified-Since": OLD}, 200),
        ({"If-None-Match": ETAG, "If-Modified-Since": OLD}, 304),
        ({"If-None-Match": '"other"', "If-Modified-Since": NEW}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions(
    cos: CosServer, cos_bucket: str, method: str, headers: dict[str, str], status: int
) -> None:
    cos.store.put(cos_bucket, "x", b"abc")
    answer = cos.request(method, cos_bucket, "x", headers=headers)
    assert answer.status_code == status
    if status == 304:
        assert answer.headers["ETag"] == ETAG
    if method == "HEAD" or status == 304:
        assert answer.content == b""
    if method == "GET" and status == 412:
        assert b"<Code>PreconditionFailed</Code>" in answer.content


@pytest.mark.parametrize(
    ("digest", "code"),
    [
        (base64.b64encode(hashlib.md5(b"other").digest()).decode(), "BadDigest"),
        (base64.b64encode(b"short").decode(), "InvalidDigest"),
        ("not base64!", "InvalidDigest"),
    ],
)
def test_a_body_that_is_not_what_was_announced_is_refused(
    cos_client: Any, cos_bucket: str, digest: str, code: str
) -> None:
    with pytest.raises(CosServiceError) as refused:
        cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"abc", ContentMD5=digest)
    assert (refused.value.get_status_code(), refused.value.get_error_code()) == (400, code)
    assert not cos_client.object_exists(cos_bucket, "x")


def test_a_right_digest_is_taken(cos_client: Any, cos_bucket: str) -> None:
    assert cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"abc", EnableMD5=True)["ETag"] == ETAG


def test_a_stream_of_unknown_length_is_taken(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    chunks = [b"a" * 700_000, b"b" * 700_000, b"c"]
    answer = cos.request("PUT", cos_bucket, "x", data=iter(chunks))
    assert answer.status_code == 200
    assert cos.store.get(cos_bucket, "x")[1] == b"".join(chunks)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"Metadata": {"x-cos-meta-a": "v" * 2049}}, "MetadataTooLarge"),
        ({"Metadata": {f"x-cos-meta-{n}": "v" * 1500 for n in range(3)}}, "MetadataTooLarge"),
        ({"Metadata": {"x-cos-meta-card_type": "IDCard"}}, "InvalidArgument"),
        ({"StorageClass": "COLD"}, "InvalidArgument"),
        ({"ServerSideEncryption": "ROT13"}, "InvalidArgument"),
    ],
)
def test_attributes_have_limits(
    cos_client: Any, cos_bucket: str, settings: dict[str, Any], code: str
) -> None:
    with pytest.raises(CosServiceError) as refused:
        cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"abc", **settings)
    assert (refused.value.get_status_code(), refused.value.get_error_code()) == (400, code)


def test_what_is_not_there(cos_client: Any, cos_bucket: str) -> None:
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_object(cos_bucket, "missing")
    error = refused.value
    assert (error.get_status_code(), error.get_error_code()) == (404, "NoSuchKey")
    assert error.get_resource_location() == f"{cos_bucket}.cos.ap-shanghai.myqcloud.com/missing"
    assert error.get_request_id()
    assert error.get_trace_id()
    with pytest.raises(CosServiceError) as refused:
        cos_client.head_object(cos_bucket, "missing")
    assert refused.value.get_status_code() == 404
    cos_client.delete_object(cos_bucket, "missing")  # no error
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_object("nobucket-1250000000", "x")
    assert (refused.value.get_status_code(), refused.value.get_error_code()) == (404, "NoSuchBucket")


FORBID = {"Metadata": {"x-cos-forbid-overwrite": "true"}}


def test_overwriting_can_be_forbidden(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"first", **FORBID)
    with pytest.raises(CosServiceError) as refused:
        cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"second", **FORBID)
    assert (refused.value.get_status_code(), refused.value.get_error_code()) == (409, "FileAlreadyExists")
    assert cos.store.get(cos_bucket, "x")[1] == b"first"
    cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"third")
    assert cos.store.get(cos_bucket, "x")[1] == b"third"


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_overwriting_cannot_be_forbidden_where_versions_ever_were(
    cos: CosServer, cos_client: Any, cos_bucket: str, status: str
) -> None:
    cos_client.put_bucket_versioning(cos_bucket, "Enabled")
    cos_client.put_bucket_versioning(cos_bucket, status)
    assert cos_client.get_bucket_versioning(cos_bucket) == {"Status": status}
    for body in (b"first", b"second"):
        cos_client.put_object(Bucket=cos_bucket, Key="x", Body=body, **FORBID)
    assert cos.store.get(cos_bucket, "x")[1] == b"second"


def test_of_many_who_may_only_create_one_does(cos: CosServer, cos_bucket: str) -> None:
    clients = [cos.client() for _ in range(32)]
    ready = threading.Barrier(len(clients))
    outcomes: list[str] = []

    def claim(number: int) -> None:
        ready.wait()
        try:
            clients[number].put_object(Bucket=cos_bucket, Key="lease", Body=str(number), **FORBID)
            outcomes.append(str(number))
        except CosServiceError as error:
            outcomes.append(error.get_error_code())

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if outcome != "FileAlreadyExists"]
    assert len(outcomes) == 32
    assert len(winners) == 1
    assert cos.store.get(cos_bucket, "lease")[1] == winners[0].encode()
    assert len(cos.events) == 1


def test_tags(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"", Tagging="side=front&%E7%8A%B6=a%20b")
    tags = [{"Key": "side", "Value": "front"}, {"Key": "状", "Value": "a b"}]
    assert cos_client.get_object_tagging(cos_bucket, "x")["TagSet"]["Tag"] == tags
    assert cos_client.head_object(cos_bucket, "x")["x-cos-tagging-count"] == "2"
    ten = {"TagSet": {"Tag": [{"Key": f"k{n}", "Value": f"v{n}"} for n in range(10)]}}
    cos_client.put_object_tagging(cos_bucket, "x", ten)
    assert cos_client.get_object_tagging(cos_bucket, "x") == ten
    ten["TagSet"]["Tag"].append({"Key": "one", "Value": "too many"})
    with pytest.raises(CosServiceError) as refused:
        cos_client.put_object_tagging(cos_bucket, "x", ten)
    assert (refused.value.get_status_code(), refused.value.get_error_code()) == (400, "InvalidTag")
    with pytest.raises(CosServiceError) as refused:
        cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"", Tagging="a=1&a=2")
    assert refused.value.get_error_code() == "InvalidTag"
    cos_client.delete_object_tagging(cos_bucket, "x")
    assert cos.store.head(cos_bucket, "x").attributes.tags == {}
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_object_tagging(cos_bucket, "missing")
    assert refused.value.get_error_code() == "NoSuchKey"
