"""The runbook, alarms and dashboard name everything that can happen."""

from __future__ import annotations

import json
from pathlib import Path

from cardveil.card.findings import FINDINGS
from cardveil.core.telemetry import METRICS
from cardveil_cli.runbook.codes import codes
from cardveil_cli.runbook.watching import ALARMS, WATCHING

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "operations" / "runbook.md").read_text("utf-8")
HINT = "run `cardveil operations --out operations`"


def test_every_metric_says_what_it_wants() -> None:
    assert set(WATCHING) == set(METRICS)
    assert {name for name in METRICS if f"| `{name}` |" not in RUNBOOK} == set(), HINT


def test_every_finding_is_in_the_runbook() -> None:
    assert {name for name in FINDINGS if f"| `{name}` |" not in RUNBOOK} == set(), HINT


def test_every_error_code_is_in_the_runbook_with_its_leaf() -> None:
    found = codes(ROOT / "layers" / "cardveil" / "cardveil")
    assert {"account_in_arrears", "not_a_picture", "setting_unknown", "policy_invalid"} <= set(found)
    rows = {name: f"| `{name}` | {', '.join(sorted(code.leaves))} |" for name, code in found.items()}
    assert {name for name, row in rows.items() if row not in RUNBOOK} == set(), HINT
    assert all(code.advice for code in found.values())


def test_alarms_are_about_metrics_that_exist() -> None:
    stored = json.loads((ROOT / "operations" / "alarms.json").read_text("utf-8"))
    assert [each["Name"] for each in stored] == [alarm.name for alarm in ALARMS], HINT
    for alarm in ALARMS:
        assert alarm.metric in METRICS
        assert f"metric.name:{alarm.metric}" in alarm.query
        assert " as n" in alarm.query


def test_the_dashboard_shows_every_metric() -> None:
    panels = json.loads((ROOT / "operations" / "dashboard.json").read_text("utf-8"))["panels"]
    assert {panel["title"].partition(":")[0] for panel in panels} == set(METRICS), HINT
