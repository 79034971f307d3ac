"""`cardveil put`: upload pictures into the inbox of a local cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cardveil_cli.base import Command
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.commands.options import data_option
from cardveil_cli.exits import Debugging, ExitCode, described, shown, tell

_EXAMPLES = (
    ("put front.jpg back.jpg", "To the cloud that `cardveil up` runs in out/cloud."),
    ("put licence.jpg --card-type DriverLicense", "Say what it shows: one paid call less."),
)


@click.command("put", cls=Command, examples=_EXAMPLES)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@data_option("Folder of the local cloud that is running.")
@click.option("--prefix", default="inbox/", show_default=True, help="Where in the bucket the files go.")
@click.option("--card-type", type=click.Choice(["IDCard", "DriverLicense"]), help="What the pictures show.")
@click.option("--side", type=click.Choice(["front", "back"]), help="Which side they show.")
@click.pass_obj
def command(
    debugging: Debugging,
    files: tuple[Path, ...],
    data: Path,
    prefix: str,
    card_type: str | None,
    side: str | None,
) -> ExitCode:
    """Upload FILES and print the key of each."""
    from qcloud_cos.cos_exception import CosException

    meta = {"x-cos-meta-card-type": card_type, "x-cos-meta-card-side": side}
    headers = {name: value for name, value in meta.items() if value}
    done: dict[str, Path] = {}
    failed = []
    with _answering(data) as (endpoint, client):
        for file in files:
            key = f"{prefix}{file.name}"
            try:
                _check(key, done)
                client.put_object(Bucket=endpoint.bucket, Key=key, Body=file.read_bytes(), Metadata=headers)
            except click.ClickException as refusal:
                failed.append(f"{shown(file)}: {refusal.message}")
            except (OSError, CosException) as error:
                failed.append(f"{shown(file)}: {described(error, debugging)}")
            else:
                done[key] = file
                click.echo(key)
    for line in failed:
        tell(line)
    if not done:
        return ExitCode.REFUSED
    return ExitCode.LEFT_OVER if failed else ExitCode.DONE


@contextmanager
def _answering(data: Path) -> Iterator[tuple[Endpoint, Any]]:
    """Give the cloud of a folder and a client for it, once it has answered."""
    from qcloud_cos.cos_exception import CosException

    endpoint = Endpoint.of_folder(data)
    client = endpoint.cos_client()
    try:
        client.head_bucket(Bucket=endpoint.bucket)
    except CosException:
        message = f"the local cloud of {shown(data)} does not answer: was it killed? start it again"
        raise click.ClickException(message) from None
    yield endpoint, client


def _check(key: str, done: dict[str, Path]) -> None:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise click.UsageError("its name is not UTF-8, as keys are: rename it") from None
    if key in done:
        raise click.UsageError(f"{shown(done[key])} has taken its key: rename it, or use another --prefix")
