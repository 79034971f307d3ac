"""What a request is taken for: the operation it names, or a refusal that names it. Never another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from qcloud_cos import CosS3Auth, CosServiceError
from tests.support.fixtures.cos import CosServer

#: Subresources of COS's API that are not built here, or belong to another kind of resource; made-up ones.
BUCKET_ONLY = ["website", "logging", "referer", "replication", "inventory", "accelerate",
    "domain", "domaincertificate", "origin", "intelligenttiering", "object-lock", "notification", "live",
    "asyncfetch", "x-unheard-of", "restore", "append"]  # fmt: skip
OBJECT_ONLY = ["retention", "legal-hold", "select", "symlink", "torrent", "live", "cors",
    "lifecycle", "versioning", "delete", "x-unheard-of", "imageMogr2/thumbnail/100x", "imageInfo",
    "watermark/1", "qrcode"]  # fmt: skip


def state(cos: CosServer, bucket: str) -> dict[str, bytes]:
    """All that is in a bucket."""
    return {info.key: cos.store.get(bucket, info.key)[1] for info in cos.store.list(bucket).entries}


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("name", BUCKET_ONLY)
def test_an_unknown_subresource_of_a_bucket(cos: CosServer, cos_bucket: str, method: str, name: str) -> None:
    answer = cos.request(method, cos_bucket, params={name: ""}, data=b"<X/>" if method != "GET" else None)
    word = "".join(part.capitalize() for part in name.split("-"))
    assert (answer.status_code, f"{method.capitalize()}Bucket{word}" in answer.text) == (501, True)
    assert cos.store.bucket(cos_bucket).name == cos_bucket
    assert (state(cos, cos_bucket), cos.events) == ({}, [])


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "HEAD"])
@pytest.mark.parametrize("name", OBJECT_ONLY)
def test_an_unknown_subresource_of_an_object(cos: CosServer, cos_bucket: str, method: str, name: str) -> None:
    cos.store.put(cos_bucket, "ch", b"kept")
    answer = cos.request(
        method, cos_bucket, "ch", params={name: ""}, data=b"new" if method == "PUT" else None
    )
    assert answer.status_code == 501
    assert method == "HEAD" or f"{method.capitalize()}Object" in answer.text
    assert (state(cos, cos_bucket), cos.events) == ({"ch": b"kept"}, [])


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("PUT", {"unheard-of": "1"}),
        ("PUT", {"versionId": "1"}),
        ("PUT", {"tagging": "", "acl": ""}),
        ("DELETE", {"live": "1"}),
        ("DELETE", {"uploadId": "x", "live": ""}),
        ("POST", {"uploads": "", "restore": ""}),
        ("GET", {"x-image-process": "image/resize"}),
        ("GET", {"tagging": "", "uploadId": "1"}),
    ],
)
def test_parameters_that_an_operation_does_not_take(
    cos: CosServer, cos_bucket: str, method: str, params: dict[str, str]
) -> None:
    cos.store.put(cos_bucket, "x", b"kept")
    answer = cos.request(method, cos_bucket, "x", params=params, data=b"new" if method == "PUT" else None)
    assert answer.status_code == 501
    assert (state(cos, cos_bucket), cos.events) == ({"x": b"kept"}, [])


@pytest.mark.parametrize(
    "header",
    [
        "Pic-Operations",
        "x-cos-callback",
        "x-cos-callback-var",
        "x-cos-object-lock-mode",
        "x-cos-grant-read",
        "x-cos-mfa",
        "x-cos-nobody-has-heard-of",
        "x-cos-metadata-directiv",
        "x-cos-server-side-encryptions",
        "x-cos-copy-source-if-matches",
        "x-ci-nobody-has-heard-of",
    ],
)
def test_headers_that_would_make_it_another_operation(cos: CosServer, cos_bucket: str, header: str) -> None:
    answer = cos.request("PUT", cos_bucket, "x", data=b"new", headers={header: "1"})
    assert (answer.status_code, f"PutObject with {header.lower()} is" in answer.text) == (501, True)
    assert state(cos, cos_bucket) == {}


@pytest.mark.parametrize(
    "header", ["x-cos-traffic-limit", "x-cos-sdk-retry", "x-cos-test", "x-of-the-client-s-own"]
)
def test_headers_that_change_nothing_of_an_answer(cos: CosServer, cos_bucket: str, header: str) -> None:
    answer = cos.request("PUT", cos_bucket, "x", data=b"new", headers={header: "819200"})
    assert answer.status_code == 200
    assert state(cos, cos_bucket) == {"x": b"new"}


def test_the_sdk_s_methods_for_what_is_not_built(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos.store.put(cos_bucket, "ch", b"kept")
    configuration = {"Switch": "Enabled", "Target": {"Type": "HLS"}}
    calls: list[Callable[[], Any]] = [
        lambda: cos_client.put_live_channel(
            Bucket=cos_bucket, ChannelName="ch", LiveChannelConfiguration=configuration
        ),
        lambda: cos_client.delete_live_channel(Bucket=cos_bucket, ChannelName="ch"),
        lambda: cos_client.delete_bucket_website(Bucket=cos_bucket),
        lambda: cos_client.delete_bucket_replication(Bucket=cos_bucket),
        lambda: cos_client.delete_bucket_domain(Bucket=cos_bucket),
        lambda: cos_client.delete_bucket_inventory(Bucket=cos_bucket, Id="1"),
        lambda: cos_client.put_bucket_referer(Bucket=cos_bucket, RefererConfiguration={}),
    ]
    for call in calls:
        with pytest.raises(CosServiceError) as refused:
            call()
        assert (refused.value.get_status_code(), refused.value.get_error_code()) == (501, "NotImplemented")
    assert cos_client.bucket_exists(Bucket=cos_bucket)
    assert state(cos, cos_bucket) == {"ch": b"kept"}


@pytest.mark.parametrize("process", ["qrcode", "AILicenseRecX", "", "image-generation"])
def test_an_unknown_process_stores_nothing(cos: CosServer, cos_bucket: str, process: str) -> None:
    for method in ("PUT", "GET", "POST", "DELETE"):
        answer = cos.request(method, cos_bucket, "x", params={"ci-process": process}, data=b"new")
        assert (answer.status_code, process in answer.text) == (501, True)
    assert state(cos, cos_bucket) == {}


def test_a_process_and_a_subresource_exclude_each_other(cos: CosServer, cos_bucket: str) -> None:
    for name in ("uploadId", "tagging", "restore"):
        params = {"ci-process": "IDCardOCR", name: "1"}
        assert cos.request("PUT", cos_bucket, "x", params=params, data=b"new").status_code == 400
    assert state(cos, cos_bucket) == {}


def test_only_a_process_that_takes_one_stores_an_upload(cos: CosServer, cos_bucket: str) -> None:
    answer = cos.request("PUT", cos_bucket, "x", params={"ci-process": "AILicenseRec"}, data=b"new")
    assert answer.status_code == 405
    assert state(cos, cos_bucket) == {}


def test_the_list_of_buckets_in_pages(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    names = [f"page{number}-1250000000" for number in range(3)]
    for name in names:
        cos.store.create_bucket(name)
    url = "http://service.cos.myqcloud.com/"

    def page(**params: str) -> str:
        auth = CosS3Auth(cos.config(), None, params)
        proxies = {"http": cos.proxy}
        return requests.get(url, auth=auth, params=params, proxies=proxies, timeout=60).text

    first = page(marker="page", **{"max-keys": "2"})
    assert [f"<Name>{name}<" in first for name in names] == [True, True, False]
    assert "<IsTruncated>true</IsTruncated>" in first
    assert f"<NextMarker>{names[1]}</NextMarker>" in first
    last = page(marker=names[1], **{"max-keys": "1"})
    assert [f"<Name>{name}<" in last for name in names] == [False, False, True]
    assert "<Bucket>" not in page(region="ap-beijing")
    assert names[0] in page(region="ap-shanghai")
    assert "<Code>InvalidArgument</Code>" in page(**{"max-keys": "many"})
    tags = {"TagSet": {"Tag": [{"Key": "team", "Value": "a"}]}}
    cos_client.put_bucket_tagging(names[1], tags)
    tagged = page(tagkey="team", tagvalue="a")
    assert [f"<Name>{name}<" in tagged for name in names] == [False, True, False]
    assert "<Bucket>" not in page(tagkey="team", tagvalue="b")
    made = int(cos.store.bucket(names[0]).created)
    assert names[0] in page(range="lte", **{"create-time": str(made)})
    assert names[0] not in page(range="gt", **{"create-time": str(made + 1)})
    assert "<Code>InvalidArgument</Code>" in page(range="about", **{"create-time": "1"})
    for name in names:
        cos.store.delete_bucket(name)
