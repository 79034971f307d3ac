"""`cardveil undeploy`: removes what `cardveil deploy` has made."""

from __future__ import annotations

from pathlib import Path

import click

from cardveil_cli.base import Command
from cardveil_cli.commands.deploy import FILE, FOLDER, ROOT, run, target, told
from cardveil_cli.deploy.undeploy import undeploy_plan

_EXAMPLES = (
    ("undeploy --plan", "Show what would be taken away, and do nothing."),
    ("undeploy", "Take away what deploy made."),
)


@click.command("undeploy", cls=Command, examples=_EXAMPLES)
@click.option(
    "--file",
    type=FILE,
    default=ROOT / "serverless.yml",
    show_default="serverless.yml",
    help="What was deployed.",
)
@click.option(
    "--package",
    type=FOLDER,
    default=ROOT / "dist",
    show_default="dist/",
    envvar="REHEARSE_PACKAGE",
    help="The zips that `cardveil package` made.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, and do nothing.")
@click.option(
    "--local", type=FOLDER, envvar="REHEARSE_ON", help="Of the local cloud that runs on this folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line a step.")
def command(file: Path, package: Path, only_plan: bool, local: Path | None, as_json: bool) -> None:
    """Remove functions, triggers and layers that `cardveil deploy` made; the bucket stays as it is."""
    with told():
        found = target(file, package, local)
        run(undeploy_plan(found.account, found.state), only_plan, as_json)
