"""`cardveil up`: the local cloud in the foreground, until it is told to stop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cardveil_cli.base import Command
from cardveil_cli.commands.cloud import (
    SERVERLESS,
    check_engine,
    check_serverless,
    recogniser_factory,
    run_cloud,
)
from cardveil_cli.commands.endpoint import Endpoint, log_notice, prepare
from cardveil_cli.commands.options import data_option, setting_option, settings_of, threads_option

if TYPE_CHECKING:
    from cardveil_cloud.server import Ready

_EXAMPLES = (
    ("up", "In out/cloud, on a free port; `cardveil put card.jpg` uploads to it."),
    ("up --port 8411 --data out/cloud", "Always on the same port."),
    ("up --set CARDVEIL_POLICY=strict", "With a setting that all functions get."),
)


@click.command("up", cls=Command, examples=_EXAMPLES)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one."
)
@data_option("Where all is kept.")
@click.option(
    "--serverless",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True),
    default=SERVERLESS if SERVERLESS.is_file() else None,
    show_default="serverless.yml",
    help="The multi-scf file of the functions.",
)
@click.option("--bare", is_flag=True, help="Without functions: `cardveil deploy --local` brings them.")
@setting_option("A CARDVEIL_ setting that all functions get, over what the file says.")
@click.option(
    "--retry-interval",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Pause before an event that failed is tried again; 60 on the platform.",
)
@threads_option()
def command(
    port: int,
    data: Path,
    serverless: Path | None,
    bare: bool,
    settings: tuple[str, ...],
    retry_interval: float,
    threads: int,
) -> None:
    """Start the local cloud; print one JSON line with proxy URL, credentials and bucket when it is ready.

    It is for development, tests and demonstrations. Ctrl-C ends it, with exit code 0.
    """
    from cardveil_cloud.options import Options
    from cardveil_cloud.server import NOTICE, LocalCloud

    environment = {"CARDVEIL_SCHEME": "http"}
    environment |= settings_of(settings, environment)
    if serverless is not None and not bare:
        check_serverless(serverless)

    def tell(endpoint: Endpoint, ready: Ready) -> None:
        for notice in (NOTICE, *ready.found, log_notice(data)):
            click.echo(notice, err=True)
        sys.stdout.buffer.write(endpoint.to_line())
        sys.stdout.flush()

    cloud = LocalCloud(
        data,
        port=port,
        serverless=None if bare else serverless,
        recogniser_factory=recogniser_factory(threads),
        retry_interval_s=retry_interval,
        options=Options(environment=environment, scf_api=bare, timers=bare),
    )
    check_engine(cloud)
    prepare(data)
    run_cloud(cloud, data, port, tell)
