"""Somebody asks over HTTP: the API, its documentation, and the console."""

from __future__ import annotations

import os
from typing import Any

from cardveil.core.context import read_context
from cardveil.core.importing import uncollected
from cardveil.core.rate_limit import RateLimiter

with uncollected():
    from cardveil.api.revoked import RevokedTokens
    from cardveil.handlers.http import answer

#: One of each a process: calls are paced, and the list of revoked tokens read, for all its invocations.
PACE, REVOKED = RateLimiter(), RevokedTokens()


def main_handler(event: Any, context: Any) -> dict[str, Any]:
    """Take a function URL's event; whatever goes wrong is an answer too."""
    return answer(event, read_context(context), os.environ, PACE, REVOKED)
