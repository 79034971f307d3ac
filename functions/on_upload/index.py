"""A picture has landed in the bucket: process it, unless it is none of ours."""

from __future__ import annotations

import os
from typing import Any

from cardveil.core.context import read_context
from cardveil.core.rate_limit import Pause, RateLimiter
from cardveil.handlers.upload import process_event

#: One of each a process, for all its invocations: calls are paced, a receiver that is down is left alone.
PACE, RECEIVER_PAUSE = RateLimiter(), Pause()


def main_handler(event: Any, context: Any) -> dict[str, int]:
    """Take a COS ObjectCreated event; fail, so that the platform tries again, if any record has failed."""
    return process_event(event, read_context(context), os.environ, PACE, RECEIVER_PAUSE)
