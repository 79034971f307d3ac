"""Multipart uploads and copies on the server's side, through the official SDK."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest
from qcloud_cos import CosServiceError
from tests.support.fixtures.cos import CosServer

MB = 1 << 20


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file of three and a half megabytes."""
    path = tmp_path / "picture.jpg"
    path.write_bytes(bytes(range(256)) * (MB // 256) * 3 + b"end" * (MB // 6))
    return path


def refusal(error: CosServiceError) -> tuple[int, str]:
    return error.get_status_code(), error.get_error_code()


def begin(client: Any, bucket: str, key: str = "big", **settings: Any) -> str:
    upload_id: str = client.create_multipart_upload(bucket, key, **settings)["UploadId"]
    return upload_id


def part(number: int, etag: str) -> dict[str, Any]:
    return {"PartNumber": number, "ETag": etag}


def test_a_large_file_goes_up_and_down_in_parts(
    cos: CosServer, cos_client: Any, cos_bucket: str, picture: Path, tmp_path: Path
) -> None:
    key = "证件/a b+c.jpg"
    answer = cos_client.upload_file(
        cos_bucket, key, str(picture), PartSize=1, MAXThread=3, EnableMD5=True, ContentType="image/jpeg"
    )
    data = picture.read_bytes()
    digests = b"".join(hashlib.md5(data[at : at + MB]).digest() for at in range(0, len(data), MB))
    assert answer["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-4"'
    assert answer["Key"] == key
    head = cos_client.head_object(cos_bucket, key)
    assert head["ETag"] == answer["ETag"]
    assert head["Content-Type"] == "image/jpeg"
    assert [event.name for event in cos.events] == ["cos:ObjectCreated:CompleteMultipartUpload"]
    assert cos.events[0].size == len(data)
    # The resumable downloader checks the CRC64 of what it gets.
    cos_client.download_file(cos_bucket, key, str(tmp_path / "back.jpg"), PartSize=1, EnableCRC=True)
    assert (tmp_path / "back.jpg").read_bytes() == data
    assert "Upload" not in cos_client.list_multipart_uploads(cos_bucket)


def test_an_interrupted_upload_is_resumed(cos_client: Any, cos_bucket: str, picture: Path) -> None:
    upload_id = begin(cos_client, cos_bucket)
    cos_client.upload_part(cos_bucket, "big", picture.read_bytes()[:MB], 1, upload_id)
    cos_client.upload_file(cos_bucket, "big", str(picture), PartSize=1)
    assert "Upload" not in cos_client.list_multipart_uploads(cos_bucket)  # none was begun beside it
    body = cos_client.get_object(cos_bucket, "big")["Body"].get_raw_stream().read()
    assert body == picture.read_bytes()


def test_parts_and_uploads_are_listed_in_pages(cos_client: Any, cos_bucket: str) -> None:
    ids = []
    for key in ("a b", "a b", "c/1", "c/2", "证件"):
        ids.append(begin(cos_client, cos_bucket, key))
        time.sleep(0.002)  # ids tell their age in milliseconds
    for number in (1, 2, 5):
        cos_client.upload_part(cos_bucket, "a b", b"x" * number, number, ids[0])
    first = cos_client.list_parts(cos_bucket, "a b", ids[0], MaxParts=2)
    assert [(item["PartNumber"], item["Size"]) for item in first["Part"]] == [("1", "1"), ("2", "2")]
    assert (first["IsTruncated"], first["NextPartNumberMarker"], first["Key"]) == ("true", "2", "a b")
    rest = cos_client.list_parts(cos_bucket, "a b", ids[0], PartNumberMarker=2)
    assert [item["PartNumber"] for item in rest["Part"]] == ["5"]
    assert rest["IsTruncated"] == "false"

    seen: list[tuple[str, str]] = []
    page = cos_client.list_multipart_uploads(cos_bucket, MaxUploads=2)
    while True:
        seen += [(item["Key"], item["UploadId"]) for item in page["Upload"]]
        if page["IsTruncated"] == "false":
            break
        page = cos_client.list_multipart_uploads(
            cos_bucket,
            MaxUploads=2,
            KeyMarker=page["NextKeyMarker"],
            UploadIdMarker=page["NextUploadIdMarker"],
        )
    assert seen == list(zip(("a b", "a b", "c/1", "c/2", "证件"), ids, strict=True))
    folded = cos_client.list_multipart_uploads(cos_bucket, Delimiter="/")
    assert [item["Prefix"] for item in folded["CommonPrefixes"]] == ["c/"]
    assert [item["Key"] for item in folded["Upload"]] == ["a b", "a b", "证件"]
    assert len(cos_client.list_multipart_uploads(cos_bucket, Prefix="c/")["Upload"]) == 2


def test_what_cannot_be_completed(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    upload_id = begin(cos_client, cos_bucket)
    etags = [
        cos_client.upload_part(cos_bucket, "big", data, number, upload_id)["ETag"]
        for number, data in ((1, b"a" * MB), (2, b"small"), (3, b"end"))
    ]

    def complete(*parts: dict[str, Any], upload: str = upload_id) -> Any:
        return cos_client.complete_multipart_upload(cos_bucket, "big", upload, {"Part": list(parts)})

    for parts, code in (
        ([part(1, etags[0]), part(4, etags[1])], "InvalidPart"),
        ([part(1, etags[1])], "InvalidPart"),
        ([part(2, etags[1]), part(1, etags[0])], "InvalidPartOrder"),
        ([part(1, etags[0]), part(2, etags[1]), part(3, etags[2])], "EntityTooSmall"),
        ([part(0, etags[0])], "InvalidArgument"),
        ([], "MalformedXML"),
    ):
        with pytest.raises(CosServiceError) as refused:
            complete(*parts)
        assert refusal(refused.value) == (400, code)
    with pytest.raises(CosServiceError) as refused:
        complete(part(1, etags[0]), upload="no-such-upload")
    assert refusal(refused.value) == (404, "NoSuchUpload")
    for number in (0, 10001):
        with pytest.raises(CosServiceError) as refused:
            cos_client.upload_part(cos_bucket, "big", b"", number, upload_id)
        assert refusal(refused.value) == (400, "InvalidArgument")
    assert not cos_client.object_exists(cos_bucket, "big")
    # The last of the chosen parts may be small, and a part may be sent again.
    again = cos_client.upload_part(cos_bucket, "big", b"b" * MB, 1, upload_id)["ETag"]
    complete(part(1, again), part(3, etags[2]))
    assert cos.store.get(cos_bucket, "big")[1] == b"b" * MB + b"end"
    with pytest.raises(CosServiceError) as refused:
        complete(part(1, again))
    assert refusal(refused.value) == (404, "NoSuchUpload")


def test_an_upload_given_up_leaves_nothing(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    upload_id = begin(cos_client, cos_bucket)
    cos_client.upload_part(cos_bucket, "big", b"x", 1, upload_id)
    with pytest.raises(CosServiceError) as refused:
        cos_client.delete_bucket(cos_bucket)
    assert refusal(refused.value) == (409, "BucketNotEmpty")
    cos_client.abort_multipart_upload(cos_bucket, "big", upload_id)
    for call in (cos_client.abort_multipart_upload, cos_client.list_parts):
        with pytest.raises(CosServiceError) as refused:
            call(cos_bucket, "big", upload_id)
        assert refusal(refused.value) == (404, "NoSuchUpload")
    cos_client.delete_bucket(cos_bucket)


def test_completing_can_be_forbidden_to_overwrite(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos.store.put(cos_bucket, "big", b"first")
    upload_id = begin(cos_client, cos_bucket)
    etag = cos_client.upload_part(cos_bucket, "big", b"second", 1, upload_id)["ETag"]
    with pytest.raises(CosServiceError) as refused:
        cos_client.complete_multipart_upload(
            cos_bucket,
            "big",
            upload_id,
            {"Part": [part(1, etag)]},
            Metadata={"x-cos-forbid-overwrite": "true"},
        )
    assert refusal(refused.value) == (409, "FileAlreadyExists")
    assert cos.store.get(cos_bucket, "big")[1] == b"first"


def source(bucket: str, key: str) -> dict[str, str]:
    return {"Bucket": bucket, "Key": key, "Region": "ap-shanghai"}


def test_a_copy_takes_the_attributes_along(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos_client.put_object(
        Bucket=cos_bucket,
        Key="证件 1+.jpg",
        Body=b"abc",
        ContentType="image/jpeg",
        Tagging="a=1",
        Metadata={"x-cos-meta-side": "front"},
    )
    answer = cos_client.copy_object(cos_bucket, "copy", source(cos_bucket, "证件 1+.jpg"))
    assert answer["ETag"] == '"900150983cd24fb0d6963f7d28e17f72"'
    assert answer["LastModified"].endswith("Z")
    copy = cos.store.head(cos_bucket, "copy")
    assert copy.attributes == cos.store.head(cos_bucket, "证件 1+.jpg").attributes
    assert cos.store.get(cos_bucket, "copy")[1] == b"abc"
    assert cos.events[-1].name == "cos:ObjectCreated:Copy"
    assert cos.events[-1].meta["x-cos-meta-side"] == "front"
    cos_client.delete_object(cos_bucket, "证件 1+.jpg")
    assert cos.store.get(cos_bucket, "copy")[1] == b"abc"


def test_a_copy_can_be_given_other_attributes(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos_client.put_object(
        Bucket=cos_bucket, Key="x", Body=b"abc", Metadata={"x-cos-meta-side": "front"}, Tagging="a=1"
    )
    itself = source(cos_bucket, "x")
    with pytest.raises(CosServiceError) as refused:
        cos_client.copy_object(cos_bucket, "x", itself)
    assert refusal(refused.value) == (400, "InvalidRequest")
    cos_client.copy_object(
        cos_bucket,
        "x",
        itself,
        CopyStatus="Replaced",
        ContentType="image/png",
        Metadata={"x-cos-meta-side": "back"},
    )
    changed = cos.store.head(cos_bucket, "x").attributes
    assert changed.headers == {"content-type": "image/png", "x-cos-meta-side": "back"}
    assert changed.tags == {"a": "1"}


@pytest.mark.parametrize(
    ("settings", "taken"),
    [
        ({"CopySourceIfMatch": '"900150983cd24fb0d6963f7d28e17f72"'}, True),
        ({"CopySourceIfMatch": '"other"'}, False),
        ({"CopySourceIfNoneMatch": '"900150983cd24fb0d6963f7d28e17f72"'}, False),
        ({"CopySourceIfModifiedSince": "Thu, 01 Jan 2099 00:00:00 GMT"}, False),
        ({"CopySourceIfUnmodifiedSince": "Thu, 01 Jan 2099 00:00:00 GMT"}, True),
        ({"Metadata": {"x-cos-forbid-overwrite": "true"}}, True),
    ],
)
def test_copies_may_have_conditions(
    cos: CosServer, cos_client: Any, cos_bucket: str, settings: dict[str, Any], taken: bool
) -> None:
    cos.store.put(cos_bucket, "x", b"abc")
    if taken:
        cos_client.copy_object(cos_bucket, "y", source(cos_bucket, "x"), **settings)
        assert cos.store.get(cos_bucket, "y")[1] == b"abc"
    else:
        with pytest.raises(CosServiceError) as refused:
            cos_client.copy_object(cos_bucket, "y", source(cos_bucket, "x"), **settings)
        assert refusal(refused.value) == (412, "PreconditionFailed")


def test_copies_of_what_is_not_there(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    for bucket, code in ((cos_bucket, "NoSuchKey"), ("nobucket-1250000000", "NoSuchBucket")):
        with pytest.raises(CosServiceError) as refused:
            cos_client.copy_object(cos_bucket, "y", source(bucket, "missing"))
        assert refusal(refused.value) == (404, code)
    for wrong in ("x", "http://example.com/x", f"{cos_bucket}.cos.ap-shanghai.myqcloud.com/"):
        answer = cos.request("PUT", cos_bucket, "y", headers={"x-cos-copy-source": wrong})
        assert answer.status_code == 400
        assert "<Code>InvalidCopySource</Code>" in answer.text


def test_parts_can_be_copied(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    data = bytes(range(256)) * (2 * MB // 256) + b"end"
    cos.store.put(cos_bucket, "x", data)
    conf = cos.config()
    conf.set_copy_part_threshold_size(MB)  # so that the SDK copies in parts what the service would take whole
    client = cos.client()
    client._conf = conf
    client.copy(cos_bucket, "y", source(cos_bucket, "x"), PartSize=1, StorageClass="STANDARD_IA")
    copy, body = cos.store.get(cos_bucket, "y")
    assert body == data
    assert copy.etag.endswith('-3"')
    assert copy.attributes.storage_class == "STANDARD_IA"
    upload_id = begin(cos_client, cos_bucket)
    with pytest.raises(CosServiceError) as refused:
        cos_client.upload_part_copy(
            cos_bucket, "big", 1, upload_id, source(cos_bucket, "x"), CopySourceRange=f"bytes=0-{len(data)}"
        )
    assert refusal(refused.value) == (416, "InvalidRange")
