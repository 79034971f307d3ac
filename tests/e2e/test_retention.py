"""Holds and retention: everything due is removed, nothing young or on hold is, whatever stops a run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from tests.support.api_fixture import Api, api_bench, problem
from tests.support.cloud_fixture import Bench, kept
from tests.support.command import cardveil
from tests.support.hostile import Forbidden, forbidding
from tests.support.sweep_fixture import context, swept

from cardveil.api.refs import reference
from cardveil.pipeline.retaining import retention_of
from cardveil.pipeline.retaining import tick as tick_of
from cardveil.settings import Settings
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.ledger import Ledger
from cardveil.storage.ledger_check import verify
from cardveil.storage.retention import DAY_S, Progress
from cardveil_cli.commands.endpoint import take

STATE = ".cardveil/"
TERMS = "source=30d;copy=365d;sidecar=365d;ledger=1y;inbox/hr/:source=7d"
ENVIRONMENT = {"CARDVEIL_RETENTION": TERMS, "CARDVEIL_GENERAL_OCR": "off", "CARDVEIL_SWEEP_EXECUTION": "off"}


@contextmanager
def days_ago(bench: Bench, days: float) -> Iterator[None]:
    """Have what is written meanwhile be so many days old."""
    store = bench.cloud.store
    now = store.now
    store.now = lambda: now() - days * DAY_S
    try:
        yield
    finally:
        store.now = now


def upload(api: Api, name: str, data: bytes, days: float) -> None:
    with days_ago(api.bench, days):
        api.upload(name, data)


def schedule(bench: Bench) -> dict[str, int]:
    """Run the schedule once, a day after the last run."""
    bench.client.delete_object(bench.bucket, f"{STATE}retention/run.json")
    done = bench.cloud.invoke("on_schedule", {"Type": "Timer", "Message": ""}, wait_s=60.0)
    assert done.ok, done.trace
    bench.settle()
    counts: dict[str, int] = orjson.loads(done.payload or "{}")
    return {kind: count for kind, count in counts.items() if kind.startswith("retention_")}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("retention")
    with api_bench(folder, environment=ENVIRONMENT) as found:
        take(folder, found.bench.endpoint)
        yield found


def test_sources_go_by_their_term_and_their_results_stay_for_theirs(api: Api, front: bytes) -> None:
    bench = api.bench
    for name, days in (
        ("old.jpg", 31),
        ("young.jpg", 20),
        ("hr/old.jpg", 8),
        ("hr/young.jpg", 1),
        ("held.jpg", 99),
    ):
        upload(api, name, front, days)
    hold = api.call("POST", f"/v1/cards/{reference('inbox/held.jpg')}/hold", {"reason": "case:2026-17"})
    assert hold.status_code == 200, hold.text
    done = schedule(bench)
    assert (done["retention_source"], done["retention_held"]) == (2, 1)
    assert bench.listing("inbox/") == ["inbox/held.jpg", "inbox/hr/young.jpg", "inbox/young.jpg"]
    # COS tells of the removal; a sweep finds the sidecar without its source; neither takes it for a person's.
    swept(bench, retention=TERMS)
    schedule(bench)
    for name in ("old.jpg", "hr/old.jpg"):
        assert bench.get(f"redacted/{name}")
        assert bench.sidecar(name)
        assert api.call("GET", f"/v1/cards/inbox/{name}").status_code == 200
    assert bench.listing(f"{STATE}erasing/") == bench.listing(f"{STATE}erased/") == []
    # What is uploaded anew under the same key and deleted by a person takes its results along.
    other = kept("id-front-photo.jpg")
    api.upload("old.jpg", other)
    bench.client.delete_object(bench.bucket, "inbox/old.jpg")
    bench.settle()
    schedule(bench)
    assert bench.sidecar("old.jpg") is None
    assert bench.get("redacted/old.jpg") is None


def test_the_same_bytes_anew_and_deleted_by_a_person_later_go_too(api: Api, front: bytes) -> None:
    bench = api.bench
    upload(api, "again.jpg", front, 40)
    schedule(bench)
    assert bench.get("inbox/again.jpg") is None
    note = bench.get(f"{STATE}retired/{source_digest('inbox/again.jpg')}.json")
    assert note
    api.upload("again.jpg", front)
    earlier = {**orjson.loads(note), "at": time.time() - 3600}
    place = f"{STATE}retired/{source_digest('inbox/again.jpg')}.json"
    bench.client.put_object(Bucket=bench.bucket, Key=place, Body=orjson.dumps(earlier))
    bench.client.delete_object(bench.bucket, "inbox/again.jpg")
    bench.settle()
    schedule(bench)
    assert bench.sidecar("again.jpg") is None


@pytest.mark.parametrize("names", ["key", "digest"])
@pytest.mark.parametrize("versioned", [False, True], ids=["plain", "versioned"])
def test_everything_due_goes_in_all_versions_with_what_belongs_to_it(
    tmp_path: Path, front: bytes, names: str, versioned: bool
) -> None:
    environment = {**ENVIRONMENT, "CARDVEIL_RESULT_NAMES": names}
    with api_bench(tmp_path / "cloud", environment=environment) as api:
        bench = api.bench
        if versioned:
            bench.client.put_bucket_versioning(bench.bucket, "Enabled")
        upload(api, "a.jpg", front, 400)
        upload(api, "a.jpg", kept("id-front-photo.jpg"), 400)
        upload(api, "b.jpg", front, 300)
        keys, young = (keys_of(f"inbox/{name}", Settings(result_names=names)) for name in ("a.jpg", "b.jpg"))
        bench.client.put_object(Bucket=bench.bucket, Key=f"{keys.history}00000000.json", Body=b"[]")
        done = schedule(bench)
        assert {done[f"retention_{kind}"] for kind in ("copy", "sidecar")} == {1}
        assert done["retention_source"] == 2
        left = bench.client.list_objects_versions(bench.bucket, MaxKeys=1000)
        listed = {each["Key"] for kind in ("Version", "DeleteMarker") for each in left.get(kind) or []}
        gone = {"inbox/a.jpg", "inbox/b.jpg", keys.sidecar, keys.redacted, f"{keys.history}00000000.json"}
        gone.add(f"{STATE}retired/{source_digest('inbox/a.jpg')}.json")
        assert not gone & listed
        assert {young.sidecar, young.redacted} <= listed


def test_a_hold_keeps_all_of_a_card_until_it_is_released(api: Api, front: bytes) -> None:
    bench = api.bench
    upload(api, "case.jpg", front, 500)
    path = f"/v1/cards/{reference('inbox/case.jpg')}"
    problem(api.call("POST", f"{path}/hold", {"reason": "Frau Müller"}), 422, "request_invalid")
    problem(api.call("POST", f"{path}/hold", {"reason": "r"}, roles=("erase",)), 403, "role_missing")
    problem(api.call("DELETE", f"{path}/hold"), 404, "not_held")
    never = f"/v1/cards/{reference('inbox/never.jpg')}/hold"
    problem(api.call("POST", never, {"reason": "r"}), 404, "card_unknown")
    hold = api.call("POST", f"{path}/hold", {"reason": "case:1"}).json()
    assert (hold["held"], hold["by"], hold["reason"]) == (True, "tester", "case:1")
    assert hold["source_sha256"] == source_digest("inbox/case.jpg")
    assert api.call("POST", f"{path}/hold", {"reason": "case:2"}).json() == hold, "the first hold stands"
    refused = problem(api.call("DELETE", f"{path}?reason=requested"), 409, "card_held")
    assert "case:1" in refused["detail"]
    assert schedule(bench)["retention_held"] >= 3
    where = ["--data", str(bench._folder)]
    erased = cardveil("erase", "inbox/case.jpg", "--reason", "requested", *where)
    assert (erased.code, erased.out.strip()) == (3, "1 held")
    # A person who deletes the source by hand does not get at the rest.
    bench.client.delete_object(bench.bucket, "inbox/case.jpg")
    bench.settle()
    schedule(bench)
    assert bench.sidecar("case.jpg")
    assert bench.get("redacted/case.jpg")
    released = api.call("DELETE", f"{path}/hold").json()
    assert (released["held"], released["reason"]) == (False, "case:1")
    schedule(bench)
    assert bench.sidecar("case.jpg") is None
    assert bench.get("redacted/case.jpg") is None
    assert bench.listing(f"{STATE}holds/{source_digest('inbox/case.jpg')}") == []


def test_the_commands_hold_show_and_release(api: Api, front: bytes) -> None:
    api.upload("command.jpg", front)
    where = ["--data", str(api.bench._folder)]
    done = cardveil(
        "hold", "inbox/command.jpg", "inbox/never.jpg", "--reason", "audit", "--by", "desk", *where
    )
    assert (done.code, done.out.strip()) == (3, "1 held, 1 unknown")
    shown = [orjson.loads(line) for line in cardveil("hold", "--json", *where).out.splitlines()]
    (mine,) = [each for each in shown if each["reason"] == "audit"]
    assert (mine["source_sha256"], mine["by"]) == (source_digest("inbox/command.jpg"), "desk")
    assert cardveil("hold", "inbox/command.jpg", "--reason", "for Frau X", *where).code == 2
    assert cardveil("release", "inbox/command.jpg", *where).out.strip() == "1 released"
    assert cardveil("release", "inbox/command.jpg", *where).code == 3
    dry = cardveil("retention", "--dry-run", "--json", "--set", "CARDVEIL_RETENTION=source=1d", *where)
    counts = orjson.loads(dry.out)
    assert counts["listed"] == len(api.bench.listing("inbox/"))
    assert cardveil("retention", "--dry-run", *where).code == 2, "without terms nothing is due"


def test_a_run_that_is_stopped_anywhere_goes_on_and_removes_the_same(tmp_path: Path) -> None:
    with api_bench(tmp_path / "cloud", environment=ENVIRONMENT) as api:
        bench = api.bench
        due = [f"inbox/{number:02}.txt.jpg" for number in range(0, 40, 2)]
        for number in range(40):
            with days_ago(bench, 31 if number % 2 == 0 else 29):
                bench.cloud.store.put(bench.bucket, f"inbox/{number:02}.txt.jpg", b"x")
        processor = context(bench, retention=TERMS).processor
        retention, counts, saved = retention_of(processor), Counter[str](), [Progress(time.time())]
        ticks, left = 0, [0]

        def over() -> bool:
            left[0] -= 1
            return left[0] < 0

        while not saved[-1].over:
            ticks, left[0] = ticks + 1, 5
            retention.work(saved[-1], counts, over, saved.append)
        assert ticks > 5
        assert counts["source"] == len(due)
        assert bench.listing("inbox/") == [f"inbox/{number:02}.txt.jpg" for number in range(1, 40, 2)]
        assert counts["review_due"] == 0, "without a sidecar nobody is waited for"


def test_what_is_being_worked_on_or_was_written_anew_stays(tmp_path: Path, front: bytes) -> None:
    with api_bench(tmp_path / "cloud", environment=ENVIRONMENT) as api:
        bench = api.bench
        for name in ("busy.jpg", "anew.jpg"):
            upload(api, name, front, 31)
        processor = context(bench, retention=TERMS).processor
        retention = retention_of(processor)
        lease = processor.pipeline.leases.take(keys_of("inbox/busy.jpg", Settings()).lease_prefix, 60.0)
        assert lease
        found = [
            retention._found("source", each, time.time()) for each in retention.sources.entries("inbox/")
        ]
        api.upload("anew.jpg", kept("id-front-photo.jpg"))
        done = Counter[str]()
        retention._deal_with([each for each in found if each], done)
        assert done == {"busy": 1, "changed": 1}
        assert len(bench.listing("inbox/")) == 2


def test_a_card_that_waits_for_a_person_is_told_of_before_its_source_goes(tmp_path: Path) -> None:
    with api_bench(tmp_path / "cloud", environment=ENVIRONMENT) as api:
        back, front = kept("id-back-photo.jpg"), kept("id-front-flat.jpg")
        upload(api, "soon.jpg", back, 25)
        upload(api, "later.jpg", back, 10)
        upload(api, "decided.jpg", front, 25)
        assert (api.bench.sidecar("soon.jpg") or {})["status"] == "needs_review"
        done = schedule(api.bench)
        assert done["retention_review_due"] == 1
        assert "retention_source" not in done
        assert '"ReviewDue"' in api.bench.logs()


def test_what_is_damaged_of_one_card_keeps_no_other_from_going(api: Api, front: bytes) -> None:
    for name in ("damaged.jpg", "due.jpg"):
        upload(api, name, front, 40)
    hold = f"{STATE}holds/{source_digest('inbox/damaged.jpg')}.json"
    api.bench.client.put_object(Bucket=api.bench.bucket, Key=hold, Body=b"{")
    done = schedule(api.bench)
    assert done["retention_refused"] >= 1
    assert not api.bench.there("inbox/due.jpg")
    assert api.bench.there("inbox/damaged.jpg"), "it may be on hold"
    api.bench.client.delete_object(Bucket=api.bench.bucket, Key=hold)
    schedule(api.bench)
    assert not api.bench.there("inbox/damaged.jpg")


@pytest.mark.parametrize(
    ("place", "refused"), [("inbox/denied/", 25), ("inbox/", None)], ids=["of-some", "of-all"]
)
def test_what_may_not_be_removed_keeps_no_other_unless_it_is_all(
    start: Callable[..., Bench], place: str, refused: int | None
) -> None:
    forbidden = forbidding(Forbidden(place, "cos:DeleteObject"), ENVIRONMENT)
    bench = start(policies=forbidden, environment=ENVIRONMENT)
    keys = [f"inbox/denied/{number}.jpg" for number in range(25)]
    with days_ago(bench, 40):
        for key in (*keys, "inbox/good.jpg"):
            bench.cloud.store.put(bench.bucket, key, b"x")
    done = bench.cloud.invoke("on_schedule", {"Type": "Timer", "Message": ""}, wait_s=60.0)
    assert done.ok is (refused is not None)
    if refused is not None:
        assert orjson.loads(done.payload or "{}")["retention_refused"] == refused
        assert '"leaf":"Halt"' not in bench.logs()
    assert bench.there("inbox/good.jpg") is (refused is None)
    assert all(bench.there(key) for key in keys)


def test_the_ledger_s_beginning_goes_by_its_term_and_verify_takes_no_other_gap(tmp_path: Path) -> None:
    with api_bench(tmp_path / "cloud", environment=ENVIRONMENT) as own:
        bench = own.bench
        processor = context(bench, retention=TERMS).processor
        objects, ledger = processor.pipeline.sources, Ledger()
        with days_ago(bench, 500):
            Ledger().enter(objects, STATE, [{"look": "text"}])
        for days in (400, 380, 370, 300, 1):
            with days_ago(bench, days):
                ledger.enter(objects, STATE, [{"look": "text", "at": str(days)}])
        assert verify(objects, STATE).entries == 6
        counts = tick_of(processor, time.time(), lambda: False)
        assert counts["ledger"] == 4
        found = verify(objects, STATE)
        assert not found.faults
        assert found.entries == 2 + 2, "two that are young, and two that say what was removed"
        # A segment more than was entered is a gap, also where the head that names it is gone.
        (segment,) = (key for key in bench.listing(f"{STATE}ledger/chains/") if "00000004" in key)
        for key in (segment, *(key for key in bench.listing(f"{STATE}ledger/heads/") if "/00000004-" in key)):
            bench.client.delete_object(bench.bucket, key)
        assert {fault.kind for fault in verify(objects, STATE).faults} == {"missing"}


def test_a_run_begins_once_a_day(tmp_path: Path) -> None:
    with api_bench(tmp_path / "cloud", environment=ENVIRONMENT) as api:
        processor = context(api.bench, retention=TERMS).processor
        now = time.time()
        with days_ago(api.bench, 31):
            api.bench.cloud.store.put(api.bench.bucket, "inbox/a.jpg", b"x")
        assert tick_of(processor, now, lambda: False)["source"] == 1
        with days_ago(api.bench, 31):
            api.bench.cloud.store.put(api.bench.bucket, "inbox/b.jpg", b"x")
        assert not tick_of(processor, now + 3600, lambda: False)
        assert tick_of(processor, now + DAY_S, lambda: False)["source"] == 1


def test_lifecycle_rules_are_taken_by_cos_and_leave_what_they_cannot_do_to_the_schedule(api: Api) -> None:
    terms = "source=30d;copy=60d;sidecar=60d;ledger=1y;inbox/hr/:copy=7d;inbox/law/:copy=9y"
    where = ["--bucket", "cards-1250000000", "--region", "ap-shanghai", "--lifecycle"]
    done = cardveil("policies", *where, "--set", f"CARDVEIL_RETENTION={terms}")
    rules = orjson.loads(done.out)
    expiring = {
        rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules["Rule"] if "Expiration" in rule
    }
    assert expiring == {"redacted/hr/": 7, "redacted/": 60, "sidecars/": 60}
    assert all(word in done.err for word in ("no holds", "ledger", "source", "longer term"))
    api.bench.client.put_bucket_lifecycle(api.bench.bucket, LifecycleConfiguration=rules)
    kept_rules = api.bench.client.get_bucket_lifecycle(api.bench.bucket)["Rule"]
    assert len(kept_rules) == len(rules["Rule"])
