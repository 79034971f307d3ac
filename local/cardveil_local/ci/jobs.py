"""CI's asynchronous jobs at ``<bucket>.ci.<region>.myqcloud.com``: refused until they are built."""

from __future__ import annotations

import secrets

from starlette.types import Receive, Scope, Send

from cardveil_local.ci.errors import CiError, error_response


class CiJobs:
    """ASGI application for the host of jobs; it answers everything with 501 `NotImplemented`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse one request."""
        response = error_response(CiError("NotImplemented"), secrets.token_hex(16))
        await response(scope, receive, send)
