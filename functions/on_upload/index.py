"""A picture has landed in the bucket: process it, unless it is none of ours."""

from __future__ import annotations

import os
from typing import Any

from cardveil.core.context import read_context
from cardveil.core.rate_limit import RateLimiter
from cardveil.handlers.upload import process_event

#: One a process: calls are paced over all invocations of this instance.
PACE = RateLimiter()


def main_handler(event: Any, context: Any) -> dict[str, int]:
    """Take a COS ObjectCreated event; fail, so that the platform tries again, if any record has failed."""
    return process_event(event, read_context(context), os.environ, PACE)
