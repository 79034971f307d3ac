"""What the commands that look after a deployment have in common: their options, and how rows are shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cardveil_cli.commands.deploy import FILE, FOLDER, ROOT, reached, told
from cardveil_cli.exits import shown
from cardveil_cli.operate.deployed import Deployed, deployed

_Function = TypeVar("_Function", bound=Callable[..., Any])


def deployed_options(function: _Function) -> _Function:
    """Add the options that say which deployment is meant."""
    named = click.option(
        "--file",
        type=FILE,
        default=ROOT / "serverless.yml",
        show_default="serverless.yml",
        help="Names the functions.",
    )
    local = click.option(
        "--local", type=FOLDER, envvar="REHEARSE_ON", help="Of the local cloud that runs on this folder."
    )
    return named(local(function))


def json_option(function: _Function) -> _Function:
    """Add the option for programs."""
    return click.option("--json", "as_json", is_flag=True, help="JSON lines on standard output.")(function)


@contextmanager
def operated(file: Path, local: Path | None) -> Iterator[Deployed]:
    """Give what is deployed; what stops the command is said in words."""
    with told():
        access, variables = reached(local)
        yield deployed(access, file, variables)


def source_key(found: Deployed, key: str) -> str:
    """Return a source's key; raises `click.UsageError` for one that is not in the inbox."""
    inbox = found.settings.inbox_prefix
    if not key.startswith(inbox) or key == inbox:
        raise click.UsageError(f"KEY is a source's key, which begins with {inbox}")
    return key


def moment(seconds: float) -> str:
    """Return a time in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Rows:
    """Prints rows: a table at a terminal once all are there; a line each at once where it is piped, or JSON.

    Parameters
    ----------
    columns
        Their names, which are the keys of the JSON.
    """

    def __init__(self, columns: Sequence[str], *, as_json: bool) -> None:
        self._columns = columns
        self._as_json = as_json
        self._table = Table(*columns) if sys.stdout.isatty() and not as_json else None

    def show(self, *cells: object) -> None:
        """Take one row."""
        if self._table is not None:
            self._table.add_row(*(Text(shown(str(cell))) for cell in cells))
        elif self._as_json:
            click.echo(orjson.dumps(dict(zip(self._columns, cells, strict=True))))
        else:
            click.echo("\t".join(shown(str(cell)) or "-" for cell in cells))

    def end(self) -> None:
        """Print the table, if there are rows in it."""
        if self._table is not None and self._table.rows:
            Console().print(self._table)
