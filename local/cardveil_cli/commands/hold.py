"""`cardveil hold`: cards of which nothing is removed, by retention or erasure, until they are released."""

from __future__ import annotations

import getpass
import time
from collections import Counter
from pathlib import Path
from typing import IO

import click

from cardveil.core.errors import TakenByAnother
from cardveil.settings import from_environment
from cardveil.storage.holds import holds, put_hold, release
from cardveil.storage.keys import keys_of, source_digest
from cardveil_cli.base import Command
from cardveil_cli.commands.bucket import bucket_environment, bucket_options, processor_of
from cardveil_cli.commands.entering import code_of, entering_of
from cardveil_cli.commands.erase import listed
from cardveil_cli.commands.operating import Rows, moment
from cardveil_cli.commands.options import setting_option, settings_of
from cardveil_cli.exits import ExitCode, tell

_EXAMPLES = (
    ("hold inbox/front.jpg --reason case:2026-17 --data out/cloud", "A card of the local cloud."),
    ("hold --bucket cards-1250000000 --region ap-shanghai", "Show the holds of a real bucket."),
)


@click.command("hold", cls=Command, examples=_EXAMPLES)
@click.argument("keys", nargs=-1)
@click.option("--manifest", type=click.File("r", "utf-8"), help="A file with a key a line.")
@click.option("--reason", callback=code_of, help="Why: a code without names, as case:2026-17.")
@click.option("--by", default=getpass.getuser, help="Who holds. You, by default.")
@bucket_options
@setting_option("A CARDVEIL_ setting.")
@click.option("--json", "as_json", is_flag=True, help="Without KEYS: the holds as JSON lines.")
def command(
    keys: tuple[str, ...],
    manifest: IO[str] | None,
    reason: str | None,
    by: str,
    data: Path | None,
    bucket: str | None,
    region: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> ExitCode:
    """Hold the cards of KEYS, or show the holds where none is named.

    A hold that stands already stays as it is, with its reason.
    """
    from cardveil.pipeline.erasing import eraser_of

    environment = bucket_environment(data, bucket, region) | settings_of(settings)
    known = from_environment(environment)
    processor = processor_of("hold", environment)
    sources, counts = processor.pipeline.sources, Counter[str]()
    if not keys and manifest is None:
        rows = Rows(("source_sha256", "by", "reason", "since"), as_json=as_json)
        for found in holds(sources, known):
            rows.show(found.source, found.by, found.reason, moment(found.at))
        rows.end()
        return ExitCode.DONE
    if reason is None:
        raise click.UsageError("say the --reason")
    eraser = eraser_of(processor)
    request = processor.pipeline.invocation.request_id
    entering = entering_of(sources, known, by=by, request=request)
    for key in listed(keys, manifest, known):
        if not eraser.anything(key):
            counts["unknown"] += 1
            continue
        try:
            with processor.pipeline.held(keys_of(key, known)):
                if entering:
                    entering.enter("hold", [source_digest(key)], reason)
                before = eraser.hold(key)
                put_hold(sources, known, key, by, reason, time.time())
                if eraser.task(key) and not before:
                    release(sources, known, key)
                    counts["to be erased"] += 1
                    if entering:
                        entering.enter("hold", [source_digest(key)], reason, "erasure_wanted")
                else:
                    counts["held"] += 1
        except TakenByAnother as error:
            tell(str(error))
            counts["busy"] += 1
    click.echo(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    return ExitCode.DONE if set(counts) <= {"held"} else ExitCode.LEFT_OVER
