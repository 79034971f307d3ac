"""Renders the runbook, the alarms and the dashboard from what the code knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from cardveil.card.findings import FINDINGS
from cardveil.core.telemetry import METRICS
from cardveil_cli.runbook.codes import codes
from cardveil_cli.runbook.watching import ALARMS, WATCHING

_HEAD: Final = """\
# Runbook

Made by `cardveil operations` from the code; a test finds what is missing here.

## When an alarm goes off

1. `cardveil status` counts what is done and what waits, `cardveil logs` shows the log (`--key` of one
   source, `--follow` as it comes). Look the alarm up below, and the code of the log's last `failed` line
   (`leaf`, `code`, `what_to_do`).
2. *Halt*: do what the code says. The breaker closes by itself after one call succeeds; deleting
   `.cardveil/breaker.json` closes it at once.
3. `cardveil redeliver` sends the dead letters again, each once, and deletes those that were taken. What was
   done already costs nothing. Or let a sweep find what is not done.
4. A bad release: `cardveil deploy --rollback` takes every function back to the version before in one
   call each.

## Logs

JSON lines, one a card (`message: card`), one a failure (`failed`), one a metric (`metric`). Every line
carries `function_request_id` and `function_name`. A key appears as the first 16 digits of its SHA-256
(`key_digest`); nothing else of a card, a key, a credential or an event is ever written. Keep them as
long as you must be able to say what happened to a picture: at least six months (Cybersecurity Law art. 21).
Index `message`, `level`, `metric.name`, `metric.value`, `metric.leaf`, `metric.code`, `metric.status`,
`metric.outcome`, `metric.route`, `key_digest` and `code`.

"""


def files(root: Path) -> dict[str, str]:
    """Return the files to be stored, by name."""
    return {
        "runbook.md": _runbook(root / "layers" / "cardveil" / "cardveil"),
        "alarms.json": json.dumps([_alarm(index) for index in range(len(ALARMS))], indent=2) + "\n",
        "dashboard.json": json.dumps(_dashboard(), indent=2, ensure_ascii=False) + "\n",
    }


def _runbook(package: Path) -> str:
    parts = [_HEAD, "## Alarms\n\n| alarm | goes off when | why |\n|---|---|---|\n"]
    parts += [f"| `{a.name}` | {a.condition} in {a.minutes} min | {a.why} |\n" for a in ALARMS]
    parts.append(
        "\n## Metrics\n\n| metric | unit | what it counts | what it wants of you |\n|---|---|---|---|\n"
    )
    parts += [
        f"| `{name}` | {unit} | {what} | {WATCHING[name]} |\n" for name, (unit, what) in METRICS.items()
    ]
    parts.append("\n## Findings\n\nIn a sidecar; those with *review* send the card to a person.\n\n")
    parts.append("| finding | review | meaning, and what to do |\n|---|---|---|\n")
    parts += [
        f"| `{name}` | {'yes' if finding.review else 'no'} | {finding.meaning} |\n"
        for name, finding in FINDINGS.items()
    ]
    parts.append("\n## Error codes\n\n| code | leaf | what to do |\n|---|---|---|\n")
    parts += [
        f"| `{name}` | {', '.join(sorted(code.leaves))} | {code.advice} |\n"
        for name, code in codes(package).items()
    ]
    return "".join(parts)


def _alarm(index: int) -> dict[str, Any]:
    """Return one alarm in the form of the log service's CreateAlarm, without the topic and whom to tell."""
    alarm = ALARMS[index]
    return {
        "Name": alarm.name,
        "AlarmTargets": [
            {
                "TopicId": "<log topic>",
                "LogsetId": "<log set>",
                "Query": alarm.query,
                "Number": 1,
                "StartTimeOffset": -alarm.minutes,
                "EndTimeOffset": 0,
            }
        ],
        "MonitorTime": {"Type": "Period", "Time": alarm.minutes},
        "Condition": alarm.condition,
        "TriggerCount": 1,
        "AlarmPeriod": 60,
        "AlarmNoticeIds": ["<notice>"],
    }


def _dashboard() -> dict[str, Any]:
    """Return one panel a metric: its title, its query, and how it is drawn."""
    panels = []
    for name, (unit, what) in METRICS.items():
        value = "avg(metric.value)" if unit == "Milliseconds" else "sum(metric.value)"
        panels.append(
            {
                "title": f"{name}: {what}",
                "unit": unit,
                "chart": "line",
                "query": f"metric.name:{name} | select histogram(cast(__TIMESTAMP__ as timestamp), "
                f"interval 5 minute) as t, {value} as n group by t order by t limit 1000",
            }
        )
    return {"name": "cardveil", "panels": panels}
