"""Puts a sweep's means together from the settings, the role's credentials and the invocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

from cardveil.core.context import Invocation
from cardveil.core.errors import Halt
from cardveil.core.telemetry import Telemetry
from cardveil.pipeline.factory import assemble
from cardveil.settings import Settings, variable
from cardveil.storage.clients import credentials_from, scf_client
from cardveil.storage.listings import CosListing
from cardveil.storage.objects import CosObjects
from cardveil.sweep.context import LEASE_S, SweepContext
from cardveil.sweep.run import Run
from cardveil.sweep.selection import Selection, selection_of


def assemble_means(
    settings: Settings,
    environment: Mapping[str, str],
    invocation: Invocation,
    *,
    telemetry: Telemetry | None = None,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Run], None] = lambda _: None,
    lease_s: float = LEASE_S,
) -> SweepContext:
    """Build the means of sweeps over the bucket of the settings.

    Raises
    ------
    Halt
        When a setting or the credentials are missing or wrong.
    """
    if not settings.bucket:
        raise Halt("setting_invalid", f"set {variable('bucket')} to the bucket to sweep")
    processor = assemble(
        settings,
        environment,
        invocation,
        bucket=settings.bucket,
        region=invocation.region,
        tell=telemetry.count if telemetry else None,
    )
    return SweepContext(
        processor,
        _listing(processor.pipeline.sources),
        _listing(processor.pipeline.results.objects),
        settings,
        telemetry,
        partial(_scf, settings, environment, invocation.region),
        stop,
        tell,
        lease_s=lease_s,
    )


def selection_of_message(message: Any, settings: Settings) -> Selection:
    """Read a timer's message: empty for the whole inbox, else a selection as JSON.

    Raises
    ------
    Halt
        ``timer_message_unreadable`` or ``sweep_selection_invalid``; the text holds nothing of the message.
    """
    try:
        document = orjson.loads(message) if message else {}
    except (orjson.JSONDecodeError, TypeError):
        document = None
    if not isinstance(document, dict):
        raise Halt(
            "timer_message_unreadable", "write the timer's message as a JSON object, or leave it empty"
        )
    return selection_of(document, settings)


def _listing(objects: object) -> CosListing:
    if not isinstance(objects, CosObjects):
        raise TypeError("the buckets stand in COS")
    return CosListing(objects)


def _scf(settings: Settings, environment: Mapping[str, str], region: str) -> Any:
    proxy = environment.get("http_proxy") or environment.get("HTTP_PROXY")
    proxy = proxy if settings.scheme == "http" else None
    return scf_client(settings, credentials_from(environment), region, proxy)
