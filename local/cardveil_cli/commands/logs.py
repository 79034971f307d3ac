"""`cardveil logs`: what the functions have logged, of all sources or of one."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import orjson

from cardveil_cli.base import Command
from cardveil_cli.commands.operating import deployed_options, json_option, moment, operated, source_key
from cardveil_cli.exits import ExitCode, shown, tell
from cardveil_cli.operate.logs import LogLine, Logs

_EXAMPLES = (
    ("logs --since 10", "The last ten minutes."),
    ("logs --key inbox/a.jpg", "All that was logged while one source was worked on, today."),
    ("logs --follow --function cardveil-on-upload", "As it comes, until Ctrl-C."),
)


@click.command("logs", cls=Command, examples=_EXAMPLES)
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--key", default="", help="Only of the invocations that worked on this source.")
@click.option("--function", "functions", multiple=True, help="Only of this function; may be given again.")
@click.option(
    "--since",
    type=click.FloatRange(min=0),
    default=1440.0,
    show_default=True,
    metavar="MINUTES",
    help="How far back.",
)
@deployed_options
@json_option
def command(
    follow: bool,
    key: str,
    functions: tuple[str, ...],
    since: float,
    file: Path,
    local: Path | None,
    as_json: bool,
) -> ExitCode:
    """Print the functions' log, oldest first: time, function, request, line.

    A source is found by the digest of its key, which is all that a log holds of it. It ends with 3 where
    nothing was logged.
    """
    with operated(file, local) as found:
        if unknown := [name for name in functions if found.function(name) is None]:
            names = ", ".join(each.name for each in found.functions)
            raise click.UsageError(f"there is no function {shown(unknown[0])}: {names}")
        if key:
            source_key(found, key)
        logs, start = Logs(found, functions), time.time() - since * 60
        if follow:
            for lines in logs.follow(start, key):
                _show(lines, as_json)
        lines = logs.of_source(key, start, time.time() + 1) if key else logs.between(start, time.time() + 1)
        _show(lines, as_json)
        if not lines:
            tell(f"nothing was logged in the last {since:g} minutes")
        return ExitCode.DONE if lines else ExitCode.LEFT_OVER


def _show(lines: Sequence[LogLine], as_json: bool) -> None:
    for line in lines:
        at = moment(line.time_ms / 1000)
        if as_json:
            document = {
                "time": at,
                "function": line.function,
                "request_id": line.request_id,
                "line": line.text,
            }
            click.echo(orjson.dumps(document))
        else:
            request = line.request_id[:8] if sys.stdout.isatty() else line.request_id
            click.echo("\t".join((at, line.function, request, shown(line.text))))
