"""Whatever an event holds, it is answered, or refused by the error tree: nothing is unhandled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from tests.support.odd_values import mutants

from cardveil.core.context import read_context
from cardveil.core.errors import CardveilError
from cardveil.handlers.callback import process_callback
from cardveil.handlers.http import answer
from cardveil.settings import from_environment
from cardveil.sweep.selection import selection_of_message

EVENTS = Path(__file__).parents[2] / "events"
CONTEXT = {"request_id": "r", "time_limit_in_ms": 60000, "tencentcloud_region": "ap-shanghai"}
#: The secrets are others than those that signed the stored references: nothing is asked of the cloud.
ENVIRONMENT = {
    "CARDVEIL_BUCKET": "cards-1250000000",
    "CARDVEIL_JOB_SECRETS": "another-invented-secret-of-32-characters",
    "CARDVEIL_TOKEN_SECRETS": "another-invented-secret-of-32-characters",
}


@given(mutants(*sorted(EVENTS.glob("function-url-*.json"))))
@settings(max_examples=200, deadline=None)
def test_every_request_is_answered(event: Any) -> None:
    reply = answer(event, read_context(CONTEXT), ENVIRONMENT)
    assert reply["statusCode"] in {200, 400, 401, 404, 405, 422, 503}
    json.dumps(reply).encode()


@given(mutants(*sorted(EVENTS.glob("callback-*.json"))))
@settings(max_examples=300, deadline=None)
def test_every_callback_is_told_what_it_is(event: Any) -> None:
    try:
        process_callback(event, read_context(CONTEXT), ENVIRONMENT)
    except CardveilError as refused:
        assert refused.code == "event_unreadable"  # noqa: PT017 - most are answered


@given(mutants(EVENTS / "timer.json"))
@settings(max_examples=100, deadline=None)
def test_every_message_of_a_timer_is_a_selection_or_refused(event: Any) -> None:
    try:
        selection_of_message(event.get("Message"), from_environment(ENVIRONMENT))
    except CardveilError as refused:
        assert refused.code in {"timer_message_unreadable", "sweep_selection_invalid"}  # noqa: PT017
