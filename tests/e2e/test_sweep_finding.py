"""Sweeps against the local cloud: what is missing, out of date, listed or chosen is found and done once."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from tests.support.cloud_fixture import Bench, kept
from tests.support.sweep_fixture import calls, context, put, select, small, swept

from cardveil.core.errors import Halt
from cardveil.sweep.sweep import estimate

pytestmark = pytest.mark.usefixtures("drawn_once")

Start = Callable[..., Bench]


def test_what_is_missing_is_done_once_and_what_changed_again(start: Start, front: bytes) -> None:
    bench = start(environment={"CARDVEIL_SWEEP_EXECUTION": "off"})
    for name in ("a", "a-1.jpg", "仲/b.jpg", "c.txt"):
        put(bench, name, front)
    plan = estimate(made := context(bench, prices="AILicenseRec=1;IDCardOCR=2;OCR=3"), select(made))
    assert plan.as_dict()["cards"] == 3
    assert plan.as_dict()["money"] == 18
    assert calls(bench) == 0
    assert bench.listing(".cardveil/") == [], "a plan writes nothing"
    first = swept(bench)
    assert (first.state, dict(first.counts), first.paid_calls) == ("finished", {"redacted": 3}, 9)
    again = swept(bench)
    assert (again.done, again.paid_calls) == (0, 0)
    put(bench, "a-1.jpg", kept("licence-flat.jpg"))
    third = swept(bench)
    assert dict(third.reasons) == {"source": 1}
    sidecar = bench.sidecar("a-1.jpg")
    assert sidecar is not None
    assert sidecar["cards"][0]["type"] == "DriverLicense"
    assert calls(bench) == first.paid_calls + third.paid_calls


def test_a_changed_policy_is_applied_without_paying(start: Start, front: bytes) -> None:
    back = kept("id-back-flat.png")
    bench = start(ocr_rate=None)
    for name, data in {"a.jpg": front, "b.png": back, "none.png": small(1)}.items():
        bench.upload(f"inbox/{name}", data)
    bench.settle()
    before, paid = {name: bench.get(f"redacted/{name}") for name in ("a.jpg", "b.png")}, calls(bench)
    plan = estimate(made := context(bench, policy="strict"), select(made))
    assert plan.as_dict()["by_reason"] == {"policy": 3}
    assert plan.as_dict()["paid_calls"] == 0
    run = swept(bench, policy="strict", sweep_calls_per_run="0")
    assert dict(run.counts) == {"redacted": 2, "rejected": 1}
    assert calls(bench) == paid, "nothing was recognised again"
    for name, old in before.items():
        sidecar = bench.sidecar(name)
        assert sidecar is not None
        assert sidecar["redaction"]["policy"] == "strict"
        copy = bench.get(f"redacted/{name}") or b""
        assert copy != old
        assert hashlib.sha256(copy).hexdigest() == sidecar["redaction"]["output"]["sha256"]
    # The very copy that a whole examination under this policy makes.
    fresh = start_again(bench, front)
    assert fresh == bench.get("redacted/a.jpg")
    back_again = swept(bench)
    assert dict(back_again.reasons) == {"policy": 3}
    assert bench.get("redacted/a.jpg") == before["a.jpg"]
    verified = swept(bench)
    assert verified.looked == 3, "written since: asked for once more"


def start_again(bench: Bench, front: bytes) -> bytes | None:
    put(bench, "fresh/a.jpg", front)
    swept(bench, {"prefix": "inbox/fresh/"}, policy="strict")
    copy = bench.get("redacted/fresh/a.jpg")
    for key in ("inbox/fresh/a.jpg", "redacted/fresh/a.jpg", "sidecars/fresh/a.jpg.json"):
        bench.client.delete_object(Bucket=bench.bucket, Key=key)
    return copy


def test_the_upload_function_renews_too(start: Start, front: bytes) -> None:
    bench = start(ocr_rate=None)
    bench.run("a.jpg", front)
    swept(bench, policy="strict")
    paid = calls(bench)
    assert bench.deliver("inbox/a.jpg") == {"redacted": 1}
    assert calls(bench) == paid
    assert (bench.sidecar("a.jpg") or {})["redaction"]["policy"] == "standard"


def inventory(bench: Bench, lines: list[str], **changes: Any) -> str:
    """Store an inventory report and return its manifest's key."""
    data = gzip.compress("".join(line + "\r\n" for line in lines).encode())
    name = "cos_bucket_inventory/1250000000/cards/list/data/1.csv.gz"
    bench.cloud.store.put(bench.bucket, name, data)
    manifest = {
        "sourceAppId": "1250000000",
        "sourceBucket": "cards-1250000000",
        "fileFormat": "CSV",
        "fileSchema": "Appid, Bucket, Key, Size, LastModifiedDate, ETag, StorageClass",
        "files": [{"key": name, "size": str(len(data)), "md5Checksum": hashlib.md5(data).hexdigest()}],
        **changes,
    }
    bench.cloud.store.put(bench.bucket, "inventory/manifest.json", orjson.dumps(manifest))
    return "inventory/manifest.json"


def line(key: str) -> str:
    return f'"1250000000","cards","{key}","10","2026-11-01T00:00:00.000Z","""00""","STANDARD"'


def test_an_inventory_is_read_and_its_broken_lines_are_passed_over(start: Start) -> None:
    bench = start(ocr_rate=None)
    put(bench, "a b.png", small(1))
    put(bench, "c.png", small(2))
    put(bench, "unlisted.png", small(3))
    lines = [
        line("inbox/a%20b.png"),
        '"broken',
        line("inbox/%ff.png"),
        line("other/x.png"),
        "",
        line("inbox/c.png"),
    ]
    lines.append(line("inbox/gone.png"))
    run = swept(bench, {"inventory": inventory(bench, lines)})
    assert (run.state, dict(run.counts)) == ("finished", {"rejected": 2})
    assert run.errors == {"inventory_line_broken": 3}
    assert bench.sidecar("unlisted.png") is None


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"fileFormat": "ORC"}, "inventory_schema_unknown"),
    ({"fileSchema": "Appid, Bucket, Size"}, "inventory_schema_unknown"),
    ({"files": "x"}, "inventory_schema_unknown"),
    ({"sourceBucket": "others-1250000000"}, "inventory_schema_unknown"),
    ({"files": [{"key": "inventory/nowhere.csv.gz"}]}, "inventory_missing"),
    ({"files": [{"key": "inventory/manifest.json", "md5Checksum": "0" * 32}]}, "inventory_damaged"),
]


def test_an_inventory_that_cannot_be_used_halts_with_nothing_done(start: Start) -> None:
    bench = start(ocr_rate=None)
    put(bench, "a.png", small(1))
    for changes, code in UNUSABLE:
        manifest = inventory(bench, [line("inbox/a.png")], **changes)
        with pytest.raises(Halt, match=code):
            swept(bench, {"inventory": manifest})
    with pytest.raises(Halt, match="inventory_missing"):
        swept(bench, {"inventory": "inventory/none.json"})
    assert calls(bench) == 0


def test_keys_and_statuses_choose(start: Start, front: bytes) -> None:
    bench = start(ocr_rate=None)
    bench.run("good.jpg", front)
    bench.run("none.png", small(1))
    put(bench, "other.png", small(2))
    paid = calls(bench)
    named = swept(bench, {"keys": ["inbox/other.png", "inbox/not-there.png"]})
    assert dict(named.counts) == {"rejected": 1}
    time.sleep(1.1)  # a status is not redone when it was written by this very run
    anew = swept(bench, {"states": ["redacted"]})
    assert dict(anew.reasons) == {"redacted": 1}
    assert bench.cloud.usage.of_picture(front) == {
        "AILicenseRec": 2,
        "IDCardOCR": 2,
        "OCR": 2,
    }
    assert calls(bench) > paid
