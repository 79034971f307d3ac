"""Names and times the stages of one picture's way, for logs, benchmarks and tests that stop it anywhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Final

#: Every stage, in the order in which an undisturbed picture passes them.
STAGES: Final = (
    "claim",
    "inspect",
    "upright",
    "recognise",
    "plan",
    "redact",
    "prove",
    "mark",
    "confirm",
    "publish",
    "release",
)


class Timings:
    """Collects wall-clock milliseconds by stage; a stage that is passed twice adds up."""

    def __init__(self) -> None:
        self.elapsed_ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measure one stage; `name` is one of `STAGES`."""
        if name not in STAGES:
            raise ValueError(f"no such stage: {name}")
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - started) * 1000
            self.elapsed_ms[name] = round(self.elapsed_ms.get(name, 0.0) + spent, 2)


def iso(seconds: float, timespec: str = "seconds") -> str:
    """Return a moment (seconds since the epoch) as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec=timespec).replace("+00:00", "Z")
