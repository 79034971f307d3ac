"""An erasure, a hold or a message whose notes are refused or damaged keeps no other from being done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import orjson
from tests.support.chaos.pictures import NumberRecogniser, picture
from tests.support.cloud_fixture import Bench
from tests.support.hostile import Forbidden, forbidding
from tests.support.sweep_fixture import context

from cardveil.pipeline.erasing import eraser_of
from cardveil.storage.keys import source_digest

Start = Callable[..., Bench]

_GOOD: Final = "inbox/good.jpg"
#: What is forbidden of a card's: where it stands (with the digest of its key), and an action.
REFUSED: Final = {
    "task-read": (".cardveil/erasing/{digest}", "cos:GetObject"),
    "task-dropped": (".cardveil/erasing/{digest}", "cos:DeleteObject"),
    "hold-read": (".cardveil/holds/{digest}", "cos:GetObject"),
    "tombstone-written": (".cardveil/erased/{digest}/", "cos:PutObject"),
    "source-deleted": ("inbox/source-deleted/", "cos:DeleteObject"),
    "versions-of-source": ("inbox/versions-of-source/", "cos:GetBucketObjectVersions"),
    "versions-of-copy": ("redacted/versions-of-copy/", "cos:GetBucketObjectVersions"),
    "versions-of-notes": (".cardveil/history/{digest}/", "cos:GetBucketObjectVersions"),
}
#: What of a card is damaged.
DAMAGED: Final = {
    "damaged-task": ".cardveil/erasing/{digest}.json",
    "damaged-hold": ".cardveil/holds/{digest}.json",
    "damaged-tombstone": ".cardveil/erased/{digest}/20260101T000000Z-00000000.json",
}


def key_of(name: str) -> str:
    return f"inbox/{name}/a.jpg"


def place_of(name: str, place: str) -> str:
    return place.format(digest=source_digest(key_of(name)))


def begun(start: Start, forbidden: list[Forbidden], *keys: str) -> Bench:
    """Start a cloud with finished cards, all of which are to be erased."""
    bench = start(policies=forbidding(forbidden), recogniser=NumberRecogniser, ocr_rate=None)
    for number, key in enumerate(keys):
        bench.client.put_object(Bucket=bench.bucket, Key=key, Body=picture(number).data())
    bench.settle()
    assert len(bench.listing("redacted/")) == len(keys)
    eraser = eraser_of(context(bench).processor)
    for key in keys:
        eraser.want(key, "test", "requested")
    return bench


def tick(bench: Bench) -> dict[str, int]:
    done = bench.cloud.invoke("on_schedule", {"Type": "Timer", "Message": ""}, wait_s=60.0)
    assert done.ok, done.trace
    counts: dict[str, int] = orjson.loads(done.payload or "{}")
    return counts


def gone(bench: Bench, key: str) -> bool:
    name = key.removeprefix("inbox/")
    return not any(bench.there(at) for at in (key, f"redacted/{name}", f"sidecars/{name}.json"))


def test_what_is_refused_or_damaged_of_an_erasure_keeps_no_other(start: Start) -> None:
    forbidden = [Forbidden("nothing/") for _ in REFUSED]
    hostile = [*REFUSED, *DAMAGED]
    bench = begun(start, forbidden, *map(key_of, hostile), _GOOD)
    for each, (name, (place, action)) in zip(forbidden, REFUSED.items(), strict=True):
        each.prefix, each.action = place_of(name, place), action
    for name, place in DAMAGED.items():
        bench.client.put_object(Bucket=bench.bucket, Key=place_of(name, place), Body=b"{")
    counts = tick(bench)
    assert (counts.get("erasure_erased"), counts.get("refused")) == (1, len(hostile))
    assert gone(bench, _GOOD)
    assert '"leaf":"Halt"' not in bench.logs()
    for each in forbidden:
        each.lifted = True
    assert tick(bench).get("erasure_erased") == len(REFUSED)
    assert [name for name in hostile if not gone(bench, key_of(name))] == list(DAMAGED)
    assert len(bench.listing(".cardveil/erasing/")) == len(DAMAGED)


def test_what_is_refused_of_every_erasure_is_the_account_s(start: Start) -> None:
    forbidden = Forbidden("nothing/")
    bench = begun(start, [forbidden], _GOOD)
    forbidden.prefix, forbidden.action = ".cardveil/erased/", "cos:PutObject"
    done = bench.cloud.invoke("on_schedule", {"Type": "Timer", "Message": ""}, wait_s=60.0)
    assert not done.ok
    assert '"leaf":"Halt"' in bench.logs()
    assert not gone(bench, _GOOD)
