"""Rows of cards: which columns, whose texts, what is new; parts and cursors; memory that stays the same."""

from __future__ import annotations

import csv
import io
import json
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from tests.support.chaos.memory import Instance, MemoryBucket

from cardveil.api import export as over_http
from cardveil.api.problems import Problem
from cardveil.api.sealed import opened, sealed
from cardveil.core.spreadsheet import BOM
from cardveil.pipeline.export import Export, Wish
from cardveil.pipeline.texts_at_rest import TOKENS, TextKeeping
from cardveil.redaction import load_policy
from cardveil.settings import Settings
from cardveil.storage.keys import keys_of, source_digest

SETTINGS = Settings(bucket="cards-1250000000", token_secrets=("t" * 32,))
NAME, ADDRESS = "=cmd|' /C calc'!A0", "@SUM(1)"


def document(key: str, etag: str, **changes: Any) -> dict[str, Any]:
    """A sidecar as the package writes it, with texts that a spreadsheet would evaluate."""
    field: dict[str, Any] = {"score": 99.0, "polygon": None, "sources": [], "checks": []}
    return {
        "schema": "cardveil.sidecar/2",
        "source": {"bucket": "b", "key": key, "etag": etag, "size": 1, "width": 9, "height": 9,
                   "orientation": 1},
        "status": "redacted",
        "cards": [{
            "type": "IDCard", "side": "front", "outline": None,
            "fields": [
                {"name": "name", "text": NAME, "normalized": NAME, **field},
                {"name": "sex", "text": "男", "normalized": "male", **field},
                {"name": "address", "text": ADDRESS, "normalized": None, **field},
            ],
        }],
        "warnings": [], "findings": ["low_score", "expired"], "calls": [],
        "redaction": {"policy": "standard", "regions": [{"field": "name", "polygon": [], "action": "mask"}],
                      "output": {"key": "k", "sha256": "0"}, "path": "dct", "proof": {}},
        "pipeline": {"version": "2", "policy_digest": "d" * 64},
        "created_at": "2026-11-01T00:00:00+00:00",
        **changes,
    }  # fmt: skip


def bucket(*cards: str, pending: tuple[str, ...] = ()) -> Instance:
    """A bucket with these cards, and sources that have no result yet."""
    objects = Instance(MemoryBucket())
    for key in (*cards, *pending):
        objects.memory.content[key] = b"picture", {}
    for key in cards:
        head = objects.head(key)
        assert head is not None
        content = orjson.dumps(document(key, head.etag))
        objects.memory.content[keys_of(key, SETTINGS).sidecar] = content, {}
    return objects


def exported(objects: Instance, **wish: Any) -> Export:
    return Export(objects, objects, SETTINGS, load_policy("standard"), Wish(**{"format": "jsonl", **wish}))


def rows(objects: Instance, **wish: Any) -> list[dict[str, Any]]:
    told = "".join(lines for _, lines in exported(objects, **wish).rows())
    return [json.loads(line) for line in told.splitlines()]


def test_a_row_says_no_key_and_no_text_unless_asked() -> None:
    (row,) = rows(bucket("inbox/张三.jpg"))
    assert row == {
        "source_sha256": source_digest("inbox/张三.jpg"), "key": None, "state": "redacted", "decided": False,
        "card": 1, "card_type": "IDCard", "side": "front", "uploaded_at": "1970-01-01T00:00:01Z",
        "recognised_at": "2026-11-01T00:00:00+00:00", "decided_at": None, "policy": "standard",
        "findings": ["low_score", "expired"],
    }  # fmt: skip
    assert rows(bucket("inbox/张三.jpg"), with_key=True)[0]["key"] == "inbox/张三.jpg"


def test_masked_texts_want_to_be_asked_for_by_name() -> None:
    (kept,) = rows(bucket("inbox/a.jpg"), texts="kept")
    assert (kept["name"], kept["sex"], kept["address"]) == (None, "male", None)
    (whole,) = rows(bucket("inbox/a.jpg"), texts="all")
    assert (whole["name"], whole["sex"], whole["address"]) == (NAME, "male", ADDRESS)


def test_a_token_stands_for_a_text_that_is_not_kept_and_joins_a_thousand_cards() -> None:
    keeping = TextKeeping(TOKENS, (b"a key of this test alone, and long",))
    names = [f"inbox/{number:04}.jpg" for number in range(1000)]
    objects = bucket(*names)
    number_of = {name: f"99010119900101{at % 299:04}" for at, name in enumerate(names)}
    for at, name in enumerate(names):
        place = keys_of(name, SETTINGS).sidecar
        told = orjson.loads(objects.memory.content[place][0])
        field = "licence_number" if at % 2 else "id_number"
        told["cards"][0] |= {"type": "DriverLicense"} if at % 2 else {}
        said = {
            "name": field,
            "text": None,
            "normalized": None,
            "token": keeping.token(field, number_of[name]),
        }
        told["cards"][0]["fields"] = [{**told["cards"][0]["fields"][0], **said}]
        objects.memory.content[place] = orjson.dumps(told), {}
    joined: dict[str, set[str]] = {}
    for row in rows(objects, texts="all", with_key=True):
        cell = row["id_number"] or row["licence_number"]
        assert cell.startswith("token:")
        joined.setdefault(cell, set()).add(number_of[row["key"]])
    assert len(joined) == 299
    assert all(len(numbers) == 1 for numbers in joined.values())
    assert {row["id_number"] for row in rows(objects, texts="kept")} == {None}, "what is covered stays so"
    csv_rows = "".join(line for _, line in exported(objects, format="csv", texts="all").rows())
    assert csv_rows.count("token:") == 1000


def test_what_the_copy_covers_is_not_kept_whatever_the_settings_say_now() -> None:
    objects = bucket("inbox/a.jpg")
    export = Export(objects, objects, SETTINGS, load_policy("minimal"), Wish("jsonl", texts="kept"))
    ((_, line),) = export.rows()
    assert json.loads(line)["name"] is None


def test_states_that_are_none_of_a_result() -> None:
    objects = bucket("inbox/a.jpg", "inbox/b.jpg", pending=("inbox/c.jpg",))
    objects.memory.content["inbox/a.jpg"] = b"another picture", {}
    objects.memory.content[keys_of("inbox/b.jpg", SETTINGS).sidecar] = b"{", {}
    objects.memory.content["inbox/notes.txt"] = b"", {}
    assert [row["state"] for row in rows(objects)] == ["outdated", "unreadable", "pending", "pending"]


def test_only_what_is_new_or_under_a_prefix() -> None:
    objects = bucket("inbox/a/1.jpg", "inbox/b/1.jpg")
    assert len(rows(objects, prefix="inbox/a/")) == 1
    moments = {"2026-10-31": 2, "2026-11-02": 0}
    for text, count in moments.items():
        assert len(rows(objects, since=over_http._since(text))) == count
    key = keys_of("inbox/a/1.jpg", SETTINGS).sidecar
    told = orjson.loads(objects.memory.content[key][0])
    decision = {
        "at": "2026-11-05T00:00:00+00:00", "by": "x", "decision": "accept", "reason": "y", "before": "z",
        "after": "redacted", "fields": [], "settled": [],
    }  # fmt: skip
    objects.memory.content[key] = orjson.dumps({**told, "history": [decision]}), {}
    (row,) = rows(objects, since=over_http._since("2026-11-02"))
    assert (row["decided"], row["decided_at"]) == (True, "2026-11-05T00:00:00+00:00")
    assert "x" not in row.values()


def test_each_card_of_a_picture_has_a_row() -> None:
    objects = bucket("inbox/a.jpg", "inbox/b.jpg")
    for key, cards in (("inbox/a.jpg", 2), ("inbox/b.jpg", 0)):
        place = keys_of(key, SETTINGS).sidecar
        told = orjson.loads(objects.memory.content[place][0])
        objects.memory.content[place] = orjson.dumps({**told, "cards": told["cards"] * cards}), {}
    assert [(row["card"], row["card_type"]) for row in rows(objects)] == [
        (1, "IDCard"),
        (2, "IDCard"),
        (None, None),
    ]


def test_csv_has_a_heading_and_no_formula() -> None:
    export = exported(bucket("inbox/a.jpg"), format="csv", texts="all", with_key=True)
    text = export.head() + "".join(line for _, line in export.rows())
    assert text.startswith(BOM)
    heading, row = csv.reader(io.StringIO(text.removeprefix(BOM), newline=""), strict=True)
    told = dict(zip(heading, row, strict=True))
    assert told["name"] == f"'{NAME}"
    assert told["address"] == f"'{ADDRESS}"
    assert (told["findings"], told["decided"], told["decided_at"]) == ("low_score expired", "no", "")


def context(roles: set[str], **more: Any) -> Any:
    """As much of a request's context as a part of an export needs."""

    def require(role: str) -> None:
        if role not in roles:
            raise Problem(403, "role_missing", role)

    caller = SimpleNamespace(may=lambda role: role in roles)
    invocation = SimpleNamespace(remaining_s=lambda: 60.0)
    told: list[str] = []
    shown: list[str] = []
    return SimpleNamespace(
        describe=lambda *_: None, saw_each=shown.extend, shown=shown,
        caller=caller, require=require, settings=SETTINGS, invocation=invocation, told=told,
        policy=load_policy("standard"), function=SimpleNamespace(on_metric=told.append), **more,
    )  # fmt: skip


def whole(objects: Instance, roles: set[str], **asked: Any) -> tuple[list[str], Any]:
    """Fetch all parts, one after the other."""
    pipeline = SimpleNamespace(sources=objects, results=SimpleNamespace(objects=objects))
    here, parts, cursor = context(roles, pipeline=pipeline), [], None
    while True:
        given = {"format": "csv", "prefix": "", "since": "", "texts": "none", "cursor": cursor, **asked}
        part = over_http.export(here, **given)
        parts.append(part.content)
        if not part.cursor:
            return parts, here
        assert "inbox" not in part.cursor
        cursor = part.cursor


def test_parts_one_after_the_other_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = bucket(*(f"inbox/{number:03}.jpg" for number in range(200)))
    (once,), _ = whole(objects, {"read"})
    monkeypatch.setattr(over_http, "_MOST_BYTES", 4000)
    parts, here = whole(objects, {"read"})
    assert len(parts) > 10
    assert "".join(parts) == once
    assert all(len(json.dumps(part)) <= 4000 + len(parts[0]) for part in parts)
    assert here.told == ["CardsExported"] * len(parts)
    assert here.shown == [f"inbox/{number:03}.jpg" for number in range(200)], "each is entered once"


def test_time_that_ends_ends_a_part() -> None:
    objects = bucket("inbox/a.jpg", "inbox/b.jpg")
    pipeline = SimpleNamespace(sources=objects, results=SimpleNamespace(objects=objects))
    here = context({"read"}, pipeline=pipeline)
    left = iter([60.0, 1.0])
    here.invocation.remaining_s = lambda: next(left)
    part = over_http.export(here, format="jsonl", prefix="", since="", texts="none", cursor=None)
    assert (part.rows, bool(part.cursor)) == (1, True)
    here.invocation.remaining_s = lambda: 60.0
    rest = over_http.export(here, format="jsonl", prefix="", since="", texts="none", cursor=part.cursor)
    assert (rest.rows, rest.cursor) == (1, "")


def test_a_role_that_may_not_read_learns_no_key() -> None:
    objects = bucket("inbox/张三.jpg", "inbox/b.jpg")
    (content,), _ = whole(objects, {"export"})
    assert "张三" not in content
    assert source_digest("inbox/张三.jpg") in content
    for asked in ({"prefix": "inbox/张"}, {"texts": "kept"}, {"texts": "all"}):
        with pytest.raises(Problem, match="role_missing"):
            whole(objects, {"export"}, **asked)
    with pytest.raises(Problem, match="role_missing"):
        whole(objects, {"export", "read"}, texts="kept")


@pytest.mark.parametrize(
    "wrong", [{"since": "yesterday"}, {"prefix": "elsewhere/"}, {"cursor": "aW5ib3gvYQ=="}]
)
def test_what_cannot_be_asked_for(wrong: dict[str, str]) -> None:
    objects = bucket("inbox/a.jpg")
    pipeline = SimpleNamespace(sources=objects, results=SimpleNamespace(objects=objects))
    asked = {"format": "csv", "prefix": "", "since": "", "texts": "none", "cursor": None, **wrong}
    with pytest.raises(Problem) as caught:
        over_http.export(context({"read"}, pipeline=pipeline), **asked)  # type: ignore[arg-type]
    assert (caught.value.status, caught.value.code) == (422, f"{next(iter(wrong))}_refused")


def test_a_seal_hides_and_holds() -> None:
    key = "inbox/张三-11010519491231002X.jpg" * 3
    seal = sealed("s" * 32, "export", key)
    assert opened(("x" * 32, "s" * 32), "export", seal) == key
    assert sealed("s" * 32, "export", key) != seal
    for secrets, purpose in ((("x" * 32,), "export"), (("s" * 32,), "listing"), ((), "export")):
        with pytest.raises(ValueError, match="not sealed here"):
            opened(secrets, purpose, seal)
    for at in range(0, len(seal), 7):
        changed = seal[:at] + ("A" if seal[at] != "A" else "B") + seal[at + 1 :]
        with pytest.raises(ValueError, match="not sealed here"):
            opened(("s" * 32,), "export", changed)
    for short in ("", "A", "AAAA" * 7):
        with pytest.raises(ValueError, match="not sealed here"):
            opened(("s" * 32,), "export", short)
