"""`cardveil operations`: the runbook, alarms and dashboard, made from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from cardveil_cli.runbook.pages import files

ROOT: Final = Path(__file__).parents[3]


@click.command("operations")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
def command(out: Path) -> None:
    """Write the runbook, the alarms and the dashboard."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files(ROOT).items():
        (out / name).write_text(text, "utf-8")
        click.echo(str(out / name))
