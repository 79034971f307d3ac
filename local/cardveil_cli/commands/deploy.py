"""`cardveil deploy`: brings the account to the state of serverless.yml; plan first, repeatable, revocable."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import yaml

from cardveil_cli.base import Command
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.deploy.access import Access, access_from
from cardveil_cli.deploy.account import Account
from cardveil_cli.deploy.checks import checked, settings_of
from cardveil_cli.deploy.desired_state import Wanted, wanted
from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.deploy.plan import Plan, Planner
from cardveil_cli.deploy.rollback import rollback_plan
from cardveil_cli.deploy.urls import function_urls
from cardveil_cli.exits import ExitCode
from cardveil_cloud.scf.deployment import Deployment, load
from cardveil_cloud.scf.schema import check
from cardveil_cloud.scf.variables import ConfigurationError, resolve

ROOT: Final = Path(__file__).parents[3]
FILE = click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)
FOLDER = click.Path(file_okay=False, path_type=Path, resolve_path=True)


@dataclass(frozen=True, slots=True)
class Target:
    """An account, and what serverless.yml wants of it."""

    account: Account
    state: Wanted
    deployment: Deployment
    variables: Mapping[str, str]


def target(file: Path, package: Path, local: Path | None) -> Target:
    """Read file and zips, and reach the account.

    Raises
    ------
    DeployError, ConfigurationError
        For every mistake in the file, also of values that its variables bring.
    """
    if problems := check(file):
        raise DeployError("\n".join(str(problem) for problem in problems))
    access, variables = reached(local)
    deployment = load(file, variables)
    settings = settings_of(deployment)
    account = Account(access, settings.bucket, settings.state_prefix, encryption=settings.encryption)
    state = _wanted(file, package, variables, deployment, access.region)
    return Target(account, state, deployment, variables)


@contextmanager
def told() -> Iterator[None]:
    """Turn what stopped a deployment into a line for the user."""
    try:
        yield
    except (DeployError, ConfigurationError) as error:
        raise click.ClickException(str(error)) from None


_EXAMPLES = (
    ("deploy --plan", "Show what would change, and do nothing."),
    ("deploy", "Do it; run again, there is nothing to do."),
    ("deploy --rollback", "Every function back to the version before."),
)


@click.command("deploy", cls=Command, examples=_EXAMPLES)
@click.option(
    "--file",
    type=FILE,
    default=ROOT / "serverless.yml",
    show_default="serverless.yml",
    help="What is to be deployed.",
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
@click.option("--rollback", is_flag=True, help="Go back to the version before.")
@click.option(
    "--local", type=FOLDER, envvar="REHEARSE_ON", help="Deploy to the local cloud that runs on this folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line a step.")
def command(
    file: Path, package: Path, only_plan: bool, rollback: bool, local: Path | None, as_json: bool
) -> ExitCode:
    """Deploy layers, functions and triggers.

    Before anything is made it looks at the bucket, Cloud Infinite, the roles and the settings, and refuses to
    go on without what is needed to make the functions. What they will miss once they run is told, and ends it
    with 3. Run `cardveil package` first. The key pair and the region come from TENCENTCLOUD_SECRETID,
    TENCENTCLOUD_SECRETKEY and TENCENTCLOUD_REGION, and the variables of serverless.yml from the environment.
    """
    with told():
        found = target(file, package, local)
        if rollback:
            run(rollback_plan(found.account, found.state), only_plan, as_json)
            return ExitCode.DONE
        looked = checked(found.account, found.deployment, file, found.variables)
        for kind, lines in (("check", looked.lines), ("missing", [*looked.blocking, *looked.missing])):
            for line in lines:
                _tell(kind, line, as_json)
        if looked.blocking and not only_plan:
            raise DeployError("nothing was made: first what is missing")
        run(Planner(found.account, found.state).plan(), only_plan, as_json)
        if not only_plan:
            for name, url in function_urls(found.account, found.state):
                _tell("url", f"{name}: {url or 'its URL stands in the console'}", as_json)
    return ExitCode.LEFT_OVER if looked.missing or looked.blocking else ExitCode.DONE


def reached(local: Path | None) -> tuple[Access, dict[str, str]]:
    """Return the account, a real or a local one, and the variables for serverless.yml.

    Raises
    ------
    DeployError
        Naming what is missing of the key.
    """
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


def _wanted(
    file: Path, package: Path, variables: dict[str, str], deployment: Deployment, region: str
) -> Wanted:
    head = yaml.safe_load(file.read_text("utf-8"))
    stage = str(resolve(str(head.get("stage", "dev")), variables))
    app = str(head.get("app", head.get("name", "")))
    return wanted(deployment, package, app=app, stage=stage, region=region)


def run(plan: Plan, only_plan: bool, as_json: bool) -> None:
    """Show a plan, and carry it out unless it is only to be shown."""
    if only_plan or not as_json:
        for line in plan.lines():
            click.echo(json.dumps({"plan": line}) if as_json else line)
    if not plan.steps:
        click.echo(json.dumps({"done": "nothing to do"}) if as_json else "nothing to do")
    if only_plan:
        return
    for step in plan.steps:
        _tell("done", step.action(), as_json)


def _tell(kind: str, line: str, as_json: bool) -> None:
    click.echo(json.dumps({kind: line}, ensure_ascii=False) if as_json else f"{kind}: {line}")
