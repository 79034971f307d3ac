"""A run's report, as JSON and as a page that a person can read; neither names a key or what a card says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from html import escape
from typing import Any, Final

import orjson

from cardveil.storage.objects import Objects
from cardveil.sweep.run import BARS, Run

_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sweep {run_id}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse;margin:0 0 1.5rem}}td,th{{text-align:left;padding:.15rem 1rem .15rem 0}}
td.n{{text-align:right;font-variant-numeric:tabular-nums}}.bar{{background:#557;height:.8rem;display:block}}</style>
<h1>Sweep {run_id}</h1>
{body}
</html>
"""


def document(run: Run) -> dict[str, Any]:
    """Return a run as plain JSON values, without its keys: only how many were named, if any."""
    content = {name: value for name, value in run.as_dict().items() if name not in {"position", "verified"}}
    content["selection"] = {**run.selection, "keys": len(run.selection.get("keys", ()))}
    content["left_over"] = run.left_over
    return content


def page(run: Run) -> str:
    """Return the readable form."""
    mean = run.seconds / sum(run.histogram) if sum(run.histogram) else 0.0
    facts: dict[str, object] = {
        "state": f"{run.state} {run.code}".strip(),
        "way of execution": run.execution,
        "began": _time(run.started_at),
        "ended": _time(run.ended_at or run.updated_at),
        "at work, in ticks": f"{run.worked_s:.0f} s, {run.ticks}",
        "sources passed": run.listed,
        "sidecars asked for": run.looked,
        "sources taken up": run.done,
        "paid calls": run.paid_calls,
        "a source took, on average": f"{mean:.2f} s",
        "policy": run.policy_digest[:16],
        "pipeline": run.pipeline,
    }
    parts = [_table("", facts)]
    for title, counts in (
        ("Outcomes", run.counts),
        ("Why they were taken up", run.reasons),
        ("Findings", run.findings),
        ("Errors", run.errors),
    ):
        if counts:
            parts.append(_table(title, dict(counts.most_common())))
    parts.append(_histogram(run))
    return _PAGE.format(run_id=escape(run.run_id), body="\n".join(parts))


def publish(objects: Objects, prefix: str, run: Run) -> None:
    """Write both forms into the bucket, under ``<prefix>reports/<run id>``."""
    base = f"{prefix}reports/{run.run_id}"
    content = orjson.dumps(document(run), option=orjson.OPT_INDENT_2)
    objects.put(f"{base}.json", content, media_type="application/json", meta={"kind": "report"})
    objects.put(
        f"{base}.html", page(run).encode(), media_type="text/html; charset=utf-8", meta={"kind": "report"}
    )


def _table(title: str, rows: Mapping[str, object]) -> str:
    head = f"<h2>{escape(title)}</h2>" if title else ""
    lines = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    return f"{head}<table>{lines}</table>"


def _histogram(run: Run) -> str:
    most = max(run.histogram) or 1
    names = [f"up to {bar:g} s" for bar in BARS] + [f"more than {BARS[-1]:g} s"]
    lines = "".join(
        f'<tr><td>{name}</td><td class="n">{count}</td>'
        f'<td><span class="bar" style="width:{18 * count / most:.1f}rem"></span></td></tr>'
        for name, count in zip(names, run.histogram, strict=True)
    )
    return f"<h2>Durations</h2><table>{lines}</table>"


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
