"""`cardveil redeliver`: what was given up is done again, by the function of each event or the schedule."""

from __future__ import annotations

from pathlib import Path

import click

from cardveil_cli.base import Command
from cardveil_cli.commands.endpoint import log_command
from cardveil_cli.commands.operating import Rows, deployed_options, json_option, operated
from cardveil_cli.exits import ExitCode, tell
from cardveil_cli.operate.deployed import Deployed
from cardveil_cli.operate.letters import ACCEPTED, redeliver
from cardveil_cli.operate.queues import Queue, queues_of
from cardveil_cli.operate.state import notices_of

_EXAMPLES = (
    ("redeliver", "Send all dead letters again, after what they say was settled."),
    ("redeliver --json", "For programs: a JSON line a letter."),
)
_COLUMNS = ("state", "function", "request_id", "became", "reason")


def _tell_again(found: Deployed) -> int:
    """Make the dead letters of webhooks due again; return how many there were."""
    notices, again = notices_of(found), 0
    for waiting in [each for each in notices.waiting() if each.tries.dead]:
        notices.revive(waiting)
        again += 1
    return again


@click.command("redeliver", cls=Command, examples=_EXAMPLES)
@click.option("--queue", "names", multiple=True, help="This queue instead of those that the functions name.")
@click.option(
    "--queue-endpoint", default="", metavar="URL", help="As the queue's page in the console tells it."
)
@deployed_options
@json_option
def command(
    names: tuple[str, ...], queue_endpoint: str, file: Path, local: Path | None, as_json: bool
) -> ExitCode:
    """Send every dead letter to its function again, once, and delete those that it took.

    What was done already costs nothing: a source that has its result is passed over. A letter that is not
    taken stays in its queue, and so does one of a function that was not deployed from this serverless.yml.

    What the receiver of webhooks has missed is told again by the schedule's next run, from the first try on.
    """
    rows, sent, left = Rows(_COLUMNS, as_json=as_json), 0, 0
    with operated(file, local) as found:
        queues = list(names) or queues_of(found)
        again = 0 if names else _tell_again(found)
        if again:
            tell(f"{again} final states that the receiver of webhooks missed: the schedule tells them again")
        if not queues and not again:
            raise click.ClickException(
                "no function names a queue of dead letters: deadLetter in serverless.yml"
            )
        try:
            for name in queues:
                for each in redeliver(found, Queue(found.access, name, queue_endpoint)):
                    rows.show(each.state, each.function, each.request_id, each.became, each.reason)
                    sent, left = sent + (each.state == ACCEPTED), left + (each.state != ACCEPTED)
        finally:
            rows.end()
    tell(f"{sent} sent again, {left} left: {log_command(local)} shows what becomes of them")
    return ExitCode.LEFT_OVER if left else ExitCode.DONE
