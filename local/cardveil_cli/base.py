"""What all subcommands have in common: examples and exit codes in the help, `--debug`, one way to end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from cardveil_cli.exits import DEBUG_VARIABLE, Debugging, ExitCode, outcome

_DEBUG_HELP: Final = f"Show all of an unexpected fault; also by {DEBUG_VARIABLE}=1."


def _switch_on(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    debugging = ctx.find_object(Debugging)
    if value and debugging:
        debugging.on = True


def debug_option() -> click.Option:
    """Return the option that shows an unexpected fault whole."""
    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, is_eager=True, callback=_switch_on, help=_DEBUG_HELP
    )


def write_exit_codes(formatter: click.HelpFormatter) -> None:
    """Write what each exit code means."""
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(int(code)), code.meaning) for code in ExitCode])


class Command(click.Command):
    """A subcommand; its help ends with examples and the exit codes.

    Parameters
    ----------
    examples : sequence of (str, str)
        What is typed after ``cardveil``, and what that does.
    """

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.params.append(debug_option())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and the exit codes."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for typed, does in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}cardveil {typed}\n")
                    formatter.write(f"{'':{formatter.current_indent}}    {does}\n")
        write_exit_codes(formatter)


class Group(click.Group):
    """The command itself: whatever happens, it ends with one of the four codes."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run as `click.Group.main` does; standing alone, exit with an `ExitCode`."""
        run: Callable[..., Any] = super().main
        if not extra.pop("standalone_mode", True):
            return run(*args, standalone_mode=False, **extra)
        debugging = Debugging()
        sys.exit(outcome(lambda: run(*args, standalone_mode=False, obj=debugging, **extra), debugging))
