"""The same handlers take AWS's context object; events of S3 are not COS's, and are refused as such."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import orjson
import pytest

from cardveil.core.context import read_context
from cardveil.core.errors import CardveilError

ROOT = Path(__file__).parents[2]
CONTEXT = SimpleNamespace(
    aws_request_id="11111111-2222-3333-4444-555555555555",
    function_name="cards",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:cards",
    get_remaining_time_in_millis=lambda: 30000,
)
#: As AWS documents it.
S3_EVENT = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-central-1",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "cards"}, "object": {"key": "inbox/a.jpg", "size": 1}},
        }
    ]
}


def handler(function: str) -> Any:
    path = ROOT / "functions" / function / "index.py"
    spec = importlib.util.spec_from_file_location(f"entry_{function}", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main_handler


def test_the_context_object_is_read() -> None:
    invocation = read_context(CONTEXT, clock=lambda: 100.0)
    assert invocation.request_id == CONTEXT.aws_request_id
    assert invocation.function_name == "cards"
    assert invocation.remaining_s() == 30.0
    assert invocation.memory_mb == 512
    assert read_context({"memory_limit_in_mb": 1024}).memory_mb == 1024
    assert read_context({}).memory_mb == 0


def test_the_upload_handler_takes_it() -> None:
    event = orjson.loads((ROOT / "events" / "cos-object-created-own-sidecar.json").read_bytes())
    assert handler("on_upload")(event, CONTEXT) == {"not_in_inbox": 1}


def test_the_http_handler_takes_it() -> None:
    event = orjson.loads((ROOT / "events" / "function-url-api-health.json").read_bytes())
    assert handler("on_request")(event, CONTEXT)["statusCode"] in {200, 503}


@pytest.mark.parametrize("function", ["on_upload"])
def test_an_event_of_s3_is_refused(function: str) -> None:
    with pytest.raises(CardveilError):
        handler(function)(S3_EVENT, CONTEXT)
