"""`cardveil token`: a token for the HTTP API and the console; `cardveil token revoke` takes it back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from cardveil.api.tokens import ROLES, mint
from cardveil_cli.base import Command
from cardveil_cli.commands.secret import VARIABLE, secret_from

_EXAMPLES = (
    ("token desk-1 --role read --role review --data out/cloud", "For the local cloud that `serve` runs."),
    ("token shop --role submit --hours 24", f"For a deployment, by {VARIABLE} of the environment."),
    ("token revoke 0f1e2d3c4b5a6978 --data out/cloud", "A token by its id lets nobody in any more."),
)


class _Token(Command):
    """Makes a token, or revokes one."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments, of the command that they name."""
        if args[:1] == ["revoke"]:
            from cardveil_cli.commands.token_revoke import command as revoke

            return revoke.make_context(f"{info_name} revoke", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command("token", cls=_Token, examples=_EXAMPLES)
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
    """Print a token for SUBJECT, whose name stands in the history of what they decide.

    `cardveil token revoke` takes tokens back.
    """
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
