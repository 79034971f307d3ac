"""A recognition job says that it is done, by URL or through a queue: check it, then finish its picture."""

from __future__ import annotations

import os
from typing import Any

from cardveil.core.context import read_context
from cardveil.core.rate_limit import Pause, RateLimiter
from cardveil.handlers.callback import process_callback

#: One of each a process, for all its invocations: calls are paced, a receiver that is down is left alone.
PACE, RECEIVER_PAUSE = RateLimiter(), Pause()


def main_handler(event: Any, context: Any) -> dict[str, Any]:
    """Take a callback; answer it, or fail so that a queue delivers it again."""
    return process_callback(event, read_context(context), os.environ, PACE, RECEIVER_PAUSE)
