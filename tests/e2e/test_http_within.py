"""The HTTP API from within the platform: its stored events, others' events, and what its logs hold.

By its name this module comes last of those that share the cloud: the logs hold what the others asked too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.support.api_fixture import SECRET, Api

ROOT = Path(__file__).parents[2]


def test_no_personal_data_is_in_the_logs(api: Api, front: bytes) -> None:
    name = "李四-990101.jpg"
    api.upload(name, front)
    told = api.call("GET", f"/v1/cards/inbox/{name}").json()
    body = {
        "decision": "correct",
        "version": told["version"],
        "reason": "Geheimnis",
        "fields": [{"name": "name", "text": "赵六"}],
    }
    assert api.call("POST", f"/v1/cards/{told['ref']}/review", body).status_code == 200
    api.call("GET", f"/v1/cards/inbox/{name}?x=Verborgen")
    logs = api.bench.logs()
    assert '"route":"review"' in logs
    for secret in (
        "李四",
        "990101.jpg",
        "赵六",
        "Geheimnis",
        "Verborgen",
        "tester",
        SECRET,
        told["ref"],
        "Bearer",
    ):
        assert secret not in logs
    for field in told["sidecar"]["cards"][0]["fields"]:
        if field["text"] and len(field["text"]) > 1:
            assert field["text"] not in logs


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("health", 200),
        ("list-cards", 401),
        ("read-card", 401),
        ("submit-object", 401),
        ("review-accept", 401),
    ],
)
def test_the_stored_events_are_answered(api: Api, name: str, status: int) -> None:
    event = orjson.loads((ROOT / "events" / f"function-url-api-{name}.json").read_bytes())
    done = api.bench.cloud.invoke("on_request", event, wait_s=20.0)
    reply = orjson.loads(done.payload or "{}")
    assert set(reply) == {"statusCode", "headers", "body"}
    assert reply["statusCode"] == status
    assert all(isinstance(value, str) for value in reply["headers"].values())


@pytest.mark.parametrize(
    "event", [{}, [], None, {"httpMethod": "GET"}, {"httpMethod": 1, "path": "/"}, {"Records": []}]
)
def test_other_events_are_refused(api: Api, event: Any) -> None:
    done = api.bench.cloud.invoke("on_request", event, wait_s=20.0)
    assert orjson.loads(done.payload or "{}")["statusCode"] == 400
