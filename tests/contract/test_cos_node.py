"""The vendor's SDK for Node.js works unchanged but for its proxy."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import requests
from tests.support.fixtures.cos import CosServer
from tests.support.npm import installed

HERE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder that the pinned SDK is installed in; installed now, if it is not yet."""
    return installed(HERE).parent


def test_the_node_sdk(cos: CosServer, cos_bucket: str, node_modules: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(2_500_000))
    temporary = cos.credentials.issue_temporary(600)
    told = {
        "proxy": cos.proxy,
        "bucket": cos_bucket,
        "region": "ap-shanghai",
        "modules": str(node_modules),
        "large": str(large),
        "owner": {"SecretId": cos.owner.secret_id, "SecretKey": cos.owner.secret_key},
        "temporary": {
            "SecretId": temporary.secret_id,
            "SecretKey": temporary.secret_key,
            "SecurityToken": temporary.token,
        },
    }
    done = subprocess.run(
        ["node", str(HERE / "client.js")],
        env={**os.environ, "CARDVEIL_TEST": json.dumps(told)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    saw = json.loads(done.stdout)
    key = "证件/a b+c%41.jpg"
    etag = '"900150983cd24fb0d6963f7d28e17f72"'
    assert saw["put"] == {"etag": etag, "requestId": True}
    assert saw["forbidden"] == {"status": 409, "code": "FileAlreadyExists"}
    assert saw["head"] == {"etag": etag, "type": "image/jpeg", "side": "front"}
    assert saw["range"] == {"status": 206, "body": "bc"}
    assert saw["missing"] == {"status": 404, "code": "NoSuchKey"}
    assert saw["missingHead"]["status"] == 404
    assert saw["sliced"].endswith('-3"')
    assert saw["tags"] == [{"Key": "面", "Value": "front"}]
    assert saw["listed"] == ["copy", "large", key]
    assert saw["folders"] == ["证件/"]
    assert cos_bucket in saw["buckets"]
    assert saw["temporary"] == 200
    assert saw["wrong"] == {"status": 403, "code": "SignatureDoesNotMatch"}
    assert sorted(saw["deleted"]) == ["copy", "large"]
    assert requests.get(saw["url"], proxies={"http": cos.proxy}, timeout=60).content == b"abc"
    assert [item.key for item in cos.store.list(cos_bucket).entries] == [key]
    assert [event.name.rpartition(":")[2] for event in cos.events] == [
        "Put",
        "CompleteMultipartUpload",
        "Copy",
        "Delete",
        "Delete",
    ]
