"""Callbacks in every stored form, and in forms that nobody should send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cardveil.core.errors import Reject
from cardveil.handlers.callback_event import MAX_BYTES, JobCallback, read_callback, read_delivery

EVENTS = Path(__file__).parents[2] / "events"
STORED = sorted(EVENTS.glob("callback-*.json"))
JOB = "ac7c990a00bf211ed946af9e0691f2b7a"


def load(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_every_form_is_stored() -> None:
    names = {path.stem.removeprefix("callback-") for path in STORED}
    assert names == {"url-json-object", "url-json-list", "url-xml", "ckafka", "cmq", "tdmq-eventbridge"}


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_forms_say_the_same(path: Path) -> None:
    delivery = read_delivery(load(path))
    assert delivery.http == ("-url-" in path.name)
    (body,) = delivery.bodies
    (told,) = read_callback(body)
    assert told.job_id == JOB
    assert told.user_data is not None
    assert told.user_data.startswith("cv1.cards-1250000000.")


@pytest.mark.parametrize("broken", [None, 7, {}, {"Ckafka": []}, {"Ckafka": {"msgBody": None}}], ids=str)
def test_one_broken_record_of_a_batch_stops_no_other(broken: Any) -> None:
    event = load(EVENTS / "callback-ckafka.json")
    event["Records"] = [broken, event["Records"][0], broken]
    bodies = read_delivery(event).bodies
    assert read_callback(bodies[1])[0].job_id == JOB
    for body in (bodies[0], bodies[2]):
        with pytest.raises(Reject, match="callback_unreadable"):
            read_callback(body)


def test_a_queue_may_hand_on_the_message_as_an_object() -> None:
    event = load(EVENTS / "callback-ckafka.json")
    inner = event["Records"][0]["Ckafka"]
    inner["msgBody"] = json.loads(inner["msgBody"])
    assert read_callback(read_delivery(event).bodies[0])[0].job_id == JOB


@pytest.mark.parametrize(
    "event",
    [None, [], {}, {"Records": []}, {"Records": [{"cos": {}}]}, {"type": "connector:tdmq", "data": {}}, "x"],
    ids=str,
)
def test_what_is_no_callback_event_is_refused(event: Any) -> None:
    with pytest.raises(Reject, match="event_unreadable"):
        read_delivery(event)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    "]><Response><JobsDetail><JobId>&b;</JobId></JobsDetail></Response>"
)
EXTERNAL = (
    '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<Response><JobsDetail><JobId>&x;</JobId></JobsDetail></Response>"
)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "   ",
        "SECRET",
        "{",
        "[]",
        "{}",
        '{"JobsDetail": []}',
        '{"JobsDetail": [1]}',
        '{"JobsDetail": "SECRET"}',
        json.dumps({"JobsDetail": [{}] * 21}),
        "<Response>",
        "<Response/>",
        "<Other><JobsDetail/></Other>",
        BOMB,
        EXTERNAL,
        "<!DOCTYPE html><Response><JobsDetail/></Response>",
        "<a>" * 5000,
        "[" * 100_000,
        '{"JobsDetail": ' * 10_000,
        "[" + "1" * 5000 + "]",
    ],
    ids=range(20),
)
def test_what_cannot_be_read_is_refused_without_repeating_it(body: str) -> None:
    with pytest.raises(Reject, match="callback_unreadable") as caught:
        read_callback(body)
    assert "SECRET" not in str(caught.value)
    assert "root:" not in str(caught.value)


def test_size_is_looked_at_first() -> None:
    with pytest.raises(Reject, match="callback_too_large"):
        read_callback("<" + "a" * MAX_BYTES)
    with pytest.raises(Reject, match="callback_too_large"):
        read_callback("é" * (MAX_BYTES // 2 + 1))


def test_what_is_said_of_a_job_may_be_of_any_type() -> None:
    body = json.dumps({"JobsDetail": {"JobId": 7, "Operation": {"UserData": ["x"]}}})
    assert read_callback(body) == (JobCallback("", None),)
