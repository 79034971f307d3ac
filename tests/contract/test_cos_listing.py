"""Listings, page by page, and the deletion of many objects at once."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qcloud_cos import CosServiceError
from tests.support.fixtures.cos import CosServer

from cardveil_cloud.cos.listing import list_page, successor


def pages(client: Any, bucket: str, **arguments: Any) -> list[dict[str, Any]]:
    """All pages of a listing, followed as the SDK's documentation says."""
    found = [client.list_objects(bucket, **arguments)]
    while found[-1]["IsTruncated"] == "true":
        found.append(client.list_objects(bucket, Marker=found[-1]["NextMarker"], **arguments))
    return found


def test_pages_follow_each_other_in_the_order_of_the_bytes(
    cos: CosServer, cos_client: Any, cos_bucket: str
) -> None:
    keys = ["A", "B b", "a/1", "a/2", "a+c", "a%2B", "z", "é", "中文/一", "中文/二", "\U0001f4c7", "a", "～"]
    for key in keys:
        cos.store.put(cos_bucket, key, key.encode())
    found = pages(cos_client, cos_bucket, MaxKeys=3)
    assert [len(page.get("Contents", [])) for page in found] == [3, 3, 3, 3, 1]
    listed = [item for page in found for item in page["Contents"]]
    assert [item["Key"] for item in listed] == sorted(keys, key=str.encode)
    first = listed[0]
    assert first["ETag"] == cos.store.head(cos_bucket, "A").etag
    assert first["Size"] == "1"
    assert first["StorageClass"] == "STANDARD"
    assert first["LastModified"].endswith(".000Z")
    assert first["Owner"]["ID"] == "1250000000"


def test_folders_are_folded(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    for key in ["in/a.jpg", "in/b/1", "in/b/2", "in/c d/1", "in/c+d/1", "in/z", "out/x", "证/1"]:
        cos.store.put(cos_bucket, key, b"")
    found = pages(cos_client, cos_bucket, Prefix="in/", Delimiter="/", MaxKeys=2)
    assert [item["Key"] for page in found for item in page.get("Contents", [])] == ["in/a.jpg", "in/z"]
    folders = [item["Prefix"] for page in found for item in page.get("CommonPrefixes", [])]
    assert folders == ["in/b/", "in/c d/", "in/c+d/"]
    assert [page["MaxKeys"] for page in found] == ["2", "2", "2"]
    top = cos_client.list_objects(cos_bucket, Delimiter="/")
    assert [item["Prefix"] for item in top["CommonPrefixes"]] == ["in/", "out/", "证/"]
    assert top["IsTruncated"] == "false"
    assert "NextMarker" not in top
    assert "Contents" not in top


def test_a_plain_listing_is_not_encoded(cos: CosServer, cos_bucket: str) -> None:
    cos.store.put(cos_bucket, "a b+<c>&.jpg", b"")
    plain = cos.request("GET", cos_bucket).text
    assert "<Key>a b+&lt;c&gt;&amp;.jpg</Key>" in plain
    assert "EncodingType" not in plain
    encoded = cos.request("GET", cos_bucket, params={"encoding-type": "url"}).text
    assert "<Key>a%20b%2B%3Cc%3E%26.jpg</Key>" in encoded
    assert "<EncodingType>url</EncodingType>" in encoded


def test_a_page_has_at_most_a_thousand(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    for number in range(1001):
        cos.store.put(cos_bucket, f"{number:05}", b"")
    page = cos_client.list_objects(cos_bucket, MaxKeys=5000)
    assert page["MaxKeys"] == "1000"
    assert len(page["Contents"]) == 1000
    assert page["NextMarker"] == "00999"
    for wrong in ("-1", "many"):
        with pytest.raises(CosServiceError) as refused:
            cos_client.list_objects(cos_bucket, MaxKeys=wrong)
        assert refused.value.get_error_code() == "InvalidArgument"


def test_an_empty_bucket(cos_client: Any, cos_bucket: str) -> None:
    page = cos_client.list_objects(cos_bucket)
    assert page["IsTruncated"] == "false"
    assert "Contents" not in page


def test_many_are_deleted_at_once(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    keys = ["a b", "c+d", "证件.jpg", "x&y"]
    for key in [*keys, "kept"]:
        cos.store.put(cos_bucket, key, b"")
    wanted = {"Object": [{"Key": key} for key in [*keys, "never was"]]}
    answer = cos_client.delete_objects(Bucket=cos_bucket, Delete=wanted)
    assert [item["Key"] for item in answer["Deleted"]] == [*keys, "never was"]
    assert [item.key for item in cos.store.list(cos_bucket).entries] == ["kept"]
    assert [event.name for event in cos.events] == ["cos:ObjectRemove:Delete"] * 4
    quiet = cos_client.delete_objects(
        Bucket=cos_bucket, Delete={"Quiet": "true", "Object": [{"Key": "kept"}]}
    )
    assert "Deleted" not in quiet
    assert cos.store.list(cos_bucket).entries == ()


@pytest.mark.parametrize(
    ("body", "digest", "code"),
    [
        (b"<Delete><Object><Key>x</Key></Object></Delete>", None, "MissingContentMD5"),
        (b"<Delete><Object><Key>x</Key></Object></Delete>", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"),
        (b"<Delete></Delete>", "right", "MalformedXML"),
        (b"<Delete><Object><Key>x</Object></Delete>", "right", "MalformedXML"),
        (
            b'<!DOCTYPE d [<!ENTITY e "x">]><Delete><Object><Key>&e;</Key></Object></Delete>',
            "right",
            "MalformedXML",
        ),
        (b"<Delete>" + b"<Object><Key>x</Key></Object>" * 1001 + b"</Delete>", "right", "MalformedXML"),
    ],
)
def test_a_bad_deletion_deletes_nothing(
    cos: CosServer, cos_bucket: str, body: bytes, digest: str | None, code: str
) -> None:
    cos.store.put(cos_bucket, "x", b"")
    right = base64.b64encode(hashlib.md5(body).digest()).decode()
    headers = {} if digest is None else {"Content-MD5": right if digest == "right" else digest}
    answer = cos.request("POST", cos_bucket, params={"delete": ""}, data=body, headers=headers)
    assert answer.status_code == 400
    assert f"<Code>{code}</Code>" in answer.text
    assert cos.store.head(cos_bucket, "x")


KEY_BYTES = st.text(alphabet="ab/é", min_size=1, max_size=6).map(str.encode)


@settings(max_examples=200, deadline=None)
@given(
    keys=st.sets(KEY_BYTES, max_size=30),
    prefix=st.sampled_from([b"", b"a", b"a/", b"/", "é".encode()]),
    delimiter=st.sampled_from([b"", b"/", b"ab"]),
    limit=st.integers(1, 5),
)
def test_pages_together_are_the_listing(
    keys: set[bytes], prefix: bytes, delimiter: bytes, limit: int
) -> None:
    ordered = sorted(keys)

    def scan(low: bytes, high: bytes | None) -> list[tuple[bytes, bytes]]:
        return [(key, key) for key in ordered if key >= low and (high is None or key < high)]

    entries: list[bytes] = []
    folders: list[bytes] = []
    marker: bytes | None = b""
    while marker is not None:
        page = list_page(scan, prefix=prefix, delimiter=delimiter, marker=marker, limit=limit)
        assert len(page.entries) + len(page.prefixes) <= limit
        entries += page.entries
        folders += page.prefixes
        marker = page.next_marker
    inside = [key for key in ordered if key.startswith(prefix)]
    cut = {key: key.find(delimiter, len(prefix)) if delimiter else -1 for key in inside}
    assert entries == [key for key in inside if cut[key] < 0]
    assert folders == sorted({key[: end + len(delimiter)] for key, end in cut.items() if end >= 0})


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=4), st.binary(max_size=4))
def test_the_successor_is_greater_than_all_that_starts_so(prefix: bytes, tail: bytes) -> None:
    bound = successor(prefix)
    if bound is None:
        assert set(prefix) == {0xFF}
    else:
        assert prefix + tail < bound
        assert not bound.startswith(prefix)


def test_listing_reads_only_what_it_shows(tmp_path: Path) -> None:
    """Folding must seek past a folder: else a listing of folders reads every object."""
    read: list[bytes] = []
    keys = [f"{folder}/{number:04}".encode() for folder in "abc" for number in range(1000)]

    def scan(low: bytes, high: bytes | None) -> Any:
        for key in keys:
            if key >= low and (high is None or key < high):
                read.append(key)
                yield key, key

    page = list_page(scan, prefix=b"", delimiter=b"/", marker=b"", limit=1000)
    assert page.prefixes == (b"a/", b"b/", b"c/")
    assert len(read) == 3
