"""COS events in their stored real forms, and the cheap decision which of them are ours."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from tests.support.odd_values import mutants

from cardveil.core.errors import Reject
from cardveil.handlers.upload import EventRecord, passed_over, read_record, records_of
from cardveil.settings import Settings, from_environment
from cardveil.storage.source import Source

EVENTS = Path(__file__).parents[2] / "events"
SETTINGS = from_environment({})


def uploads(name: str, region: str = "") -> list[EventRecord]:
    event = json.loads((EVENTS / name).read_text("utf-8"))
    return [read_record(record, region=region) for record in records_of(event)]


@pytest.mark.parametrize("path", sorted(EVENTS.glob("cos-*.json")), ids=lambda path: path.stem)
def test_every_stored_event_can_be_read(path: Path) -> None:
    for upload in uploads(path.name, "ap-shanghai"):
        assert upload.source.bucket == "cards-1250000000"
        assert upload.source.key
        assert "CANARY" not in repr(upload)


def test_put() -> None:
    (upload,) = uploads("cos-object-created-put.json")
    assert upload.source.key == "inbox/a b.jpg"
    assert upload.source.region == "ap-shanghai"
    assert upload.source.etag == "0d73c0a6e4bd5a3a7d9c6f0fcf4b1c55"
    assert passed_over(upload, SETTINGS) is None


def test_the_url_is_the_truth_about_a_key() -> None:
    (upload,) = uploads("cos-object-created-chinese-key.json")
    assert upload.source.key == "inbox/证件 照+1%.jpg"


def test_without_a_url_the_key_is_taken() -> None:
    (upload,) = uploads("cos-object-created-no-url.json")
    assert upload.source.key == "inbox/a b.jpg"


def test_a_short_region_code_is_known() -> None:
    assert uploads("cos-object-created-short-region.json")[0].source.region == "ap-guangzhou"
    # The function's own region wins: a trigger works in its own region only.
    assert uploads("cos-object-created-short-region.json", "ap-beijing")[0].source.region == "ap-beijing"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cos-object-remove-delete.json", "not_created"),
        ("cos-object-created-own-sidecar.json", "not_in_inbox"),
    ],
)
def test_what_is_passed_over(name: str, reason: str) -> None:
    assert passed_over(uploads(name)[0], Settings(source_deleted="keep")) == reason


def test_a_deletion_is_passed_over_only_where_results_are_kept() -> None:
    deleted = uploads("cos-object-remove-delete.json")[0]
    assert passed_over(deleted, SETTINGS) is None
    own = replace(deleted, source=replace(deleted.source, key="sidecars/a.jpg.json"))
    assert passed_over(own, SETTINGS) == "not_in_inbox"


def made(key: str, **meta: str) -> EventRecord:
    return EventRecord("cos:ObjectCreated:Put", Source("b-1", "r", key, meta=meta))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("inbox/", "not_in_inbox"),
        ("inbox/folder/", "folder"),
        ("inbox/notes.txt", "not_a_picture"),
        ("inbox/a.JSON", "not_a_picture"),
        ("elsewhere/a.jpg", "not_in_inbox"),
        ("inbox/a.jpg", None),
        ("inbox/no-ending", None),
        ("inbox/odd.ending", None),
        ("inbox/scan.pdf", None),  # gets a sidecar that says why it was rejected
    ],
)
def test_keys(key: str, reason: str | None) -> None:
    assert passed_over(made(key), SETTINGS) == reason


def test_our_own_outputs_are_passed_over_by_their_place_alone() -> None:
    everywhere = from_environment({"CARDVEIL_INBOX_PREFIX": ""})
    for prefix in everywhere.output_prefixes:
        assert passed_over(made(f"{prefix}a.jpg"), everywhere) == "own_output"
    marked = made("moved/a.jpg", **{"x-cos-meta-cardveil": "redacted"})
    assert passed_over(marked, everywhere) is None, "whoever may upload may set our mark"


@pytest.mark.parametrize(
    "event", [None, [], {}, {"Records": []}, {"Records": "x"}, {"Records": None}, "text", 3], ids=str
)
def test_what_is_no_event_is_refused(event: Any) -> None:
    with pytest.raises(Reject) as caught:
        records_of(event)
    assert caught.value.code == "event_unreadable"


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"cos": {}, "event": {}},
        {"cos": {"cosBucket": {"name": "b"}, "cosObject": {"key": "SECRET"}}, "event": {"eventName": "x"}},
        {"cos": {"cosBucket": {"name": "b"}, "cosObject": {"url": "http://h/"}}, "event": {"eventName": "x"}},
        {
            "cos": {"cosBucket": {"name": "b"}, "cosObject": {"url": "http://h/%ff"}},
            "event": {"eventName": "x"},
        },
    ],
)
def test_an_unreadable_record_is_refused_without_repeating_it(record: Any) -> None:
    with pytest.raises(Reject) as caught:
        read_record(record, region="r")
    assert caught.value.code == "event_unreadable"
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(mutants(*sorted(EVENTS.glob("cos-*.json"))))
@settings(max_examples=400, deadline=None)
def test_whatever_an_event_says_its_records_are_read_or_refused(event: Any) -> None:
    try:
        records = records_of(event)
    except Reject:
        return
    for record in records:
        _read_or_refused(record)


def _read_or_refused(record: Any) -> None:
    try:
        upload = read_record(record, region="ap-shanghai")
    except Reject:
        return
    passed_over(upload, SETTINGS)
    source = upload.source
    assert source.key.encode()
    assert re.fullmatch(r"[a-z]{2}-[a-z0-9-]+", source.region)
    assert re.fullmatch(r"[a-z0-9-]+-[0-9]+", source.bucket)
    assert re.fullmatch(r"[0-9A-Za-z-]*", source.etag)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("cosObject", "size"), float("inf")),
        (("cosBucket", "cosRegion"), ["ap-shanghai"]),
        (("cosBucket", "cosRegion"), "evil.example/"),
        (("cosObject", "meta"), ["ETag"]),
        (("cosObject", "url"), 7),
    ],
)
def test_what_is_odd_and_not_needed_loses_no_picture(place: tuple[str, str], value: Any) -> None:
    (record,) = records_of(json.loads((EVENTS / "cos-object-created-put.json").read_text("utf-8")))
    record["cos"][place[0]][place[1]] = value
    source = read_record(record, region="ap-shanghai").source
    assert (source.key, source.region) == ("inbox/a b.jpg", "ap-shanghai")


def test_a_key_with_half_of_a_surrogate_pair_is_refused() -> None:
    (record,) = records_of(json.loads((EVENTS / "cos-object-created-no-url.json").read_text("utf-8")))
    record["cos"]["cosObject"]["key"] = "/1250000000/cards/inbox/\ud800.jpg"
    with pytest.raises(Reject, match="event_unreadable"):
        read_record(record, region="ap-shanghai")
