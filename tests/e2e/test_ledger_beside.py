"""The ledger beside HTTP: what the schedule removes and what commands do is entered, or it is not done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from tests.e2e.test_ledger import STATE, STRICT, Refusing, entries, objects
from tests.support.api_fixture import Api, api_bench
from tests.support.command import cardveil

from cardveil.storage.keys import source_digest
from cardveil.storage.ledger import Ledger, heads_prefix
from cardveil.storage.ledger_check import verify
from cardveil.storage.retention import DAY_S
from cardveil_cli.commands.endpoint import take
from cardveil_cloud.cos.errors import CosError

KEPT = {**STRICT, "CARDVEIL_RETENTION": "source=30d;copy=30d;sidecar=30d", "CARDVEIL_SWEEP_EXECUTION": "off"}


class RefusingRemovals(Refusing):
    """Refuses that one source is deleted, too."""

    kept = ""

    async def before(self, service: str, operation: str, request: Request) -> None:
        await super().before(service, operation, request)
        if self.kept and request.method == "DELETE" and self.kept in request.url.path:
            raise CosError("AccessDenied")


@contextmanager
def begun(folder: Path, faults: Refusing, environment: dict[str, str]) -> Iterator[Api]:
    with api_bench(folder, environment=environment, faults=faults) as found:
        take(folder, found.bench.endpoint)
        yield found


def old(api: Api, *names: str) -> list[str]:
    """Put sources straight into the store that are due; return their digests."""
    store = api.bench.cloud.store
    now = store.now
    store.now = lambda: now() - 31 * DAY_S
    for name in names:
        store.put(api.bench.bucket, f"inbox/{name}", b"x")
    store.now = now
    return [source_digest(f"inbox/{name}") for name in names]


def tick(api: Api) -> bool:
    """Run the schedule, with a run of retention; say whether it went well."""
    api.bench.client.delete_object(api.bench.bucket, f"{STATE}retention/run.json")
    done = api.bench.cloud.invoke("on_schedule", {"Type": "Timer", "Message": ""}, wait_s=60.0)
    api.bench.settle()
    return bool(done.ok)


def of(api: Api, look: str) -> list[dict[str, Any]]:
    return [entry for entry in entries(api) if entry["look"] == look]


def test_what_the_schedule_removes_is_entered_first(tmp_path: Path, front: bytes) -> None:
    faults = RefusingRemovals()
    with begun(tmp_path / "cloud", faults, KEPT) as api:
        due = old(api, *(f"{number}.jpg" for number in range(12)))
        (held,) = old(api, "held.jpg")
        (refused,) = old(api, "refused.jpg")
        where = ["--data", str(tmp_path / "cloud")]
        assert cardveil("hold", "inbox/held.jpg", "--reason", "case:1", "--by", "desk", *where).code == 0
        faults.on = True
        assert not tick(api)
        assert len(api.bench.listing("inbox/")) == 14, "nothing goes without its entry"
        assert '"LedgerFailed"' in api.bench.logs()
        faults.on, faults.kept = False, "refused"
        tick(api)
        assert api.bench.listing("inbox/") == ["inbox/held.jpg", "inbox/refused.jpg"]
        told = of(api, "retention")
        assert {(each["by"], *each["roles"], each["detail"]) for each in told} == {
            ("schedule", "schedule", "source")
        }
        went = [card for each in told if "refused" not in each for card in each["cards"]]
        assert sorted(went) == sorted([*due, refused])
        not_done = [each for each in told if "refused" in each]
        assert [(each["cards"], each["refused"]) for each in not_done] == [([refused], "permission_missing")]
        assert held not in went
        # Who deletes a source by hand has its results go along: nobody else has entered that.
        faults.kept = ""
        api.upload("gone.jpg", front)
        api.bench.client.delete_object(api.bench.bucket, "inbox/gone.jpg")
        api.bench.settle()
        for _ in range(2):
            assert tick(api)
        (entry,) = of(api, "erasure")
        assert (entry["by"], entry["detail"]) == ("schedule", "source_deleted")
        assert entry["cards"] == [source_digest("inbox/gone.jpg")]
        assert not verify(objects(api), STATE).faults


def test_what_a_command_does_or_shows_is_entered_wherever_there_is_a_ledger(
    tmp_path: Path, front: bytes
) -> None:
    faults, where = Refusing(), ["--data", str(tmp_path / "cloud")]
    with begun(tmp_path / "cloud", faults, {"CARDVEIL_LEDGER": "off"}) as api:
        for name in ("a.jpg", "b.jpg"):
            api.upload(name, front)
        hold = ("hold", "inbox/a.jpg", "--reason", "case:7", "--by", "desk", *where)
        assert cardveil(*hold).code == 0
        assert cardveil("release", "inbox/a.jpg", *where).code == 0
        assert api.bench.listing(f"{STATE}ledger/") == [], "none is kept, and none begun"
        # One is begun: no command is told of it but by the bucket.
        Ledger().enter(objects(api), STATE, [{"look": "text", "at": "2026-01-01T00:00:00.000Z"}])
        old(api, "due.jpg")
        assert cardveil(*hold).code == 0
        assert cardveil("release", "inbox/a.jpg", "--by", "chief", *where).code == 0
        assert cardveil("export", "--purpose", "audit", "--by", "desk", *where).code == 0
        assert cardveil("erase", "inbox/b.jpg", "--reason", "requested", "--by", "desk", *where).code == 0
        terms = ["--set", "CARDVEIL_RETENTION=source=30d", "--by", "desk"]
        assert cardveil("retention", "--dry-run", *terms[:2], *where).code == 0
        assert cardveil("retention", *terms, *where).code == 0
        a, b, due = (source_digest(f"inbox/{name}.jpg") for name in ("a", "b", "due"))
        told = [
            (entry["look"], entry["by"], sorted(entry["cards"]), entry.get("detail"), entry["why"])
            for entry in entries(api)[1:]
        ]
        assert told == [
            ("hold", "desk", [a], "case:7", ""),
            ("release", "chief", [a], None, ""),
            ("export", "desk", sorted([a, b, due]), "csv", "audit"),
            ("erasure", "desk", [b], "requested", ""),
            ("retention", "desk", [due], "source", ""),
        ]
        faults.on = True
        old(api, "late.jpg")
        for command in (
            hold,
            ("export", *where),
            ("erase", "inbox/a.jpg", "--reason", "requested", *where),
            ("retention", *terms, *where),
        ):
            done = cardveil(*command)
            assert done.code != 0, command
            assert "inbox/" not in done.out
        assert api.bench.there("inbox/a.jpg")
        assert api.bench.there("inbox/late.jpg")
        assert api.bench.listing(f"{STATE}holds/") == []
        assert not [key for key in api.bench.listing(f"{STATE}erasing/") if a in key]
        faults.on = False
        assert not verify(objects(api), STATE).faults
        demanded = ("export", "--set", "CARDVEIL_LEDGER=on", "--set", "CARDVEIL_PURPOSE=required", *where)
        assert cardveil(*demanded).code == 2
        assert cardveil("export", "--purpose", "for Frau X", *where).code == 2


def test_a_person_settles_an_end_that_nothing_names(tmp_path: Path) -> None:
    where = ["--data", str(tmp_path / "cloud")]
    with begun(tmp_path / "cloud", Refusing(), STRICT) as api:
        bench, ledger = api.bench, Ledger()
        for number in range(3):
            ledger.enter(objects(api), STATE, [{"look": "text", "number": number}])
        nothing = cardveil("ledger", "settle", "--reason", "r", *where)
        assert (nothing.code, nothing.out) == (0, "0 settled\n")
        # As a kill between a segment and its head leaves it.
        for key in bench.listing(heads_prefix(STATE)):
            bench.client.delete_object(bench.bucket, key)
        before = cardveil("ledger", "verify", *where)
        assert (before.code, "end_unknown" in before.err) == (3, True)
        assert cardveil("ledger", "settle", *where).code == 2, "a reason is wanted"
        done = cardveil("ledger", "settle", "--reason", "incident:4", "--by", "desk", *where)
        assert (done.code, done.out) == (0, "1 settled\n")
        assert cardveil("ledger", "verify", *where).code == 0
        lines = cardveil("ledger", "show", "--by", "desk", "--json", *where).out.splitlines()
        (shown,) = [orjson.loads(line) for line in lines]
        assert (shown["look"], shown["detail"]) == ("settled", "incident:4")
        # What goes afterwards is found, and nothing can be settled beside it.
        (last,) = [key for key in bench.listing(f"{STATE}ledger/chains/") if "00000003" in key]
        bench.client.delete_object(bench.bucket, last)
        assert cardveil("ledger", "settle", "--reason", "incident:5", *where).code == 3
        assert "missing" in cardveil("ledger", "verify", *where).err
