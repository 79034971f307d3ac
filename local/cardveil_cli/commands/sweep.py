"""`cardveil sweep`: an operator's sweep over a real bucket or the local cloud's, resumable at any moment."""

from __future__ import annotations

import os
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

from cardveil.core.errors import CardveilError, Halt
from cardveil.settings import from_environment
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.commands.sweep_progress import Bar, Lines, Progress

if TYPE_CHECKING:
    from cardveil.sweep.context import SweepContext
    from cardveil.sweep.run import Run
    from cardveil.sweep.selection import Selection

#: Exit codes besides 0 (finished) and 2 (wrong use).
LEFT_OVER: Final = 3
STOPPED: Final = 4
HALTED: Final = 5
ELSEWHERE: Final = 6
#: A terminal's sweep has no time limit: ten years.
_NO_LIMIT_S: Final = 3.2e8
_DAY_S: Final = 86400.0


@click.command("sweep")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Sweep the local cloud that runs on this folder."
)
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
    "--execution", type=click.Choice(["direct", "invoke", "job"]), default="direct", show_default=True
)
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A CARDVEIL_ setting.")
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
    pairs: tuple[str, ...],
    dry_run: bool,
    wait: float,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Find sources without a result, or with one that is out of date, and bring them to their final state.

    The same command goes on with what was interrupted. Exit code 0: finished. 3: finished, with something
    left over. 4: stopped, and can be gone on with. 5: halted; do what it says. 6: another sweep is at work.
    """
    try:
        environment = _environment(data, bucket, region, execution, pairs)
        settings = from_environment(environment)
        progress: Progress = Lines(sys.stdout) if as_json else Bar(sys.stderr)
        with _interruptible() as stop:
            context, selection = _prepared(settings, environment, chosen, stop, progress)
            if dry_run:
                _tell_estimate(context, selection, as_json)
                return
            sys.exit(_swept(context, selection, progress, wait, stop))
    except Halt as halt:
        click.echo(str(halt), err=True)
        sys.exit(
            2 if halt.code in {"setting_invalid", "setting_unknown", "sweep_selection_invalid"} else HALTED
        )
    except CardveilError as error:
        click.echo(str(error), err=True)
        sys.exit(STOPPED)


def _environment(
    data: Path | None, bucket: str | None, region: str | None, execution: str, pairs: tuple[str, ...]
) -> dict[str, str]:
    environment = {name: text for name, text in os.environ.items() if name != "CARDVEIL_STAGE"}
    if data is not None:
        endpoint = Endpoint.of_folder(data)
        environment |= {
            **endpoint.environment(),
            "TENCENTCLOUD_SESSIONTOKEN": "",
            "TENCENTCLOUD_REGION": endpoint.region,
            "TENCENTCLOUD_APPID": endpoint.app_id,
        }
    elif not bucket or not region:
        raise click.UsageError("say which bucket: --data FOLDER, or --bucket NAME and --region REGION")
    else:
        environment |= {"CARDVEIL_BUCKET": bucket, "TENCENTCLOUD_REGION": region}
    # Whoever types the command has seen the dry run: budgets are the operator's own, by --set.
    environment.setdefault("CARDVEIL_SWEEP_CALLS_PER_RUN", str(10**9))
    environment.setdefault("CARDVEIL_SWEEP_CALLS_PER_DAY", str(10**9))
    environment.setdefault("CARDVEIL_SWEEP_MIN_AGE_S", "0" if data else "900")
    environment["CARDVEIL_SWEEP_EXECUTION"] = execution
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.startswith("CARDVEIL_"):
            raise click.UsageError("--set takes CARDVEIL_NAME=VALUE")
        environment[name] = value
    return environment


def _prepared(
    settings: Any,
    environment: Mapping[str, str],
    chosen: dict[str, Any],
    stop: threading.Event,
    told: Progress,
) -> tuple[SweepContext, Selection]:
    from uuid import uuid4

    from cardveil.core.context import Invocation
    from cardveil.sweep.selection import selection_of
    from cardveil.sweep.sweep import build_context

    older, newer, keys = chosen.pop("older_than"), chosen.pop("newer_than"), chosen.pop("keys")
    document = {name: value for name, value in chosen.items() if value}
    if older is not None:
        document["min_age_s"] = older * _DAY_S
    if newer is not None:
        document["max_age_s"] = newer * _DAY_S
    if keys is not None:
        document["keys"] = [line for line in keys.read().splitlines() if line]
    selection = selection_of(document, settings)
    invocation = Invocation(
        request_id=f"cli-{uuid4().hex[:12]}",
        function_name="cardveil-sweep",
        region=environment["TENCENTCLOUD_REGION"],
        app_id=environment.get("TENCENTCLOUD_APPID", ""),
        deadline=time.monotonic() + _NO_LIMIT_S,
    )
    context = build_context(settings, environment, invocation, stop=stop.is_set, on_progress=told.show)
    return context, selection


def _tell_estimate(context: SweepContext, selection: Selection, as_json: bool) -> None:
    from cardveil.sweep.sweep import estimate

    told = estimate(context, selection).as_dict()
    if as_json:
        click.echo(orjson.dumps(told))
        return
    for name, value in told.items():
        if isinstance(value, dict):
            value = ", ".join(f"{part} {count}" for part, count in value.items()) or "none"
        shown = "no price is set for some of the calls (CARDVEIL_PRICES)" if value is None else value
        click.echo(f"{name.replace('_', ' '):14} {shown}")


def _swept(
    context: SweepContext, selection: Selection, progress: Progress, wait: float, stop: threading.Event
) -> int:
    from cardveil.sweep.sweep import estimate, sweep

    total = estimate(context, selection).total
    give_up = time.monotonic() + wait
    with progress.during(total):
        while (run := sweep(context, selection)) is None:
            if stop.is_set():
                return STOPPED
            if time.monotonic() >= give_up:
                click.echo("another sweep is at work on this bucket", err=True)
                return ELSEWHERE
            stop.wait(1.0)
    progress.end(run)
    return _exit_code(run)


def _exit_code(run: Run) -> int:
    if not run.over:
        return STOPPED
    return LEFT_OVER if run.left_over else 0


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
