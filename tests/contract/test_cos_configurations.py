"""A bucket's tags, CORS, lifecycle and encryption; requests of browsers; encryption headers of objects."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
import requests
from qcloud_cos import CosServiceError
from tests.support.fixtures.cos import CosServer

RULES = {
    "CORSRule": [
        {
            "ID": "pages",
            "AllowedOrigin": ["https://app.example.com", "http://*.example.org"],
            "AllowedMethod": ["PUT", "GET"],
            "AllowedHeader": ["content-type", "x-cos-meta-*"],
            "ExposeHeader": ["ETag"],
            "MaxAgeSeconds": 600,
        }
    ]
}
LIFECYCLE = {
    "Rule": [
        {
            "ID": "old",
            "Filter": {"Prefix": "redacted/"},
            "Status": "Enabled",
            "Expiration": {"Days": "30"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": "1"},
        }
    ]
}
ENCRYPTION = {"Rule": [{"ApplySideEncryptionConfiguration": {"SSEAlgorithm": "AES256"}}]}


def refusal(error: CosServiceError) -> tuple[int, str]:
    return error.get_status_code(), error.get_error_code()


def test_tags_of_a_bucket(cos_client: Any, cos_bucket: str) -> None:
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_bucket_tagging(cos_bucket)
    assert refusal(refused.value) == (404, "NoSuchTagSet")
    tags = {"TagSet": {"Tag": [{"Key": "team", "Value": "面"}, {"Key": "b", "Value": ""}]}}
    cos_client.put_bucket_tagging(cos_bucket, tags)
    found = cos_client.get_bucket_tagging(cos_bucket)["TagSet"]["Tag"]
    assert [each["Key"] for each in found] == ["team", "b"]
    cos_client.delete_bucket_tagging(cos_bucket)
    with pytest.raises(CosServiceError):
        cos_client.get_bucket_tagging(cos_bucket)
    assert cos_client.bucket_exists(Bucket=cos_bucket)
    many = {"TagSet": {"Tag": [{"Key": str(n), "Value": ""} for n in range(51)]}}
    with pytest.raises(CosServiceError) as refused:
        cos_client.put_bucket_tagging(cos_bucket, many)
    assert refusal(refused.value) == (400, "InvalidTag")


def test_lifecycle_is_kept_and_given_back(cos_client: Any, cos_bucket: str) -> None:
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_bucket_lifecycle(cos_bucket)
    assert refusal(refused.value) == (404, "NoSuchLifecycleConfiguration")
    cos_client.put_bucket_lifecycle(cos_bucket, LIFECYCLE)
    (rule,) = cos_client.get_bucket_lifecycle(cos_bucket)["Rule"]
    assert (rule["ID"], rule["Expiration"]["Days"]) == ("old", "30")
    cos_client.delete_bucket_lifecycle(cos_bucket)
    with pytest.raises(CosServiceError):
        cos_client.get_bucket_lifecycle(cos_bucket)


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("lifecycle", "<LifecycleConfiguration/>", "MalformedXML"),
        (
            "lifecycle",
            "<LifecycleConfiguration><Rule><Status>On</Status></Rule></LifecycleConfiguration>",
            "M",
        ),
        ("lifecycle", "<CORSConfiguration/>", "MalformedXML"),
        ("cors", "<CORSConfiguration/>", "MalformedXML"),
        ("cors", "<CORSConfiguration><CORSRule/></CORSConfiguration>", "MalformedXML"),
        (
            "cors",
            "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>"
            "</CORSRule></CORSConfiguration>",
            "InvalidArgument",
        ),
        ("tagging", "<Tagging/>", "MalformedXML"),
        ("tagging", "no xml", "MalformedXML"),
        ("encryption", "<ServerSideEncryptionConfiguration/>", "MalformedXML"),
    ],
)
def test_what_is_no_configuration_is_not_kept(
    cos: CosServer, cos_bucket: str, name: str, body: str, code: str
) -> None:
    answer = cos.request("PUT", cos_bucket, params={name: ""}, data=body)
    assert (answer.status_code, f"<Code>{code}" in answer.text) == (400, True), answer.text
    assert cos.store.configuration(cos_bucket, name) is None


def preflight(cos: CosServer, bucket: str, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url, proxies = f"http://{cos.host(bucket)}/inbox/a.jpg", {"http": cos.proxy}
    return requests.options(url, headers=named, proxies=proxies, timeout=60)


@pytest.mark.parametrize(
    ("origin", "method", "asked", "allowed"),
    [
        ("https://app.example.com", "PUT", "Content-Type, X-Cos-Meta-Side", True),
        ("https://app.example.com", "GET", "", True),
        ("http://a.b.example.org", "PUT", "", True),
        ("https://app.example.com.evil.net", "PUT", "", False),
        ("http://example.org", "PUT", "", False),
        ("https://app.example.com", "DELETE", "", False),
        ("https://app.example.com", "PUT", "authorization", False),
    ],
)
def test_a_browser_is_told_what_it_may_send(
    cos: CosServer, cos_client: Any, cos_bucket: str, origin: str, method: str, asked: str, allowed: bool
) -> None:
    cos_client.put_bucket_cors(cos_bucket, RULES)
    headers = {"Origin": origin, "Access_Control_Request_Method": method}
    if asked:
        headers["Access_Control_Request_Headers"] = asked
    answer = preflight(cos, cos_bucket, **headers)
    if not allowed:
        assert (answer.status_code, "<Code>AccessForbidden</Code>" in answer.text) == (403, True)
        assert "Access-Control-Allow-Origin" not in answer.headers
        return
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert method in answer.headers["Access-Control-Allow-Methods"].split(",")
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert answer.headers.get("Access-Control-Allow-Headers", "") == asked.lower().replace(" ", "")


def test_without_rules_no_browser_may_send_anything(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    headers = {"Origin": "https://app.example.com", "Access_Control_Request_Method": "PUT"}
    assert preflight(cos, cos_bucket, **headers).status_code == 403
    cos_client.put_bucket_cors(cos_bucket, RULES)
    assert preflight(cos, cos_bucket, **headers).status_code == 200
    cos_client.delete_bucket_cors(cos_bucket)
    assert preflight(cos, cos_bucket, **headers).status_code == 403
    assert preflight(cos, cos_bucket).status_code == 400
    assert preflight(cos, "none-1250000000", **headers).status_code == 404


def test_answers_to_pages_of_another_origin(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos_client.put_bucket_cors(cos_bucket, RULES)
    cos.store.put(cos_bucket, "x", b"abc")
    origin = {"Origin": "https://app.example.com"}
    answer = cos.request("GET", cos_bucket, "x", headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    assert answer.headers["Access-Control-Expose-Headers"] == "ETag"
    # A page must be able to read why it was refused, too.
    assert cos.request("GET", cos_bucket, "y", headers=origin).headers["Access-Control-Allow-Origin"]
    for other in ({"Origin": "https://evil.example"}, {}):
        answer = cos.request("GET", cos_bucket, "x", headers=other)
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_encryption_is_kept_and_told(cos_client: Any, cos_bucket: str) -> None:
    kms = {"x-cos-server-side-encryption-context": base64.b64encode(b'{"a": "b"}').decode()}
    put = cos_client.put_object(
        Bucket=cos_bucket, Key="k", Body=b"x", ServerSideEncryption="cos/kms", SSEKMSKeyId="key", Metadata=kms
    )
    for answer in (put, cos_client.head_object(cos_bucket, "k"), cos_client.get_object(cos_bucket, "k")):
        assert answer["x-cos-server-side-encryption"] == "cos/kms"
        assert answer["x-cos-server-side-encryption-cos-kms-key-id"] == "key"
        assert answer["x-cos-server-side-encryption-context"] == kms["x-cos-server-side-encryption-context"]


def test_a_bucket_s_own_encryption(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    rule = "<SSEAlgorithm>KMS</SSEAlgorithm><KMSMasterKeyID>the-key</KMSMasterKeyID>"
    body = (
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
        f"{rule}</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
    )
    assert cos.request("PUT", cos_bucket, params={"encryption": ""}, data=body).status_code == 200
    assert rule in cos.request("GET", cos_bucket, params={"encryption": ""}).text
    put = cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"x")
    assert put["x-cos-server-side-encryption"] == "cos/kms"
    assert put["x-cos-server-side-encryption-cos-kms-key-id"] == "the-key"
    own = cos_client.put_object(Bucket=cos_bucket, Key="y", Body=b"x", ServerSideEncryption="AES256")
    assert own["x-cos-server-side-encryption"] == "AES256"
    assert cos.request("DELETE", cos_bucket, params={"encryption": ""}).status_code == 204
    assert "x-cos-server-side-encryption" not in cos_client.put_object(Bucket=cos_bucket, Key="z", Body=b"x")


def test_both_names_of_an_encryption_s_rule_are_taken(cos_client: Any, cos_bucket: str) -> None:
    cos_client.put_bucket_encryption(cos_bucket, ENCRYPTION)
    (rule,) = cos_client.get_bucket_encryption(cos_bucket)["Rule"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    cos_client.delete_bucket_encryption(cos_bucket)
    with pytest.raises(CosServiceError) as refused:
        cos_client.get_bucket_encryption(cos_bucket)
    assert refusal(refused.value) == (404, "NoSuchEncryptionConfiguration")


@pytest.mark.parametrize("asked", ["close", "keep-alive"])
def test_an_answer_says_what_becomes_of_the_connection(cos: CosServer, cos_bucket: str, asked: str) -> None:
    answer = cos.request("PUT", cos_bucket, "x", data=b"x", headers={"Connection": asked})
    assert answer.headers["Connection"] == asked


def customer(key: bytes) -> dict[str, str]:
    return {
        "SSECustomerAlgorithm": "AES256",
        "SSECustomerKey": base64.b64encode(key).decode(),
        "SSECustomerKeyMD5": base64.b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode(),
    }


def test_a_customer_s_own_key(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    key, other = b"k" * 32, b"o" * 32
    put = cos_client.put_object(Bucket=cos_bucket, Key="x", Body=b"abc", **customer(key))
    assert put["x-cos-server-side-encryption-customer-algorithm"] == "AES256"
    got = cos_client.get_object(cos_bucket, "x", **customer(key))
    assert got["Body"].get_raw_stream().read() == b"abc"
    for wrong in ({}, customer(other)):
        with pytest.raises(CosServiceError) as refused:
            cos_client.get_object(cos_bucket, "x", **wrong)
        assert refusal(refused.value) == (400, "InvalidArgument")
    with pytest.raises(CosServiceError) as refused:
        cos_client.put_object(Bucket=cos_bucket, Key="y", Body=b"abc", **customer(b"short"))
    assert refusal(refused.value) == (400, "InvalidArgument")
    kept = cos.store.head(cos_bucket, "x").attributes.headers
    assert customer(key)["SSECustomerKey"] not in str(kept)


def test_a_header_without_a_value_says_nothing(cos: CosServer, cos_bucket: str) -> None:
    headers = {
        "Cache-Control": "",
        "x-cos-meta-side": "",
        "Content-Type": "",
        "Content-Disposition": "inline",
    }
    assert cos.request("PUT", cos_bucket, "x", data=b"x", headers=headers).status_code == 200
    assert cos.store.head(cos_bucket, "x").attributes.headers == {
        "content-disposition": "inline",
        "content-type": "application/octet-stream",
    }


@pytest.mark.parametrize(
    ("key", "kind"), [("a.jpg", "image/jpeg"), ("a.PNG", "image/png"), ("a", "application/octet-stream")]
)
def test_the_type_follows_from_the_key(cos_client: Any, cos_bucket: str, key: str, kind: str) -> None:
    cos_client.put_object(Bucket=cos_bucket, Key=key, Body=b"x")
    assert cos_client.head_object(cos_bucket, key)["Content-Type"] == kind
