"""`cardveil token`: a token for the HTTP API and the console."""

from __future__ import annotations

import time
from pathlib import Path

import click

from cardveil.api.tokens import ROLES, mint
from cardveil_cli.base import Command
from cardveil_cli.commands.secret import VARIABLE, secret_from

_EXAMPLES = (
    ("token desk-1 --role read --role review --data out/cloud", "For the local cloud that `serve` runs."),
    ("token shop --role submit --hours 24", f"For a deployment, by {VARIABLE} of the environment."),
)


@click.command("token", cls=Command, examples=_EXAMPLES)
@click.argument("subject")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="What it allows; may be given several times.",
)
@click.option(
    "--hours", type=click.FloatRange(min=0, min_open=True, max=24 * 366), default=8.0, show_default=True,
    help="How long it holds.",
)  # fmt: skip
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Folder of a local cloud whose secret signs it, instead of {VARIABLE} from the environment.",
)
def command(subject: str, roles: tuple[str, ...], hours: float, data: Path | None) -> None:
    """Print a token for SUBJECT, whose name stands in the history of what they decide."""
    if not roles:
        raise click.UsageError(f"give at least one --role of {', '.join(ROLES)}")
    secret = secret_from(data)
    if not secret:
        # Never an argument: those are seen by every user of the machine.
        raise click.UsageError(f"set {VARIABLE}, or name the folder of a local cloud with --data")
    try:
        click.echo(mint(secret, subject, roles, lifetime_s=max(1, int(hours * 3600)), now=time.time()))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
