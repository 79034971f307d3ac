"""COS events in their stored real forms, and the cheap decision which of them are ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

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
    assert upload.size == 557
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
    return EventRecord("cos:ObjectCreated:Put", Source("b-1", "r", key, meta=meta), 1)


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
