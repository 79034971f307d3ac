"""`cardveil sweep`: an operator's sweep over a real bucket or the local cloud's, resumable at any moment."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from cardveil.core.errors import Retry
from cardveil.settings import from_environment
from cardveil_cli.base import Command
from cardveil_cli.commands.bucket import bucket_environment, invocation
from cardveil_cli.commands.endpoint import log_command
from cardveil_cli.commands.options import FOLDER, setting_option, settings_of
from cardveil_cli.commands.sweep_progress import Bar, Lines, Progress
from cardveil_cli.exits import ExitCode, tell

if TYPE_CHECKING:
    from cardveil.sweep.context import SweepContext
    from cardveil.sweep.selection import Selection

_DAY_S: Final = 86400.0

_EXAMPLES = (
    ("sweep --data out/cloud", "Finish what is missing or out of date in the local cloud."),
    ("sweep --bucket cards-1250000000 --region ap-shanghai --dry-run", "What it would do and cost."),
    ("sweep --bucket cards-1250000000 --region ap-shanghai --json", "For programs: JSON lines."),
)


@click.command("sweep", cls=Command, examples=_EXAMPLES)
@click.option("--data", type=FOLDER, help="Sweep the local cloud that runs on this folder.")
@click.option(
    "--bucket", help="Full name of a real bucket; the key pair comes from TENCENTCLOUD_SECRETID/KEY."
)
@click.option("--region", help="The bucket's region.")
@click.option("--prefix", default="", help="Only sources whose key begins so; the inbox's by default.")
@click.option("--suffix", default="", help="Only sources whose key ends so.")
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Only sources of this age.")
@click.option("--newer-than", type=click.FloatRange(min=0), metavar="DAYS", help="Only younger sources.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["missing", "outdated", "redacted", "needs_review", "rejected"]),
    help="What to take up; missing and outdated by default. A status is recognised anew, and paid for.",
)
@click.option("--policy-digest", default="", help="Only results that this policy made.")
@click.option("--pipeline", default="", help="Only results that this version made.")
@click.option("--keys", type=click.File("r", "utf-8"), help="A file with a key a line, instead of a listing.")
@click.option("--inventory", default="", metavar="KEY", help="manifest.json of a COS inventory, instead.")
@click.option(
    "--execution",
    type=click.Choice(["direct", "invoke", "job"]),
    default="direct",
    show_default=True,
    help="Who does the work: this process, the upload function, or jobs of the vendor's.",
)
@setting_option("A CARDVEIL_ setting.")
@click.option("--dry-run", is_flag=True, help="Say cards, calls, minutes and money; do and pay nothing.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=75.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another sweep, or for the lease of one that was killed.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines on standard output.")
def command(
    data: Path | None,
    bucket: str | None,
    region: str | None,
    execution: str,
    settings: tuple[str, ...],
    dry_run: bool,
    wait: float,
    as_json: bool,
    **chosen: Any,
) -> ExitCode:
    """Find sources without a result, or with one that is out of date, and bring them to their final state.

    The same command goes on with what was interrupted. It is refused where the account or a setting is wrong;
    something is left over where another sweep is at work, a budget is spent or the network fails.
    """
    try:
        environment = _environment(data, bucket, region, execution, settings)
        progress: Progress = Lines(sys.stdout) if as_json else Bar(sys.stderr)
        with _interruptible() as stop:
            context, selection = _prepared(from_environment(environment), environment, chosen, stop, progress)
            if dry_run:
                _tell_estimate(context, selection, as_json)
                return ExitCode.DONE
            ended = _swept(context, selection, progress, wait, stop)
        if ended is ExitCode.LEFT_OVER and execution == "invoke":
            tell(f"the upload function did the work: {log_command(data)} shows why something is left")
        return ended
    except Retry as error:
        tell(str(error))
        return ExitCode.LEFT_OVER


def _environment(
    data: Path | None, bucket: str | None, region: str | None, execution: str, pairs: tuple[str, ...]
) -> dict[str, str]:
    environment = bucket_environment(data, bucket, region)
    # Whoever types the command has seen the dry run: budgets are the operator's own, by --set.
    environment.setdefault("CARDVEIL_SWEEP_CALLS_PER_RUN", str(10**9))
    environment.setdefault("CARDVEIL_SWEEP_CALLS_PER_DAY", str(10**9))
    environment.setdefault("CARDVEIL_SWEEP_MIN_AGE_S", "0" if data else "900")
    environment["CARDVEIL_SWEEP_EXECUTION"] = execution
    return environment | settings_of(pairs, environment)


def _prepared(
    settings: Any,
    environment: Mapping[str, str],
    chosen: dict[str, Any],
    stop: threading.Event,
    progress: Progress,
) -> tuple[SweepContext, Selection]:
    from cardveil.sweep.selection import selection_of
    from cardveil.sweep.sweep import build_context

    older, newer, keys = chosen.pop("older_than"), chosen.pop("newer_than"), chosen.pop("keys")
    document = {name: value for name, value in chosen.items() if value}
    if older is not None:
        document["min_age_s"] = older * _DAY_S
    if newer is not None:
        document["max_age_s"] = newer * _DAY_S
    if keys is not None:
        try:
            document["keys"] = [line for line in keys.read().splitlines() if line]
        except UnicodeDecodeError:
            raise click.UsageError("--keys: the file is no UTF-8 text") from None
    selection = selection_of(document, settings)
    run = invocation("sweep", environment)
    context = build_context(settings, environment, run, stop=stop.is_set, on_progress=progress.show)
    return context, selection


def _tell_estimate(context: SweepContext, selection: Selection, as_json: bool) -> None:
    from cardveil.sweep.sweep import estimate

    estimated = estimate(context, selection).as_dict()
    if as_json:
        click.echo(orjson.dumps(estimated))
        return
    for name, value in estimated.items():
        if isinstance(value, dict):
            value = ", ".join(f"{part} {count}" for part, count in value.items()) or "none"
        shown = "no price is set for some of the calls (CARDVEIL_PRICES)" if value is None else value
        click.echo(f"{name.replace('_', ' '):14} {shown}")


def _swept(
    context: SweepContext, selection: Selection, progress: Progress, wait: float, stop: threading.Event
) -> ExitCode:
    from cardveil.sweep.sweep import estimate, sweep

    total = estimate(context, selection).total
    give_up = time.monotonic() + wait
    with progress.during(total):
        while (run := sweep(context, selection)) is None:
            if stop.is_set():
                return ExitCode.INTERRUPTED
            if time.monotonic() >= give_up:
                tell("another sweep is at work on this bucket")
                return ExitCode.LEFT_OVER
            stop.wait(1.0)
    progress.end(run)
    if stop.is_set() and not run.over:
        return ExitCode.INTERRUPTED
    waiting = run.left_over or run.counts["unread"]
    return ExitCode.LEFT_OVER if waiting or not run.over else ExitCode.DONE


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C, or a SIGTERM, into a clean stop; a second Ctrl-C ends at once."""
    stop = threading.Event()
    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _frame: object) -> None:
        stop.set()
        click.echo("stopping: what is under way is finished", err=True)
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
