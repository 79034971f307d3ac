"""`cardveil release`: cards that may be removed again by retention and erasure."""

from __future__ import annotations

import getpass
from collections import Counter
from pathlib import Path
from typing import IO

import click

from cardveil.settings import from_environment
from cardveil.storage.holds import hold_of, release
from cardveil.storage.keys import source_digest
from cardveil_cli.base import Command
from cardveil_cli.commands.bucket import bucket_environment, bucket_options, processor_of
from cardveil_cli.commands.entering import entering_of
from cardveil_cli.commands.erase import listed
from cardveil_cli.commands.options import setting_option, settings_of
from cardveil_cli.exits import ExitCode

_EXAMPLES = (("release inbox/front.jpg --data out/cloud", "A card of the local cloud."),)


@click.command("release", cls=Command, examples=_EXAMPLES)
@click.argument("keys", nargs=-1)
@click.option("--manifest", type=click.File("r", "utf-8"), help="A file with a key a line.")
@click.option("--by", default=getpass.getuser, help="Who releases. You, by default.")
@bucket_options
@setting_option("A CARDVEIL_ setting.")
def command(
    keys: tuple[str, ...],
    manifest: IO[str] | None,
    by: str,
    data: Path | None,
    bucket: str | None,
    region: str | None,
    settings: tuple[str, ...],
) -> ExitCode:
    """Release the cards of KEYS from their hold."""
    environment = bucket_environment(data, bucket, region) | settings_of(settings)
    known = from_environment(environment)
    pipeline, counts = processor_of("release", environment).pipeline, Counter[str]()
    sources = pipeline.sources
    entering = entering_of(sources, known, by=by, request=pipeline.invocation.request_id)
    for key in listed(keys, manifest, known):
        digest = source_digest(key)
        if entering and hold_of(sources, known, digest):
            entering.enter("release", [digest])
        counts["released" if release(sources, known, key) else "not held"] += 1
    click.echo(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    return ExitCode.LEFT_OVER if counts["not held"] else ExitCode.DONE
