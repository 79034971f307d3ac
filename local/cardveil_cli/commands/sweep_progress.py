"""How `cardveil sweep` shows what it does: a bar for people, JSON lines for programs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from cardveil.sweep.report import document
from cardveil.sweep.run import Run
from cardveil_cli.commands.hints import hint


class Progress(Protocol):
    """Shows a run while it goes on, and what became of it."""

    def show(self, run: Run) -> None: ...

    def during(self, total: int) -> Any: ...

    def end(self, run: Run) -> None: ...


class Lines:
    """A JSON line a second at most, and the report at the end."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last = 0.0
        self._total = 0

    @contextmanager
    def during(self, total: int) -> Iterator[None]:
        """Show progress for as long as the block lasts."""
        self._total = total
        yield

    def show(self, run: Run) -> None:
        """Show where a run stands."""
        if time.monotonic() - self._last < 1.0:
            return
        self._last = time.monotonic()
        told = {"done": run.done, "of": self._total, "errors": run.errors.total(), "counts": dict(run.counts)}
        self._write(told)

    def end(self, run: Run) -> None:
        """Write the report."""
        self._write({"report": document(run)})

    def _write(self, told: dict[str, Any]) -> None:
        self._out.write(orjson.dumps(told).decode() + "\n")
        self._out.flush()


class Bar:
    """A bar with done, rate, remaining time and errors; a summary at the end."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out)
        self._bar: RichProgress | None = None
        self._done_before: int | None = None

    @contextmanager
    def during(self, total: int) -> Iterator[None]:
        """Show the bar for as long as the block lasts."""
        columns = (
            TextColumn("sweeping"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("errors {task.fields[errors]}"),
        )
        with RichProgress(*columns, console=self._console) as self._bar:
            self._task = self._bar.add_task("sweeping", total=total, rate="0.0", errors=0)
            self._began = time.monotonic()
            yield
        self._bar = None

    def show(self, run: Run) -> None:
        """Show where a run stands."""
        if self._bar is None:
            return
        if self._done_before is None:
            self._done_before = max(0, run.done - 1)  # what earlier ticks did is not of this bar
        done = run.done - self._done_before
        rate = done / max(0.001, time.monotonic() - self._began)
        self._bar.update(self._task, completed=done, rate=f"{rate:.1f}", errors=run.errors.total())

    def end(self, run: Run) -> None:
        """Print a summary to standard output."""
        counts = ", ".join(f"{count} {name}" for name, count in run.counts.most_common()) or "nothing to do"
        click.echo(f"{run.state} {run.code}".strip() + f": {counts}; {run.paid_calls} paid calls")
        if run.errors:
            errors = (f"{n} {code} ({hint(code)})" for code, n in run.errors.most_common())
            click.echo("errors: " + ", ".join(errors))
