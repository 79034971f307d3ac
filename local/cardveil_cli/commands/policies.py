"""`cardveil policies`: what each function's role may do, as files for the vendor's access management."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from cardveil.settings import from_environment
from cardveil_cli.permissions.documents import Place
from cardveil_cli.permissions.write import files

ROOT: Final = Path(__file__).parents[3]


@click.command("policies")
@click.option("--bucket", required=True, help="Full name of the bucket, e.g. cards-1250000000.")
@click.option("--region", required=True, help="Its region, e.g. ap-shanghai.")
@click.option("--result-bucket", default="", help="The bucket for results, if it is another one.")
@click.option("--jobs", is_flag=True, help="With what jobs need (CARDVEIL_JOB_SECRETS is set).")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A CARDVEIL_ setting.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
def command(
    bucket: str, region: str, result_bucket: str, jobs: bool, settings: tuple[str, ...], out: Path
) -> None:
    """Write one policy for each function's role, one for the key that deploys, and the reasons.

    Settings matter: a text provider that is not used gets no permission.
    """
    chosen = from_environment(dict(setting.split("=", 1) for setting in settings if "=" in setting))
    place = Place(region, bucket.rpartition("-")[2], bucket, result_bucket)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files(ROOT, place, chosen, jobs=jobs).items():
        (out / name).write_text(text, "utf-8")
        click.echo(str(out / name))
