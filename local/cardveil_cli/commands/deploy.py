"""`cardveil deploy`: brings the account to the state of serverless.yml; plan first, repeatable, revocable."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import click
import yaml

from cardveil_cli.base import Command
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.deploy.account import Access, Account, access_from
from cardveil_cli.deploy.desired_state import Wanted, wanted
from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.deploy.plan import Plan, Planner
from cardveil_cli.deploy.rollback import rollback_plan
from cardveil_cloud.scf.deployment import load
from cardveil_cloud.scf.schema import check
from cardveil_cloud.scf.variables import ConfigurationError, resolve

ROOT: Final = Path(__file__).parents[3]
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


_EXAMPLES = (
    ("deploy --plan", "Show what would change, and do nothing."),
    ("deploy", "Do it; run again, there is nothing to do."),
    ("deploy --rollback", "Every function back to the version before."),
)


@click.command("deploy", cls=Command, examples=_EXAMPLES)
@click.option(
    "--file",
    type=_FILE,
    default=ROOT / "serverless.yml",
    show_default="serverless.yml",
    help="What is to be deployed.",
)
@click.option(
    "--package",
    type=_FOLDER,
    default=ROOT / "dist",
    show_default="dist/",
    help="The zips that `cardveil package` made.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--rollback", is_flag=True, help="Go back to the version before.")
@click.option("--local", type=_FOLDER, help="Deploy to the local cloud that runs on this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line a step.")
def command(
    file: Path, package: Path, only_plan: bool, rollback: bool, local: Path | None, as_json: bool
) -> None:
    """Deploy layers, functions and triggers.

    Run `cardveil package` first. The key pair and the region come from TENCENTCLOUD_SECRETID,
    TENCENTCLOUD_SECRETKEY and TENCENTCLOUD_REGION, and the variables of serverless.yml from the environment.
    """
    try:
        access, variables = _access(local)
        state = _wanted(file, package, variables, access.region)
        bucket = variables.get("CARDVEIL_BUCKET", "")
        account = Account(access, bucket, variables.get("CARDVEIL_STATE_PREFIX", ".cardveil/"))
        plan = rollback_plan(account, state) if rollback else Planner(account, state).plan()
        _run(plan, only_plan, as_json)
    except (DeployError, ConfigurationError) as error:
        raise click.ClickException(str(error)) from None


def _access(local: Path | None) -> tuple[Access, dict[str, str]]:
    variables = dict(os.environ)
    if local is None:
        return access_from(variables), variables
    endpoint = Endpoint.of_folder(local)
    access = Access(endpoint.region, endpoint.secret_id, endpoint.secret_key, proxy=endpoint.proxy)
    own = {
        "CARDVEIL_STAGE": "local",
        "CARDVEIL_BUCKET": endpoint.bucket,
        "CARDVEIL_TOKEN_SECRETS": "",
        "TENCENTCLOUD_REGION": endpoint.region,
        "TENCENTCLOUD_APPID": endpoint.app_id,
    }
    return access, {**own, **variables}


def _wanted(file: Path, package: Path, variables: dict[str, str], region: str) -> Wanted:
    if problems := check(file):
        raise DeployError("\n".join(str(problem) for problem in problems))
    deployment = load(file, variables)
    head = yaml.safe_load(file.read_text("utf-8"))
    stage = str(resolve(str(head.get("stage", "dev")), variables))
    return wanted(
        deployment, package, app=str(head.get("app", head.get("name", ""))), stage=stage, region=region
    )


def _run(plan: Plan, only_plan: bool, as_json: bool) -> None:
    if only_plan or not as_json:
        for line in plan.lines():
            click.echo(json.dumps({"plan": line}) if as_json else line)
    if not plan.steps:
        click.echo(json.dumps({"done": "nothing to do"}) if as_json else "nothing to do")
    if only_plan:
        return
    for step in plan.steps:
        done = step.action()
        click.echo(json.dumps({"done": done}) if as_json else f"done: {done}")
