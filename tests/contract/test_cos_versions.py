"""Versions, delete markers and archived objects, as the official SDK sees them."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import requests
from qcloud_cos import CosServiceError
from tests.support.fixtures.cos import CosServer


@pytest.fixture
def versioned(cos_client: Any, cos_bucket: str) -> str:
    """A bucket that keeps versions."""
    cos_client.put_bucket_versioning(cos_bucket, "Enabled")
    return cos_bucket


def refusal(error: CosServiceError) -> tuple[int, str]:
    return error.get_status_code(), error.get_error_code()


def read(client: Any, bucket: str, key: str, **settings: Any) -> bytes:
    body: bytes = client.get_object(bucket, key, **settings)["Body"].get_raw_stream().read()
    return body


def rows(listed: dict[str, Any], kind: str) -> list[tuple[str, str, str]]:
    return [(each["Key"], each["VersionId"], each["IsLatest"]) for each in listed.get(kind, [])]


def test_versions_from_their_writing_to_their_end(cos: CosServer, cos_client: Any, versioned: str) -> None:
    ids = [cos_client.put_object(versioned, str(n), "x")["x-cos-version-id"] for n in range(3)]
    assert len(set(ids)) == 3
    assert [read(cos_client, versioned, "x", VersionId=each) for each in ids] == [b"0", b"1", b"2"]
    assert read(cos_client, versioned, "x") == b"2"
    head = cos_client.head_object(versioned, "x", VersionId=ids[0])
    assert (head["x-cos-version-id"], head["Content-Length"]) == (ids[0], "1")
    marker = cos_client.delete_object(versioned, "x")
    assert marker["x-cos-delete-marker"] == "true"
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_object(versioned, "x")
    assert refusal(refused.value) == (404, "NoSuchKey")
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_object(versioned, "x", VersionId=marker["x-cos-version-id"])
    assert refusal(refused.value) == (405, "MethodNotAllowed")
    listed = cos_client.list_objects_versions(versioned)
    assert rows(listed, "Version") == [("x", each, "false") for each in reversed(ids)]
    assert rows(listed, "DeleteMarker") == [("x", marker["x-cos-version-id"], "true")]
    assert "Contents" not in cos_client.list_objects(versioned)
    with pytest.raises(CosServiceError) as refused:
        cos_client.delete_bucket(versioned)
    assert refusal(refused.value) == (409, "BucketNotEmpty")
    # Without its marker the newest version stands again.
    cos_client.delete_object(versioned, "x", VersionId=marker["x-cos-version-id"])
    assert read(cos_client, versioned, "x") == b"2"
    cos_client.delete_object(versioned, "x", VersionId=ids[2])
    assert read(cos_client, versioned, "x") == b"1"
    cos_client.delete_object(versioned, "x", VersionId=ids[0])
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_object(versioned, "x", VersionId=ids[0])
    assert refusal(refused.value) == (404, "NoSuchVersion")
    cos_client.delete_object(versioned, "x", VersionId=ids[1])
    assert "Version" not in cos_client.list_objects_versions(versioned)
    assert [event.name.removeprefix("cos:") for event in cos.events] == [
        *["ObjectCreated:Put"] * 3,
        "ObjectRemove:DeleteMarkerCreated",
        *["ObjectRemove:Delete"] * 4,
    ]
    cos_client.delete_bucket(versioned)


def test_what_was_there_before_is_the_null_version(cos_client: Any, cos_bucket: str) -> None:
    assert "x-cos-version-id" not in cos_client.put_object(cos_bucket, "old", "x")
    cos_client.put_bucket_versioning(cos_bucket, "Enabled")
    new = cos_client.put_object(cos_bucket, "new", "x")["x-cos-version-id"]
    assert read(cos_client, cos_bucket, "x", VersionId="null") == b"old"
    cos_client.put_bucket_versioning(cos_bucket, "Suspended")
    cos_client.put_object(cos_bucket, "suspended", "x")
    listed = rows(cos_client.list_objects_versions(cos_bucket), "Version")
    assert listed == [("x", "null", "true"), ("x", new, "false")]
    assert read(cos_client, cos_bucket, "x", VersionId="null") == b"suspended"
    cos_client.delete_object(cos_bucket, "x")
    listed = cos_client.list_objects_versions(cos_bucket)
    assert rows(listed, "DeleteMarker") == [("x", "null", "true")]
    assert rows(listed, "Version") == [("x", new, "false")]


def test_many_are_deleted_with_their_versions(cos_client: Any, versioned: str) -> None:
    ids = [cos_client.put_object(versioned, str(n), "x")["x-cos-version-id"] for n in range(3)]
    keys = [{"Key": "x", "VersionId": each} for each in (*ids[:2], "no-such")]
    done = cos_client.delete_objects(versioned, {"Object": [*keys, {"Key": "x"}]})
    assert [each.get("VersionId") for each in done["Deleted"]] == [*ids[:2], "no-such", None]
    assert done["Deleted"][3]["DeleteMarker"] == "true"
    listed = cos_client.list_objects_versions(versioned)
    assert [each["VersionId"] for each in listed["Version"]] == [ids[2]]


def test_a_version_can_be_copied_and_tagged(cos_client: Any, versioned: str) -> None:
    first = cos_client.put_object(versioned, "first", "x")["x-cos-version-id"]
    cos_client.put_object(versioned, "second", "x")
    source = {"Bucket": versioned, "Key": "x", "Region": "ap-shanghai", "VersionId": first}
    cos_client.copy_object(versioned, "x", source)
    assert read(cos_client, versioned, "x") == b"first"
    tags = {"TagSet": {"Tag": [{"Key": "a", "Value": "b"}]}}
    cos_client.put_object_tagging(versioned, "x", tags, VersionId=first)
    assert cos_client.get_object_tagging(versioned, "x", VersionId=first)["TagSet"]["Tag"][0]["Key"] == "a"
    assert not cos_client.get_object_tagging(versioned, "x")["TagSet"]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_versions_are_listed_in_pages(cos: CosServer, cos_client: Any, versioned: str, size: int) -> None:
    order = random.Random(size)
    for _ in range(30):
        key = order.choice(["a", "b/1", "b/2", "c 面"])
        if order.random() < 0.3:
            cos_client.delete_object(versioned, key)
        else:
            cos_client.put_object(versioned, b"x", key)

    def pages(**settings: Any) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        markers = {"KeyMarker": "", "VersionIdMarker": ""}
        while True:
            page = cos_client.list_objects_versions(versioned, MaxKeys=size, **markers, **settings)
            entries = [*page.get("Version", []), *page.get("DeleteMarker", [])]
            prefixes = [each["Prefix"] for each in page.get("CommonPrefixes", [])]
            assert len(entries) + len(prefixes) <= size
            found += [(each["Key"], each["VersionId"]) for each in entries]
            found += [(prefix, "") for prefix in prefixes]
            if page["IsTruncated"] == "false":
                return found
            markers = {
                "KeyMarker": page["NextKeyMarker"],
                "VersionIdMarker": page["NextVersionIdMarker"] or "",
            }

    whole = cos.store.list_versions(versioned)
    assert sorted(pages()) == sorted((info.key, info.version) for info, _ in whole.entries)
    assert len({info.key for info, latest in whole.entries if latest}) == sum(
        latest for _, latest in whole.entries
    )
    folded = pages(Delimiter="/")
    assert [key for key, _ in folded if key.startswith("b/")] == ["b/"]
    assert {key for key, _ in pages(Prefix="b/")} == {"b/1", "b/2"}


def test_an_archived_object_is_not_handed_out_until_it_is_restored(
    cos: CosServer, cos_client: Any, cos_bucket: str
) -> None:
    for key, kind in (("x", "ARCHIVE"), ("y", "DEEP_ARCHIVE")):
        cos_client.put_object(Bucket=cos_bucket, Key=key, Body=b"cold", StorageClass=kind)
        assert cos_client.head_object(cos_bucket, key)["x-cos-storage-class"] == kind
        source = {"Bucket": cos_bucket, "Key": key, "Region": "ap-shanghai"}
        readings: tuple[Callable[[], Any], ...] = (
            partial(cos_client.get_object, cos_bucket, key),
            partial(cos_client.copy_object, cos_bucket, "copy", source),
            partial(cos_client.get_object, cos_bucket, key, Range="bytes=0-1"),
        )
        for reading in readings:
            with pytest.raises(CosServiceError) as refused:
                reading()
            assert refusal(refused.value) == (403, "InvalidObjectState")
    request = {"Days": 1, "CASJobParameters": {"Tier": "Expedited"}}
    cos_client.restore_object(cos_bucket, "x", request)
    assert cos_client.head_object(cos_bucket, "x")["x-cos-restore"] == 'ongoing-request="true"'
    with pytest.raises(CosServiceError) as refused:
        cos_client.restore_object(cos_bucket, "x", request)
    assert refusal(refused.value) == (409, "RestoreAlreadyInProgress")
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_object(cos_bucket, "x")
    assert refusal(refused.value) == (403, "InvalidObjectState")
    cos.skew = 61
    assert read(cos_client, cos_bucket, "x") == b"cold"
    assert cos_client.head_object(cos_bucket, "x")["x-cos-restore"].startswith('ongoing-request="false", exp')
    cos_client.restore_object(cos_bucket, "x", request)  # for longer
    assert read(cos_client, cos_bucket, "x") == b"cold"


def test_a_restoration_ends(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"cold", StorageClass="ARCHIVE")
    cos.store.restore(cos_bucket, "x", 1, -86401.0)
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_object(cos_bucket, "x")
    assert refusal(refused.value) == (403, "InvalidObjectState")


def test_what_cannot_be_restored(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos_client.put_object(Bucket=cos_bucket, Key="warm", Body=b"x")
    cos_client.put_object(Bucket=cos_bucket, Key="cold", Body=b"x", StorageClass="ARCHIVE")
    body = "<RestoreRequest><Days>{}</Days></RestoreRequest>"
    for key, days, status, code in (
        ("warm", "1", 403, "InvalidObjectState"),
        ("none", "1", 404, "NoSuchKey"),
        ("cold", "0", 400, "InvalidArgument"),
        ("cold", "many", 400, "InvalidArgument"),
        ("cold", "", 400, "InvalidArgument"),
        ("cold", "366", 400, "InvalidArgument"),
    ):
        data = body.format(days)
        answer: requests.Response = cos.request("POST", cos_bucket, key, params={"restore": ""}, data=data)
        assert (answer.status_code, f"<Code>{code}</Code>" in answer.text) == (status, True), answer.text


def test_an_archived_picture_is_not_recognised(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos.ci = object()  # not to be reached
    cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"cold", StorageClass="ARCHIVE")
    answer = cos.request("GET", cos_bucket, "x", params={"ci-process": "IDCardOCR"})
    assert (answer.status_code, "<Code>InvalidObjectState</Code>" in answer.text) == (403, True)
