"""`cardveil token revoke`: tokens that let nobody in any more, by the list in the bucket."""

from __future__ import annotations

import getpass
import hashlib
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cardveil.api.revoked import NAME, ids_of, read_list
from cardveil.core.errors import Halt
from cardveil.settings import from_environment
from cardveil_cli.base import Command
from cardveil_cli.commands.bucket import bucket_environment, invocation
from cardveil_cli.commands.operating import moment
from cardveil_cli.commands.options import FOLDER, setting_option, settings_of

if TYPE_CHECKING:
    from cardveil.storage.objects import Objects

#: Three parts between dots: a whole token.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ID: Final = re.compile(r"[!-\"$-~]{1,128}")
_EXAMPLES = (
    ("token revoke 0f1e2d3c4b5a6978 --data out/cloud", "By its `jti`, for the local cloud."),
    (
        "token revoke - --bucket cards-1250000000 --region ap-shanghai",
        "By whole tokens, a line each on standard input, for a real bucket.",
    ),
)


@click.command("revoke", cls=Command, examples=_EXAMPLES)
@click.argument("ids", nargs=-1, required=True)
@click.option("--data", type=FOLDER, help="For the local cloud that runs on this folder.")
@click.option(
    "--bucket", help="Full name of a real bucket; the key pair comes from TENCENTCLOUD_SECRETID/KEY."
)
@click.option("--region", help="The bucket's region.")
@setting_option("A CARDVEIL_ setting.")
def command(
    ids: tuple[str, ...], data: Path | None, bucket: str | None, region: str | None, settings: tuple[str, ...]
) -> None:
    """Revoke tokens by their IDS: they let nobody in any more within a minute.

    An id is a token's `jti`, or the SHA-256 of the whole token. `-` reads ids, or whole tokens, from standard
    input: what stands on a command line every user of the machine can see.
    """
    wanted = _wanted(ids)
    environment = bucket_environment(data, bucket, region)
    environment |= settings_of(settings, environment)
    known = from_environment(environment)
    if not known.bucket:
        raise Halt("setting_missing", "set CARDVEIL_BUCKET to the bucket's full name")
    objects, key = _objects(environment, known.bucket), f"{known.state_prefix}{NAME}"
    added = _add(objects, key, wanted)
    click.echo(f"{added} revoked, {len(wanted) - added} were revoked before")


def _wanted(ids: Iterable[str]) -> list[str]:
    wanted: dict[str, None] = {}
    for given in ids:
        lines = sys.stdin.read().split() if given == "-" else [given]
        for line in lines:
            if _TOKEN.fullmatch(line):
                if given != "-":
                    raise click.UsageError("give whole tokens on standard input, with - in their place")
                wanted[hashlib.sha256(line.encode("ascii")).hexdigest()] = None
            elif _ID.fullmatch(line):
                wanted[line] = None
            else:
                raise click.UsageError("an id has up to 128 printable characters, and no #")
    if not wanted:
        raise click.UsageError("there is no id on standard input")
    return list(wanted)


def _objects(environment: dict[str, str], bucket: str) -> Objects:
    from cardveil.pipeline.factory import build_processor

    run = invocation("token", environment)
    settings = from_environment(environment)
    return build_processor(settings, environment, run, bucket=bucket, region=run.region).pipeline.sources


def _add(objects: Objects, key: str, wanted: list[str]) -> int:
    """Add ids to the list, and see that they stand there; return how many are new."""
    before = read_list(objects, key)
    new = [each for each in wanted if each not in ids_of(before)]
    if new:
        remark = f"{moment(time.time())} by {getpass.getuser()}"
        lines = [*before.splitlines(), *(f"{each}  # {remark}" for each in new), ""]
        document = "\n".join(lines).encode()
        objects.put(key, document, media_type="text/plain; charset=utf-8", meta={"kind": "revoked"})
        # Whoever wrote at the same moment may have written over it.
        if not ids_of(read_list(objects, key)).issuperset(wanted):
            raise click.ClickException("the list was changed meanwhile: do it again")
    return len(new)
