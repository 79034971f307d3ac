"""Access control lists and policies through the official SDK: kept and told, and nobody is let in by them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from qcloud_cos import CosS3Client, CosServiceError
from tests.support.fixtures.cos import CosServer

OWNER = "qcs::cam::uin/1250000000:uin/1250000000"
OTHER = "qcs::cam::uin/100000000002:uin/100000000002"


def grants(answer: dict[str, Any]) -> list[tuple[str, str]]:
    listed = answer["AccessControlList"]["Grant"]
    return [
        (each["Grantee"].get("ID") or each["Grantee"]["URI"], each["Permission"])
        for each in (listed if isinstance(listed, list) else [listed])
    ]


def test_the_list_of_a_bucket(cos_client: CosS3Client, cos_bucket: str) -> None:
    before = cos_client.get_bucket_acl(Bucket=cos_bucket)
    assert (before["Owner"]["ID"], grants(before)) == (OWNER, [(OWNER, "FULL_CONTROL")])
    cos_client.put_bucket_acl(Bucket=cos_bucket, ACL="public-read", GrantWrite=f'id="{OTHER}"')
    everybody = "http://cam.qcloud.com/groups/global/AllUsers"
    assert grants(cos_client.get_bucket_acl(Bucket=cos_bucket)) == [(everybody, "READ"), (OTHER, "WRITE")]
    policy = {
        "Owner": {"ID": OWNER},
        "AccessControlList": {
            "Grant": [{"Grantee": {"Type": "CanonicalUser", "ID": OTHER}, "Permission": "READ"}]
        },
    }
    cos_client.put_bucket_acl(Bucket=cos_bucket, AccessControlPolicy=policy)
    assert grants(cos_client.get_bucket_acl(Bucket=cos_bucket)) == [(OTHER, "READ")]


def test_the_list_of_an_object_is_that_of_its_bytes(
    cos: CosServer, cos_client: CosS3Client, cos_bucket: str
) -> None:
    cos.store.put(cos_bucket, "x", b"first")
    assert cos.request("GET", cos_bucket, "x", params={"acl": ""}).headers["x-cos-acl"] == "default"
    cos_client.put_object_acl(Bucket=cos_bucket, Key="x", ACL="public-read")
    assert len(grants(cos_client.get_object_acl(Bucket=cos_bucket, Key="x"))) == 2
    with requests.Session() as stranger:
        stranger.trust_env = False
        refused = stranger.get(f"http://{cos.host(cos_bucket)}/x", proxies={"http": cos.proxy}, timeout=60)
    assert refused.status_code == 403, "nothing that listens here is public"
    cos.store.put(cos_bucket, "x", b"second")
    assert cos.request("GET", cos_bucket, "x", params={"acl": ""}).headers["x-cos-acl"] == "default"


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"x-cos-acl": "public-read-writ"}, b"", "InvalidArgument"),
        ({"x-cos-grant-read": "everybody"}, b"", "InvalidArgument"),
        ({}, b"<X/>", "MalformedXML"),
        ({}, b"", "MalformedXML"),
    ],
)
@pytest.mark.parametrize("key", ["", "x"])
def test_lists_that_are_none(
    cos: CosServer, cos_bucket: str, key: str, headers: dict[str, str], body: bytes, code: str
) -> None:
    cos.store.put(cos_bucket, "x", b"")
    answer = cos.request("PUT", cos_bucket, key, params={"acl": ""}, headers=headers, data=body)
    assert (answer.status_code, f"<Code>{code}</Code>" in answer.text) == (400, True)


def test_a_list_that_comes_with_what_is_made(cos: CosServer, cos_client: CosS3Client) -> None:
    cos_client.create_bucket(Bucket="listed-1250000000", ACL="public-read")
    cos_client.put_object(Bucket="listed-1250000000", Key="x", Body=b"", ACL="private")
    for key, told in (("", "public-read"), ("x", "private")):
        answer = cos.request("GET", "listed-1250000000", key, params={"acl": ""})
        assert answer.headers["x-cos-acl"] == told
    for key in ("", "y"):
        refused = cos.request("PUT", "other-1250000000", key, headers={"x-cos-acl": "everybody"}, data=b"")
        assert "<Code>InvalidArgument</Code>" in refused.text


def test_of_nothing_there_is_no_list(cos_client: CosS3Client, cos_bucket: str) -> None:
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_object_acl(Bucket=cos_bucket, Key="x")
    assert refused.value.get_error_code() == "NoSuchKey"
    with pytest.raises(CosServiceError) as refused:
        cos_client.put_object_acl(Bucket=cos_bucket, Key="x", ACL="private")
    assert refused.value.get_error_code() == "NoSuchKey"


def test_a_policy_that_allows(cos_client: CosS3Client, cos_bucket: str) -> None:
    statement = {"Effect": "allow", "Principal": {"qcs": [OTHER]}, "Action": ["name/cos:GetObject"]}
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_bucket_policy(Bucket=cos_bucket)
    assert refused.value.get_error_code() == "NoSuchBucketPolicy"
    cos_client.put_bucket_policy(Bucket=cos_bucket, Policy={"version": "2.0", "statement": [statement]})
    kept = json.loads(cos_client.get_bucket_policy(Bucket=cos_bucket)["Policy"])
    assert kept == {"Version": "2.0", "Statement": [statement]}
    cos_client.delete_bucket_policy(Bucket=cos_bucket)
    with pytest.raises(CosServiceError):
        cos_client.get_bucket_policy(Bucket=cos_bucket)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", "MalformedPolicy"),
        (b"no policy", "MalformedPolicy"),
        (b'{"statement": []}', "MalformedPolicy"),
        (b'{"statement": [{"effect": "perhaps"}]}', "MalformedPolicy"),
        (b'{"statement": [{"effect": "allow"}, {"effect": "Deny"}]}', "NotImplemented"),
        (b" " * 30_000, "MalformedPolicy"),
    ],
)
def test_a_policy_that_is_none_or_would_have_to_be_acted_on(
    cos: CosServer, cos_bucket: str, body: bytes, code: str
) -> None:
    answer = cos.request("PUT", cos_bucket, params={"policy": ""}, data=body)
    assert f"<Code>{code}</Code>" in answer.text
    assert cos.store.configuration(cos_bucket, "policy") is None


class TestAppending:
    def test_an_object_grows(self, cos: CosServer, cos_client: CosS3Client, cos_bucket: str) -> None:
        first = cos_client.append_object(Bucket=cos_bucket, Key="log", Position=0, Data=b"one ")
        assert first["x-cos-next-append-position"] == "4"
        second = cos_client.append_object(Bucket=cos_bucket, Key="log", Position=4, Data=b"two")
        assert second["x-cos-next-append-position"] == "7"
        assert cos.store.get(cos_bucket, "log")[1] == b"one two"
        head = cos_client.head_object(Bucket=cos_bucket, Key="log")
        assert (head["Content-Length"], head["x-cos-object-type"]) == ("7", "appendable")
        assert head["x-cos-hash-crc64ecma"] == second["x-cos-hash-crc64ecma"]
        assert [event.name for event in cos.events] == ["cos:ObjectCreated:Append"] * 2

    @pytest.mark.parametrize("position", [1, 3, 5])
    def test_elsewhere_than_at_its_end(
        self, cos: CosServer, cos_client: CosS3Client, cos_bucket: str, position: int
    ) -> None:
        cos_client.append_object(Bucket=cos_bucket, Key="log", Position=0, Data=b"four")
        with pytest.raises(CosServiceError) as refused:
            cos_client.append_object(Bucket=cos_bucket, Key="log", Position=position, Data=b"x")
        assert refused.value.get_error_code() == "PositionNotEqualToLength"
        assert cos.store.get(cos_bucket, "log")[1] == b"four"

    def test_it_has_no_versions(self, cos: CosServer, cos_client: CosS3Client, cos_bucket: str) -> None:
        cos.store.set_versioning(cos_bucket, "Enabled")
        cos_client.append_object(Bucket=cos_bucket, Key="log", Position=0, Data=b"one ")
        cos_client.append_object(Bucket=cos_bucket, Key="log", Position=4, Data=b"two")
        ((info, latest),) = cos.store.list_versions(cos_bucket).entries
        assert (info.version, info.size, latest) == ("null", 7, True)
        assert cos.store.get(cos_bucket, "log")[1] == b"one two"

    def test_what_was_not_begun_so(self, cos: CosServer, cos_client: CosS3Client, cos_bucket: str) -> None:
        cos.store.put(cos_bucket, "x", b"whole")
        with pytest.raises(CosServiceError) as refused:
            cos_client.append_object(Bucket=cos_bucket, Key="x", Position=5, Data=b"x")
        assert refused.value.get_error_code() == "ObjectNotAppendable"
        assert cos.store.get(cos_bucket, "x")[1] == b"whole"

    def test_a_copy_is_an_object_as_any_other(self, cos_client: CosS3Client, cos_bucket: str) -> None:
        cos_client.append_object(Bucket=cos_bucket, Key="log", Position=0, Data=b"one")
        source = {"Bucket": cos_bucket, "Key": "log", "Region": "ap-shanghai"}
        cos_client.copy_object(Bucket=cos_bucket, Key="copy", CopySource=source)
        assert "x-cos-object-type" not in cos_client.head_object(Bucket=cos_bucket, Key="copy")
