"""`cardveil status`: what became of the uploads, and what waits for a person."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from cardveil.storage.sidecar import SCHEMA
from cardveil.storage.sidecar_upgrade import upgraded
from cardveil_cli.base import Command
from cardveil_cli.commands.endpoint import log_command
from cardveil_cli.commands.operating import (
    Rows,
    deployed_options,
    json_option,
    moment,
    operated,
    source_key,
)
from cardveil_cli.deploy.access import NotPermittedError
from cardveil_cli.exits import ExitCode, tell
from cardveil_cli.operate.deployed import Deployed
from cardveil_cli.operate.queues import queues_of, waiting
from cardveil_cli.operate.state import STATES, breaker_of, detail, last_sweep, notices_of, overview

_EXAMPLES = (
    ("status", "Sources by state, dead letters, breaker, last sweep, oldest that waits."),
    ("status inbox/a.jpg", "What became of one source."),
    ("status --local out/cloud --json", "Of the local cloud, for programs."),
)
_COLUMNS = ("what", "value", "note")
_Row = tuple[str, object, str]


@click.command("status", cls=Command, examples=_EXAMPLES)
@click.argument("key", required=False)
@deployed_options
@json_option
def command(key: str | None, file: Path, local: Path | None, as_json: bool) -> ExitCode:
    """Show what became of all sources, or of KEY.

    It costs a listing, and one HEAD for each source. It ends with 3 where something waits for a person: the
    breaker is open, or there are dead letters, of events or of webhooks; with KEY, where the source has no
    result that stands.
    """
    with operated(file, local) as found:
        if key is not None:
            return _of_one(found, source_key(found, key), local, as_json)
        rows, attention = _of_all(found)
        _print(rows, as_json)
        if attention:
            tell(f"{'; '.join(attention)}: {log_command(local)} shows why")
        return ExitCode.LEFT_OVER if attention else ExitCode.DONE


def _of_all(found: Deployed) -> tuple[list[_Row], list[str]]:
    seen = overview(found)
    rows: list[_Row] = [(state, seen.counts[state], "") for state in STATES]
    oldest = seen.oldest
    rows.append(
        ("oldest that waits", moment(oldest.modified), oldest.key) if oldest else _none("oldest that waits")
    )
    attention: list[str] = []
    letters = _letters(found)
    rows += letters
    if sum(row[1] for row in letters if isinstance(row[1], int)):
        attention.append("dead letters wait (cardveil redeliver)")
    dead, row = _webhooks(found)
    rows.append(row)
    if dead:
        attention.append("the webhook's receiver has missed final states (cardveil redeliver)")
    stopped = breaker_of(found)
    rows.append(
        ("breaker", "open", f"{stopped.code}, since {moment(stopped.since)}")
        if stopped
        else ("breaker", "closed", "")
    )
    if stopped:
        attention.append("paid calls are stopped")
    rows.append(_sweep(found))
    return rows, attention


def _letters(found: Deployed) -> list[_Row]:
    rows: list[_Row] = []
    for queue in queues_of(found):
        try:
            rows.append(("dead letters", waiting(found.access, queue), queue))
        except NotPermittedError as refused:
            rows.append(("dead letters", "not known", str(refused)))
    return rows or [("dead letters", "none kept", "no function names a queue: deadLetter in serverless.yml")]


def _webhooks(found: Deployed) -> tuple[int, _Row]:
    waiting = Counter("dead" if each.tries.dead else "due" for each in notices_of(found).waiting())
    if not found.settings.webhook and not waiting:
        return 0, _none("webhooks")
    return waiting["dead"], ("webhooks", waiting["due"], f"to be told; dead letters: {waiting['dead']}")


def _sweep(found: Deployed) -> _Row:
    run = last_sweep(found)
    if run is None:
        return _none("last sweep")
    counts = ", ".join(f"{name} {count}" for name, count in sorted(run["counts"].items())) or "nothing to do"
    return "last sweep", moment(float(run["updated_at"] or run["started_at"])), f"{run['state']}: {counts}"


def _none(what: str) -> _Row:
    return what, "none", ""


def _of_one(found: Deployed, key: str, local: Path | None, as_json: bool) -> ExitCode:
    seen = detail(found, key)
    if seen is None:
        raise click.ClickException("there is no such source: status without KEY counts those there are")
    document = upgraded(seen.sidecar or {}, SCHEMA)
    pages = document.get("pages") or []
    cards = [card for part in pages or [document] for card in part.get("cards") or []]
    rows: list[_Row] = [
        ("state", seen.state, ""),
        ("source", f"{seen.entry.size} bytes", key),
        ("card", ", ".join(f"{card['type']} {card['side']}" for card in cards) or "none", ""),
        *([("pages", str(len(pages)), "")] if pages else []),
        ("copy", f"{seen.copy.size} bytes" if seen.copy else "none", ""),
    ]
    rows += [("finding", finding, "") for finding in document.get("findings") or []]
    rows += [("under way", text, "") for text in seen.under_way]
    rows.append(("log", log_command(local, key), ""))
    _print(rows, as_json)
    stands = seen.state not in {"pending", "outdated"}
    return ExitCode.DONE if stands else ExitCode.LEFT_OVER


def _print(rows: list[_Row], as_json: bool) -> None:
    shown = Rows(_COLUMNS, as_json=as_json)
    for row in rows:
        shown.show(*row)
    shown.end()
