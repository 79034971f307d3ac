"""A bucket that refuses plain uploads: everything that the functions and the command write is encrypted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from qcloud_cos import CosS3Client
from qcloud_cos.cos_exception import CosServiceError
from tests.support.api_fixture import api_bench
from tests.support.cloud_fixture import role_documents
from tests.support.looks import all_kinds

from cardveil.storage.encryption import encrypting
from cardveil_cli.permissions.documents import CamPolicy

KEY_ID = "11111111-2222-4333-8444-555555555555"
SSE = "x-cos-server-side-encryption"


@pytest.mark.parametrize(
    ("chosen", "algorithm", "key"),
    [("AES256", "AES256", None), ("kms", "cos/kms", None), (f"kms:{KEY_ID}", "cos/kms", KEY_ID)],
)
def test_every_write_asks_for_the_encryption_that_is_demanded(
    tmp_path: Path,
    front: bytes,
    monkeypatch: pytest.MonkeyPatch,
    chosen: str,
    algorithm: str,
    key: str | None,
) -> None:
    monkeypatch.setenv("CARDVEIL_ENCRYPTION", chosen)
    environment = {
        "CARDVEIL_ENCRYPTION": chosen,
        "CARDVEIL_JOB_SECRETS": "j" * 40,
        # Its reader stores the picture and has it read in one request.
        "CARDVEIL_TEXT_PROVIDER": "IDCardOCR",
    }
    with api_bench(tmp_path / "cloud", environment=environment, demanded_encryption=algorithm) as api:
        api.bench.upload("inbox/event.jpg", front)
        api.bench.upload("inbox/turned.jpg", front, execution="job")
        assert api.submit(front).status_code == 200
        link = api.call("POST", "/v1/uploads", {"name": "linked.jpg"}).json()
        proxies = {"http": api.bench.endpoint.proxy}
        sent = requests.put(link["url"], data=front, headers=link["headers"], proxies=proxies, timeout=60)
        assert sent.status_code == 200
        api.bench.settle()
        keys = api.bench.listing()
        assert {key.partition("/")[0] for key in keys} >= {"inbox", "sidecars", "redacted"}
        assert api.call("GET", f"/v1/cards/{link['ref']}").json()["sidecar"]["status"] == "redacted"
        for each in keys:
            head = api.bench.client.head_object(api.bench.bucket, each)
            assert (head.get(SSE), head.get(f"{SSE}-cos-kms-key-id")) == (algorithm, key), each


@pytest.mark.parametrize("chosen", ["AES256", "kms"])
def test_whatever_is_done_to_a_card_writes_nothing_plain(
    tmp_path: Path, front: bytes, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    """A part of `make test-encryption`, which has the whole suite do so."""
    monkeypatch.setenv("CARDVEIL_ENCRYPTION", chosen)
    environment = {
        "CARDVEIL_ENCRYPTION": chosen,
        "CARDVEIL_LEDGER": "strict",
        "CARDVEIL_GENERAL_OCR": "off",
        "CARDVEIL_RETENTION": "source=30d;ledger=1y",
    }
    demanded = {"AES256": "AES256", "kms": "cos/kms"}[chosen]
    with api_bench(tmp_path / "cloud", environment=environment, demanded_encryption=demanded) as api:
        bench = api.bench
        taken = all_kinds(api, front, "a")
        assert len(taken) == 11
        now = bench.cloud.store.now
        bench.cloud.store.now = lambda: now() - 31 * 86400.0
        bench.run("old.jpg", front)
        bench.cloud.store.now = now
        done = bench.cloud.invoke("on_schedule", {"Type": "Timer", "Message": ""}, wait_s=60.0)
        assert done.ok, done.trace
        assert (orjson.loads(done.payload or "{}"))["retention_source"] == 1
        for each in bench.listing():
            assert bench.client.head_object(bench.bucket, each).get(SSE) == demanded, each


def test_a_bucket_that_demands_it_refuses_what_is_plain(
    tmp_path: Path, front: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARDVEIL_ENCRYPTION", "AES256")
    environment = {"CARDVEIL_ENCRYPTION": "none"}
    with api_bench(tmp_path / "cloud", environment=environment, demanded_encryption="AES256") as api:
        refused = api.submit(front)
        assert (refused.status_code, refused.json()["code"]) == (500, "permission_missing")
        assert "encryption" not in str(api.call("POST", "/v1/uploads", {"name": "a.jpg"}).json()["headers"])


def test_a_role_without_the_key_reads_and_writes_nothing(tmp_path: Path, front: bytes) -> None:
    environment = {"CARDVEIL_ENCRYPTION": f"kms:{KEY_ID}"}
    without = {
        key: CamPolicy(document)
        for key, document in role_documents({"CARDVEIL_ENCRYPTION": "AES256"}).items()
    }
    with api_bench(tmp_path / "cloud", environment=environment, policies=without) as api:
        assert api.submit(front).json()["code"] == "permission_missing"
        assert not [key for key in api.bench.listing() if not key.startswith(".cardveil/breaker")]


@pytest.mark.parametrize("encryption", ["AES256", "kms"])
def test_no_way_of_the_sdk_to_write_forgets_it(tmp_path: Path, encryption: str) -> None:
    algorithm = {"AES256": "AES256", "kms": "cos/kms"}[encryption]
    with api_bench(tmp_path / "cloud", demanded_encryption=algorithm) as api:
        plain, bucket = api.bench.client, api.bench.bucket
        client = encrypting(CosS3Client, encryption)(plain.get_conf())
        client.put_object(bucket, b"x", "put")
        where = {"Bucket": bucket, "Key": "put", "Region": api.bench.endpoint.region}
        client.copy_object(bucket, "copied", where)
        begun = client.create_multipart_upload(bucket, "parts")["UploadId"]
        etag = client.upload_part(bucket, "parts", b"x", 1, begun)["ETag"]
        client.complete_multipart_upload(bucket, "parts", begun, {"Part": [{"ETag": etag, "PartNumber": 1}]})
        for key in ("put", "copied", "parts"):
            assert client.head_object(bucket, key)[SSE] == algorithm
        bare = CosS3Client(plain.get_conf())
        writes: tuple[Callable[[], Any], ...] = (
            lambda: bare.put_object(bucket, b"x", "plain"),
            lambda: bare.copy_object(bucket, "plain", where),
            lambda: bare.create_multipart_upload(bucket, "plain"),
        )
        for write in writes:
            with pytest.raises(CosServiceError) as refused:
                write()
            assert refused.value.get_error_code() == "AccessDenied"
