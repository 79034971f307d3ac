"""The `cardveil` command: one module a subcommand, imported only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from cardveil_cli.base import Group, debug_option, write_exit_codes

_COMMANDS: Final = {
    "redact": ("cardveil_cli.commands.redact", "Redact pictures on this machine, without a server."),
    "up": ("cardveil_cli.commands.up", "Start the local cloud."),
    "serve": ("cardveil_cli.commands.serve", "Start the local cloud with the console."),
    "token": ("cardveil_cli.commands.token", "Make a token for the HTTP API and the console."),
    "put": ("cardveil_cli.commands.put", "Upload pictures to the local cloud."),
    "sweep": ("cardveil_cli.commands.sweep", "Bring what is missing or out of date up to date."),
    "erase": ("cardveil_cli.commands.erase", "Erase cards: every version of all that is stored."),
    "hold": ("cardveil_cli.commands.hold", "Hold cards: nothing of them is removed."),
    "release": ("cardveil_cli.commands.release", "Release cards from their hold."),
    "retention": ("cardveil_cli.commands.retention", "Remove what was kept for its term."),
    "ledger": ("cardveil_cli.commands.ledger", "Verify the access ledger, or show its entries."),
    "export": ("cardveil_cli.commands.export", "Export all cards as CSV or JSON lines."),
    "package": ("cardveil_cli.commands.package", "Build the zips as they are deployed."),
    "deploy": ("cardveil_cli.commands.deploy", "Bring the account to the state of serverless.yml."),
    "undeploy": ("cardveil_cli.commands.undeploy", "Remove what deploy has made."),
    "check": ("cardveil_cli.commands.check", "Try what was deployed with an invented sample."),
    "cost": ("cardveil_cli.commands.cost", "Work out what a month costs."),
    "status": ("cardveil_cli.commands.status", "Show what became of the uploads, and what waits."),
    "get": ("cardveil_cli.commands.get", "Fetch a source's sidecar and redacted copy."),
    "logs": ("cardveil_cli.commands.logs", "Show what the functions have logged."),
    "redeliver": ("cardveil_cli.commands.redeliver", "Send the dead letters to their functions again."),
    "operations": ("cardveil_cli.commands.operations", "Write the runbook, alarms and dashboard."),
    "policies": ("cardveil_cli.commands.policies", "Write the policies of the roles."),
    "demo": ("cardveil_cli.commands.demo", "Show the main job on the sample cards."),
}
_COMPLETION: Final = (
    ("bash", 'eval "$(_CARDVEIL_COMPLETE=bash_source cardveil)"  in ~/.bashrc'),
    ("zsh", 'eval "$(_CARDVEIL_COMPLETE=zsh_source cardveil)"  in ~/.zshrc'),
    ("fish", "_CARDVEIL_COMPLETE=fish_source cardveil | source  in config.fish"),
)


class _Lazy(Group):
    """Loads a subcommand when it is asked for, since most need what the others do not."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click decides the signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Completion of commands and options"):
            for shell, line in _COMPLETION:
                formatter.write(f"{'':{formatter.current_indent}}{shell:<5} {line}\n")
        write_exit_codes(formatter)


@click.command(cls=_Lazy, params=[debug_option()], context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cardveil", prog_name="cardveil")
def group() -> None:
    """Read and redact photographs of Chinese ID cards and driver's licences.

    `cardveil COMMAND --help` shows a command's options, with examples.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; it ends with one of `cardveil_cli.exits.ExitCode`."""
    return group(args=arguments, prog_name="cardveil")
