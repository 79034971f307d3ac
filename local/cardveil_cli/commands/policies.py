"""`cardveil policies`: what each function's role may do, as files for the vendor's access management."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import click

from cardveil.settings import from_environment
from cardveil_cli.base import Command
from cardveil_cli.commands.options import FOLDER, setting_option, settings_of
from cardveil_cli.exits import tell
from cardveil_cli.files.generated import force_option, write_generated
from cardveil_cli.permissions.documents import Place
from cardveil_cli.permissions.lifecycle import lifecycle as lifecycle_of
from cardveil_cli.permissions.write import files

ROOT: Final = Path(__file__).parents[3]


#: A bucket's full name: what its owner called it, and the account's app id.
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9-]*-[0-9]{5,}")
_EXAMPLES = (
    ("policies --bucket cards-1250000000 --region ap-shanghai --out policies", "One for each role."),
    ("policies --bucket cards-1250000000 --region ap-shanghai --out policies --jobs", "With jobs."),
    (
        "policies --bucket cards-1250000000 --region ap-shanghai --lifecycle",
        "Rules for COS itself.",
    ),
)


@click.command("policies", cls=Command, examples=_EXAMPLES)
@click.option("--bucket", required=True, help="Full name of the bucket, e.g. cards-1250000000.")
@click.option("--region", required=True, help="Its region, e.g. ap-shanghai.")
@click.option("--result-bucket", default="", help="The bucket for results, if it is another one.")
@click.option("--jobs", is_flag=True, help="With what jobs need (CARDVEIL_JOB_SECRETS is set).")
@setting_option("A CARDVEIL_ setting of the deployment.")
@click.option("--out", type=FOLDER, help="Where they go.")
@click.option(
    "--lifecycle", is_flag=True, help="Print rules for the bucket's lifecycle instead, as the SDK takes them."
)
@force_option()
def command(
    bucket: str,
    region: str,
    result_bucket: str,
    jobs: bool,
    settings: tuple[str, ...],
    out: Path | None,
    lifecycle: bool,
    force: bool,
) -> None:
    """Write one policy for each function's role, one for the key that deploys, and the reasons.

    Settings matter: a text provider that is not used gets no permission.
    """
    for name in filter(None, (bucket, result_bucket)):
        if not _BUCKET.fullmatch(name):
            raise click.UsageError("a bucket's full name ends with the app id, as cards-1250000000 does")
    chosen = from_environment(settings_of(settings))
    if lifecycle:
        rules, notes = lifecycle_of(chosen)
        for note in notes:
            tell(note)
        click.echo(json.dumps(rules, indent=2))
        return
    if out is None:
        raise click.UsageError("say where they go: --out FOLDER")
    place = Place(region, bucket.rpartition("-")[2], bucket, result_bucket)
    write_generated(out, files(ROOT, place, chosen, jobs=jobs), force=force)
