"""Creating a note through the official SDK: what is begun meanwhile, and when."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from qcloud_cos import CosConfig, CosS3Client
from tests.support.fixtures.cos import CosServer

from cardveil.core.errors import Retry
from cardveil.core.retry import RetryPolicy
from cardveil.storage.objects import CosObjects

PATIENCE = RetryPolicy(1, lambda: 60.0)


def test_meanwhile_begins_when_the_request_is_on_its_way(
    cos: CosServer, cos_client: Any, cos_bucket: str
) -> None:
    objects = CosObjects(cos_client, cos_bucket, PATIENCE)
    seen: list[tuple[int, list[str]]] = []

    def meanwhile() -> None:
        seen.append((threading.get_ident(), [entry.key for entry in cos.store.list(cos_bucket).entries]))

    assert objects.create("note", b"first", meanwhile)
    assert not objects.create("note", b"second", meanwhile)
    assert objects.get("note", max_bytes=100)[1] == b"first"
    assert seen == [(threading.get_ident(), []), (threading.get_ident(), ["note"])]


def test_what_never_was_on_its_way_begins_nothing(cos_bucket: str) -> None:
    config = CosConfig(
        Region="ap-shanghai",
        SecretId="AKIDtest",
        SecretKey="secret",
        Scheme="http",
        Proxies={"http": "http://127.0.0.1:9"},
        Timeout=30,
    )
    objects = CosObjects(CosS3Client(config, retry=0), cos_bucket, PATIENCE)
    seen: list[bool] = []
    with pytest.raises(Retry, match="network"):
        objects.create("note", b"first", lambda: seen.append(True))
    assert not seen
