"""Sweeps in this process against a running local cloud, as tests begin them and look at what they did."""

from __future__ import annotations

import io
import os
import threading
import time
from typing import Any

from PIL import Image
from tests.support.cloud_fixture import DEMANDED, Bench

from cardveil.core.context import Invocation
from cardveil.settings import from_environment
from cardveil.sweep.context import SweepContext
from cardveil.sweep.run import Run
from cardveil.sweep.selection import Selection, selection_of
from cardveil.sweep.sweep import build_context, sweep


def environment(bench: Bench, **settings: str) -> dict[str, str]:
    """What a sweep in this process is told; `settings` without their prefix."""
    told = {
        "sweep_execution": "direct",
        "sweep_min_age_s": "0",
        "sweep_calls_per_second": "200",
        **settings,
    }
    return {
        **bench.endpoint.environment(),
        **{name: text for name, text in os.environ.items() if name == DEMANDED},
        **{f"CARDVEIL_{name.upper()}": value for name, value in told.items()},
    }


def context(bench: Bench, stop: threading.Event | None = None, /, **settings: str) -> SweepContext:
    """Return the means of a sweep in this process, which ends early once `stop` is set."""
    told = environment(bench, **settings)
    invocation = Invocation(
        f"r{time.monotonic_ns()}", "f", bench.endpoint.region, bench.endpoint.app_id, time.monotonic() + 600
    )
    return build_context(from_environment(told), told, invocation, stop=(stop or threading.Event()).is_set)


def select(made: SweepContext, **chosen: Any) -> Selection:
    """Return the selection of what is chosen, as these settings have it."""
    return selection_of(chosen, made.settings)


def swept(bench: Bench, chosen: dict[str, Any] | None = None, **settings: str) -> Run:
    """Sweep in this process and return the run; raises RuntimeError if another sweep is at work."""
    made = context(bench, **settings)
    run = sweep(made, select(made, **(chosen or {})))
    if run is None:
        raise RuntimeError("another sweep is at work")
    return run


def put(bench: Bench, name: str, data: bytes) -> None:
    """Put a source into the inbox that no event tells of."""
    bench.cloud.store.put(bench.bucket, f"inbox/{name}", data)


def calls(bench: Bench) -> int:
    """Return how many paid calls the cloud has counted."""
    return sum(bench.cloud.usage.by_operation().values())


def small(number: int) -> bytes:
    """A picture of its own that holds no card."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (number % 256, number // 256, 7)).save(buffer, "PNG")
    return buffer.getvalue()
