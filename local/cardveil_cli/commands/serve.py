"""`cardveil serve`: the local cloud with the console, as a person who wants to look around starts it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cardveil.api.tokens import ROLES, mint
from cardveil_cli.base import Command
from cardveil_cli.commands.cloud import SERVERLESS, recogniser_factory, run_cloud
from cardveil_cli.commands.endpoint import Endpoint, log_notice, prepare
from cardveil_cli.commands.options import data_option, threads_option
from cardveil_cli.commands.secret import VARIABLE, secret_of
from cardveil_cli.exits import shown
from cardveil_cli.samples.bundled import kept_pictures

if TYPE_CHECKING:
    from cardveil_cloud.server import Ready

_FUNCTION: Final = "on_request"
_HOURS: Final = 12
_EXAMPLES = (
    ("serve", "With the sample cards, on port 8411."),
    ("serve --port 0 --data out/mine --no-samples", "An empty inbox, on a free port."),
)


@click.command("serve", cls=Command, examples=_EXAMPLES)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8411, show_default=True, help="0 takes a free one."
)
@data_option("Where all is kept.")
@click.option(
    "--samples/--no-samples",
    default=True,
    show_default=True,
    help="Upload the sample cards into an empty inbox.",
)
@threads_option()
def command(port: int, data: Path, samples: bool, threads: int) -> None:
    """Start the local cloud and print the console's link, with a token of every role.

    It is for development, tests and demonstrations. Ctrl-C ends it, with exit code 0.
    """
    from cardveil_cloud.options import Options
    from cardveil_cloud.server import NOTICE, LocalCloud

    def tell(endpoint: Endpoint, ready: Ready) -> None:
        token = mint(secret, "local", ROLES, lifetime_s=_HOURS * 3600, now=time.time())
        url = ready.function_urls[_FUNCTION]
        for notice in (NOTICE, *ready.found, log_notice(data)):
            click.echo(notice, err=True)
        click.echo(f"Console (the link lets in for {_HOURS} hours):\n  {url}/#token={token}")
        click.echo(f"API: {url}/v1/…   documentation: {url}/docs   data: {shown(data)}\nCtrl+C stops it.")
        if samples:
            # Not here: the server answers only once this returns.
            threading.Thread(target=_upload_samples, args=(endpoint,), daemon=True).start()

    prepare(data)
    secret = secret_of(data)
    cloud = LocalCloud(
        data,
        port=port,
        serverless=SERVERLESS,
        recogniser_factory=recogniser_factory(threads),
        options=Options(environment={"CARDVEIL_SCHEME": "http", VARIABLE: secret}),
    )
    run_cloud(cloud, data, port, tell)


def _upload_samples(endpoint: Endpoint) -> None:
    client = endpoint.cos_client()
    if client.list_objects(Bucket=endpoint.bucket, Prefix="inbox/", MaxKeys=1).get("Contents"):
        return
    for picture in kept_pictures():
        client.put_object(Bucket=endpoint.bucket, Key=f"inbox/{picture.file}", Body=picture.read())
