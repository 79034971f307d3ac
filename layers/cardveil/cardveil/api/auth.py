"""Who is let in to which route: every route is closed unless it says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from cardveil.api.problems import Problem
from cardveil.api.tokens import Caller, TokenError, verify

#: With CAM authentication of the function URL, Authorization carries the platform's signature.
OWN_HEADER: Final = "x-cardveil-token"
_SCHEME: Final = "bearer "
_ROLE: Final = "cardveil_role"
#: For health alone: it answers even when no secret is configured.
ALWAYS: Final = "always"
#: For the page and the documents: they hold no data, and a browser asks for them without a token.
ANYBODY: Final = "anybody"

Handler = TypeVar("Handler", bound=Callable[..., Any])


def requires_role(role: str) -> Callable[[Handler], Handler]:
    """Mark a route with the role that it wants."""

    def mark(handler: Handler) -> Handler:
        setattr(handler, _ROLE, role)
        return handler

    return mark


def role_of(handler: Callable[..., Any]) -> str | None:
    """Return the role that a route wants, None for what is no route."""
    role: str | None = getattr(handler, _ROLE, None)
    return role


def caller_of(role: str, headers: Mapping[str, str], secrets: tuple[str, ...], now: float) -> Caller | None:
    """Return who calls, None on routes for anybody.

    Parameters
    ----------
    headers
        By lower-case name.

    Raises
    ------
    Problem
        503 ``not_configured``, 401 for a token that is missing or lets nobody in, 403 ``role_missing``.
    """
    if role == ALWAYS:
        return None
    if not secrets:
        raise Problem(503, "not_configured", "set CARDVEIL_TOKEN_SECRETS: without a secret nobody is let in")
    if role == ANYBODY:
        return None
    token = headers.get(OWN_HEADER)
    if token is None:
        authorization = headers.get("authorization", "")
        token = authorization[len(_SCHEME) :].strip() if authorization.lower().startswith(_SCHEME) else None
    if not token:
        raise unauthorised("token_missing", "send a token: Authorization: Bearer … or X-Cardveil-Token: …")
    try:
        caller = verify(token, secrets, now=now)
    except TokenError as refused:
        raise unauthorised(str(refused), "ask for a new token") from None
    if not caller.may(role):
        raise Problem(403, "role_missing", f"use a token with the role {role}")
    return caller


def unauthorised(code: str, what_to_do: str) -> Problem:
    """Build the answer to a request whose token lets nobody in."""
    return Problem(401, code, what_to_do, headers={"WWW-Authenticate": "Bearer"})
