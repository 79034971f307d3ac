"""What is refused of one object is that object's, and what is refused of all is the account's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.cloud_fixture import Bench
from tests.support.hostile import forbidding
from tests.support.sweep_fixture import context, put, select, swept

from cardveil.sweep.run import Run
from cardveil.sweep.sweep import sweep
from cardveil_cloud.fault_rules import FaultRules, Rule

Start = Callable[..., Bench]


def event(bench: Bench, *names: str) -> dict[str, Any]:
    """Return one event that tells of several sources."""
    return {"Records": [bench.event(f"inbox/{name}")["Records"][0] for name in names]}


def archive(bench: Bench, name: str, data: bytes) -> None:
    bench.client.put_object(Bucket=bench.bucket, Key=f"inbox/{name}", Body=data, StorageClass="ARCHIVE")


def said(bench: Bench, name: str) -> tuple[str, list[str]]:
    sidecar = bench.sidecar(name)
    assert sidecar is not None
    return sidecar["status"], sidecar["findings"]


def swept_later(bench: Bench) -> Run:
    """Sweep an hour later, when what was found right is known to be so."""
    made = replace(context(bench), now=lambda: time.time() + 3600.0)
    run = sweep(made, select(made))
    assert run is not None
    return run


def test_one_refused_object_stops_no_other_of_its_event(start: Start, front: bytes) -> None:
    bench = start(policies=forbidding("inbox/denied/"))
    archive(bench, "cold.jpg", front)
    bench.settle()
    for name in ("denied/a.jpg", "odd/..", "../odd", "good.jpg"):
        put(bench, name, front)
    counts = bench.invoke(
        event(bench, "cold.jpg", "denied/a.jpg", "odd/..", "../odd", "gone.jpg", "good.jpg")
    )
    assert counts == {"needs_review": 2, "rejected": 2, "gone": 1, "redacted": 1}
    assert said(bench, "cold.jpg") == ("needs_review", ["source_archived"])
    assert said(bench, "denied/a.jpg") == ("needs_review", ["source_refused"])
    rejected = [key for key in bench.listing("sidecars/") if key.count("/") == 1 and len(key) > 64]
    assert len(rejected) == 2, "named by digest: their own names could not be asked for"
    logs = bench.logs()
    assert "BreakerOpened" not in logs
    assert '"leaf":"Halt"' not in logs
    assert not bench.cloud.dead_letters


def test_what_was_archived_is_found_again_once_restored(start: Start, front: bytes) -> None:
    bench = start(restore_s=0.0)
    put(bench, "other.jpg", front)
    archive(bench, "cold.jpg", front)
    bench.settle()
    first = swept(bench)
    assert dict(first.counts) == {"redacted": 1, "unread": 1}
    assert first.state == "finished"
    sidecar = bench.get("sidecars/cold.jpg.json")
    second = swept_later(bench)
    assert dict(second.counts) == {"unread": 1}
    assert second.verified is not None, "from here on no listing makes anybody look"
    assert bench.get("sidecars/cold.jpg.json") == sidecar, "nothing new is written while nothing is new"
    bench.client.restore_object(
        Bucket=bench.bucket,
        Key="inbox/cold.jpg",
        RestoreRequest={"Days": "1", "CASJobParameters": {"Tier": "Expedited"}},
    )
    third = swept_later(bench)
    assert (third.looked, dict(third.counts)) == (1, {"redacted": 1})
    assert said(bench, "cold.jpg")[0] == "redacted"
    assert bench.listing(".cardveil/unread/") == []
    assert dict(swept_later(bench).counts) == {}


def test_what_ci_may_not_read_under_one_key_it_reads_under_another(start: Start, front: bytes) -> None:
    faults = FaultRules([Rule("error", "ci", "AILicenseRec", code="AccessDenied", times=1)])
    bench = start(faults=faults)
    assert bench.run("a.jpg", front)["status"] == "redacted"
    assert faults.injected == {"ci error AccessDenied": 1}
    assert "BreakerOpened" not in bench.logs()
    assert bench.listing(".cardveil/") == [], "the copy is taken away again"
    faults.rules = [Rule("error", "ci", "AILicenseRec", code="AccessDenied")]
    put(bench, "b.jpg", front)
    with pytest.raises(RuntimeError, match="permission_missing"):
        bench.deliver("inbox/b.jpg")
    assert "BreakerOpened" in bench.logs(), "of two objects alike: it is the account's"


def test_where_there_is_no_other_object_the_listing_speaks_for_the_account(
    start: Start, front: bytes
) -> None:
    bench = start(policies=forbidding("inbox/a.jpg"))
    put(bench, "a.jpg", front)
    assert bench.deliver("inbox/a.jpg") == {"needs_review": 1}


def test_what_every_object_is_refused_is_the_account_s(start: Start, front: bytes) -> None:
    bench = start(policies=forbidding("inbox/"))
    for number in range(3):
        put(bench, f"{number}/a.jpg", front)
    with pytest.raises(RuntimeError, match="permission_missing"):
        bench.deliver("inbox/1/a.jpg")
    assert bench.listing("sidecars/") == []
