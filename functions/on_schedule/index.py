"""A timer has fired: finish what no event will finish, and sweep."""

from __future__ import annotations

import os
from typing import Any

from cardveil.core.context import read_context
from cardveil.core.rate_limit import RateLimiter
from cardveil.handlers.timer import process_timer

#: One a process: calls are paced over all invocations of this instance.
PACE = RateLimiter()


def main_handler(event: Any, context: Any) -> dict[str, int]:
    """Take a timer event; its message may say what is to be swept."""
    return process_timer(read_context(context), os.environ, PACE, event)
