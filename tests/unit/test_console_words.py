"""Every word of the console is there in both languages, and every refusal has words."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cardveil
from cardveil.api.problems import STATUSES
from cardveil.card.findings import FINDINGS, Status
from cardveil.card.model import FIELDS
from cardveil.recognition.warnings import API_WARNINGS, CI_WARNINGS
from cardveil_cli.runbook.codes import codes

PACKAGE = Path(cardveil.__file__).parent


def test_every_word_is_there_in_both_languages() -> None:
    words = json.loads((PACKAGE / "api" / "assets" / "words.json").read_text("utf-8"))

    def shape(node: Any) -> Any:
        return {key: shape(part) for key, part in node.items()} if isinstance(node, dict) else None

    assert shape(words["en"]) == shape(words["zh"])
    for language in words.values():
        assert set(FINDINGS) <= set(language["finding"])
        assert {*CI_WARNINGS.values(), *API_WARNINGS.values(), "unknown"} == set(language["warning"])
        assert {status.value for status in Status} <= set(language["status"])
        assert {f"{kind.value}/{side.value}" for kind, side in FIELDS} == set(language["kind"])
        assert {name for names in FIELDS.values() for name in names} == set(language["name"])
        assert {str(status) for status in STATUSES} == set(language["problem_status"])


#: Codes that only schedules, sweeps, callbacks and erasures meet.
ELSEWHERE = ("callback_", "erasure_", "event_", "inventory_", "sweep_", "timer_")


def test_every_refusal_has_words() -> None:
    words = json.loads((PACKAGE / "api" / "assets" / "words.json").read_text("utf-8"))["zh"]
    refusals = {code for code in codes(PACKAGE) if not code.startswith(ELSEWHERE)} | set(_of_the_api())
    assert len(refusals) > 90
    assert refusals - set(words["problem"]) - set(words["finding"]) == set()


def _of_the_api() -> Iterator[str]:
    """Yield the codes that the API refuses by, as its source names them."""
    for path in (PACKAGE / "api").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"Problem": 1, "unauthorised": 0, "TokenError": 0}.get(node.func.id)
                if place is not None and isinstance(code := node.args[place], ast.Constant):
                    yield str(code.value)
