"""`cardveil check`: an invented sample through what was deployed, and taken away again."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path

import click

from cardveil_cli.base import Command
from cardveil_cli.commands.deploy import FILE, FOLDER, ROOT, target, told
from cardveil_cli.commands.endpoint import log_command
from cardveil_cli.deploy.errors import DeployError

_PAUSE_S = 1.0


_EXAMPLES = (("check", "Upload an invented sample, wait for its result, erase it."),)


@click.command("check", cls=Command, examples=_EXAMPLES)
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
@click.option(
    "--local", type=FOLDER, envvar="REHEARSE_ON", help="Of the local cloud that runs on this folder."
)
@click.option(
    "--timeout",
    type=click.IntRange(1, 3600),
    default=180,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the result.",
)
def command(file: Path, package: Path, local: Path | None, timeout: int) -> None:
    """Upload an invented ID card, wait for its result, show it, and erase all of it.

    It costs what one upload costs. The key that runs it needs to read, write and delete in the bucket.
    """
    from cardveil.storage.keys import keys_of
    from cardveil_cli.deploy.checks import settings_of
    from cardveil_cli.samples.bundled import kept_pictures

    with told():
        found = target(file, package, local)
        settings = settings_of(found.deployment)
        sample = next(each for each in kept_pictures() if each.verdict == "redacted")
        key = f"{settings.inbox_prefix}cardveil-check-{secrets.token_hex(8)}.{sample.file.rpartition('.')[2]}"
        keys = keys_of(key, settings)
        results = settings.result_bucket or settings.bucket
        account = found.account
        try:
            account.put(settings.bucket, key, sample.read())
            click.echo(f"uploaded: {key}")
            deadline = time.monotonic() + timeout
            while (sidecar := account.get(results, keys.sidecar)) is None:
                if time.monotonic() > deadline:
                    raise DeployError(f"no result after {timeout} s: {log_command(local, key)} shows why")
                time.sleep(_PAUSE_S)
            known = json.loads(sidecar)
            click.echo(f"status: {known['status']}")
            for finding in known.get("findings") or []:
                click.echo(f"finding: {finding}")
            copy = account.get(results, keys.redacted)
            click.echo(f"copy: {keys.redacted}, {len(copy):,} bytes" if copy else "copy: none")
        finally:
            for bucket, gone in ((settings.bucket, key), (results, keys.redacted), (results, keys.sidecar)):
                account.delete(bucket, gone)
        click.echo("erased: source, copy and sidecar")
        if known["status"] != "redacted" or copy is None:
            raise DeployError(
                f"the sample was not redacted: its findings say why, and {log_command(local, key)}"
            )
