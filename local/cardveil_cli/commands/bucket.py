"""Which bucket a command works on: that of a local cloud, or a real one with the operator's own key pair."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

import click

from cardveil.core.context import Invocation
from cardveil_cli.commands.endpoint import Endpoint

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
