"""What a cold start may import, counted in modules: that does not depend on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HEAD = f"""
import json, os, sys
sys.path.insert(0, {str(ROOT / "functions" / "on_upload")!r})
before = set(sys.modules)
from index import main_handler
context = {{"request_id": "r", "function_name": "f", "time_limit_in_ms": 60000, "tencentcloud_region": "r"}}
"""
TAIL = """
print(json.dumps(sorted(set(sys.modules) - before)))
"""
PASSED_OVER = f"""
event = json.load(open({str(ROOT / "events" / "cos-object-created-own-sidecar.json")!r}))
assert main_handler(event, context) == {{"not_in_inbox": 1}}
"""
READY = """
from cardveil.pipeline.factory import build_processor
from cardveil.core.context import read_context
from cardveil.settings import from_environment
from cardveil.core.telemetry import Telemetry
invocation, settings = read_context(context), from_environment(os.environ)
Telemetry(invocation, settings.log_level)
build_processor(settings, os.environ, invocation, bucket="cards-1250000000", region="ap-shanghai")
"""
#: As in the runtime layer, which leaves it out.
NO_GUESSING = "import sys; sys.modules['charset_normalizer'] = sys.modules['chardet'] = None\n"


def run(program: str) -> Any:
    """Run a program in a process of its own, which misses no library, and return the last line it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARDVEIL_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "TENCENTCLOUD_SECRETID": "i", "TENCENTCLOUD_SECRETKEY": "k"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "DependencyWarning" not in done.stderr, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_passing_an_event_over_imports_next_to_nothing() -> None:
    modules = run(HEAD + PASSED_OVER + TAIL)
    heavy = {"qcloud_cos", "requests", "tencentcloud", "orjson", "PIL", "aws_lambda_powertools", "yaml"}
    # `dataclasses` alone brings `inspect`, which brings `ast`, `dis` and `tokenize`.
    heavy |= {"pydantic", "dataclasses", "inspect", "logging", "datetime", "hashlib", "importlib.metadata"}
    assert not heavy & ({name.split(".")[0] for name in modules} | set(modules))
    assert len(modules) <= 40


def test_a_request_does_without_the_models_of_the_document() -> None:
    event = ROOT / "events" / "function-url-api-list-cards.json"
    refused = f"assert main_handler(json.load(open({str(event)!r})), context)['statusCode'] == 401\n"
    secrets = "os.environ['CARDVEIL_TOKEN_SECRETS'] = 's' * 32\n"
    modules = run(HEAD.replace("on_upload", "on_request") + secrets + refused + TAIL)
    assert "pydantic" in modules
    assert "aws_lambda_powertools.event_handler.openapi.models" not in modules


def test_becoming_ready_imports_what_each_card_needs_and_misses_nothing() -> None:
    modules = run(NO_GUESSING + HEAD + READY + TAIL)
    later = {"PIL", "yaml", "pydantic", "aws_lambda_powertools", "tencentcloud", "difflib", "jsonschema"}
    assert not later & {name.split(".")[0] for name in modules}
    assert len([name for name in modules if name.startswith("cardveil")]) <= 108


@pytest.mark.parametrize("kind", ["application/xml", "text/plain", ""])
def test_an_answer_without_a_charset_is_taken_for_utf_8(kind: str) -> None:
    text = run(
        NO_GUESSING
        + "import json, warnings; warnings.simplefilter('ignore'); import requests\n"
        + "answer = requests.Response(); answer._content = '<Message>身份证</Message>'.encode()\n"
        + f"answer.headers['Content-Type'] = {kind!r}; print(json.dumps(answer.text))"
    )
    assert text == "<Message>身份证</Message>"
