"""Erasure: nothing of a card is left, in no version, whatever was under way and wherever a kill came."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.requests import Request
from tests.support.api_fixture import Api, api_bench, problem
from tests.support.cloud_fixture import Bench
from tests.support.command import cardveil
from tests.support.leftovers import left
from tests.support.notes import erasures_of
from tests.support.sweep_fixture import context, swept

from cardveil.api.refs import reference
from cardveil.core.frozen import replace
from cardveil.pipeline.erasing import eraser_of
from cardveil.pipeline.jobs import CardProcessor
from cardveil.settings import Settings
from cardveil.storage.eraser import STEPS, Eraser, state_of
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.leases import Leases
from cardveil_cli.commands.endpoint import take
from cardveil_cloud.faults import NoFaults

KEY = "inbox/CANARY-key-张三.jpg"
#: What the picture says, in the kept sample and so in the sidecar; and what a person wrote beside it.
CANARIES = [b"CANARY", "张三".encode()]
JOBS = {"CARDVEIL_JOB_SECRETS": "j" * 40, "CARDVEIL_GENERAL_OCR": "off"}


class Killed(BaseException):
    """The process has ended."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_bench(tmp_path_factory.mktemp("erasure"), environment=JOBS) as found:
        yield found


def texts(bench: Bench, key: str) -> list[bytes]:
    """What a card's sidecar says that may not outlive it."""
    document = orjson.loads(bench.get(keys_of(key, Settings()).sidecar) or b"{}")
    fields = [field for card in document.get("cards", []) for field in card["fields"]]
    return [field["text"].encode() for field in fields if len(field.get("text") or "") > 6]


def tick(bench: Bench) -> dict[str, int]:
    """Run the schedule once."""
    done = bench.cloud.invoke("on_schedule", {"Type": "Timer", "Message": ""}, wait_s=60.0)
    assert done.ok, done.trace
    counts: dict[str, int] = orjson.loads(done.payload or "{}")
    return counts


def fill(bench: Bench, key: str, front: bytes, times: int = 2) -> list[bytes]:
    """Bring a card to its final state, with what a killed instance may leave; return what it says."""
    for _ in range(times):
        bench.upload(key, front, note="CANARY-meta")
        bench.settle()
    said = texts(bench, key)
    assert len(said) >= 2
    for kind, prefix in state_of(key, Settings()).items():
        name = prefix if prefix.endswith(".json") else f"{prefix}left"
        bench.client.put_object(Bucket=bench.bucket, Key=name, Body=b"CANARY of " + kind.encode() + said[0])
    assert len(set(left(bench, *said, b"CANARY"))) >= 6
    return said


def versioned(bench: Bench) -> None:
    bench.client.put_bucket_versioning(bench.bucket, "Enabled")


@pytest.mark.parametrize("versions", [False, True], ids=["plain", "versioned"])
def test_nothing_is_left_of_a_card(tmp_path: Path, front: bytes, versions: bool) -> None:
    with api_bench(tmp_path / "cloud", environment=JOBS) as api:
        bench = api.bench
        if versions:
            versioned(bench)
        bench.upload("inbox/other.jpg", front)
        said = fill(bench, KEY, front)
        swept(bench, {"keys": [KEY]})  # its checkpoint and its report name the source
        assert [where for where in left(bench, b"CANARY") if where.startswith(".cardveil/sweeps/")]
        answer = api.call("DELETE", f"/v1/cards/{reference(KEY)}?reason=requested")
        assert answer.status_code == 200
        receipt = answer.json()
        assert (receipt["state"], receipt["reason"], receipt["by"]) == ("erased", "requested", "tester")
        assert receipt["source_sha256"] == source_digest(KEY)
        kinds = {"source", "sidecar", "redacted", "job", "staged", "answers", "history", "unread", "retired"}
        assert set(receipt["removed"]) == kinds
        assert receipt["removed"]["source"] == (2 if versions else 1)
        bench.settle()
        assert left(bench, b"CANARY", "张三".encode()) == []
        # A late event, a second delivery of the deletion and the schedule bring nothing back.
        bench.deliver(KEY)
        late = bench.event(KEY)
        late["Records"][0]["event"]["eventName"] = "cos:ObjectRemove:Delete"
        assert bench.invoke(late) == {"nothing_left": 1}
        bench.settle()
        tick(bench)
        assert left(bench, b"CANARY", "张三".encode()) == []
        others = set(left(bench, *said))
        # Where versions are kept, the other card's answers stay behind its sidecar until it is erased.
        kept = keys_of("inbox/other.jpg", Settings())
        assert {kept.sidecar} <= others <= {kept.sidecar, kept.answers}
        assert bench.sidecar("other.jpg") is not None
        again = api.call("DELETE", f"/v1/cards/{reference(KEY)}?reason=unlawful").json()
        assert again == receipt, "what was erased is told again, not done again"
        # Uploaded anew it is a new card.
        assert bench.run("CANARY-key-张三.jpg", front)["status"] == "redacted"


def test_a_card_whose_name_begins_like_it_stays(api: Api, front: bytes) -> None:
    bench = api.bench
    for name in ("p", "p.jpg", "p.jpg-2.jpg", "p.jpg.json"):
        bench.upload(f"inbox/{name}", front)
    bench.settle()
    assert api.call("DELETE", f"/v1/cards/{reference('inbox/p.jpg')}?reason=requested").status_code == 200
    assert sorted(bench.listing("inbox/p")) == ["inbox/p", "inbox/p.jpg-2.jpg", "inbox/p.jpg.json"]
    assert sorted(bench.listing("sidecars/p")) == ["sidecars/p.jpg-2.jpg.json", "sidecars/p.json"]
    assert bench.listing("redacted/p") == ["redacted/p", "redacted/p.jpg-2.jpg"]


def test_refusals(api: Api) -> None:
    unknown = reference("inbox/never.jpg")
    problem(api.call("DELETE", f"/v1/cards/{unknown}?reason=requested"), 404, "card_unknown")
    for query in ("", "?reason=", "?reason=because+of+Zhang", "?reason=source_deleted"):
        problem(api.call("DELETE", f"/v1/cards/{unknown}{query}"), 422, "request_invalid")
    roles = ("submit", "read", "read_text", "review")
    answer = api.call("DELETE", f"/v1/cards/{unknown}?reason=requested", roles=roles)
    problem(answer, 403, "role_missing")


@pytest.mark.parametrize("versions", [False, True], ids=["plain", "versioned"])
def test_a_kill_at_any_step_or_request_is_mended(
    tmp_path: Path, front: bytes, versions: bool, interleavings: int
) -> None:
    with api_bench(tmp_path / "cloud", environment=JOBS) as api:
        bench = api.bench
        if versions:
            versioned(bench)
        passed: list[str] = []
        begun = 0
        every = 1 if interleavings > 100 else 12
        kills = [*((step, -1) for step in STEPS), *(("", number) for number in range(0, 60, every))]
        for step, number in kills:
            key = f"inbox/CANARY-{step}{number}.jpg"
            # Where no versions are kept a second upload leaves what the first left.
            fill(bench, key, front, times=2 if versions else 1)
            eraser = an_eraser(bench, partial(killing, step, passed), number)
            with suppress(Killed):
                eraser.carry_out(eraser.want(key, "t", "requested"))
                begun += 1
            later = an_eraser(bench, ahead_s=500.0)
            for task in erasures_of(later):
                done = later.carry_out(task)
                assert done is not None
                assert done.state == "erased"
            bench.settle()
            if later.anything(key):  # killed before it was written down: the caller was told nothing
                assert (step, number) == ("", 0)
                later.carry_out(later.want(key, "t", "requested"))
            assert left(bench, b"CANARY") == [], (step, number)
            assert [stone.state for stone in later.tombstones(key)] == ["erased"]
        assert set(passed) == set(STEPS)
        assert begun < len(kills) - len(STEPS), "requests were killed, too"


def killing(at: str, passed: list[str], step: str) -> None:
    passed.append(step)
    if step == at:
        raise Killed


def an_eraser(bench: Bench, step: Any = lambda _: None, request: int = -1, ahead_s: float = 0.0) -> Eraser:
    """An eraser in this process, whose process ends at one of its steps or requests."""
    processor: CardProcessor = context(bench).processor
    found = eraser_of(processor, step)
    if request >= 0:
        client = found.sources.client
        mine = client.__class__.__new__(type("Dying", (client.__class__,), {"send_request": dying(request)}))
        mine.__dict__.update(client.__dict__)
        sources, results = (replace(each, client=mine) for each in (found.sources, found.results))
        found = replace(found, sources=sources, results=results, leases=Leases(sources, "dying"))
    if ahead_s:
        leases = Leases(found.sources, "later", lambda: time.time() + ahead_s)
        found = replace(found, leases=leases)
    return found


def dying(at: int) -> Any:
    sent = [0]

    def send_request(self: Any, *arguments: Any, **named: Any) -> Any:
        sent[0] += 1
        if sent[0] > at:
            raise Killed
        return super(type(self), self).send_request(*arguments, **named)

    return send_request


def test_who_is_at_work_is_waited_for(tmp_path: Path, front: bytes) -> None:
    with api_bench(tmp_path / "cloud", environment=JOBS) as api:
        bench = api.bench
        bench.upload(KEY, front)
        bench.settle()
        eraser = an_eraser(bench)
        prefix = keys_of(KEY, Settings()).lease_prefix
        lease = Leases(eraser.sources, "worker").take(prefix, 60.0)
        assert lease
        receipt = api.call("DELETE", f"/v1/cards/{reference(KEY)}?reason=requested").json()
        assert receipt["state"] == "erasing"
        assert bench.get(KEY) is None, "the source goes at once"
        assert tick(bench)["erasure_busy"] == 1
        Leases(eraser.sources, "worker").release(lease, prefix)
        assert tick(bench)["erasure_erased"] == 1
        bench.settle()
        assert left(bench, *CANARIES) == []


@pytest.mark.parametrize("versions", [False, True], ids=["plain", "versioned"])
@pytest.mark.parametrize("found_by", ["event", "sweep"])
def test_a_source_that_somebody_deletes_takes_its_results_along(
    tmp_path: Path, front: bytes, versions: bool, found_by: str
) -> None:
    with api_bench(tmp_path / "cloud", environment=JOBS) as api:
        bench = api.bench
        if versions:
            versioned(bench)
        bench.upload("inbox/a.jpg", front)
        # Its results are named by a digest.
        long = f"inbox/{'x' * 836}.jpg"
        bench.upload(long, front)
        fill(bench, KEY, front)
        if found_by == "sweep":
            bench.cloud.store.delete(bench.bucket, KEY)  # of which no event tells
            swept(bench)
        else:
            bench.client.delete_object(bench.bucket, KEY)
        bench.settle()
        tick(bench)
        bench.settle()
        assert left(bench, *CANARIES) == []
        (stone,) = an_eraser(bench).tombstones(KEY)
        assert (stone.state, stone.reason) == ("erased", "source_deleted")
        assert bench.sidecar("a.jpg") is not None
        assert bench.get(keys_of(long, Settings()).sidecar) is not None
        assert "erasure_erased" not in tick(bench)


def test_a_source_that_was_deleted_and_uploaded_anew_stays(api: Api, front: bytes) -> None:
    bench, key = api.bench, "inbox/again.jpg"
    bench.upload(key, front)
    bench.settle()
    eraser = an_eraser(bench)
    eraser.want(key, "cos", "source_deleted")
    assert tick(bench)["erasure_dropped"] == 1
    assert bench.sidecar("again.jpg") is not None
    assert eraser.task(key) is None


def test_kept_where_the_setting_says_so(tmp_path: Path, front: bytes) -> None:
    with api_bench(tmp_path / "cloud", environment={**JOBS, "CARDVEIL_SOURCE_DELETED": "keep"}) as api:
        bench = api.bench
        bench.upload(KEY, front)
        bench.settle()
        bench.client.delete_object(bench.bucket, KEY)
        swept(bench, source_deleted="keep")
        bench.settle()
        assert "erasure_erased" not in tick(bench)
        assert bench.get(keys_of(KEY, Settings()).sidecar) is not None


def test_whatever_happens_beside_it(tmp_path: Path, front: bytes, interleavings: int) -> None:
    with api_bench(tmp_path / "cloud", environment=JOBS) as api:
        bench = api.bench
        for seed in range(interleavings):
            interleave(api, front, seed)
            bench.settle()
            an_eraser_done(bench)
            bench.settle()
            assert left(bench, b"CANARY") == [], seed


def an_eraser_done(bench: Bench) -> None:
    """Let the schedule come until nothing is wanted; a lease outlives whoever was at work."""
    eraser = an_eraser(bench)
    while erasures_of(eraser):
        tick(bench)


def interleave(api: Api, front: bytes, seed: int) -> None:
    """Upload, decide, submit as a job, deliver again and erase one card, in any order, beside each other."""
    chance = random.Random(seed)
    bench, key = api.bench, f"inbox/CANARY-{seed}.jpg"
    bench.upload(key, front, execution=chance.choice(["job", "direct"]))
    if chance.random() < 0.5:
        bench.settle()

    def decide() -> None:
        found = api.call("GET", f"/v1/cards/{reference(key)}")
        if found.status_code == 200:
            body = {"decision": "accept", "reason": "CANARY", "version": found.json()["version"]}
            api.call("POST", f"/v1/cards/{reference(key)}/review", body)

    def erase() -> None:
        answer = api.call("DELETE", f"/v1/cards/{reference(key)}?reason=requested")
        assert answer.status_code == 200, answer.text

    def again() -> None:
        with suppress(RuntimeError):
            bench.deliver(key)

    def submit() -> None:
        api.call("POST", "/v1/cards", {"source": {"kind": "object", "key": key}})

    actions = [decide, erase, again, submit]
    chance.shuffle(actions)
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        time.sleep(chance.choice([0.0, 0.0, 0.02, 0.1]))
        thread.start()
    for thread in threads:
        thread.join(60)
    erase()


class Deleting(NoFaults):
    """Deletes a source, of which no event tells, as its sidecar is written: its lease is of no avail then."""

    def __init__(self) -> None:
        self.bench: Bench | None = None

    async def before(self, service: str, operation: str, request: Request) -> None:
        """Delete the source of the sidecar that comes in."""
        if self.bench and operation == "PutObject" and request.url.path.startswith("/sidecars/"):
            self.bench.cloud.store.delete(self.bench.bucket, KEY)


@pytest.mark.parametrize("versions", [False, True], ids=["plain", "versioned"])
def test_results_of_a_source_that_went_as_they_were_written_go_too(
    tmp_path: Path, front: bytes, versions: bool
) -> None:
    faults = Deleting()
    with api_bench(tmp_path / "cloud", environment=JOBS, faults=faults) as api:
        bench = api.bench
        if versions:
            versioned(bench)
        faults.bench = bench
        bench.upload(KEY, front)
        bench.settle()
        assert bench.sidecar(KEY.removeprefix("inbox/")) is None
        tick(bench)
        bench.settle()
        assert left(bench, *CANARIES) == []


def test_the_command_erases_lists_and_says_what_is_left(tmp_path: Path, front: bytes) -> None:
    with api_bench(tmp_path / "cloud", environment=JOBS) as api:
        bench = api.bench
        take(tmp_path / "cloud", bench.endpoint)
        names = ["inbox/a.jpg", KEY, "inbox/c.jpg"]
        for key in names:
            bench.upload(key, front)
        bench.settle()
        manifest = tmp_path / "keys.txt"
        manifest.write_text("\n".join([KEY, "", "inbox/c.jpg"]), "utf-8")
        where = ["--reason", "term_ended", "--by", "desk", "--data", str(tmp_path / "cloud")]
        assert cardveil("erase", "--manifest", str(manifest), "--dry-run", *where).out == "2 known\n"
        assert len(bench.listing("inbox/")) == 3
        done = cardveil("erase", "--manifest", str(manifest), "--json", *where)
        assert done.code == 0
        receipts = [orjson.loads(line) for line in done.out.splitlines()]
        assert [each["source"] for each in receipts] == [source_digest(key) for key in names[1:]]
        assert {(each["state"], each["by"]) for each in receipts} == {("erased", "desk")}
        bench.settle()
        assert bench.listing("inbox/") == ["inbox/a.jpg"]
        assert bench.listing("sidecars/") == ["sidecars/a.jpg.json"]
        assert left(bench, *CANARIES) == []
        unknown = cardveil("erase", "inbox/a.jpg", "inbox/never.jpg", *where)
        assert (unknown.code, unknown.out.splitlines()[-1]) == (3, "1 erased, 1 unknown")
        assert "never" not in unknown.out + unknown.err
        for wrong in (["sidecars/a.jpg.json"], [], ["inbox/a.jpg", "--manifest", str(manifest)]):
            assert cardveil("erase", *wrong, *where).code == 2
