"""Which bucket a command works on: that of a local cloud, or a real one with the operator's own key pair."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

import click

from cardveil.core.context import Invocation
from cardveil.core.errors import Halt
from cardveil.settings import from_environment
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.commands.options import FOLDER

if TYPE_CHECKING:
    from cardveil.pipeline.jobs import CardProcessor

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: A terminal's work has no time limit: ten years.
_NO_LIMIT_S: Final = 3.2e8


def bucket_environment(data: Path | None, bucket: str | None, region: str | None) -> dict[str, str]:
    """Return what a function that works on the bucket would find in its environment.

    Raises
    ------
    click.UsageError
        When neither a local cloud's folder nor a real bucket is named.
    """
    environment = {name: text for name, text in os.environ.items() if name != "CARDVEIL_STAGE"}
    if data is not None:
        endpoint = Endpoint.of_folder(data)
        return environment | {
            **endpoint.environment(),
            "TENCENTCLOUD_SESSIONTOKEN": "",
            "TENCENTCLOUD_REGION": endpoint.region,
            "TENCENTCLOUD_APPID": endpoint.app_id,
        }
    if not bucket or not region:
        raise click.UsageError("say which bucket: --data FOLDER, or --bucket NAME and --region REGION")
    return environment | {"CARDVEIL_BUCKET": bucket, "TENCENTCLOUD_REGION": region}


def invocation(command: str, environment: Mapping[str, str]) -> Invocation:
    """Return the run of a command in the form of a function's, without its end."""
    return Invocation(
        request_id=f"cli-{uuid4().hex[:12]}",
        function_name=f"cardveil-{command}",
        region=environment["TENCENTCLOUD_REGION"],
        app_id=environment.get("TENCENTCLOUD_APPID", ""),
        deadline=time.monotonic() + _NO_LIMIT_S,
    )


def bucket_options(function: _Function) -> _Function:
    """Add the options that say which bucket is meant; see `bucket_environment`."""
    data = click.option("--data", type=FOLDER, help="In the local cloud that runs on this folder.")
    bucket = click.option(
        "--bucket", help="Full name of a real bucket; the key pair comes from TENCENTCLOUD_SECRETID/KEY."
    )
    region = click.option("--region", help="The bucket's region.")
    return data(bucket(region(function)))


def processor_of(command: str, environment: Mapping[str, str]) -> CardProcessor:
    """Return what works on the bucket of an environment, as a function would.

    Raises
    ------
    Halt
        ``setting_missing`` when no bucket is named.
    """
    from cardveil.pipeline.factory import build_processor

    settings = from_environment(environment)
    if not settings.bucket:
        raise Halt("setting_missing", "set CARDVEIL_BUCKET to the bucket's full name")
    run = invocation(command, environment)
    return build_processor(settings, environment, run, bucket=settings.bucket, region=run.region)
