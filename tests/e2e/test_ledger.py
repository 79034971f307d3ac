"""The access ledger over HTTP: every kind of look leaves its entry, or there is no look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.requests import Request
from tests.support.api_fixture import Api, api_bench, problem
from tests.support.command import cardveil
from tests.support.looks import ALL, DESK, READER, ten_kinds

from cardveil.api.app import application
from cardveil.api.looks import LOOKS, UNSEEN
from cardveil.api.refs import reference
from cardveil.storage.keys import source_digest
from cardveil.storage.ledger_check import chains_of, verify
from cardveil_cli.commands.endpoint import take
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.faults import NoFaults

STATE = ".cardveil/"
STRICT = {"CARDVEIL_LEDGER": "strict", "CARDVEIL_GENERAL_OCR": "off"}


def objects(api: Api) -> Any:
    from tests.support.sweep_fixture import context

    return context(api.bench).processor.pipeline.sources


def entries(api: Api) -> list[dict[str, Any]]:
    """All entries, in the order of their time."""
    found: list[dict[str, Any]] = []
    for _, keys in chains_of(objects(api), STATE):
        for key in keys:
            found += [orjson.loads(line) for line in (api.bench.get(key) or b"").splitlines()[1:]]
    return sorted(found, key=lambda entry: entry["at"])


class Refusing(NoFaults):
    """Refuses what is written to the ledger while it is on."""

    def __init__(self) -> None:
        self.on = False

    async def before(self, service: str, operation: str, request: Request) -> None:
        if self.on and service == "cos" and request.method == "PUT" and "/ledger/" in request.url.path:
            raise CosError("AccessDenied")


REFUSING = Refusing()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("ledger")
    with api_bench(folder, environment=STRICT, faults=REFUSING) as found:
        take(folder, found.bench.endpoint)
        yield found


@pytest.fixture
def refusing() -> Iterator[None]:
    REFUSING.on = True
    yield
    REFUSING.on = False


def test_every_route_is_some_kind_of_look_or_says_why_it_is_none() -> None:
    app = application()
    routes = {route.func.__name__ for route in app._static_routes + app._dynamic_routes}
    assert routes == set(LOOKS) | set(UNSEEN)
    assert not set(LOOKS) & set(UNSEEN)


def test_each_look_of_ten_kinds_leaves_one_entry(strict: Api, front: bytes) -> None:
    before = len(entries(strict))
    taken = [look for name in ("one", "two") for look in ten_kinds(strict, front, name, "kyc:4711")]
    found = entries(strict)[before:]
    # Texts are restored where they are sealed: see test_texts_at_rest.
    walked = {look.kind for look in LOOKS.values()} - {"restoring"}
    assert {look.kind for look in taken} >= walked, "every route was walked"
    assert [entry["look"] for entry in found] == [look.kind for look in taken]
    assert [entry["cards"] for entry in found] == [[source_digest(look.key)] for look in taken]
    assert [entry["roles"] for entry in found] == [sorted(look.roles) for look in taken]
    assert {(entry["by"], entry["why"], entry["from"]) for entry in found} == {
        ("tester", "kyc:4711", "127.0.0.1")
    }
    assert len({entry["request"] for entry in found}) == 20
    details = [entry.get("detail") for entry in found if entry.get("detail")]
    assert details == ["correct", "case:1", "card", "test_data"] * 2
    # No links are given, and no entry holds what a card or its key says.
    assert not [look for look in taken if {"source", "redacted"} & set(look.answer.get("links", {}))]
    assert "links" not in set().union(*found)
    text = b"".join(strict.bench.get(key) or b"" for key in strict.bench.listing(f"{STATE}ledger/"))
    assert not [word for word in ("one", "inbox", "张", "李四") if word.encode() in text]
    assert not verify(objects(strict), STATE).faults
    # Where the chain ended stands in the log as well.
    ends = [mark.text for mark in verify(objects(strict), STATE).ends]
    assert all(end in strict.bench.logs() for end in ends)


@pytest.mark.usefixtures("refusing")
def test_without_an_entry_there_is_no_look_and_nothing_is_done(strict: Api, front: bytes) -> None:
    key = "inbox/closed.jpg"
    strict.upload("closed.jpg", front)
    path = f"/v1/cards/{reference(key)}"
    sidecar = strict.bench.get("sidecars/closed.jpg.json")
    assert sidecar
    review = {"decision": "reject", "version": "0"}
    for method, where, body in (
        ("GET", "/v1/cards", None),
        ("GET", path, None),
        ("GET", f"{path}/pictures/source", None),
        ("GET", f"{path}/pictures/redacted", None),
        ("POST", "/v1/cards", {"source": {"kind": "object", "key": key}}),
        ("POST", f"{path}/review", review),
        ("DELETE", f"{path}?reason=requested", None),
    ):
        answer = strict.call(method, where, body)
        problem(answer, 500, "permission_missing")
        assert "closed" not in answer.text
    assert strict.bench.get(key) == front
    assert strict.bench.get("sidecars/closed.jpg.json") == sidecar
    assert strict.call("GET", "/v1/health").status_code == 200
    assert '"LedgerFailed"' in strict.bench.logs()


def test_after_a_refusal_another_chain_begins_and_the_ledger_is_whole(strict: Api) -> None:
    assert strict.call("GET", "/v1/cards").status_code == 200
    found = verify(objects(strict), STATE)
    assert found.chains >= 2
    assert not found.faults


def test_what_was_refused_after_its_entry_says_so(strict: Api, front: bytes) -> None:
    strict.upload("late.jpg", front)
    path = f"/v1/cards/{reference('inbox/late.jpg')}"
    before = len(entries(strict))
    decision = {"decision": "accept", "version": "0"}
    problem(strict.call("POST", f"{path}/review", decision), 409, "changed_meanwhile")
    problem(strict.call("GET", "/v1/cards/inbox/never.jpg"), 404, "card_unknown")
    problem(strict.call("DELETE", f"{path}?reason=requested", roles=DESK), 403, "role_missing")
    found = [(entry["look"], entry.get("refused")) for entry in entries(strict)[before:]]
    assert found == [("decision", None), ("decision", "changed_meanwhile")]


def test_links_are_entered_when_they_are_made_and_purposes_can_be_demanded(
    tmp_path: Path, front: bytes
) -> None:
    faults = Refusing()
    environment = {"CARDVEIL_LEDGER": "on", "CARDVEIL_PURPOSE": "required"}
    with api_bench(tmp_path / "cloud", environment=environment, faults=faults) as api:
        api.upload("a.jpg", front)
        path, why = "/v1/cards/inbox/a.jpg", {"X-Cardveil-Purpose": "audit"}
        problem(api.call("GET", path), 422, "purpose_missing")
        for words in ("for Frau Müller".encode().decode("latin-1"), "id:110101199003070000", "a" * 65, "1a"):
            problem(api.call("GET", path, headers={"X-Cardveil-Purpose": words}), 422, "purpose_refused")
        assert api.call("GET", "/v1/health").status_code == 200
        assert api.bench.listing(f"{STATE}ledger/") == []
        for roles in (ALL, READER):
            links = api.call("GET", path, roles=roles, headers=why).json()["links"]
            (entry,) = entries(api)[-1:]
            assert entry["why"] == "audit"
            assert entry["links"] == [kind for kind in ("redacted", "source") if links.get(kind)]
        # Where the ledger need not hold, an answer is given all the same, and an alarm is raised.
        faults.on = True
        assert api.call("GET", path, headers=why).status_code == 200
        assert len(entries(api)) == 2
        assert '"LedgerFailed"' in api.bench.logs()


def test_without_a_ledger_nothing_is_written(api: Api, front: bytes) -> None:
    api.upload("off.jpg", front)
    words = {"X-Cardveil-Purpose": "whatever it is"}
    assert api.call("GET", "/v1/cards/inbox/off.jpg", headers=words).status_code == 200
    assert api.bench.listing(f"{STATE}ledger/") == []


def test_the_command_verifies_and_shows(strict: Api, front: bytes, tmp_path: Path) -> None:
    where = ["--data", str(strict.bench._folder)]
    strict.upload("shown.jpg", front)
    for roles in (READER, ALL):
        assert strict.call("GET", "/v1/cards/inbox/shown.jpg", roles=roles).status_code == 200
    done = cardveil("ledger", "show", "--card", "inbox/shown.jpg", "--json", *where)
    shown = [orjson.loads(line) for line in done.out.splitlines()]
    assert [entry["look"] for entry in shown] == ["masked_text", "text"]
    assert cardveil("ledger", "show", "--by", "nobody", *where).out == ""
    assert "shown" not in cardveil("ledger", "show", *where).out
    ends = tmp_path / "ends.txt"
    done = cardveil("ledger", "verify", "--ends", str(ends), *where)
    assert (done.code, done.err) == (0, "")
    again = cardveil("ledger", "verify", "--known", str(ends), "--json", *where)
    assert orjson.loads(again.out)["faults"] == []
    # The last segment goes, with its head: what was kept elsewhere tells.
    chain = ends.read_text().splitlines()[-1].partition("/")[0]
    for key in strict.bench.listing(f"{STATE}ledger/"):
        if chain in key:
            strict.bench.client.delete_object(strict.bench.bucket, key)
    lost = cardveil("ledger", "verify", "--known", str(ends), *where)
    assert lost.code == 3
    assert "missing" in lost.err
