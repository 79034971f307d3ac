"""Waits for what another process or thread brings about: tests end when it has come, not when time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def eventually(condition: Callable[[], bool], within_s: float = 30.0) -> bool:
    """Say whether something comes within some seconds; returns as soon as it has."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def gone(pid: int, within_s: float = 30.0) -> bool:
    """Say whether a process ends within some seconds; one that nobody has reaped yet has ended."""

    def ended() -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        return state == "Z"

    return eventually(ended, within_s)
