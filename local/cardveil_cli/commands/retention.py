"""`cardveil retention`: what the schedule removes once its term has ended, counted or removed now."""

from __future__ import annotations

import getpass
import time
from collections import Counter
from pathlib import Path

import click
import orjson

from cardveil.settings import from_environment, variable
from cardveil.storage.retention import Progress
from cardveil_cli.base import Command
from cardveil_cli.commands.bucket import bucket_environment, bucket_options, processor_of
from cardveil_cli.commands.entering import entering_of
from cardveil_cli.commands.options import setting_option, settings_of
from cardveil_cli.exits import ExitCode, tell

_EXAMPLES = (
    (
        "retention --dry-run --set CARDVEIL_RETENTION=source=30d --data out/cloud",
        "Count what would be removed from the local cloud.",
    ),
    (
        "retention --bucket cards-1250000000 --region ap-shanghai",
        "Remove what is due from a real bucket now.",
    ),
)


@click.command("retention", cls=Command, examples=_EXAMPLES)
@bucket_options
@setting_option("A CARDVEIL_ setting, as CARDVEIL_RETENTION.")
@click.option("--by", default=getpass.getuser, help="Who removes. You, by default.")
@click.option("--dry-run", is_flag=True, help="Count what is due; remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="The counts as JSON.")
def command(
    data: Path | None,
    bucket: str | None,
    region: str | None,
    settings: tuple[str, ...],
    by: str,
    dry_run: bool,
    as_json: bool,
) -> ExitCode:
    """Remove what was kept for its term (CARDVEIL_RETENTION), as the schedule does once a day.

    It ends with 3 where something due was left: somebody is at work on it, or it is forbidden.
    """
    from cardveil.pipeline.retaining import retention_of, tick

    environment = bucket_environment(data, bucket, region) | settings_of(settings)
    known = from_environment(environment)
    if not known.retention:
        raise click.UsageError(f"say by --set {variable('retention')}=… how long what is kept")
    processor, counts = processor_of("retention", environment), Counter[str]()
    if dry_run:
        retention_of(processor, dry=True).work(Progress(time.time()), counts)
    else:
        pipeline = processor.pipeline
        request = pipeline.invocation.request_id
        entering = entering_of(pipeline.sources, known, by=by, request=request)
        counts = tick(processor, time.time(), lambda: False, every_s=0.0, entering=entering)
        if not counts:
            tell("another run is at work on the bucket: its lease ends within a quarter of an hour")
            return ExitCode.LEFT_OVER
    if as_json:
        click.echo(orjson.dumps(dict(sorted(counts.items()))))
    else:
        click.echo(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    return ExitCode.LEFT_OVER if counts["busy"] + counts["refused"] else ExitCode.DONE
