"""`cardveil export`: all cards of a bucket as CSV or JSON lines, for those who must show them."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import click

from cardveil.core.errors import Halt
from cardveil.settings import from_environment
from cardveil.storage.keys import source_digest
from cardveil_cli.base import Command
from cardveil_cli.commands.bucket import bucket_environment, invocation
from cardveil_cli.commands.entering import entering_of, who_options
from cardveil_cli.commands.options import FOLDER, setting_option, settings_of
from cardveil_cli.exits import ExitCode, tell

if TYPE_CHECKING:
    from cardveil.pipeline.entering import Entering
    from cardveil.pipeline.export import Export

#: As `pipeline.export` has them, which is imported when the command runs.
FORMATS: Final = ("csv", "jsonl")
TEXTS: Final = ("none", "kept", "all")
#: Rows that are written after one entry of the ledger, which names their cards.
_TURN: Final = 1000
_EXAMPLES = (
    ("export --out cards.csv --data out/cloud", "The cards of the local cloud, for a spreadsheet."),
    (
        "export --format jsonl --since 2026-11-01 --bucket cards-1250000000 --region ap-shanghai",
        "What is new in a real bucket, for programs.",
    ),
)


@click.command("export", cls=Command, examples=_EXAMPLES)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="csv",
    show_default=True,
    help="For spreadsheets, or one JSON document a line.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Instead of standard output.")
@click.option("--prefix", default="", help="Only keys that begin so.")
@click.option("--since", default="", metavar="TIME", help="Only what is as new as this, in ISO 8601.")
@click.option("--keys", is_flag=True, help="The sources' keys too, which may hold names and ID numbers.")
@click.option(
    "--texts",
    type=click.Choice(TEXTS),
    default="none",
    show_default=True,
    help="What cards say: what their copies show (kept), or what those cover as well (all).",
)
@who_options
@click.option("--data", type=FOLDER, help="Of the local cloud that runs on this folder.")
@click.option(
    "--bucket", help="Full name of a real bucket; the key pair comes from TENCENTCLOUD_SECRETID/KEY."
)
@click.option("--region", help="The bucket's region.")
@setting_option("A CARDVEIL_ setting.")
def command(
    form: str,
    out: Path | None,
    prefix: str,
    since: str,
    keys: bool,
    texts: str,
    by: str,
    purpose: str | None,
    data: Path | None,
    bucket: str | None,
    region: str | None,
    settings: tuple[str, ...],
) -> ExitCode:
    """Export all cards, a row each: digest, state, type, dates, policy, findings.

    A file is written whole or not at all, and only its owner may read it. No cell of the CSV is a formula.
    """
    environment = bucket_environment(data, bucket, region)
    environment |= settings_of(settings, environment)
    exported, entering = _export(environment, form, prefix, since, keys, texts, by, purpose or "")
    rows, count = ((key, line) for key, line in exported.rows() if line), 0
    details = ",".join([form, *([f"texts:{texts}"] if texts != "none" else [])])
    with _opened(out) as file:
        file.write(exported.head())
        while turn := list(islice(rows, _TURN)):
            if entering:
                entering.enter("export", [source_digest(key) for key, _ in turn], details)
            file.writelines(line for _, line in turn)
            count += len(turn)
        if entering and not count:
            entering.enter("export", [], details)
    tell(f"{count} cards")
    return ExitCode.DONE


def _export(
    environment: dict[str, str],
    form: str,
    prefix: str,
    since: str,
    keys: bool,
    texts: str,
    by: str,
    purpose: str,
) -> tuple[Export, Entering | None]:
    from cardveil.pipeline.export import Export, Wish
    from cardveil.pipeline.factory import build_processor
    from cardveil.storage.objects import moment

    known = from_environment(environment)
    if not known.bucket:
        raise Halt("setting_missing", "set CARDVEIL_BUCKET to the bucket's full name")
    if not prefix.startswith(known.inbox_prefix) and not known.inbox_prefix.startswith(prefix):
        raise click.UsageError("--prefix is one of keys in the inbox")
    try:
        wish = Wish(form, prefix, moment(since) if since else 0.0, texts, keys)
    except ValueError:
        raise click.UsageError("--since is a date or a time in ISO 8601, as 2026-11-28") from None
    run = invocation("export", environment)
    pipeline = build_processor(known, environment, run, bucket=known.bucket, region=run.region).pipeline
    entering = entering_of(pipeline.sources, known, by=by, request=run.request_id, purpose=purpose)
    return Export(pipeline.sources, pipeline.results.objects, known, pipeline.rules.policy, wish), entering


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """Give the file beside its place, which it takes when all is written; or standard output."""
    if out is None:
        # CSV has line ends of its own.
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
        yield sys.stdout
        sys.stdout.flush()
        return
    part = out.parent / f".cardveil-{secrets.token_hex(8)}.part"
    try:
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
