"""Somebody asks over HTTP: the API, its documentation, and the console."""

from __future__ import annotations

import os
from typing import Any

from cardveil.core.context import read_context
from cardveil.core.importing import uncollected
from cardveil.core.rate_limit import Pause, RateLimiter

with uncollected():
    from cardveil.api.revoked import RevokedTokens
    from cardveil.handlers.http import answer
    from cardveil.storage.ledger import Ledger

#: One of each a process, for all its invocations: calls are paced, the list of revoked tokens read, the
#: ledger's chain continued, a receiver of webhooks that is down left alone.
PACE, REVOKED, LEDGER, RECEIVER_PAUSE = RateLimiter(), RevokedTokens(), Ledger(), Pause()


def main_handler(event: Any, context: Any) -> dict[str, Any]:
    """Take a function URL's event; whatever goes wrong is an answer too."""
    return answer(event, read_context(context), os.environ, PACE, REVOKED, LEDGER, RECEIVER_PAUSE)
