"""Shows what `cardveil redact` does: results on standard output, progress and messages on standard error."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

import click
import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from cardveil.card.findings import Status
from cardveil_cli.commands.hints import hint
from cardveil_cli.commands.redact_run import CONFLICT, FAILED, PASSED_OVER, Outcome
from cardveil_cli.exits import Debugging, described, tell

_COLOURS: Final = {
    Status.REDACTED.value: "green",
    Status.NEEDS_REVIEW.value: "yellow",
    Status.REJECTED.value: "red",
    CONFLICT: "magenta",
    FAILED: "red",
}
#: Nobody reads more rows than this; beyond it, only those that ask for something are shown.
_MOST_ROWS: Final = 40


class Report:
    """Takes each outcome as it comes.

    Parameters
    ----------
    out
        Standard output. A terminal gets a table at the end; what is piped on gets a line at once: JSON, or
        five columns between tabs (status, file, copy, milliseconds, codes with hints).
    """

    def __init__(self, out: TextIO, debugging: Debugging, *, as_json: bool) -> None:
        self._out = out
        self._debugging = debugging
        self._as_json = as_json
        self._table = out.isatty() and not as_json
        self._progress: Progress | None = None
        self.outcomes: list[Outcome] = []

    @contextmanager
    def during(self, total: int) -> Iterator[None]:
        """Show a bar with rate and time left on standard error, if that is a terminal."""
        if total < 2 or not sys.stderr.isatty() or (self._out.isatty() and not self._table):
            yield
            return
        columns = (
            TextColumn("redacting"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as self._progress:
            self._task = self._progress.add_task("redacting", total=total, rate="")
            yield
        self._progress = None

    def show(self, outcome: Outcome) -> None:
        """Take one outcome."""
        self.outcomes.append(outcome)
        if self._as_json:
            self._write(orjson.dumps(_document(outcome)).decode())
        elif not self._table and not _is_quiet(outcome):
            self._write(_line(outcome))
        if outcome.fault is not None and (self._debugging.on or not _tells(outcome)):
            tell(f"{outcome.file}: {described(outcome.fault, self._debugging)}")
        if self._progress:
            self._progress.advance(self._task)
            elapsed = self._progress.tasks[0].elapsed or 0.0
            done = self._progress.tasks[0].completed
            self._progress.update(self._task, rate=f"{done / max(elapsed, 0.001):.1f}/s")

    def end(self, where: str) -> None:
        """Print the table, and the counts on standard error."""
        if self._table and self.outcomes:
            Console(file=self._out).print(_table(self.outcomes))
        counts = Counter(outcome.status for outcome in self.outcomes)
        told = ", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing done"
        earlier = sum(outcome.earlier for outcome in self.outcomes)
        if earlier:
            told += f" ({earlier} of them by an earlier run: --again repeats)"
        click.echo(f"{told}; results in {where}", err=True)

    def _write(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


def _document(outcome: Outcome) -> dict[str, object]:
    return {
        "file": outcome.file,
        "status": outcome.status,
        "findings": list(outcome.codes),
        "output": outcome.output,
        "ms": outcome.ms,
        "earlier": outcome.earlier,
        **({"pages": outcome.pages} if outcome.pages else {}),
    }


def _line(outcome: Outcome) -> str:
    columns = (
        outcome.status,
        outcome.file,
        outcome.output or "-",
        f"{outcome.ms:.0f}",
        _advice(outcome) or "-",
    )
    return "\t".join(columns)


def _advice(outcome: Outcome) -> str:
    return "; ".join(f"{code} ({said})" if (said := hint(code)) else code for code in outcome.codes)


def _is_quiet(outcome: Outcome) -> bool:
    """Whether an outcome is only counted: a folder of results lists all its files otherwise."""
    return outcome.status == PASSED_OVER and outcome.codes == ("earlier_result",)


def _tells(outcome: Outcome) -> bool:
    return outcome.codes == ("unreadable",)


def _table(outcomes: list[Outcome]) -> Table:
    rows = [outcome for outcome in outcomes if not _is_quiet(outcome)]
    caption = None
    if len(rows) > _MOST_ROWS:
        asking = [outcome for outcome in rows if outcome.status != Status.REDACTED.value]
        left_out = len(rows) - len(asking[:_MOST_ROWS])
        rows, caption = asking[:_MOST_ROWS], f"and {left_out} more: --json names all"
    table = Table("status", "file", "what to do", caption=caption)
    for outcome in rows:
        table.add_row(
            Text(outcome.status, _COLOURS.get(outcome.status, "")), Text(outcome.file), Text(_advice(outcome))
        )
    return table
