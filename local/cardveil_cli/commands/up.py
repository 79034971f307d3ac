"""`cardveil up`: the local cloud in the foreground, until it is told to stop."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cardveil_cli.commands.endpoint import FILE_NAME, Endpoint

if TYPE_CHECKING:
    from cardveil_cloud.server import Ready
    from cardveil_ocr import Recogniser

#: The file that names the functions, in the checkout that this command was installed from.
_SERVERLESS: Final = Path(__file__).parents[3] / "serverless.yml"


@click.command("up")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one."
)
@click.option(
    "--data",
    required=True,
    # Functions run in folders of their own: what is relative here would be elsewhere there.
    type=click.Path(file_okay=False, path_type=Path, resolve_path=True),
    help="Where all is kept.",
)
@click.option(
    "--serverless",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True),
    default=_SERVERLESS if _SERVERLESS.is_file() else None,
    help="The multi-scf file of the functions.",
)
@click.option("--bare", is_flag=True, help="Without functions: `cardveil deploy --local` brings them.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A CARDVEIL_ setting that all functions get, over what the file says.",
)
@click.option(
    "--retry-interval", type=click.FloatRange(min=0), default=2.0, show_default=True, metavar="SECONDS"
)
@click.option("--threads", type=click.IntRange(1, 64), default=min(2, os.cpu_count() or 1), show_default=True)
def command(
    port: int,
    data: Path,
    serverless: Path | None,
    bare: bool,
    settings: tuple[str, ...],
    retry_interval: float,
    threads: int,
) -> None:
    """Start the local cloud; print one JSON line with proxy URL, credentials and bucket when it is ready."""
    from cardveil_cloud.options import Options
    from cardveil_cloud.scf.variables import ConfigurationError
    from cardveil_cloud.server import NOTICE, LocalCloud

    def recogniser() -> Recogniser:
        from cardveil_ocr import Recogniser

        return Recogniser(threads=threads)

    def tell(ready: Ready) -> None:
        click.echo(NOTICE, err=True)
        endpoint = Endpoint(
            proxy=ready.proxy_url,
            secret_id=ready.secret_id,
            secret_key=ready.secret_key,
            region=ready.region,
            app_id=ready.app_id,
            bucket=ready.bucket,
        )
        line = endpoint.to_line()
        (data / FILE_NAME).write_bytes(line)
        sys.stdout.buffer.write(line)
        sys.stdout.flush()

    environment = {"CARDVEIL_SCHEME": "http", **_pairs(settings)}
    data.mkdir(parents=True, exist_ok=True)
    cloud = LocalCloud(
        data,
        port=port,
        serverless=None if bare else serverless,
        recogniser_factory=recogniser,
        retry_interval_s=retry_interval,
        options=Options(environment=environment, scf_api=bare, timers=bare),
    )
    try:
        cloud.run_forever(tell)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"port {port} cannot be used ({error.strerror})") from None
    finally:
        (data / FILE_NAME).unlink(missing_ok=True)


def _pairs(settings: tuple[str, ...]) -> dict[str, str]:
    from cardveil.settings import problems

    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.startswith("CARDVEIL_"):
            raise click.UsageError("--set takes CARDVEIL_NAME=VALUE")
        pairs[name] = value
    if wrong := problems(pairs):
        raise click.UsageError("\n".join(error.what_to_do for error in wrong.values()))
    return pairs
