"""`cardveil operations`: the runbook, alarms and dashboard, made from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from cardveil_cli.base import Command
from cardveil_cli.commands.options import FOLDER
from cardveil_cli.files.generated import force_option, write_generated
from cardveil_cli.runbook.pages import files

ROOT: Final = Path(__file__).parents[3]


_EXAMPLES = (("operations --out operations", "Make them anew, as after a change of the code."),)


@click.command("operations", cls=Command, examples=_EXAMPLES)
@click.option("--out", required=True, type=FOLDER, help="Where they go.")
@force_option()
def command(out: Path, force: bool) -> None:
    """Write the runbook, the alarms and the dashboard."""
    write_generated(out, files(ROOT), force=force)
