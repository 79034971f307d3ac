"""`cardveil erase`: everything that the bucket holds of some cards, every version of it, resumable."""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
import orjson

from cardveil.core.errors import CardveilError, Retry
from cardveil.settings import Settings, from_environment
from cardveil.storage.erasure import REASONS, SOURCE_DELETED
from cardveil.storage.keys import source_digest
from cardveil.storage.source import is_source
from cardveil_cli.base import Command
from cardveil_cli.commands.bucket import bucket_environment, bucket_options, processor_of
from cardveil_cli.commands.entering import entering_of
from cardveil_cli.commands.options import setting_option, settings_of
from cardveil_cli.exits import ExitCode, tell

if TYPE_CHECKING:
    from cardveil.pipeline.entering import Entering
    from cardveil.storage.eraser import Eraser
    from cardveil.storage.erasure import Tombstone

_EXAMPLES = (
    ("erase inbox/front.jpg --reason requested --data out/cloud", "A card of the local cloud."),
    (
        "erase --manifest keys.txt --reason term_ended --bucket cards-1250000000 --region ap-shanghai",
        "Many cards of a real bucket: a key a line.",
    ),
)


@click.command("erase", cls=Command, examples=_EXAMPLES)
@click.argument("keys", nargs=-1)
@click.option("--manifest", type=click.File("r", "utf-8"), help="A file with a key a line.")
@click.option(
    "--reason",
    required=True,
    type=click.Choice([reason for reason in REASONS if reason != SOURCE_DELETED]),
    help="Why; stands in the receipt that remains.",
)
@click.option("--by", default=getpass.getuser, help="Who erases; stands in the receipt. You, by default.")
@bucket_options
@setting_option("A CARDVEIL_ setting.")
@click.option("--dry-run", is_flag=True, help="Say which cards are known; erase nothing.")
@click.option("--json", "as_json", is_flag=True, help="Receipts as JSON lines on standard output.")
def command(
    keys: tuple[str, ...],
    manifest: IO[str] | None,
    reason: str,
    by: str,
    data: Path | None,
    bucket: str | None,
    region: str | None,
    settings: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> ExitCode:
    """Erase the cards of KEYS: sources, results, copies, all that was kept, every version of each.

    What is erased cannot be brought back. The same command goes on with what was interrupted.
    """
    from cardveil.pipeline.erasing import eraser_of

    environment = bucket_environment(data, bucket, region)
    environment |= settings_of(settings, environment)
    known = from_environment(environment)
    processor = processor_of("erase", environment)
    eraser, entering = eraser_of(processor), None
    if not dry_run:
        pipeline = processor.pipeline
        request = pipeline.invocation.request_id
        entering = entering_of(pipeline.sources, known, by=by, request=request)
    counts: Counter[str] = Counter()
    for key in listed(keys, manifest, known):
        if dry_run:
            state, stone = "known" if eraser.anything(key) else "unknown", None
        else:
            state, stone = _erased(eraser, entering, key, by, reason)
        counts[state] += 1
        if as_json and stone:
            click.echo(orjson.dumps(_document(stone)))
        elif state == "unknown":
            tell(f"nothing is stored of card {sum(counts.values())} of the list")
    if not as_json:
        click.echo(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    left = sum(counts[state] for state in ("erasing", "failed", "held", "unknown"))
    return ExitCode.LEFT_OVER if left else ExitCode.DONE


def _erased(
    eraser: Eraser, entering: Entering | None, key: str, by: str, reason: str
) -> tuple[str, Tombstone | None]:
    """Erase one card; what fails or is busy is written down, and the schedule goes on with it."""
    digest = [source_digest(key)]
    try:
        task = eraser.task(key)
        if task is None and not eraser.anything(key):
            stones = eraser.tombstones(key)
            return ("erased", stones[-1]) if stones else ("unknown", None)
        if hold := eraser.hold(key):
            tell(f"a card of the list is on hold for {hold.reason}: release it first")
            return "held", None
        if entering:
            entering.enter("erasure", digest, reason)
        try:
            task = task or eraser.want(key, by, reason)
        except CardveilError as error:
            if entering:
                entering.enter("erasure", digest, reason, error.code)
            raise
        stone = eraser.carry_out(task)
    except Retry as error:
        tell(str(error))
        return "failed", None
    return (stone.state, stone) if stone else ("erasing", None)


def listed(keys: tuple[str, ...], manifest: IO[str] | None, settings: Settings) -> Iterator[str]:
    """Yield the keys of the command line, or those of the file as they are read."""
    if bool(keys) == (manifest is not None):
        raise click.UsageError("name KEYS or a --manifest")
    try:
        for number, line in enumerate(manifest or keys, start=1):
            key = line.rstrip("\r\n")
            if key and not is_source(key, settings):
                raise click.UsageError(f"card {number} of the list: give the key of a picture in the inbox")
            if key:
                yield key
    except UnicodeDecodeError:
        raise click.UsageError("--manifest: the file is no UTF-8 text") from None


def _document(stone: Tombstone) -> dict[str, Any]:
    from cardveil.core.frozen import fields

    return {each.name: getattr(stone, each.name) for each in fields(stone)}
