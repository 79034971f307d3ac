"""`cardveil serve`: the local cloud with the console, as a person who wants to look around starts it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cardveil.api.tokens import ROLES, mint
from cardveil_cli.commands.endpoint import FILE_NAME, Endpoint
from cardveil_cli.commands.secret import VARIABLE, secret_of
from cardveil_cli.samples.bundled import kept_pictures

if TYPE_CHECKING:
    from cardveil_cloud.server import Ready
    from cardveil_ocr import Recogniser

_SERVERLESS: Final = Path(__file__).parents[3] / "serverless.yml"
_FUNCTION: Final = "on_request"
_HOURS: Final = 12


@click.command("serve")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8411, show_default=True, help="0 takes a free one."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/cloud"),
    show_default=True,
    help="Where all is kept.",
)
@click.option(
    "--samples/--no-samples",
    default=True,
    show_default=True,
    help="Upload the sample cards into an empty inbox.",
)
@click.option("--threads", type=click.IntRange(1, 64), default=min(2, os.cpu_count() or 1), show_default=True)
def command(port: int, data: Path, samples: bool, threads: int) -> None:
    """Start the local cloud and print the console's link, with a token of every role."""
    from cardveil_cloud import files
    from cardveil_cloud.options import Options
    from cardveil_cloud.server import NOTICE, LocalCloud

    def recogniser() -> Recogniser:
        from cardveil_ocr import Recogniser

        return Recogniser(threads=threads)

    def tell(ready: Ready) -> None:
        endpoint = Endpoint(
            ready.proxy_url, ready.secret_id, ready.secret_key, ready.region, ready.app_id, ready.bucket
        )
        files.write(data / FILE_NAME, endpoint.to_line())
        token = mint(secret, "local", ROLES, lifetime_s=_HOURS * 3600, now=time.time())
        url = ready.function_urls[_FUNCTION]
        for notice in (NOTICE, *ready.found):
            click.echo(notice, err=True)
        click.echo(f"Console (the link lets in for {_HOURS} hours):\n  {url}/#token={token}")
        click.echo(f"API: {url}/v1/…   documentation: {url}/docs   data: {data}\nCtrl+C stops it.")
        if samples:
            # Not here: the server answers only once this returns.
            threading.Thread(target=_upload_samples, args=(endpoint,), daemon=True).start()

    files.make_folder(data)
    secret = secret_of(data)
    cloud = LocalCloud(
        data,
        port=port,
        serverless=_SERVERLESS,
        recogniser_factory=recogniser,
        options=Options(environment={"CARDVEIL_SCHEME": "http", VARIABLE: secret}),
    )
    try:
        cloud.run_forever(tell)
    except OSError as error:
        raise click.ClickException(f"port {port} cannot be used ({error.strerror})") from None
    finally:
        (data / FILE_NAME).unlink(missing_ok=True)


def _upload_samples(endpoint: Endpoint) -> None:
    client = endpoint.cos_client()
    if client.list_objects(Bucket=endpoint.bucket, Prefix="inbox/", MaxKeys=1).get("Contents"):
        return
    for picture in kept_pictures():
        client.put_object(Bucket=endpoint.bucket, Key=f"inbox/{picture.file}", Body=picture.read())
